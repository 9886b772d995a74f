//! What RFC 9113 forbids, by section.

use super::*;
use Code::*;

#[test]
fn connection_errors() {
    let five = |stream: u32| [stream.to_be_bytes().as_slice(), &[0]].concat();
    let cases: Vec<(&str, Vec<u8>, Code)> = vec![
        ("4.2 frame too large", wire(frame::HEADERS, 4, 1, &[0; 16_385]), FrameSizeError),
        ("4.3 broken block", wire(frame::HEADERS, 5, 1, &[0x40]), CompressionError),
        (
            "4.3 block interrupted",
            [wire(frame::HEADERS, 1, 1, b"\x82"), wire(frame::PING, 0, 0, &[0; 8])].concat(),
            ProtocolError,
        ),
        (
            "4.3 block of another stream",
            [wire(frame::HEADERS, 1, 1, b"\x82"), wire(frame::CONTINUATION, 4, 3, b"")].concat(),
            ProtocolError,
        ),
        ("5.1 data on idle", wire(frame::DATA, 1, 1, b"x"), ProtocolError),
        ("5.1 reset on idle", wire(frame::RST_STREAM, 0, 1, &[0; 4]), ProtocolError),
        ("5.1 window on idle", wire(frame::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), ProtocolError),
        ("5.1 headers after both ends", get(1), StreamClosed),
        ("5.1.1 even number", get(2), ProtocolError),
        ("5.1.1 number goes back", [get(5), get(3)].concat(), ProtocolError),
        ("6.1 data on 0", wire(frame::DATA, 0, 0, b"x"), ProtocolError),
        ("6.1 padding too long", [post(1), wire(frame::DATA, 8, 1, &[5, 1, 2])].concat(), ProtocolError),
        ("6.1 padding missing", [post(1), wire(frame::DATA, 8, 1, &[])].concat(), FrameSizeError),
        ("6.2 headers on 0", get(0), ProtocolError),
        ("6.2 padding too long", wire(frame::HEADERS, 4 | 8, 1, &[9, 0x82]), ProtocolError),
        ("6.3 priority on 0", wire(frame::PRIORITY, 0, 0, &five(3)), ProtocolError),
        ("6.4 reset on 0", wire(frame::RST_STREAM, 0, 0, &[0; 4]), ProtocolError),
        ("6.4 reset size", [get(1), wire(frame::RST_STREAM, 0, 1, &[0; 3])].concat(), FrameSizeError),
        ("6.5 settings ack with content", wire(frame::SETTINGS, ACK, 0, &[0; 6]), FrameSizeError),
        ("6.5 settings on a stream", wire(frame::SETTINGS, 0, 1, &[]), ProtocolError),
        ("6.5 settings size", wire(frame::SETTINGS, 0, 0, &[0; 5]), FrameSizeError),
        ("6.5.2 push", setting(frame::ENABLE_PUSH, 2), ProtocolError),
        ("6.5.2 window", setting(frame::INITIAL_WINDOW, 1 << 31), FlowControlError),
        ("6.5.2 small frame", setting(frame::MAX_FRAME, 16_383), ProtocolError),
        ("6.5.2 large frame", setting(frame::MAX_FRAME, 1 << 24), ProtocolError),
        ("6.6 push promise", wire(frame::PUSH_PROMISE, 4, 1, &[0, 0, 0, 2]), ProtocolError),
        ("6.7 ping on a stream", wire(frame::PING, 0, 1, &[0; 8]), ProtocolError),
        ("6.7 ping size", wire(frame::PING, 0, 0, &[0; 6]), FrameSizeError),
        ("6.8 goaway on a stream", wire(frame::GOAWAY, 0, 1, &[0; 8]), ProtocolError),
        ("6.8 goaway size", wire(frame::GOAWAY, 0, 0, &[0; 7]), FrameSizeError),
        ("6.9 window of nothing", wire(frame::WINDOW_UPDATE, 0, 0, &[0; 4]), ProtocolError),
        ("6.9 window size", wire(frame::WINDOW_UPDATE, 0, 0, &[0; 3]), FrameSizeError),
        ("6.9.1 window too large", wire(frame::WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]), FlowControlError),
        ("6.10 continuation of nothing", wire(frame::CONTINUATION, 4, 1, b"\x82"), ProtocolError),
        ("6.10 continuation after the end", [get(1), wire(frame::CONTINUATION, 4, 1, b"\x82")].concat(), ProtocolError),
    ];
    for (id, bytes, code) in cases {
        let mut server = End::server();
        if id == "5.1 headers after both ends" {
            server.feed(&get(1)).unwrap();
            server.conn.send_response(&mut server.out, 1, &answer(200), &Edit::NONE, true).unwrap();
        }
        assert_eq!(server.code(&bytes), Some(code), "{id}");
        let (kind, _, _, payload) = server.said().pop().unwrap();
        assert_eq!((kind, payload[7]), (frame::GOAWAY, code as u8), "{id}");
    }
}

