//! Windows, both ways.

use super::*;

fn window(stream: u32, n: u32) -> Vec<u8> {
    wire(frame::WINDOW_UPDATE, 0, stream, &n.to_be_bytes())
}

#[test]
fn sending_stops_at_the_window_of_the_stream() {
    let mut client = End::client();
    client.feed(&[setting(frame::INITIAL_WINDOW, 10), window(0, 1000)].concat()).unwrap();
    let id = client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, false, 0).unwrap();
    assert_eq!(client.conn.capacity(id), 10);
    assert_eq!(client.conn.send_data(&mut client.out, id, &[0; 25], true), Ok(10));
    assert_eq!(client.feed(&window(id, 5)), Ok(vec!["writable 1".to_owned()]));
    assert_eq!(client.conn.send_data(&mut client.out, id, &[0; 15], true), Ok(5));
    // A smaller initial window takes from what is there: it may go below nothing.
    assert_eq!(client.feed(&setting(frame::INITIAL_WINDOW, 4)), Ok(vec!["settings".to_owned()]));
    assert_eq!(client.feed(&window(id, 6)), Ok(vec![]));
    assert_eq!(
        client.feed(&setting(frame::INITIAL_WINDOW, 14)),
        Ok(vec!["settings".to_owned(), "writable 1".to_owned()])
    );
    client.out.clear();
    assert_eq!(client.conn.send_data(&mut client.out, id, &[0; 10], true), Ok(10));
    assert_eq!(client.said(), [(frame::DATA, END_STREAM, 1, vec![0; 10])]);
}

#[test]
fn streams_share_the_window_of_the_connection_in_turn() {
    let mut client = End::client();
    client.feed(&setting(frame::INITIAL_WINDOW, 1 << 20)).unwrap();
    let ids: Vec<_> =
        (0..3).map(|_| client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, false, 0).unwrap()).collect();
    assert_eq!(client.conn.send_data(&mut client.out, ids[0], &[0; 70_000], true), Ok(65_535));
    for id in &ids {
        assert_eq!(client.conn.send_data(&mut client.out, *id, &[0; 100], true), Ok(0));
    }
    client.conn.reset(&mut client.out, ids[1], Code::Cancel);
    assert_eq!(client.feed(&window(0, 50)), Ok(vec!["writable 1".to_owned(), "writable 5".to_owned()]));
    assert_eq!(client.conn.send_data(&mut client.out, ids[0], &[0; 100], true), Ok(50));
    assert_eq!(client.conn.send_data(&mut client.out, ids[2], &[0; 10], true), Ok(0));
    assert_eq!(client.feed(&window(0, 1000)), Ok(vec!["writable 1".to_owned(), "writable 5".to_owned()]));
}

#[test]
fn an_empty_end_needs_no_window() {
    let mut client = End::client();
    client.feed(&setting(frame::INITIAL_WINDOW, 0)).unwrap();
    let id = client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, false, 0).unwrap();
    client.out.clear();
    assert_eq!(client.conn.send_data(&mut client.out, id, b"", true), Ok(0));
    assert_eq!(client.said(), [(frame::DATA, END_STREAM, 1, vec![])]);
    assert_eq!(client.conn.send_data(&mut client.out, id, b"", true), Err(Refused::Gone));
}

#[test]
fn frames_are_no_larger_than_the_peer_takes() {
    let mut client = End::client();
    client.feed(&setting(frame::MAX_FRAME, 20_000)).unwrap();
    let id = client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, false, 0).unwrap();
    client.out.clear();
    client.conn.send_data(&mut client.out, id, &[0; 50_000], true).unwrap();
    let sizes: Vec<_> = client.said().into_iter().map(|(_, flags, _, payload)| (flags, payload.len())).collect();
    assert_eq!(sizes, [(0, 20_000), (0, 20_000), (1, 10_000)]);
}

fn small() -> Config {
    Config { stream_window: 70_000, connection_window: 100_000, ..Config::default() }
}

/// Takes events without releasing anything.
fn hold(server: &mut End, bytes: &[u8]) -> Result<usize, Fatal> {
    let (mut at, mut held) = (0, 0);
    while let Some(event) = server.conn.recv(0, bytes, &mut at, &mut server.scratch, &mut server.out)? {
        if let Event::Data { data, .. } = event {
            held += data.len();
        }
    }
    Ok(held)
}

