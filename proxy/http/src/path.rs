//! One normal form of a path for routing, policy and forwarding (RFC 3986 section 6.2.2), so that no two parts of the mesh,
//! and no lax application behind it, can read the same request differently.
//!
//! Normal: escapes of letters, digits and `-._~` are decoded once, other escapes stay and are upper-case (`%2F`, `%5C`
//! and `%252e` are literal, the same everywhere), `.` and `..` are resolved, slashes are merged (not after a colon:
//! `/fetch/http://host` is meant). What only an attack writes is refused.

/// Why a path is refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadPath {
    /// Does not begin with `/`.
    #[error("path does not begin with a slash")]
    Start,
    /// Holds `#`.
    #[error("path holds a fragment")]
    Fragment,
    /// A control byte, blank, `\`, `%00`, a raw byte above 126; or `%` not followed by two hexadecimal digits.
    #[error("path holds a byte it may not")]
    Byte,
    /// `..` above the root, with parameters (`..;a=b`) or beside an escaped slash (`..%2F`).
    #[error("path climbs out")]
    Climb,
    /// Overlong UTF-8 behind percent signs.
    #[error("path is not valid text")]
    Text,
}

/// The normal form of `path` (with its query, which is checked for bytes but kept). `Ok(None)`: it is already normal, the
/// common case, nothing copied. `Ok(Some)`: the normal form, written into `room`. `*` and the empty path of CONNECT are normal.
pub fn normalise<'a>(path: &[u8], room: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, BadPath> {
    if matches!(path, b"" | b"*") {
        return Ok(None);
    }
    if path[0] != b'/' {
        return Err(BadPath::Start);
    }
    let mut before = 0;
    for (i, &b) in path.iter().enumerate() {
        let odd = match b {
            b'?' => return check_query(&path[i..]).map(|()| None),
            b'%' | b'\\' | b';' => true,
            b'/' | b'.' => before == b'/',
            _ => !plain(b) || b == b'#',
        };
        if odd {
            return rebuild(path, room);
        }
        before = b;
    }
    Ok(None)
}

fn plain(b: u8) -> bool {
    (0x21..=0x7e).contains(&b)
}

fn check_query(query: &[u8]) -> Result<(), BadPath> {
    match query.iter().find(|b| !plain(**b) || **b == b'#') {
        None => Ok(()),
        Some(b'#') => Err(BadPath::Fragment),
        Some(_) => Err(BadPath::Byte),
    }
}

fn rebuild<'a>(path: &[u8], room: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, BadPath> {
    let end = path.iter().position(|b| *b == b'?').unwrap_or(path.len());
    let (path_part, query) = path.split_at(end);
    check_query(query)?;
    room.clear();
    decode(path_part, room)?;
    climb_checks(room)?;
    resolve(room)?;
    room.extend_from_slice(query);
    Ok((room.as_slice() != path).then_some(room.as_slice()))
}

/// Decodes escapes of unreserved characters, upper-cases the others, refuses bad bytes.
fn decode(path: &[u8], room: &mut Vec<u8>) -> Result<(), BadPath> {
    let mut i = 0;
    while i < path.len() {
        match path[i] {
            b'%' => {
                let byte = escape(path, i)?;
                match byte {
                    0 => return Err(BadPath::Byte),
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => room.push(byte),
                    _ => {
                        overlong(path, i, byte)?;
                        room.extend_from_slice(&[
                            b'%',
                            path[i + 1].to_ascii_uppercase(),
                            path[i + 2].to_ascii_uppercase(),
                        ]);
                    }
                }
                i += 3;
            }
            b'#' => return Err(BadPath::Fragment),
            b'\\' => return Err(BadPath::Byte),
            b if plain(b) => {
                room.push(b);
                i += 1;
            }
            _ => return Err(BadPath::Byte),
        }
    }
    Ok(())
}

fn escape(path: &[u8], at: usize) -> Result<u8, BadPath> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let high = path.get(at + 1).and_then(digit).ok_or(BadPath::Byte)?;
    let low = path.get(at + 2).and_then(digit).ok_or(BadPath::Byte)?;
    Ok((high * 16 + low) as u8)
}

/// Refuses lead bytes that only an overlong form of a shorter character has (RFC 3629 section 3).
fn overlong(path: &[u8], at: usize, lead: u8) -> Result<(), BadPath> {
    let next = || (path.get(at + 3) == Some(&b'%')).then(|| escape(path, at + 3).ok()).flatten();
    let is = match lead {
        0xc0 | 0xc1 => true,
        0xe0 => next().is_some_and(|b| (0x80..0xa0).contains(&b)),
        0xf0 => next().is_some_and(|b| (0x80..0x90).contains(&b)),
        _ => false,
    };
    if is { Err(BadPath::Text) } else { Ok(()) }
}

/// Refuses dot segments that only a lax reader would see: with parameters, or cut by an escaped slash or semicolon.
fn climb_checks(path: &[u8]) -> Result<(), BadPath> {
    for segment in path.split(|b| *b == b'/') {
        let mut rest = segment;
        loop {
            let cut = (0..rest.len()).find(|i| separator(&rest[*i..]) > 0);
            let part = &rest[..cut.unwrap_or(rest.len())];
            if (part == b"." || part == b"..") && part.len() < segment.len() {
                return Err(BadPath::Climb);
            }
            let Some(cut) = cut else { break };
            rest = &rest[cut + separator(&rest[cut..])..];
        }
    }
    Ok(())
}

/// The length of the separator at the start, as a lax reader sees it.
fn separator(text: &[u8]) -> usize {
    match text {
        [b';', ..] => 1,
        [b'%', b'2', b'F', ..] | [b'%', b'5', b'C', ..] | [b'%', b'3', b'B', ..] => 3,
        _ => 0,
    }
}

/// Resolves dot segments and merges slashes, in place.
fn resolve(room: &mut Vec<u8>) -> Result<(), BadPath> {
    let (mut read, mut write) = (0, 0);
    while read < room.len() {
        // room[read] is a slash: take the segment after it.
        let end = room[read + 1..].iter().position(|b| *b == b'/').map_or(room.len(), |n| read + 1 + n);
        let last = end == room.len();
        match &room[read + 1..end] {
            b"" if !last && !room[..write].ends_with(b":") => {}
            b"." if !last => {}
            b"." => {
                room[write] = b'/';
                write += 1;
            }
            b".." => {
                let up = room[..write].iter().rposition(|b| *b == b'/').ok_or(BadPath::Climb)?;
                write = up;
                if last {
                    room[write] = b'/';
                    write += 1;
                }
            }
            _ => {
                room.copy_within(read..end, write);
                write += end - read;
            }
        }
        read = end;
    }
    room.truncate(write);
    Ok(())
}

#[cfg(test)]
mod tests;
