//! `isthmus-proxy await`: blocks until the proxy of this pod is ready, so that the next container starts not a moment later.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(15);
const ONE_TRY: Duration = Duration::from_secs(1);

/// `--timeout`, `--port`.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    timeout: Duration,
    port: u16,
}

impl Options {
    /// Reads the arguments after `await`.
    ///
    /// # Errors
    /// A sentence with argument, value and a valid example.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { timeout: Duration::from_secs(120), port: 4191 };
        let mut args = args.flat_map(|a| match a.split_once('=') {
            Some((name, value)) => vec![name.to_owned(), value.to_owned()],
            None => vec![a],
        });
        while let Some(name) = args.next() {
            let value = args.next().unwrap_or_default();
            let bad = |example| format!("{name} is {value:?}, which cannot be read; a valid value is {example}");
            match name.as_str() {
                "--timeout" => options.timeout = control::env::duration(&value).ok_or_else(|| bad("2m"))?,
                "--port" => options.port = value.parse().ok().filter(|p| *p > 0).ok_or_else(|| bad("4191"))?,
                _ => return Err(format!("await does not know {name:?}; it takes --timeout 2m and --port 4191")),
            }
        }
        Ok(options)
    }
}

/// 0 when ready, 1 when the time is over.
pub fn run(options: &Options) -> ExitCode {
    let end = Instant::now() + options.timeout;
    let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    loop {
        if ready(admin).unwrap_or(false) {
            return ExitCode::SUCCESS;
        }
        if Instant::now() >= end {
            eprintln!(
                "isthmus-proxy: the proxy on port {} was not ready within {:?}; its log says why",
                options.port, options.timeout
            );
            return ExitCode::FAILURE;
        }
        #[allow(clippy::disallowed_methods, reason = "this process does nothing but wait")]
        std::thread::sleep(POLL);
    }
}

fn ready(admin: SocketAddr) -> std::io::Result<bool> {
    let mut tcp = TcpStream::connect_timeout(&admin, ONE_TRY)?;
    tcp.set_read_timeout(Some(ONE_TRY))?;
    tcp.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    tcp.read_exact(&mut head)?;
    Ok(head.ends_with(b" 200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, String> {
        Options::parse(args.iter().map(|a| (*a).to_owned()))
    }

    #[test]
    fn arguments() {
        assert_eq!(parse(&[]), Ok(Options { timeout: Duration::from_secs(120), port: 4191 }));
        assert_eq!(parse(&["--timeout=5s", "--port", "9"]), Ok(Options { timeout: Duration::from_secs(5), port: 9 }));
        for wrong in [&["--timeout", "soon"][..], &["--port", "0"], &["--speed", "1"], &["--port"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_answer_of_200_is_ready_and_503_is_not() {
        for (line, expected) in [("HTTP/1.1 200 OK\r\n\r\n", true), ("HTTP/1.1 503 x\r\n\r\n", false)] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("an address");
            let server = std::thread::spawn(move || {
                let (mut tcp, _) = listener.accept().expect("a client");
                let _ = tcp.read(&mut [0; 256]);
                tcp.write_all(line.as_bytes()).expect("written");
            });
            assert_eq!(ready(address).expect("an answer"), expected);
            server.join().expect("joined");
        }
    }
}
