//! Floods and bombs: cases 30 to 35 of the bad-input list, and noise.

use super::*;
use Code::*;

fn reset(stream: u32) -> Vec<u8> {
    wire(frame::RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

fn odd(n: u32) -> u32 {
    n * 2 + 1
}

#[test]
fn floods_are_ended() {
    let seven = [&[0, 0, 0, 0], [0].as_slice()].concat();
    let many = |frame: Vec<u8>| (0..5000).map(move |_| frame.clone()).collect::<Vec<_>>().concat();
    let cases: Vec<(&str, Vec<u8>, Code)> = vec![
        (
            "30 rapid reset",
            (0..5000).map(|n| [get(odd(n)), reset(odd(n))].concat()).collect::<Vec<_>>().concat(),
            EnhanceYourCalm,
        ),
        (
            "30 resets we make",
            (0..5000).map(|n| headers(odd(n), true, &[("x", "y")])).collect::<Vec<_>>().concat(),
            EnhanceYourCalm,
        ),
        (
            "31 empty continuation",
            [wire(frame::HEADERS, 0, 1, b""), many(wire(frame::CONTINUATION, 0, 1, b""))].concat(),
            EnhanceYourCalm,
        ),
        (
            "31 tiny continuation",
            [wire(frame::HEADERS, 0, 1, b""), many(wire(frame::CONTINUATION, 0, 1, b"a"))].concat(),
            EnhanceYourCalm,
        ),
        (
            "31 endless block",
            [wire(frame::HEADERS, 0, 1, b""), many(wire(frame::CONTINUATION, 0, 1, &[0; 16_000]))].concat(),
            EnhanceYourCalm,
        ),
        (
            "32 windows of nothing",
            (0..5000)
                .map(|n| [get(odd(n)), wire(frame::WINDOW_UPDATE, 0, odd(n), &[0; 4])].concat())
                .collect::<Vec<_>>()
                .concat(),
            EnhanceYourCalm,
        ),
        ("33 ping", many(wire(frame::PING, 0, 0, &[0; 8])), EnhanceYourCalm),
        ("33 settings", many(wire(frame::SETTINGS, 0, 0, &[])), EnhanceYourCalm),
        ("33 settings answers", many(wire(frame::SETTINGS, ACK, 0, &[])), EnhanceYourCalm),
        ("33 priority", many(wire(frame::PRIORITY, 0, 1, &seven)), EnhanceYourCalm),
        ("33 empty data", [post(1), many(wire(frame::DATA, 0, 1, &[]))].concat(), EnhanceYourCalm),
        ("34 tiny windows", [get(1), many(wire(frame::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]))].concat(), EnhanceYourCalm),
        ("33 unknown frames", many(wire(0x77, 0, 0, b"x")), EnhanceYourCalm),
        (
            "35 table flip-flop",
            many([setting(frame::HEADER_TABLE_SIZE, 0), setting(frame::HEADER_TABLE_SIZE, 4096)].concat()),
            EnhanceYourCalm,
        ),
    ];
    for (id, bytes, code) in cases {
        let mut server = End::server();
        assert_eq!(server.code(&bytes), Some(code), "{id}");
        assert!(server.out.len() < 200_000, "{id}");
    }
}

#[test]
fn the_same_at_a_human_pace_is_not_a_flood() {
    let mut server = End::server();
    for n in 0..5000 {
        server.now += 100_000_000;
        let frames = [get(odd(n)), reset(odd(n)), wire(frame::PING, 0, 0, &[0; 8]), wire(frame::SETTINGS, 0, 0, &[])];
        assert!(server.feed(&frames.concat()).is_ok(), "{n}");
    }
}

#[test]
fn a_download_with_many_windows_is_not_a_flood() {
    let mut server = End::server();
    server.feed(&[get(1), setting(frame::INITIAL_WINDOW, 1 << 20)].concat()).unwrap();
    server.conn.send_response(&mut server.out, 1, &answer(200), &Edit::NONE, false).unwrap();
    for _ in 0..20_000 {
        assert_eq!(server.conn.send_data(&mut server.out, 1, &[0; 1000], false), Ok(1000));
        let update = 1000u32.to_be_bytes();
        assert!(
            server
                .feed(&[wire(frame::WINDOW_UPDATE, 0, 0, &update), wire(frame::WINDOW_UPDATE, 0, 1, &update)].concat())
                .is_ok()
        );
        server.out.clear();
    }
}

#[test]
fn case_35_a_list_over_the_limit_is_answered() {
    let mut server = End::server();
    let mut bomb = block(&GET);
    bomb.extend_from_slice(&[0x40, 1, b'a', 0x7f, 0x81, 0x1e]);
    bomb.extend_from_slice(&[b'x'; 4000]);
    bomb.extend_from_slice(&[0xbe; 8000]);
    assert_eq!(server.feed(&wire(frame::HEADERS, END_HEADERS, 1, &bomb)), Ok(vec![]));
    let said = server.said();
    let mut scratch = Scratch::new();
    let mut at = 0;
    let mut client = End::client();
    client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, false, 0).unwrap();
    let answer = wire(said[0].0, said[0].1, said[0].2, &said[0].3);
    let event = client.conn.recv(0, &answer, &mut at, &mut scratch, &mut client.out).unwrap().unwrap();
    assert_eq!(told(&event), "response 1 431 end=true");
    assert_eq!(said[1], (frame::RST_STREAM, 0, 1, vec![0; 4]));
    assert_eq!(server.feed(&get(3)).unwrap().len(), 1);
}

