//! What a request, and a message of an opaque connection, cost in instructions, both proxies together: for valgrind, not for the test run.
//!
//! `ISTHMUS_COST=N` of them go through the usual pair. Count with `valgrind --tool=callgrind` on the test program with two values of N
//! and divide the difference; `ISTHMUS_WATCH=1` opens a tap session on both, `ISTHMUS_WATCH=2` one with headers.

use super::make::*;
use super::observe::everything_tapped;

const ASK: &str = "GET /api/items?page=3 HTTP/1.1\r\nHost: web\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";
const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 5\r\nETag: \"1\"\r\n\r\nhello";

fn count(name: &str) -> u32 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[test]
#[ignore = "for valgrind"]
fn messages_for_valgrind() {
    let mut world = super::opaque::opaque_pair(1);
    let client = world.connect(0, "10.1.0.1:80");
    let mut server = None;
    for _ in 0..count("ISTHMUS_COST") {
        world.write(client, [7; 100]);
        world.run();
        let end = *server.get_or_insert_with(|| world.accept("10.0.0.2:8080").expect("dialed"));
        assert_eq!(world.read(end).len(), 100);
        world.write(end, [7; 100]);
        world.run();
        assert_eq!(world.read(client).len(), 100);
    }
}

#[test]
#[ignore = "for valgrind"]
fn requests_for_valgrind() {
    let mut world = pair(1);
    let watch = count("ISTHMUS_WATCH");
    for node in (0..2).filter(|_| watch > 0) {
        everything_tapped(&mut world, node, watch > 1);
    }
    let client = world.connect(0, "10.1.0.1:80");
    let mut server = None;
    for _ in 0..count("ISTHMUS_COST") {
        world.write(client, ASK);
        world.run();
        let end = *server.get_or_insert_with(|| world.accept("10.0.0.2:8080").expect("dialed"));
        world.read(end);
        world.write(end, ANSWER);
        world.run();
        assert!(!world.read(client).is_empty());
    }
}
