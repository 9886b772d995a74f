//! Receiving: cuts the input into frames, judges each by the state of the connection and hands it to its kind: [`data`],
//! [`blocks`], [`control`]. DATA is handed on as it arrives, never buffered; every other frame is taken whole.

use super::conn::{Conn, Event, StreamId};
use super::frame::{self, Code, HEAD, Head, PADDED};
use super::heads::{self, Found};
use super::streams::{BLOCKED, QUEUED, Stream};
use super::{Fatal, Role};
use crate::head::Scratch;

mod blocks;
mod control;
mod data;

/// An event that borrows nothing yet.
pub(super) enum Step {
    Request { stream: StreamId, found: Found, end: bool },
    Response { stream: StreamId, token: u64, found: Found, end: bool },
    Data { stream: StreamId, token: u64, from: usize, to: usize, end: bool },
    Trailers { stream: StreamId, token: u64, found: Found },
    Reset { stream: StreamId, token: u64, code: Code, local: bool },
    Writable { stream: StreamId, token: u64 },
    Goaway { last: StreamId, code: Code },
    Pong { payload: [u8; 8] },
    Settings,
}

impl Conn {
    /// Takes frames off `input[*at..]` until one yields an event. `Ok(None)`: all whole frames are taken; keep
    /// `input[*at..]` (less than one frame, DATA is never held back) and call again with more. Answers are appended to `out`.
    /// `scratch` holds the event's head until the next call.
    pub fn recv<'a>(
        &mut self,
        now: u64,
        input: &'a [u8],
        at: &mut usize,
        scratch: &'a mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, Fatal> {
        let Some(step) = self.step(now, input, at, scratch, out)? else { return Ok(None) };
        let scratch: &'a Scratch = scratch;
        Ok(Some(match step {
            Step::Request { stream, found, end } => {
                Event::Request { stream, head: heads::request(scratch, &found), end, length: found.length }
            }
            Step::Response { stream, token, found, end } => {
                Event::Response { stream, token, head: heads::response(scratch, &found), end, length: found.length }
            }
            Step::Data { stream, token, from, to, end } => Event::Data { stream, token, data: &input[from..to], end },
            Step::Trailers { stream, token, found } => {
                Event::Trailers { stream, token, fields: heads::rest(scratch, &found) }
            }
            Step::Reset { stream, token, code, local } => Event::Reset { stream, token, code, local },
            Step::Writable { stream, token } => Event::Writable { stream, token },
            Step::Goaway { last, code } => Event::Goaway { last, code },
            Step::Pong { payload } => Event::Pong { payload },
            Step::Settings => Event::Settings,
        }))
    }

    fn step(
        &mut self,
        now: u64,
        input: &[u8],
        at: &mut usize,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Option<Step>, Fatal> {
        loop {
            if let Some(step) = self.waiting(out) {
                return Ok(Some(step));
            }
            if self.preface > 0 && !self.greeted(input, at, out)? {
                return Ok(None);
            }
            if let Some(pending) = self.pending {
                if *at == input.len() {
                    return Ok(None);
                }
                match self.more_data(pending, input, at, out) {
                    Some(step) => return Ok(Some(step)),
                    None => continue,
                }
            }
            let Some(bytes) = input[*at..].first_chunk::<HEAD>() else { return Ok(None) };
            let head = Head::read(bytes);
            self.admit(&head, out)?;
            let known = if head.kind == frame::DATA { head.len.min(usize::from(head.has(PADDED))) } else { head.len };
            let Some(payload) = input.get(*at + HEAD..*at + HEAD + known) else { return Ok(None) };
            *at += HEAD + known;
            let step = match head.kind {
                frame::DATA => self.data(now, &head, payload, *at, out)?,
                frame::HEADERS => self.headers(now, &head, payload, scratch, out)?,
                frame::CONTINUATION => self.continuation(now, &head, payload, scratch, out)?,
                _ => self.control_frame(now, &head, payload, out)?,
            };
            if step.is_some() {
                return Ok(step);
            }
        }
    }

    /// What is due without any input: refusals after a GOAWAY, streams that may send again.
    #[inline]
    fn waiting(&mut self, out: &mut Vec<u8>) -> Option<Step> {
        if let Some(last) = self.purge {
            let refused = self.streams.iter().find(|stream| stream.id > last).copied();
            match refused.and_then(|stream| self.remove(stream.id, true, out)) {
                Some(Stream { id: stream, token, .. }) => {
                    return Some(Step::Reset { stream, token, code: Code::RefusedStream, local: false });
                }
                None => self.purge = None,
            }
        }
        while self.send > 0 {
            let stream = self.queue.pop_front()?;
            let Some(found) = self.streams.get_mut(stream) else { continue };
            found.flags &= !QUEUED;
            if found.has(BLOCKED) && found.send > 0 {
                found.flags &= !BLOCKED;
                return Some(Step::Writable { stream, token: found.token });
            }
        }
        None
    }

    /// Takes the client's preface, as much of it as there is.
    fn greeted(&mut self, input: &[u8], at: &mut usize, out: &mut Vec<u8>) -> Result<bool, Fatal> {
        let done = frame::PREFACE.len() - self.preface;
        let n = self.preface.min(input.len() - *at);
        if input[*at..*at + n] != frame::PREFACE[done..done + n] {
            return self.fail(out, Code::ProtocolError, "malformed preface");
        }
        *at += n;
        self.preface -= n;
        Ok(self.preface == 0)
    }

    /// What holds for every frame, judged on its header.
    #[inline]
    fn admit(&mut self, head: &Head, out: &mut Vec<u8>) -> Result<(), Fatal> {
        if head.len > self.config.frame as usize {
            return self.fail(out, Code::FrameSizeError, "frame too large");
        }
        if !self.settled {
            if head.kind != frame::SETTINGS || head.has(frame::ACK) {
                return self.fail(out, Code::ProtocolError, "first frame is not settings");
            }
            self.settled = true;
        }
        match self.opening {
            Some(opening) if head.kind != frame::CONTINUATION || head.stream != opening.stream => {
                self.fail(out, Code::ProtocolError, "header block interrupted")
            }
            None if head.kind == frame::CONTINUATION => self.fail(out, Code::ProtocolError, "continuation of nothing"),
            _ => Ok(()),
        }
    }

    /// Charges the peer for a frame that carries nothing.
    #[inline]
    pub(super) fn calm(&mut self, cost: u32, now: u64, out: &mut Vec<u8>) -> Result<(), Fatal> {
        let limits = self.config.limits;
        if self.control.take(cost, limits.control, limits.control_per_second, now) {
            return Ok(());
        }
        self.fail(out, Code::EnhanceYourCalm, "too many frames without content")
    }

    /// Charges a client for a stream that came to nothing.
    pub(super) fn charge_reset(&mut self, now: u64, out: &mut Vec<u8>) -> Result<(), Fatal> {
        let limits = self.config.limits;
        if self.role == Role::Client || self.resets.take(1, limits.resets, limits.resets_per_second, now) {
            return Ok(());
        }
        self.fail(out, Code::EnhanceYourCalm, super::TOO_MANY_RESETS)
    }

    /// Resets a stream for the peer's fault.
    pub(super) fn stream_error(
        &mut self,
        now: u64,
        stream: StreamId,
        code: Code,
        out: &mut Vec<u8>,
    ) -> Result<Option<Step>, Fatal> {
        self.faults.note(code);
        frame::put_u32(out, frame::RST_STREAM, stream, code as u32);
        let gone = self.remove(stream, true, out);
        if gone.is_none() {
            self.note_reset(stream);
        }
        self.charge_reset(now, out)?;
        Ok(gone.map(|gone| Step::Reset { stream, token: gone.token, code, local: true }))
    }
}