#[test]
fn more_streams_than_allowed_are_refused() {
    let mut server = End::greeted(Role::Server, &Config { max_streams: 2, ..Config::default() });
    assert_eq!(server.feed(&[get(1), get(3), get(5)].concat()).unwrap().len(), 2);
    assert_eq!(server.said(), [(frame::RST_STREAM, 0, 5, vec![0, 0, 0, 7])]);
}

#[test]
fn a_flood_of_interim_answers_is_ended() {
    let mut client = End::client();
    client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, true, 0).unwrap();
    let events = client.feed(&headers(1, false, &[(":status", "103")]).repeat(30)).unwrap();
    assert_eq!((events.len(), events[16].as_str()), (17, "reset 1 ProtocolError local=true"));
}

/// A frame out of noise, well formed more often than not.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(block(&GET)),
        Just(block(&POST)),
        Just(vec![0, 0, 0, 8]),
        Just(vec![0; 8]),
        Just(block(&[(":status", "200")])),
    ];
    (0u8..11, any::<u8>(), 0u32..8, payload)
        .prop_map(|(kind, flags, stream, payload)| wire(kind, flags, stream, &payload))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn noise_reads_the_same_in_any_pieces(frames in proptest::collection::vec(noise(), 0..30), piece in 1usize..60, client in any::<bool>()) {
        let bytes = frames.concat();
        let start = || {
            let mut end = if client { End::client() } else { End::server() };
            if client {
                for _ in 0..3 {
                    end.conn.send_request(&mut end.out, &ask("/"), &Edit::NONE, false, 0).unwrap();
                }
            }
            end
        };
        let (mut whole, mut cut) = (start(), start());
        // Data may come in more pieces: join what belongs together before comparing.
        let joined = |events: Vec<String>| {
            let mut sums = std::collections::BTreeMap::new();
            let rest: Vec<_> = events.into_iter().filter(|text| {
                let words: Vec<_> = text.split(' ').collect();
                if words[0] == "data" {
                    *sums.entry(words[1].to_owned()).or_insert(0) += words[2].parse::<usize>().unwrap();
                }
                words[0] != "data"
            }).collect();
            (rest, sums)
        };
        let first = whole.feed(&bytes).map(joined);
        let mut events = Ok(Vec::new());
        for part in bytes.chunks(piece) {
            match (cut.feed(part), &mut events) {
                (Ok(more), Ok(all)) => all.extend(more),
                (Err(fatal), _) => { events = Err(fatal); break }
                _ => {}
            }
        }
        prop_assert_eq!(first.as_ref().err(), events.as_ref().err());
        if let (Ok(first), Ok(events)) = (first, events) {
            prop_assert_eq!(first, joined(events));
        }
        prop_assert_eq!(whole.conn.count(), cut.conn.count());
    }
}
