//! HEADERS and CONTINUATION: header blocks, and what they mean for their streams.

use super::{Step, control};
use crate::h2::conn::{Conn, Opening};
use crate::h2::frame::{Code, END_HEADERS, END_STREAM, Head, PADDED, PRIORITISED};
use crate::h2::heads::{self, Found};
use crate::h2::streams::{HEAD_ONLY, HEADED, REMOTE_END, Stream};
use crate::h2::{Fatal, Role};
use crate::head::{Edit, Fields, Response, Scratch, Version};

/// Interim answers to one request.
const INTERIM_LIMIT: u8 = crate::h1::INTERIM_LIMIT;

impl Conn {
    /// A HEADERS frame: its fragment is decoded at once if it is the whole block.
    pub(super) fn headers(
        &mut self,
        now: u64,
        head: &Head,
        payload: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Option<Step>, Fatal> {
        let stream = head.stream;
        let unfit = match self.role {
            Role::Server => stream.is_multiple_of(2),
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

    pub(super) fn continuation(
        &mut self,
        now: u64,
        head: &Head,
        payload: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Option<Step>, Fatal> {
        // A block of full frames needs few of these; a flood of small ones is an attack.
        self.calm(if payload.is_empty() { 100 } else { 10 }, now, out)?;
        if self.block.len() + payload.len() > self.config.header_list as usize {
            return self.fail(out, Code::EnhanceYourCalm, crate::h2::BLOCK_TOO_LARGE);
        }
        self.block.extend_from_slice(payload);
        let Some(opening) = self.opening.filter(|_| head.has(END_HEADERS)) else { return Ok(None) };
        self.opening = None;
        let block = std::mem::take(&mut self.block);
        self.headed(now, opening, &block, scratch, out)
    }

    /// A whole header block: whatever becomes of it, it must be decoded, or the tables would part.
    fn headed(
        &mut self,
        now: u64,
        opening: Opening,
        block: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Option<Step>, Fatal> {
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
        let step = if found.has(HEADED) {
            self.trailed(&found, end, scratch, out)
        } else {
            self.answered(&found, end, scratch, out)
        };
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
            return (!end && kept.interim <= INTERIM_LIMIT).then_some(Step::Response {
                stream: id,
                token,
                found,
                end: false,
            });
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
    fn unknown(
        &mut self,
        now: u64,
        opening: Opening,
        over: bool,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Option<Step>, Fatal> {
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
    fn begun(
        &mut self,
        now: u64,
        opening: Opening,
        found: Found,
        over: bool,
        out: &mut Vec<u8>,
    ) -> Result<Option<Step>, Fatal> {
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
            self.faults.lists = self.faults.lists.saturating_add(1);
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
        broken = control::depends_on(dependency) == Some(head.stream);
        rest = more;
    }
    let end = rest.len().checked_sub(padding)?;
    Some((&rest[..end], broken))
}
