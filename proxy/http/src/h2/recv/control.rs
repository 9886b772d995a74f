//! Frames that carry no message: settings, pings, windows, resets, farewells.

use super::Step;
use crate::h2::conn::Conn;
use crate::h2::frame::{self, ACK, Code, Head};
use crate::h2::send::DRAIN_PING;
use crate::h2::streams::{BLOCKED, QUEUED};
use crate::h2::{Fatal, Role};

/// The stream that a priority depends on.
pub(super) fn depends_on(payload: &[u8]) -> Option<u32> {
    let bytes = payload.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*bytes) & 0x7fff_ffff)
}

impl Conn {
    /// Any frame but DATA, HEADERS and CONTINUATION.
    pub(super) fn control_frame(
        &mut self,
        now: u64,
        head: &Head,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Step>, Fatal> {
        self.calm(1, now, out)?;
        match head.kind {
            frame::SETTINGS => self.settings(now, head, payload, out),
            frame::WINDOW_UPDATE => self.window_update(now, head, payload, out),
            frame::PING => self.pinged(head, payload, out),
            frame::RST_STREAM => self.was_reset(now, head, payload, out),
            frame::PRIORITY => self.priority(now, head, payload, out),
            frame::GOAWAY => self.goes_away(head, payload, out),
            frame::PUSH_PROMISE => self.fail(out, Code::ProtocolError, "push was not allowed"),
            // Unknown kinds are passed over (RFC 9113 section 4.1).
            _ => Ok(None),
        }
    }

    fn settings(&mut self, now: u64, head: &Head, payload: &[u8], out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        if head.stream != 0 {
            return self.fail(out, Code::ProtocolError, "settings on a stream");
        }
        if head.has(ACK) {
            return if payload.is_empty() {
                Ok(None)
            } else {
                self.fail(out, Code::FrameSizeError, "settings answer with content")
            };
        }
        if !payload.len().is_multiple_of(6) {
            return self.fail(out, Code::FrameSizeError, "malformed settings");
        }
        self.calm(4, now, out)?;
        for entry in payload.chunks_exact(6) {
            let id = u16::from_be_bytes([entry[0], entry[1]]);
            let value = u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]);
            self.setting(id, value, out)?;
        }
        frame::put(out, 0, frame::SETTINGS, ACK, 0);
        Ok(Some(Step::Settings))
    }

    fn setting(&mut self, id: u16, value: u32, out: &mut Vec<u8>) -> Result<(), Fatal> {
        match id {
            frame::HEADER_TABLE_SIZE => self.encoder.resize(value),
            frame::ENABLE_PUSH if value > 1 || (value == 1 && self.role == Role::Client) => {
                return self.fail(out, Code::ProtocolError, "malformed push setting");
            }
            frame::MAX_STREAMS => self.peer_streams = value,
            frame::INITIAL_WINDOW => return self.initial_window(i64::from(value), out),
            frame::MAX_FRAME if !(frame::DEFAULT_FRAME..1 << 24).contains(&value) => {
                return self.fail(out, Code::ProtocolError, "malformed frame size setting");
            }
            frame::MAX_FRAME => self.peer_frame = value as usize,
            _ => {}
        }
        Ok(())
    }

    /// The initial window changes that of every open stream (RFC 9113 section 6.9.2).
    fn initial_window(&mut self, window: i64, out: &mut Vec<u8>) -> Result<(), Fatal> {
        if window > frame::MAX_WINDOW {
            return self.fail(out, Code::FlowControlError, "initial window too large");
        }
        let change = window - self.peer_window;
        self.peer_window = window;
        let (mut woken, mut over) = (Vec::new(), false);
        for stream in self.streams.iter_mut() {
            stream.send += change;
            over |= stream.send > frame::MAX_WINDOW;
            if stream.has(BLOCKED) && !stream.has(QUEUED) && stream.send > 0 {
                woken.push(stream.id);
            }
        }
        woken.into_iter().for_each(|stream| self.wait(stream));
        if over { self.fail(out, Code::FlowControlError, "stream window too large") } else { Ok(()) }
    }

    fn window_update(
        &mut self,
        now: u64,
        head: &Head,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Step>, Fatal> {
        let Some(increment) = number(payload) else {
            return self.fail(out, Code::FrameSizeError, "malformed window update");
        };
        let increment = i64::from(increment & 0x7fff_ffff);
        if head.stream == 0 {
            self.send += increment;
            return match () {
                () if increment == 0 => self.fail(out, Code::ProtocolError, "window update of nothing"),
                () if self.send > frame::MAX_WINDOW => {
                    self.fail(out, Code::FlowControlError, "connection window too large")
                }
                () => Ok(None),
            };
        }
        if self.is_unborn(head.stream) {
            return self.fail(out, Code::ProtocolError, "window update for a stream that is not open");
        }
        let Some(stream) = self.streams.get_mut(head.stream) else { return Ok(None) };
        stream.send += increment;
        let (over, wakes) =
            (stream.send > frame::MAX_WINDOW, stream.has(BLOCKED) && !stream.has(QUEUED) && stream.send > 0);
        if increment == 0 || over {
            let code = if over { Code::FlowControlError } else { Code::ProtocolError };
            return self.stream_error(now, head.stream, code, out);
        }
        if wakes {
            self.wait(head.stream);
        }
        Ok(None)
    }

    fn pinged(&mut self, head: &Head, payload: &[u8], out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        let Some(payload) = payload.first_chunk::<8>().filter(|_| payload.len() == 8) else {
            return self.fail(out, Code::FrameSizeError, "malformed ping");
        };
        if head.stream != 0 {
            return self.fail(out, Code::ProtocolError, "ping on a stream");
        }
        if !head.has(ACK) {
            frame::put(out, 8, frame::PING, ACK, 0);
            out.extend_from_slice(payload);
            return Ok(None);
        }
        if self.draining && *payload == DRAIN_PING {
            self.draining = false;
            self.say_goaway(out, self.last, Code::NoError);
            return Ok(None);
        }
        Ok(Some(Step::Pong { payload: *payload }))
    }

    fn was_reset(&mut self, now: u64, head: &Head, payload: &[u8], out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        let Some(code) = number(payload) else { return self.fail(out, Code::FrameSizeError, "malformed reset") };
        if head.stream == 0 || self.is_unborn(head.stream) {
            return self.fail(out, Code::ProtocolError, "reset of a stream that is not open");
        }
        let Some(gone) = self.remove(head.stream, false, out) else { return Ok(None) };
        self.charge_reset(now, out)?;
        Ok(Some(Step::Reset { stream: gone.id, token: gone.token, code: Code::of(code), local: false }))
    }

    fn priority(&mut self, now: u64, head: &Head, payload: &[u8], out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        if head.stream == 0 {
            return self.fail(out, Code::ProtocolError, "priority without a stream");
        }
        // On a stream that is not open there is nothing to reset: passed over.
        let code = match payload.len() {
            5 if depends_on(payload) != Some(head.stream) => return Ok(None),
            5 => Code::ProtocolError,
            _ => Code::FrameSizeError,
        };
        if self.is_unborn(head.stream) {
            return self.fail(out, code, "malformed priority");
        }
        self.stream_error(now, head.stream, code, out)
    }

    fn goes_away(&mut self, head: &Head, payload: &[u8], out: &mut Vec<u8>) -> Result<Option<Step>, Fatal> {
        if head.stream != 0 {
            return self.fail(out, Code::ProtocolError, "goaway on a stream");
        }
        let (Some(last), Some(code)) = (depends_on(payload), payload.get(4..8).and_then(number)) else {
            return self.fail(out, Code::FrameSizeError, "malformed goaway");
        };
        self.peer_goes = true;
        if self.role == Role::Client {
            self.purge = Some(last);
        }
        Ok(Some(Step::Goaway { last, code: Code::of(code) }))
    }
}

/// A payload that is one number.
fn number(payload: &[u8]) -> Option<u32> {
    payload.try_into().ok().map(u32::from_be_bytes)
}
