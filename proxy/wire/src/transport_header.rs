//! The header that precedes a connection between two proxies (ALPN `transport.l5d.io/v1`): magic line, u32 length,
//! protobuf `Header { int32 port = 1; string name = 2; SessionProtocol session_protocol = 3 }`, where SessionProtocol
//! has one of two empty messages, `http1 = 1` or `http2 = 2`. The payload follows at once; nothing is answered.

/// ALPN name of connections that begin with this header.
pub const ALPN: &[u8] = b"transport.l5d.io/v1";
/// Magic bytes.
pub const PREFACE: &[u8] = b"transport.l5d.io/v1\r\n\r\n";
/// Largest header, magic and length included.
pub const LIMIT: usize = 64 << 10;

const PREFIX: usize = PREFACE.len() + 4;

/// What the payload speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Session {
    /// Unknown bytes.
    Opaque,
    /// HTTP/1
    Http1,
    /// HTTP/2
    Http2,
}

/// The header. `name` is empty, or a DNS name for a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Target port, 1 to 65 535.
    pub port: u16,
    /// Target name or empty.
    pub name: &'a str,
    /// What follows.
    pub session: Session,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The magic bytes are wrong.
    #[error("connection does not begin with the transport header")]
    Preface,
    /// Larger than [`LIMIT`].
    #[error("transport header is too large")]
    TooLarge,
    /// The protobuf cannot be read.
    #[error("transport header is malformed")]
    Malformed,
    /// Port missing or out of range.
    #[error("transport header has no valid port")]
    Port,
    /// The name is not a DNS name.
    #[error("transport header has no valid name")]
    Name,
}

/// Appends a header. The caller's name is a DNS name: at most 253 bytes.
pub fn encode(out: &mut Vec<u8>, header: &Header<'_>) {
    out.extend_from_slice(PREFACE);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.push(0x08);
    varint(out, u64::from(header.port));
    if !header.name.is_empty() {
        out.push(0x12);
        varint(out, header.name.len() as u64);
        out.extend_from_slice(header.name.as_bytes());
    }
    match header.session {
        Session::Opaque => {}
        Session::Http1 => out.extend_from_slice(&[0x1a, 2, 0x0a, 0]),
        Session::Http2 => out.extend_from_slice(&[0x1a, 2, 0x12, 0]),
    }
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

/// Reads a header from the start of `bytes`: `Ok(None)` while incomplete, else the header and its length.
pub fn decode(bytes: &[u8]) -> Result<Option<(Header<'_>, usize)>, Error> {
    let common = bytes.len().min(PREFACE.len());
    if bytes[..common] != PREFACE[..common] {
        return Err(Error::Preface);
    }
    let Some(Ok(size)) = bytes.get(PREFACE.len()..PREFIX).map(<[u8; 4]>::try_from) else { return Ok(None) };
    let size = u32::from_be_bytes(size) as usize;
    if size > LIMIT - PREFIX {
        return Err(Error::TooLarge);
    }
    let Some(message) = bytes.get(PREFIX..PREFIX + size) else { return Ok(None) };
    Ok(Some((header(message)?, PREFIX + size)))
}

fn header(message: &[u8]) -> Result<Header<'_>, Error> {
    let (mut port, mut name, mut session) = (0, "", Session::Opaque);
    let mut rest = message;
    while let Some((tag, value)) = field(&mut rest)? {
        match (tag, value) {
            (1, Value::Int(v)) => port = v,
            (2, Value::Bytes(v)) => name = std::str::from_utf8(v).map_err(|_| Error::Malformed)?,
            (3, Value::Bytes(v)) => session = protocol(v, session)?,
            (1..=3, _) => return Err(Error::Malformed),
            _ => {}
        }
    }
    // int32: only the low 32 bits count (protobuf encoding), and they must be a port.
    let port = u16::try_from(port as i32).ok().filter(|port| *port > 0).ok_or(Error::Port)?;
    if !name.is_empty() && !crate::is_dns_name(name) {
        return Err(Error::Name);
    }
    Ok(Header { port, name, session })
}

/// A repeated message merges into what came before; of a `oneof` the last wins.
fn protocol(message: &[u8], before: Session) -> Result<Session, Error> {
    let mut session = before;
    let mut rest = message;
    while let Some((tag, value)) = field(&mut rest)? {
        match (tag, value) {
            (1, Value::Bytes(_)) => session = Session::Http1,
            (2, Value::Bytes(_)) => session = Session::Http2,
            (1 | 2, _) => return Err(Error::Malformed),
            _ => {}
        }
    }
    Ok(session)
}

enum Value<'a> {
    Int(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The next protobuf field: its number and value.
fn field<'a>(rest: &mut &'a [u8]) -> Result<Option<(u64, Value<'a>)>, Error> {
    if rest.is_empty() {
        return Ok(None);
    }
    let key = read_varint(rest)?;
    let value = match key & 7 {
        0 => Value::Int(read_varint(rest)?),
        1 => take(rest, 8).map(|_| Value::Fixed)?,
        2 => {
            let size = usize::try_from(read_varint(rest)?).map_err(|_| Error::Malformed)?;
            Value::Bytes(take(rest, size)?)
        }
        5 => take(rest, 4).map(|_| Value::Fixed)?,
        _ => return Err(Error::Malformed),
    };
    if key >> 3 == 0 {
        return Err(Error::Malformed);
    }
    Ok(Some((key >> 3, value)))
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Result<&'a [u8], Error> {
    let (head, tail) = rest.split_at_checked(n).ok_or(Error::Malformed)?;
    *rest = tail;
    Ok(head)
}

fn read_varint(rest: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Error::Malformed)
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests;
