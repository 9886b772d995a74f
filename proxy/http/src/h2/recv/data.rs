//! DATA: handed on as it arrives, counted against both windows, held to the declared length.

use super::Step;
use crate::h2::Fatal;
use crate::h2::conn::{Conn, Pending, StreamId};
use crate::h2::frame::{Code, END_STREAM, Head, PADDED};
use crate::h2::streams::{HEADED, REMOTE_END};

impl Conn {
    /// The start of a DATA frame; `payload` is the padding length or nothing, `at` where the data begins.
    pub(super) fn data(
        &mut self,
        now: u64,
        head: &Head,
        payload: &[u8],
        at: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<Step>, Fatal> {
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
        if n == 0 && !end {
            self.calm(2, now, out)?
        } else {
            self.control.give(1)
        }
        self.pending = Some(Pending { stream, left: n, pad: padding.saturating_sub(1), end });
        let judged = self.judge_data(stream, n, padding, end);
        if judged.is_ok() && padding > 0 {
            self.owe(out, stream, padding as u32);
        }
        match judged {
            Ok(token) if n == 0 && end => {
                self.pending =
                    self.pending.filter(|pending| pending.pad > 0).map(|pending| Pending { end: false, ..pending });
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
    pub(super) fn more_data(
        &mut self,
        pending: Pending,
        input: &[u8],
        at: &mut usize,
        out: &mut Vec<u8>,
    ) -> Option<Step> {
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
}
