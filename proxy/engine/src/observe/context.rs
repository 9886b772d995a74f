//! Trace contexts in request heads: W3C `traceparent`, else `grpc-trace-bin`, else `x-b3-*`; and the same with our span as parent.
//!
//! In: fields. Out: the caller's context, or none when there is none or it is malformed; fields that replace the caller's.

use http::{Field, Fields, Name, Set};

/// Where a context was found; the next hop gets it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    W3c,
    Binary,
    B3,
}

/// A caller's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    pub(crate) flags: u8,
    pub(crate) format: Format,
}

const SAMPLED: u8 = 1;
const BINARY: &[u8] = b"grpc-trace-bin";
const B3_TRACE: &[u8] = b"x-b3-traceid";
const B3_SPAN: &[u8] = b"x-b3-spanid";
const B3_PARENT: &[u8] = b"x-b3-parentspanid";
const B3_SAMPLED: &[u8] = b"x-b3-sampled";

/// The caller's context, sampled or not.
pub(crate) fn read(fields: &Fields<'_>) -> Option<Context> {
    let w3c = fields.get(Name::Traceparent).and_then(w3c);
    w3c.or_else(|| fields.find(BINARY).and_then(binary)).or_else(|| b3(fields))
}

impl Context {
    /// The caller keeps this trace.
    pub(crate) fn sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// What the next hop is told instead: the caller is span `id` now.
    pub(crate) fn onward(&self, id: [u8; 8]) -> Onward {
        match self.format {
            Format::W3c => {
                let value = format!("00-{}-{}-{:02x}", hex(&self.trace), hex(&id), self.flags);
                Onward { drop: Set::of(&[Name::Traceparent]), drop_other: &[], add: vec![(b"traceparent", value)] }
            }
            Format::Binary => {
                let mut bytes = vec![0, 0];
                bytes.extend_from_slice(&self.trace);
                bytes.push(1);
                bytes.extend_from_slice(&id);
                bytes.extend_from_slice(&[2, self.flags]);
                Onward { drop: Set::NONE, drop_other: &[BINARY], add: vec![(BINARY, encode(&bytes))] }
            }
            Format::B3 => Onward {
                drop: Set::NONE,
                drop_other: &[B3_SPAN, B3_PARENT],
                add: vec![(B3_SPAN, hex(&id)), (B3_PARENT, hex(&self.span))],
            },
        }
    }
}

/// An edit of the head, owned.
pub(crate) struct Onward {
    pub(crate) drop: Set,
    pub(crate) drop_other: &'static [&'static [u8]],
    add: Vec<(&'static [u8], String)>,
}

impl Onward {
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.add.iter().map(|(name, value)| Field::named(name, value.as_bytes()))
    }
}

/// `00-<trace>-<span>-<flags>`; later versions may say more after it.
fn w3c(value: &[u8]) -> Option<Context> {
    let (head, rest) = value.split_at_checked(55)?;
    let version: [u8; 1] = unhex(&head[..2])?;
    let dashes = [2, 35, 52].iter().all(|&at| head[at] == b'-');
    let longer = version[0] > 0 && rest.first() == Some(&b'-');
    if version[0] == 0xff || !dashes || !(rest.is_empty() || longer) {
        return None;
    }
    let [flags] = unhex(&head[53..])?;
    real(Context { trace: unhex(&head[3..35])?, span: unhex(&head[36..52])?, flags, format: Format::W3c })
}

/// Version 0, then fields by number: 0 trace, 1 span, 2 flags.
fn binary(value: &[u8]) -> Option<Context> {
    let bytes = decode(value)?;
    let (&version, mut rest) = bytes.split_first()?;
    let mut context = Context { trace: [0; 16], span: [0; 8], flags: 0, format: Format::Binary };
    while let Some((&number, after)) = rest.split_first().filter(|_| version == 0) {
        let size = *[16, 8, 1].get(usize::from(number))?;
        let (value, after) = after.split_at_checked(size)?;
        match number {
            0 => context.trace.copy_from_slice(value),
            1 => context.span.copy_from_slice(value),
            _ => context.flags = value[0],
        }
        rest = after;
    }
    real(context)
}

