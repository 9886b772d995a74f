//! Where an HTTP/1 body ends. A tracker of two words that is fed input and names the data in it; it buffers nothing.
//! The chunked coding is read by the letter (RFC 9112 section 7.1): a size is 1 to 16 hexadecimal digits, lines end with
//! CR LF, whatever else is refused.

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

const EXTENSION_LIMIT: u16 = 4 << 10;
const TRAILERS_LIMIT: usize = 16 << 10;

impl Body {
    /// A chunked body before its first byte.
    pub const CHUNKED: Body = Body::Chunked(Chunk::Size(0, 0));

    /// Whether nothing more is to come.
    #[inline]
    pub fn done(&self) -> bool {
        matches!(self, Body::None | Body::Length(0) | Body::Chunked(Chunk::Done))
    }

    /// Takes the next piece off `input`. Call until `end`, or until `used` is 0 (more bytes are needed; keep `input`).
    /// On a closed connection, a body that is not [`Body::done`] and not `UntilClose` was cut short.
    #[inline]
    pub fn step<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, BadBody> {
        match self {
            Body::None => Ok(Step { end: true, ..Step::default() }),
            Body::UntilClose => Ok(Step { used: input.len(), data: input, ..Step::default() }),
            Body::Length(left) => {
                let used = (*left).min(input.len() as u64) as usize;
                *left -= used as u64;
                Ok(Step { used, data: &input[..used], end: *left == 0, ..Step::default() })
            }
            Body::Chunked(chunk) => chunk.step(input),
        }
    }
}

impl Chunk {
    /// Takes framing bytes and at most one slice of data.
    fn step<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, BadBody> {
        let mut at = 0;
        while at < input.len() {
            match *self {
                Chunk::Data(left) => {
                    let n = left.min((input.len() - at) as u64) as usize;
                    let data = &input[at..at + n];
                    *self = if n as u64 == left { Chunk::DataReturn } else { Chunk::Data(left - n as u64) };
                    return Ok(Step { used: at + n, data, ..Step::default() });
                }
                Chunk::Trailers => return self.trailers(input, at),
                Chunk::Done => break,
                _ => *self = self.line(input[at])?,
            }
            at += 1;
        }
        Ok(Step { used: at, end: *self == Chunk::Done, ..Step::default() })
    }

    /// One byte of a size line or of the end of a chunk.
    #[inline]
    fn line(self, byte: u8) -> Result<Chunk, BadBody> {
        match (self, byte) {
            (Chunk::Size(digits, value), _) => {
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    b'a'..=b'f' => byte - b'a' + 10,
                    b'A'..=b'F' => byte - b'A' + 10,
                    b'\r' if digits > 0 => return Ok(Chunk::SizeEnd(value)),
                    b';' if digits > 0 => return Ok(Chunk::Extension(0, value)),
                    _ => return Err(BadBody::Size),
                };
                // Sixteen digits are 64 bits; leading zeroes count, or a size line could be endless.
                if digits == 16 {
                    Err(BadBody::Size)
                } else {
                    Ok(Chunk::Size(digits + 1, value << 4 | u64::from(digit)))
                }
            }
            (Chunk::Extension(_, value), b'\r') => Ok(Chunk::SizeEnd(value)),
            (Chunk::Extension(seen, value), b'\t' | b' '..=b'~' | 0x80..) if seen < EXTENSION_LIMIT => {
                Ok(Chunk::Extension(seen + 1, value))
            }
            (Chunk::Extension(..), _) => Err(BadBody::Extension),
            (Chunk::SizeEnd(0), b'\n') => Ok(Chunk::Trailers),
            (Chunk::SizeEnd(value), b'\n') => Ok(Chunk::Data(value)),
            (Chunk::SizeEnd(_), _) => Err(BadBody::Size),
            (Chunk::DataReturn, b'\r') => Ok(Chunk::DataFeed),
            (Chunk::DataFeed, b'\n') => Ok(Chunk::Size(0, 0)),
            _ => Err(BadBody::End),
        }
    }

    /// The trailer section, taken whole or not at all.
    fn trailers<'a>(&mut self, input: &'a [u8], at: usize) -> Result<Step<'a>, BadBody> {
        let section = &input[at..];
        let empty = section.starts_with(b"\r\n");
        let end = if empty { Some(2) } else { section.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) };
        match end {
            Some(end) if end <= TRAILERS_LIMIT => {
                *self = Chunk::Done;
                let trailers = if empty { &[][..] } else { &section[..end] };
                Ok(Step { used: at + end, trailers, end: true, ..Step::default() })
            }
            None if section.len() <= TRAILERS_LIMIT => Ok(Step { used: at, ..Step::default() }),
            _ => Err(BadBody::Trailers),
        }
    }
}