#[test]
fn the_peer_is_held_to_the_windows() {
    let mut server = End::greeted(Role::Server, &small());
    let full = wire(frame::DATA, 0, 1, &[0; 14_000]);
    assert_eq!(hold(&mut server, &[post(1), full.repeat(5)].concat()), Ok(70_000));
    assert_eq!(server.said(), []);
    assert_eq!(hold(&mut server, &wire(frame::DATA, 0, 1, b"x")), Ok(0));
    let update = (frame::WINDOW_UPDATE, 0, 0, 70_000u32.to_be_bytes().to_vec());
    assert_eq!(server.said(), [(frame::RST_STREAM, 0, 1, vec![0, 0, 0, 3]), update]);
    let fatal = hold(
        &mut server,
        &[
            post(3),
            post(5),
            wire(frame::DATA, 0, 3, &[0; 14_000]).repeat(5),
            wire(frame::DATA, 0, 5, &[0; 14_000]).repeat(5),
        ]
        .concat(),
    );
    assert_eq!(fatal.map_err(|fatal| fatal.code), Err(Code::FlowControlError));
}

#[test]
fn released_bytes_come_back_at_half_a_window() {
    let mut server = End::greeted(Role::Server, &small());
    hold(&mut server, &[post(1), wire(frame::DATA, 0, 1, &[0; 14_000]).repeat(5)].concat()).unwrap();
    server.conn.release(&mut server.out, 1, 34_999);
    assert_eq!(server.said(), []);
    server.conn.release(&mut server.out, 1, 1);
    assert_eq!(server.said(), [(frame::WINDOW_UPDATE, 0, 1, 35_000u32.to_be_bytes().to_vec())]);
    server.conn.release(&mut server.out, 1, 15_000);
    assert_eq!(server.said(), [(frame::WINDOW_UPDATE, 0, 0, 50_000u32.to_be_bytes().to_vec())]);
    server.conn.release(&mut server.out, 1, 1 << 40);
    server.conn.release(&mut server.out, 99, 5);
}

#[test]
fn what_nobody_released_comes_back_with_the_end_of_the_stream() {
    let mut server = End::greeted(Role::Server, &small());
    hold(&mut server, &[post(1), wire(frame::DATA, 0, 1, &[0; 14_000]).repeat(4)].concat()).unwrap();
    server.conn.reset(&mut server.out, 1, Code::Cancel);
    let update = (frame::WINDOW_UPDATE, 0, 0, 56_000u32.to_be_bytes().to_vec());
    assert!(server.said().contains(&update));
}

#[test]
fn padding_and_dropped_data_are_given_back_at_once() {
    let mut server = End::greeted(Role::Server, &small());
    let padded = wire(frame::DATA, 8, 1, &[&[255], [0; 255].as_slice()].concat());
    assert_eq!(
        server.feed(&[post(1), padded.repeat(400)].concat()),
        Ok(vec!["request 1 POST a/ end=false".to_owned()])
    );
    let updates = server.said();
    assert!(updates.iter().any(|(_, _, stream, _)| *stream == 0));
    server.conn.reset(&mut server.out, 1, Code::Cancel);
    server.out.clear();
    assert_eq!(server.feed(&wire(frame::DATA, 0, 1, &[0; 16_000]).repeat(20)), Ok(vec![]));
    assert!(server.said().iter().all(|(kind, _, stream, _)| (*kind, *stream) == (frame::WINDOW_UPDATE, 0)));
}

proptest! {
    #[test]
    fn any_amount_passes_through_any_windows(
        sizes in proptest::collection::vec(0usize..200_000, 1..5),
        piece in 1usize..60_000,
        window in 1u32..100_000,
    ) {
        let (mut client, mut server) = pair(piece);
        client.feed(&setting(frame::INITIAL_WINDOW, window)).unwrap();
        let data = vec![b'x'; 200_000];
        let mut left: Vec<(u32, usize)> = Vec::new();
        for size in sizes {
            let id = client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, false, 0).unwrap();
            left.push((id, size));
        }
        let mut got = std::collections::BTreeMap::new();
        let wanted: std::collections::BTreeMap<_, _> = left.iter().copied().collect();
        for _ in 0..100_000 {
            left.retain_mut(|(id, size)| {
                let sent = client.conn.send_data(&mut client.out, *id, &data[..*size], true).unwrap();
                let done = sent == *size;
                *size -= sent;
                !done
            });
            let (_, heard) = pump(&mut client, &mut server, piece);
            for text in heard.iter().filter(|text| text.starts_with("data")) {
                let words: Vec<_> = text.split(' ').collect();
                *got.entry(words[1].parse::<u32>().unwrap()).or_insert(0) += words[2].parse::<usize>().unwrap();
            }
            // The peer that set so small a window also opens it, bit by bit.
            for (id, _) in &left {
                client.feed(&super::flow::window(*id, 1000)).unwrap();
            }
            if left.is_empty() {
                break;
            }
        }
        prop_assert_eq!(got, wanted);
    }
}
