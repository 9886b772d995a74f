//! Sending: heads, data within the windows, trailers, resets, and the window updates that releasing brings.

use super::Role;
use super::conn::{Conn, Refused, StreamId};
use super::frame::{self, Code, DATA, END_STREAM, HEAD};
use super::streams::{ANSWERED, BLOCKED, HEAD_ONLY, LOCAL_END, QUEUED, Stream};
use crate::head::{Edit, Fields, Request, Response};

/// Payload of the ping that separates the first GOAWAY of a drain from the final one.
pub(super) const DRAIN_PING: [u8; 8] = *b"isthmus\0";

impl Conn {
    /// Client: opens a stream. `:scheme` is `http` if the request names none. The end-to-end fields, less `edit.drop`,
    /// plus `edit.add` are sent.
    pub fn send_request(
        &mut self,
        out: &mut Vec<u8>,
        head: &Request<'_>,
        edit: &Edit<'_>,
        end: bool,
        token: u64,
    ) -> Result<StreamId, Refused> {
        if self.going() || self.next >= 1 << 31 {
            return Err(Refused::Away);
        }
        if !self.can_open() {
            return Err(Refused::Full);
        }
        let id = self.next;
        self.next += 2;
        let mut stream = Stream::new(id, token, self.peer_window, i64::from(self.config.stream_window));
        if end {
            stream.flags |= LOCAL_END;
        }
        if head.method == b"HEAD" {
            stream.flags |= HEAD_ONLY;
        }
        self.streams.insert(stream);
        let start = open(out);
        self.encoder.request(out, head, edit);
        frame::seal(out, start, self.peer_frame, end, id);
        Ok(id)
    }

    /// Server: answers; a status below 200 is interim and may be followed by others.
    pub fn send_response(
        &mut self,
        out: &mut Vec<u8>,
        stream: StreamId,
        head: &Response<'_>,
        edit: &Edit<'_>,
        end: bool,
    ) -> Result<(), Refused> {
        let found = self.sendable(stream)?;
        if found.has(ANSWERED) {
            return Err(Refused::Gone);
        }
        if head.status >= 200 {
            found.flags |= ANSWERED;
        }
        let end = end && head.status >= 200;
        let start = open(out);
        self.encoder.response(out, head, edit);
        frame::seal(out, start, self.peer_frame, end, stream);
        if end {
            self.ended(stream, Conn::LOCAL, out);
        }
        Ok(())
    }

    /// Sends what the windows allow of `data` and says how much that was; `end` is set only when all went. Less than
    /// all: the stream is queued, `Event::Writable` follows. Empty `data` with `end` always goes.
    pub fn send_data(&mut self, out: &mut Vec<u8>, stream: StreamId, data: &[u8], end: bool) -> Result<usize, Refused> {
        let (window, max) = (self.send, self.peer_frame);
        let found = self.sendable(stream)?;
        let allowed = found.send.min(window).max(0) as usize;
        let n = data.len().min(allowed);
        let whole = n == data.len();
        found.send -= n as i64;
        if whole {
            found.flags &= !BLOCKED;
        } else {
            found.flags |= BLOCKED;
        }
        // A stream without a window of its own is woken by its own update, not by the connection's.
        let waits = found.has(BLOCKED) && found.send > 0 && !found.has(QUEUED);
        self.send -= n as i64;
        if waits {
            self.wait(stream);
        }
        let mut parts = data[..n].chunks(max).peekable();
        if n == 0 && whole && end {
            frame::put(out, 0, DATA, END_STREAM, stream);
        }
        while let Some(part) = parts.next() {
            let last = whole && end && parts.peek().is_none();
            out.reserve(HEAD + part.len());
            frame::put(out, part.len(), DATA, if last { END_STREAM } else { 0 }, stream);
            out.extend_from_slice(part);
            self.control.give(2);
        }
        if whole && end {
            self.ended(stream, Conn::LOCAL, out);
        }
        Ok(n)
    }

    /// Sends trailers and ends our side of the stream.
    pub fn send_trailers(
        &mut self,
        out: &mut Vec<u8>,
        stream: StreamId,
        fields: &Fields<'_>,
        edit: &Edit<'_>,
    ) -> Result<(), Refused> {
        self.sendable(stream)?;
        let start = open(out);
        self.encoder.trailers(out, fields, edit);
        frame::seal(out, start, self.peer_frame, true, stream);
        self.ended(stream, Conn::LOCAL, out);
        Ok(())
    }

    /// Ends a stream at once; no event follows. Nothing if it is gone.
    pub fn reset(&mut self, out: &mut Vec<u8>, stream: StreamId, code: Code) {
        if self.remove(stream, true, out).is_some() {
            frame::put_u32(out, frame::RST_STREAM, stream, code as u32);
        }
    }

    /// Gives back `n` received bytes that have been passed on; window updates go out at half windows. Safe after the
    /// stream is gone (its bytes were given back then).
    pub fn release(&mut self, out: &mut Vec<u8>, stream: StreamId, n: usize) {
        let Some(found) = self.streams.get_mut(stream) else { return };
        let n = found.held.min(u32::try_from(n).unwrap_or(u32::MAX));
        found.held -= n;
        self.owe(out, stream, n);
        self.credit(out, n);
    }

    /// Gives bytes back to the window of a stream; the peer is told at half, unless it has ended.
    pub(super) fn owe(&mut self, out: &mut Vec<u8>, stream: StreamId, n: u32) {
        let half = self.config.stream_window / 2;
        let Some(found) = self.streams.get_mut(stream) else { return };
        found.owed += n;
        if found.owed >= half && !found.has(Conn::REMOTE) {
            found.receive += i64::from(found.owed);
            frame::put_u32(out, frame::WINDOW_UPDATE, stream, found.owed);
            found.owed = 0;
        }
    }

    /// Sends a PING.
    pub fn ping(&mut self, out: &mut Vec<u8>, payload: [u8; 8]) {
        frame::put(out, 8, frame::PING, 0, 0);
        out.extend_from_slice(&payload);
    }

    /// Says GOAWAY: streams already begun may finish, new ones are refused. Close once [`Conn::idle`]. A server that drains
    /// (`NoError`) first names all streams and sends a ping; its answer brings the final GOAWAY, so that requests under way
    /// are not lost.
    pub fn goaway(&mut self, out: &mut Vec<u8>, code: Code) {
        if self.we_go {
            return;
        }
        self.we_go = true;
        if self.role == Role::Server && code == Code::NoError {
            self.draining = true;
            self.say_goaway(out, (1 << 31) - 1, code);
            self.ping(out, DRAIN_PING);
        } else {
            self.say_goaway(out, self.last, code);
        }
    }

    /// Puts a stream in the queue for the connection's window. Bound: the streams, and as many that are gone.
    pub(super) fn wait(&mut self, stream: StreamId) {
        if self.queue.len() > self.streams.len() * 2 + 64 {
            let streams = &self.streams;
            self.queue.retain(|id| streams.get(*id).is_some());
        }
        if let Some(found) = self.streams.get_mut(stream) {
            found.flags |= QUEUED;
            self.queue.push_back(stream);
        }
    }

    /// A stream that is still open on our side.
    #[inline]
    fn sendable(&mut self, stream: StreamId) -> Result<&mut Stream, Refused> {
        match self.streams.get_mut(stream) {
            Some(found) if !found.has(LOCAL_END) => Ok(found),
            _ => Err(Refused::Gone),
        }
    }
}

/// Leaves room for a frame header; says where.
#[inline]
fn open(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    start
}