/// `x-b3-traceid` (64 or 128 bits), `x-b3-spanid`, `x-b3-sampled`.
fn b3(fields: &Fields<'_>) -> Option<Context> {
    let id = fields.find(B3_TRACE)?.to_ascii_lowercase();
    let mut trace = [0; 16];
    match id.len() {
        32 => trace = unhex(&id)?,
        16 => trace[8..].copy_from_slice(&unhex::<8>(&id)?),
        _ => return None,
    }
    let span = unhex(&fields.find(B3_SPAN)?.to_ascii_lowercase())?;
    let sampled = fields.find(B3_SAMPLED).is_some_and(|value| value == b"1" || value.eq_ignore_ascii_case(b"true"));
    real(Context { trace, span, flags: u8::from(sampled), format: Format::B3 })
}

/// Ids of zeros are none.
fn real(context: Context) -> Option<Context> {
    (context.trace != [0; 16] && context.span != [0; 8]).then_some(context)
}

/// Lower-case hexadecimal digits only, as the formats have them.
fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// With or without padding; at most 64 characters, more than any context has.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > 64 {
        return None;
    }
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |at| at + 1);
    let (mut out, mut bits, mut held) = (Vec::with_capacity(48), 0u32, 0u32);
    for byte in &text[..end] {
        let value = BASE64.iter().position(|known| known == byte)?;
        bits = bits << 6 | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

/// Without padding, as gRPC writes binary metadata.
fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 2);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            out.push(char::from(BASE64[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Scratch;
    use http::h1::{self, Limits};

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn told(fields: &str) -> Option<(Context, Vec<(String, String)>)> {
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
        let mut scratch = Scratch::new();
        let parsed = h1::request(head.as_bytes(), &mut scratch, &Limits::default()).expect("a head").expect("whole");
        let context = read(&parsed.request.fields)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let onward = context.onward(*b"\x01\x02\x03\x04\x05\x06\x07\x08");
        Some((context, onward.fields().map(|f| (text(f.name), text(f.value))).collect()))
    }

    #[test]
    fn contexts_of_all_formats_are_read_and_written_again() {
        let binary = "AAAK92UZFs1D3YRI6yEcgDGcAQDwZ6oLqQK3AgE=";
        for (fields, sampled, name, value) in [
            (
                format!("Traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n"),
                true,
                "traceparent",
                format!("00-{TRACE}-0102030405060708-01"),
            ),
            (
                format!("traceparent: 01-{TRACE}-00f067aa0ba902b7-00-later\r\n"),
                false,
                "traceparent",
                format!("00-{TRACE}-0102030405060708-00"),
            ),
            (
                format!("grpc-trace-bin: {binary}\r\n"),
                true,
                "grpc-trace-bin",
                "AAAK92UZFs1D3YRI6yEcgDGcAQECAwQFBgcIAgE".into(),
            ),
            (
                format!("X-B3-TraceId: {TRACE}\r\nX-B3-SpanId: 00f067aa0ba902b7\r\nX-B3-Sampled: 1\r\n"),
                true,
                "x-b3-spanid",
                "0102030405060708".into(),
            ),
            (
                format!("x-b3-traceid: {}\r\nx-b3-spanid: 00F067AA0BA902B7\r\n", &TRACE[16..]),
                false,
                "x-b3-spanid",
                "0102030405060708".into(),
            ),
        ] {
            let (context, onward) = told(&fields).expect("a context");
            assert_eq!(context.sampled(), sampled, "{fields}");
            assert_eq!(hex(&context.span), "00f067aa0ba902b7", "{fields}");
            assert!(hex(&context.trace).ends_with(&TRACE[16..]), "{fields}");
            assert!(onward.iter().any(|(n, v)| n == name && *v == value), "{onward:?}");
        }
    }

    #[test]
    fn what_is_malformed_is_no_context() {
        let zeros = "0".repeat(32);
        for value in [
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{zeros}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00_{TRACE}_00f067aa0ba902b7_01"),
            String::new(),
        ] {
            assert_eq!(told(&format!("traceparent: {value}\r\n")).map(|(c, _)| c), None, "{value}");
        }
        for fields in ["grpc-trace-bin: AAAK\r\n", "grpc-trace-bin: *\r\n", "x-b3-traceid: 1\r\nx-b3-spanid: 2\r\n"] {
            assert_eq!(told(fields).map(|(c, _)| c), None, "{fields}");
        }
    }
}