#[test]
fn stream_errors() {
    let five = |stream: u32| [stream.to_be_bytes().as_slice(), &[0]].concat();
    let loud = |extra: (&'static str, &'static str)| headers(1, true, &[GET.as_slice(), &[extra]].concat());
    let without = |i: usize| {
        let mut fields = GET.to_vec();
        fields.remove(i);
        headers(1, true, &fields)
    };
    let with = |i: usize, value: &'static str| {
        let mut fields = GET.to_vec();
        fields[i].1 = value;
        headers(1, true, &fields)
    };
    let cases: Vec<(&str, Vec<u8>, Code)> = vec![
        ("5.1 data after the end", [get(1), wire(frame::DATA, 1, 1, b"x")].concat(), StreamClosed),
        ("5.1 headers after the end", [get(1), get(1)].concat(), StreamClosed),
        (
            "5.1 data after a reset",
            [post(1), wire(frame::RST_STREAM, 0, 1, &[0; 4]), wire(frame::DATA, 1, 1, b"x")].concat(),
            StreamClosed,
        ),
        ("5.3.1 depends on itself", wire(frame::HEADERS, 5 | 0x20, 1, &[five(1), block(&GET)].concat()), ProtocolError),
        ("5.3.1 priority on itself", [get(1), wire(frame::PRIORITY, 0, 1, &five(1))].concat(), ProtocolError),
        ("6.3 priority size", [get(1), wire(frame::PRIORITY, 0, 1, &[0; 4])].concat(), FrameSizeError),
        ("6.9 window of nothing", [get(1), wire(frame::WINDOW_UPDATE, 0, 1, &[0; 4])].concat(), ProtocolError),
        (
            "6.9.1 window too large",
            [get(1), wire(frame::WINDOW_UPDATE, 0, 1, &[0x7f, 255, 255, 255])].concat(),
            FlowControlError,
        ),
        ("8.1 second headers without end", [post(1), headers(1, false, &[("x", "y")])].concat(), ProtocolError),
        ("8.1.2 pseudo-field in trailers", [post(1), headers(1, true, &[(":path", "/")])].concat(), ProtocolError),
        ("8.2 upper case", loud(("X-Y", "z")), ProtocolError),
        ("8.2.2 connection", loud(("connection", "keep-alive")), ProtocolError),
        ("8.2.2 keep-alive", loud(("keep-alive", "1")), ProtocolError),
        ("8.2.2 transfer-encoding", loud(("transfer-encoding", "chunked")), ProtocolError),
        ("8.2.2 upgrade", loud(("upgrade", "websocket")), ProtocolError),
        ("8.2.2 te", loud(("te", "gzip")), ProtocolError),
        ("8.3 unknown pseudo-field", loud((":x", "y")), ProtocolError),
        ("8.3 response pseudo-field", headers(1, true, &[(":status", "200")]), ProtocolError),
        ("8.3 pseudo-field late", headers(1, true, &[&[("x", "y")], GET.as_slice()].concat()), ProtocolError),
        ("8.3 doubled method", loud((":method", "GET")), ProtocolError),
        ("36 doubled path", headers(1, true, &[GET.as_slice(), &[(":path", "/")]].concat()), ProtocolError),
        ("36 authority is not host", loud(("host", "b")), ProtocolError),
        ("36 two hosts", headers(1, true, &[GET.as_slice(), &[("host", "a"), ("host", "a")]].concat()), ProtocolError),
        ("8.3.1 no method", without(0), ProtocolError),
        ("8.3.1 no scheme", without(1), ProtocolError),
        ("8.3.1 no path", without(3), ProtocolError),
        ("8.3.1 empty path", with(3, ""), ProtocolError),
        ("8.3.1 path without slash", with(3, "x"), ProtocolError),
        ("24 fragment", with(3, "/#x"), ProtocolError),
        ("37 blank in path", with(3, "/ HTTP/1.1"), ProtocolError),
        ("37 line end in path", with(3, "/\r\nx: y"), ProtocolError),
        ("37 blank in method", with(0, "GET /"), ProtocolError),
        ("37 line end in authority", with(2, "a\r\nx"), ProtocolError),
        ("37 user in authority", with(2, "u@a"), ProtocolError),
        ("37 line end in value", loud(("x", "a\r\nb")), ProtocolError),
        ("37 nul in value", loud(("x", "a\0b")), ProtocolError),
        ("37 line feed in name", loud(("x\ny", "a")), ProtocolError),
        ("38 length without body", loud(("content-length", "1")), ProtocolError),
        ("38 malformed length", loud(("content-length", "+0")), ProtocolError),
        (
            "38 two lengths",
            headers(1, true, &[GET.as_slice(), &[("content-length", "0"), ("content-length", "0")]].concat()),
            ProtocolError,
        ),
        ("39 connect with path", with(0, "CONNECT"), ProtocolError),
        (
            "39 extended connect",
            headers(1, false, &[(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "a:1")]),
            ProtocolError,
        ),
        ("scheme", with(1, "file"), ProtocolError),
    ];
    for (id, bytes, code) in cases {
        let mut server = End::server();
        assert!(server.feed(&bytes).is_ok(), "{id}");
        let wanted = (frame::RST_STREAM, 0, 1, (code as u32).to_be_bytes().to_vec());
        assert_eq!(server.said().pop(), Some(wanted), "{id}");
        assert!(server.conn.idle(), "{id}");
        assert_eq!(server.feed(&get(7)).unwrap().len(), 1, "{id}: the connection lives on");
    }
}

