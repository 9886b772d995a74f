//! Where an HTTP/1 body ends. A tracker of one word or two that is fed input and names the data in it; it buffers
//! nothing.

/// The framing of a body still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// No body.
    None,
    /// So many bytes still to come.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// Everything until the peer closes (responses only).
    UntilClose,
}

/// Where in the chunked coding the tracker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// In a size line: digits seen, value so far.
    Size(u8, u64),
    /// In an extension: bytes seen of it, chunk size.
    Extension(u16, u64),
    /// After the carriage return of a size line.
    SizeEnd(u64),
    /// In data: bytes still to come.
    Data(u64),
    /// Before the carriage return that ends a chunk.
    DataReturn,
    /// Before the line feed that ends a chunk.
    DataFeed,
    /// In the trailer section.
    Trailers,
    /// Past the end.
    Done,
}

/// One step of [`Body::step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Bytes of the input taken by this step.
    pub used: usize,
    /// Payload among them, maybe empty.
    pub data: &'a [u8],
    /// The trailer section with its final empty line, when it came with fields; see [`super::trailers`].
    pub trailers: &'a [u8],
    /// The body is complete; what follows is not its part.
    pub end: bool,
}

/// A body that breaks its coding: the connection can be trusted no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// The chunk size is not 1 to 16 hexadecimal digits, or not followed as it must be.
    #[error("malformed chunk size")]
    Size,
    /// A chunk extension longer than 4 KiB or with control bytes.
    #[error("malformed chunk extension")]
    Extension,
    /// A chunk is not followed by a line end.
    #[error("malformed chunk end")]
    End,
    /// Trailers longer than 16 KiB.
    #[error("trailers too large")]
    Trailers,
}

impl Body {
    /// Whether nothing more is to come.
    #[inline]
    pub fn done(&self) -> bool {
        matches!(self, Body::None | Body::Length(0) | Body::Chunked(Chunk::Done))
    }

    /// Takes the next piece off `input`. Call until `end`, or until `used` is 0 (more bytes are needed; keep `input`).
    /// On a closed connection, a body that is not [`Body::done`] and not `UntilClose` was cut short.
    pub fn step<'a>(&mut self, _input: &'a [u8]) -> Result<Step<'a>, BadBody> {
        unimplemented!()
    }
}
