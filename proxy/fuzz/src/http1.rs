//! HTTP/1: heads, bodies, paths. What we pass on must read to us as what we read.

use http::h1::{self, Asked, Body, Ending, Framing, Limits};
use http::path::normalise;
use http::{Edit, Fields, Scratch};

fn fields(fields: &Fields<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.end_to_end().map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec())).collect()
}

/// Whether a head was refused for its size alone.
fn full<T>(found: &Result<Option<T>, h1::Reject>) -> bool {
    matches!(found, Err(reject) if reject.reason == h1::Reason::HeadTooLarge)
}

/// The form of the form is itself, and does not climb.
pub fn path(data: &[u8]) {
    let mut room = Vec::new();
    let Ok(Some(once)) = normalise(data, &mut room) else { return };
    let mut again = Vec::new();
    assert_eq!(normalise(once, &mut again), Ok(None), "{}", once.escape_ascii());
    let end = once.iter().position(|b| *b == b'?').unwrap_or(once.len());
    assert!(!once[..end].windows(4).any(|part| part == b"/../"));
}

/// A request is written so that it reads the same.
pub fn request(data: &[u8]) {
    let (mut scratch, mut second) = (Scratch::new(), Scratch::new());
    let Ok(Some(head)) = h1::request(data, &mut scratch, &Limits::default()) else { return };
    assert!(head.len <= data.len());
    let framing = if matches!(head.body, Body::Chunked(_)) { Framing::Chunked } else { Framing::AsIs };
    let mut out = Vec::new();
    h1::write_request(&mut out, &head.request, &Edit::NONE, framing, Ending::Keep);
    let again = match h1::request(&out, &mut second, &Limits::default()) {
        Ok(Some(again)) => again,
        // Without a Host (HTTP/1.0) there is none to write; and what was at a limit may grow over it by the fields we add.
        other => {
            assert!(head.request.authority.is_empty() || full(&other), "{other:?} {}", out.escape_ascii());
            return;
        }
    };
    assert_eq!((again.request.method, again.request.path), (head.request.method, head.request.path));
    assert_eq!(again.request.authority, head.request.authority);
    assert_eq!((again.body, again.len), (head.body, out.len()));
    assert_eq!(fields(&again.request.fields), fields(&head.request.fields));
}

/// The same of a response; the first byte says what was asked.
pub fn response(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    let asked = Asked { head: first & 1 != 0, connect: first & 2 != 0, upgrade: first & 4 != 0 };
    let mut scratch = Scratch::new();
    let Ok(Some(head)) = h1::response(data, &mut scratch, &Limits::default(), asked) else { return };
    assert!(head.len <= data.len());
    if head.tunnel || head.response.status < 200 {
        return;
    }
    let framing = if matches!(head.body, Body::Chunked(_)) { Framing::Chunked } else { Framing::AsIs };
    let (mut out, mut second) = (Vec::new(), Scratch::new());
    h1::write_response(&mut out, &head.response, &Edit::NONE, framing, Ending::Keep);
    match h1::response(&out, &mut second, &Limits::default(), asked) {
        Ok(Some(again)) => {
            assert_eq!((again.response.status, again.len), (head.response.status, out.len()));
            assert_eq!(fields(&again.response.fields), fields(&head.response.fields));
        }
        other => assert!(full(&other), "{other:?} {}", out.escape_ascii()),
    }
}

/// Data and end of a body, however its bytes are cut.
fn read(data: &[u8], cut: usize) -> Option<(Vec<u8>, Vec<u8>, usize)> {
    let (mut body, mut found) = (Body::CHUNKED, Vec::new());
    let (mut at, mut until) = (0, if cut == 0 { data.len() } else { cut.min(data.len()) });
    loop {
        let step = body.step(&data[at..until]).ok()?;
        found.extend_from_slice(step.data);
        at += step.used;
        if step.end {
            return Some((found, step.trailers.to_vec(), at));
        }
        if step.used == 0 || at == until {
            if until == data.len() {
                return None;
            }
            until = (until + cut.max(1)).min(data.len());
        }
    }
}

/// A chunked body reads the same whole and in pieces of one or five bytes; its trailers never panic.
pub fn chunks(data: &[u8]) {
    let whole = read(data, 0);
    for cut in [1, 5] {
        assert_eq!(read(data, cut), whole);
    }
    if let Some((_, trailers, _)) = whole
        && !trailers.is_empty()
    {
        let _ = h1::trailers(&trailers, &mut Scratch::new());
    }
}