#[test]
fn a_server_wants_the_preface_and_settings_first() {
    for (id, bytes) in [
        ("preface", b"GET / HTTP/1.1\r\n".to_vec()),
        ("preface cut wrongly", [&frame::PREFACE[..20], b"xx"].concat()),
        ("settings", [frame::PREFACE.as_slice(), &wire(frame::PING, 0, 0, &[0; 8])].concat()),
    ] {
        assert_eq!(End::new(Role::Server, &Config::default()).code(&bytes), Some(ProtocolError), "{id}");
    }
}

#[test]
fn what_must_be_passed_over_is() {
    let mut server = End::server();
    let odd = [
        wire(0x16, 0xff, 0, b"x"),
        wire(frame::PRIORITY, 0, 9, &[0, 0, 0, 1, 5]),
        setting(0x99, 1),
        wire(frame::SETTINGS, ACK, 0, b""),
    ];
    assert_eq!(server.feed(&odd.concat()), Ok(vec!["settings".to_owned()]));
    // Reserved bit, all flags, padding.
    let mut padded = wire(frame::HEADERS, !0x20, 1, &[&[3], block(&GET).as_slice(), &[0; 3]].concat());
    padded[5] |= 0x80;
    assert_eq!(server.feed(&padded), Ok(vec!["request 1 GET a/ end=true".to_owned()]));
}

#[test]
fn lengths_are_held_to() {
    let declared = headers(1, false, &[POST.as_slice(), &[("content-length", "4")]].concat());
    for (id, frames, last) in [
        ("too long", vec![wire(frame::DATA, 0, 1, b"12345")], "reset 1 ProtocolError local=true"),
        ("too short", vec![wire(frame::DATA, 1, 1, b"123")], "reset 1 ProtocolError local=true"),
        ("too short by trailers", vec![headers(1, true, &[("x", "y")])], "reset 1 ProtocolError local=true"),
        ("right", vec![wire(frame::DATA, 0, 1, b"12"), wire(frame::DATA, 1, 1, b"34")], "data 1 2 end=true"),
        (
            "right with trailers",
            vec![wire(frame::DATA, 0, 1, b"1234"), headers(1, true, &[("x", "y")])],
            "trailers 1 [(\"x\", \"y\")]",
        ),
    ] {
        let mut server = End::server();
        let events = server.feed(&[declared.clone(), frames.concat()].concat()).unwrap();
        assert_eq!(events.last().unwrap(), last, "{id}");
    }
}

