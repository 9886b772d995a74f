//! The log as an answer that does not end: `/logs.json`.
//!
//! In: a filter. Out: a body of JSON lines, until the client leaves. Limits: those of `control::logger::follow`.

use control::logger::{self, Filter, Followed};
use hyper::body::{Body, Bytes, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body.
pub struct Lines(Followed);

/// None: too many follow already.
pub fn follow(filter: Filter) -> Option<Lines> {
    logger::follow(filter).map(Lines)
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.lines.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(Bytes::from(line)))))
    }
}
