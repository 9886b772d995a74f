//! Receiving: cuts the input into frames, checks each against the state of its stream, turns heads and data into events.
//! DATA is handed on as it arrives, never buffered; every other frame is taken whole.

use super::conn::{Conn, Event, Opening, Pending, StreamId};
use super::frame::{self, Code, END_HEADERS, END_STREAM, HEAD, Head, PADDED, PRIORITISED};
use super::heads::{self, Found};
use super::streams::{BLOCKED, HEAD_ONLY, HEADED, QUEUED, REMOTE_END, Stream};
use super::{Fatal, Role};
use crate::head::{Edit, Fields, Response, Scratch, Version};

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

/// Interim answers to one request.
const INTERIM_LIMIT: u8 = crate::h1::INTERIM_LIMIT;

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
            Step::Trailers { stream, token, found } => Event::Trailers { stream, token, fields: heads::rest(scratch, &found) },
            Step::Reset { stream, token, code, local } => Event::Reset { stream, token, code, local },
            Step::Writable { stream, token } => Event::Writable { stream, token },
            Step::Goaway { last, code } => Event::Goaway { last, code },
            Step::Pong { payload } => Event::Pong { payload },
            Step::Settings => Event::Settings,
        }))
    }

    fn step(&mut self, now: u64, input: &[u8], at: &mut usize, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
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
        self.fail(out, Code::EnhanceYourCalm, "too many resets")
    }

    /// Resets a stream for the peer's fault.
    pub(super) fn stream_error(&mut self, now: u64, stream: StreamId, code: Code, out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        frame::put_u32(out, frame::RST_STREAM, stream, code as u32);
        let gone = self.remove(stream, true, out);
        if gone.is_none() {
            self.note_reset(stream);
        }
        self.charge_reset(now, out)?;
        Ok(gone.map(|gone| Step::Reset { stream, token: gone.token, code, local: true }))
    }

    /// The start of a DATA frame; `payload` is the padding length or nothing, `at` where the data begins.
    fn data(&mut self, now: u64, head: &Head, payload: &[u8], at: usize, out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        let (stream, end) = (head.stream, head.has(END_STREAM));
        let padding = payload.first().map_or(0, |pad| usize::from(*pad) + 1);
        if stream == 0 || padding > head.len || (head.has(PADDED) && head.len == 0) || self.is_unborn(stream) {
            let code = if head.len == 0 && head.has(PADDED) { Code::FrameSizeError } else { Code::ProtocolError };
            return self.fail(out, code, "malformed data frame");
        }
        self.receive -= head.len as i64;
        if self.receive < 0 {
            return self.fail(out, Code::FlowControlError, "connection window exceeded");
        }
        self.credit(out, padding as u32);
        let n = head.len - padding;
        if n == 0 && !end { self.calm(2, now, out)? } else { self.control.give(1) }
        self.pending = Some(Pending { stream, left: n, pad: padding.saturating_sub(1), end });
        let judged = self.judge_data(stream, n, padding, end);
        if judged.is_ok() && padding > 0 {
            self.owe(out, stream, padding as u32);
        }
        match judged {
            Ok(token) if n == 0 && end => {
                self.pending = self.pending.filter(|pending| pending.pad > 0).map(|pending| Pending { end: false, ..pending });
                self.ended(stream, Conn::REMOTE, out);
                Ok(Some(Step::Data { stream, token, from: at, to: at, end: true }))
            }
            Ok(_) => Ok(None),
            Err(Code::NoError) => Ok(None),
            Err(code) => self.stream_error(now, stream, code, out),
        }
    }

    /// Whether data fits the state of its stream. `Err(NoError)`: it belongs to a stream we have reset, and is dropped.
    fn judge_data(&mut self, stream: StreamId, n: usize, padding: usize, end: bool) -> Result<u64, Code> {
        let forgiven = self.was_reset_by_us(stream);
        let Some(found) = self.streams.get_mut(stream) else {
            return Err(if forgiven { Code::NoError } else { Code::StreamClosed });
        };
        if found.has(REMOTE_END) {
            return Err(Code::StreamClosed);
        }
        if !found.has(HEADED) {
            return Err(Code::ProtocolError);
        }
        found.receive -= (n + padding) as i64;
        if found.receive < 0 {
            return Err(Code::FlowControlError);
        }
        if found.expected >= 0 {
            found.expected -= n as i64;
            if found.expected < 0 || (end && found.expected > 0) {
                return Err(Code::ProtocolError);
            }
        }
        Ok(found.token)
    }

    /// More of a DATA frame whose header has been taken. There is at least one byte.
    fn more_data(&mut self, pending: Pending, input: &[u8], at: &mut usize, out: &mut Vec<u8>) -> Option<Step> {
        let Pending { stream, left, pad, end } = pending;
        let n = left.min(input.len() - *at);
        let skipped = if n == left { pad.min(input.len() - *at - n) } else { 0 };
        let from = *at;
        *at += n + skipped;
        let rest = Pending { left: left - n, pad: pad - skipped, ..pending };
        self.pending = (rest.left + rest.pad > 0).then_some(rest);
        if n == 0 {
            return None;
        }
        let Some(found) = self.streams.get_mut(stream).filter(|found| !found.has(REMOTE_END)) else {
            self.credit(out, n as u32);
            return None;
        };
        found.held += n as u32;
        let token = found.token;
        let end = end && rest.left == 0;
        if end {
            self.ended(stream, Conn::REMOTE, out);
        }
        Some(Step::Data { stream, token, from, to: from + n, end })
    }

    /// A HEADERS frame: its fragment is decoded at once if it is the whole block.
    fn headers(&mut self, now: u64, head: &Head, payload: &[u8], scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        let stream = head.stream;
        let unfit = match self.role {
            Role::Server => stream % 2 == 0,
            Role::Client => stream == 0 || self.is_unborn(stream),
        };
        if unfit {
            return self.fail(out, Code::ProtocolError, "headers on a stream that cannot be");
        }
        let Some((fragment, broken)) = fragment(head, payload) else {
            return self.fail(out, Code::ProtocolError, "malformed headers frame");
        };
        let opening = Opening { stream, end: head.has(END_STREAM), broken };
        if head.has(END_HEADERS) {
            return self.headed(now, opening, fragment, scratch, out);
        }
        self.opening = Some(opening);
        self.block.extend_from_slice(fragment);
        Ok(None)
    }

    fn continuation(&mut self, now: u64, head: &Head, payload: &[u8], scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        // A block of full frames needs few of these; a flood of small ones is an attack.
        self.calm(if payload.is_empty() { 100 } else { 10 }, now, out)?;
        if self.block.len() + payload.len() > self.config.header_list as usize {
            return self.fail(out, Code::EnhanceYourCalm, "header block too large");
        }
        self.block.extend_from_slice(payload);
        let Some(opening) = self.opening.filter(|_| head.has(END_HEADERS)) else { return Ok(None) };
        self.opening = None;
        let block = std::mem::take(&mut self.block);
        self.headed(now, opening, &block, scratch, out)
    }

    /// A whole header block: whatever becomes of it, it must be decoded, or the tables would part.
    fn headed(&mut self, now: u64, opening: Opening, block: &[u8], scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        let Opening { stream, end, broken } = opening;
        let Ok(listed) = self.decoder.decode(block, self.config.header_list as usize, scratch) else {
            return self.fail(out, Code::CompressionError, "header block cannot be decoded");
        };
        let Some(found) = self.streams.get(stream).copied() else {
            return self.unknown(now, opening, listed.over, scratch, out);
        };
        if found.has(REMOTE_END) {
            return self.stream_error(now, stream, Code::StreamClosed, out);
        }
        if listed.over {
            return self.stream_error(now, stream, Code::EnhanceYourCalm, out);
        }
        if broken {
            return self.stream_error(now, stream, Code::ProtocolError, out);
        }
        let step = if found.has(HEADED) { self.trailed(&found, end, scratch, out) } else { self.answered(&found, end, scratch, out) };
        match step {
            Some(step) => Ok(Some(step)),
            None => self.stream_error(now, stream, Code::ProtocolError, out),
        }
    }

    /// Trailers; `None`: malformed.
    fn trailed(&mut self, stream: &Stream, end: bool, scratch: &mut Scratch, out: &mut Vec<u8>) -> Option<Step> {
        let found = heads::check_trailers(scratch).ok()?;
        if !end || stream.expected > 0 {
            return None;
        }
        self.ended(stream.id, Conn::REMOTE, out);
        Some(Step::Trailers { stream: stream.id, token: stream.token, found })
    }

    /// A response head; `None`: malformed.
    fn answered(&mut self, stream: &Stream, end: bool, scratch: &mut Scratch, out: &mut Vec<u8>) -> Option<Step> {
        let found = heads::check_response(scratch).ok()?;
        let (id, token) = (stream.id, stream.token);
        let kept = self.streams.get_mut(id)?;
        if found.status < 200 {
            kept.interim += 1;
            return (!end && kept.interim <= INTERIM_LIMIT).then_some(Step::Response { stream: id, token, found, end: false });
        }
        let bodiless = kept.has(HEAD_ONLY) || found.status == 204 || found.status == 304;
        let expected = if bodiless { Some(0) } else { found.length };
        kept.flags |= HEADED;
        kept.expected = expected.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
        if end {
            if kept.expected > 0 {
                return None;
            }
            self.ended(id, Conn::REMOTE, out);
        }
        Some(Step::Response { stream: id, token, found, end })
    }

    /// A block for a stream that is not there: a new request, or something late.
    fn unknown(&mut self, now: u64, opening: Opening, over: bool, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        let Opening { stream, end, broken } = opening;
        if self.role == Role::Client || stream <= self.last {
            return if self.role == Role::Client || self.was_reset_by_us(stream) || self.forgot {
                Ok(None)
            } else if self.was_open(stream) {
                self.fail(out, Code::StreamClosed, "headers on a closed stream")
            } else {
                self.fail(out, Code::ProtocolError, "stream number goes back")
            };
        }
        self.last = stream;
        if self.we_go && !self.draining {
            // Above the last stream our GOAWAY named: the client knows that it was not handled.
            self.note_reset(stream);
            return Ok(None);
        }
        let found = heads::check_request(scratch);
        let declared = found.map(|found| found.length).ok().flatten();
        let code = if self.streams.len() >= self.config.max_streams as usize {
            Code::RefusedStream
        } else if broken || (!over && (found.is_err() || (end && declared.is_some_and(|n| n > 0)))) {
            Code::ProtocolError
        } else {
            return self.begun(now, opening, found.unwrap_or_default(), over, out);
        };
        self.stream_error(now, stream, code, out)
    }

    /// A request that is one. A list over the limit is answered with 431 here.
    fn begun(&mut self, now: u64, opening: Opening, found: Found, over: bool, out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        let Opening { stream, end, .. } = opening;
        let mut fresh = Stream::new(stream, 0, self.peer_window, i64::from(self.config.stream_window));
        fresh.flags = HEADED | if end { REMOTE_END } else { 0 };
        fresh.expected = found.length.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
        self.streams.insert(fresh);
        if over {
            let head = Response { status: 431, reason: b"", version: Version::H2, fields: Fields::EMPTY };
            // The stream was made a line ago: this cannot be refused.
            let _ = self.send_response(out, stream, &head, &Edit::NONE, true);
            self.reset(out, stream, Code::NoError);
            self.charge_reset(now, out)?;
            return Ok(None);
        }
        Ok(Some(Step::Request { stream, found, end }))
    }
}

/// The fragment of a HEADERS frame without padding and priority, and whether the stream depends on itself.
fn fragment<'a>(head: &Head, payload: &'a [u8]) -> Option<(&'a [u8], bool)> {
    let mut rest = payload;
    let mut padding = 0;
    if head.has(PADDED) {
        let (pad, more) = rest.split_first()?;
        (padding, rest) = (usize::from(*pad), more);
    }
    let mut broken = false;
    if head.has(PRIORITISED) {
        let (dependency, more) = rest.split_at_checked(5)?;
        broken = super::control::depends_on(dependency) == Some(head.stream);
        rest = more;
    }
    let end = rest.len().checked_sub(padding)?;
    Some((&rest[..end], broken))
}