#[test]
fn responses_are_judged_by_what_was_asked() {
    let ok = |status: &'static str| headers(1, true, &[(":status", status)]);
    let length = |status: &'static str, end| headers(1, end, &[(":status", status), ("content-length", "5")]);
    for (id, method, frames, last) in [
        ("plain", "GET", ok("200"), "response 1 200 end=true"),
        ("head with length", "HEAD", length("200", true), "response 1 200 end=true"),
        ("not modified with length", "GET", length("304", true), "response 1 304 end=true"),
        (
            "19 head with body",
            "HEAD",
            [length("200", false), wire(frame::DATA, 1, 1, b"12345")].concat(),
            "reset 1 ProtocolError local=true",
        ),
        ("length without body", "GET", length("200", true), "reset 1 ProtocolError local=true"),
        ("interim that ends", "GET", ok("100"), "reset 1 ProtocolError local=true"),
        ("18 101", "GET", headers(1, false, &[(":status", "101")]), "reset 1 ProtocolError local=true"),
        ("no status", "GET", headers(1, true, &[("x", "y")]), "reset 1 ProtocolError local=true"),
        ("status of two digits", "GET", ok("20"), "reset 1 ProtocolError local=true"),
        ("data before the head", "GET", wire(frame::DATA, 1, 1, b"1"), "reset 1 ProtocolError local=true"),
    ] {
        let mut client = End::client();
        let head = Request { method: method.as_bytes(), ..ask("/") };
        client.conn.send_request(&mut client.out, &head, &Edit::NONE, true, 0).unwrap();
        assert_eq!(client.feed(&frames).unwrap().last().unwrap(), last, "{id}");
    }
}

#[test]
fn a_server_may_not_open_streams() {
    for (id, bytes) in [("push", wire(frame::PUSH_PROMISE, 4, 1, &[0, 0, 0, 2])), ("even", ok(2)), ("unasked", ok(1))] {
        assert_eq!(End::client().code(&bytes), Some(ProtocolError), "{id}");
    }
    fn ok(stream: u32) -> Vec<u8> {
        headers(stream, true, &[(":status", "200")])
    }
}

#[test]
fn what_was_under_way_when_we_reset_is_forgiven() {
    let mut client = End::client();
    client.conn.send_request(&mut client.out, &ask("/"), &Edit::NONE, false, 0).unwrap();
    client.conn.reset(&mut client.out, 1, Cancel);
    client.out.clear();
    let late =
        [headers(1, false, &[(":status", "200")]), wire(frame::DATA, 0, 1, b"x"), headers(1, true, &[("x", "y")])]
            .concat();
    assert_eq!(client.feed(&late), Ok(vec![]));
    assert_eq!(client.said(), []);
    let mut server = End::server();
    server.feed(&post(1)).unwrap();
    server.conn.reset(&mut server.out, 1, Cancel);
    server.out.clear();
    assert_eq!(server.feed(&[wire(frame::DATA, 0, 1, b"x"), headers(1, true, &[("x", "y")])].concat()), Ok(vec![]));
    assert_eq!(server.said(), []);
}

#[test]
fn trailers_cannot_frame_or_authorise() {
    let (mut server, mut scratch, mut at) = (End::server(), Scratch::new(), 0);
    let late = headers(
        1,
        true,
        &[("content-length", "0"), ("l5d-client-id", "x"), ("grpc-status", "0"), ("authorization", "b")],
    );
    let bytes = [post(1), late].concat();
    server.conn.recv(0, &bytes, &mut at, &mut scratch, &mut server.out).unwrap();
    let event = server.conn.recv(0, &bytes, &mut at, &mut scratch, &mut server.out).unwrap();
    let Some(Event::Trailers { fields, .. }) = event else { panic!("{event:?}") };
    assert_eq!(fields.end_to_end().map(|field| field.id).collect::<Vec<_>>(), [Name::GrpcStatus]);
}
