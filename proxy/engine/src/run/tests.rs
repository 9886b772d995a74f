//! Two proxies on real sockets and threads: loopback, a control thread that answers from a list, an application in std.

use super::*;
use crate::sim::make::{addr, balanced, credentials, endpoints, meshed, server, target};
use metrics::Registry;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use table::inbound::Authentication;
use table::{Ask, PathId, Tell};

/// What the kernel would remember of a redirected connection, by the address it reached.
static ORIGINALS: Mutex<Option<HashMap<SocketAddr, SocketAddr>>> = Mutex::new(None);

pub(crate) fn original(local: SocketAddr) -> Option<SocketAddr> {
    ORIGINALS.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(&local).copied()
}

/// Answers every question from fixed tables.
struct Answers {
    worker: OnceLock<Arc<dyn table::Worker>>,
    endpoint: SocketAddr,
}

impl table::Control for Answers {
    fn ask(&self, _from: WorkerId, ask: Ask) {
        let Some(worker) = self.worker.get() else { return };
        match ask {
            Ask::Target(lookup) => {
                worker.tell(Tell::Target(lookup, Arc::new(target(vec![balanced(1)], &[1]))));
                let mut endpoint = meshed("127.0.0.1:1", "b.test");
                endpoint.addr.set_port(self.endpoint.port());
                endpoint.inbound_port = original(addr("0.0.0.0:1")).map(|at| at.port());
                worker.tell(Tell::Endpoints(PathId(1), endpoints(&[endpoint])));
            }
            Ask::Port(port) => worker.tell(Tell::Port(port, Arc::new(server(Authentication::Encrypted)))),
            Ask::Forget(_) | Ask::ForgetPort(_) | Ask::Profile(_) | Ask::ForgetProfile(_) | Ask::Say(_) => {}
        }
    }
}

fn proxy(identity: &str, config: Config, endpoint: SocketAddr) -> (Running, Arc<Registry>) {
    let (control, registry) = (Arc::new(Answers { worker: OnceLock::new(), endpoint }), Registry::new(1));
    let running = start(config, control.clone(), registry.clone()).expect("started");
    let worker = running.workers[0].clone();
    assert!(control.worker.set(worker.clone()).is_ok());
    worker.tell(Tell::Credentials(credentials(identity)));
    (running, registry)
}

/// Answers each request with a body of the length its path names.
fn application(listener: TcpListener) {
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            let mut stream = std::io::BufReader::new(stream);
            loop {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    if !matches!(stream.read(&mut byte), Ok(1)) {
                        return;
                    }
                    head.push(byte[0]);
                }
                let text = String::from_utf8_lossy(&head).into_owned();
                let length: usize = text.split(['/', ' ']).nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                let stream = stream.get_mut();
                if stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(&vec![b'x'; length])).is_err() {
                    return;
                }
            }
        });
    }
}

fn ask(stream: &mut TcpStream, length: usize) {
    stream.write_all(format!("GET /{length} HTTP/1.1\r\nhost: web\r\n\r\n").as_bytes()).expect("sent");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("answered");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&head));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("whole");
    assert!(body.iter().all(|&b| b == b'x'));
}

#[test]
fn requests_pass_two_proxies_on_real_sockets() {
    let app = TcpListener::bind("127.0.0.1:0").expect("bound");
    let at = app.local_addr().expect("bound");
    std::thread::spawn(move || application(app));
    let any = || vec![addr("127.0.0.1:0")];
    let config = Config { loopback_targets: true, ..Config::default() };
    let (b, numbers) = proxy("b.test", Config { inbound: any(), ..config.clone() }, at);
    let (a, _) = proxy("a.test", Config { outbound: any(), ..config }, at);
    let known = HashMap::from([(a.bound[0], addr("10.1.0.1:80")), (addr("0.0.0.0:1"), b.bound[0])]);
    *ORIGINALS.lock().expect("not poisoned") = Some(known);
    let mut threads = Vec::new();
    for _ in 0..8 {
        let to = a.bound[0];
        threads.push(std::thread::spawn(move || {
            let mut stream = TcpStream::connect(to).expect("connected");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
            for length in [0, 1, 100, 70_000, 5, 2_000_000, 3] {
                ask(&mut stream, length);
            }
        }));
    }
    threads.into_iter().for_each(|t| t.join().expect("all answered"));
    let mut text = String::new();
    numbers.render(&mut text);
    let counted: f64 = text
        .lines()
        .filter(|l| l.starts_with("response_total{"))
        .filter_map(|l| l.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum();
    assert_eq!(counted, 56.0, "{text}");
    for running in [a, b] {
        running.workers[0].tell(Tell::Drain(Duration::from_secs(5)));
        running.threads.into_iter().for_each(|t| t.join().expect("drained"));
    }
}
