//! The access log: one line on standard error per inbound HTTP request, in the common format or as JSON.
//!
//! In: `Access` from the workers. Out: lines, written by a thread of its own, so that a slow reader of standard error holds up nobody.
//! Limits: 4 096 lines wait; more are dropped and counted (`access_log_dropped_total`). What a client sent is escaped.

use crate::env::AccessLog;
use crate::logger::quote;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use table::observe::{Access, Sink};
use time::OffsetDateTime;

const LINES: usize = 4096;
/// Bytes written at once.
const BATCH: usize = 64 << 10;

struct Lines(SyncSender<(SystemTime, Access)>);

impl Sink<Access> for Lines {
    fn put(&self, access: Access) -> bool {
        self.0.try_send((SystemTime::now(), access)).is_ok()
    }
}

/// Starts the thread; it ends when nobody holds the sink any more and all is written.
///
/// # Errors
/// When the thread cannot be made.
pub fn start(format: AccessLog) -> io::Result<(Arc<dyn Sink<Access>>, JoinHandle<()>)> {
    let (sink, lines) = sync_channel(LINES);
    let thread = std::thread::Builder::new().name("access-log".into());
    let thread = thread.spawn(move || write(format, &lines, &mut io::stderr()))?;
    Ok((Arc::new(Lines(sink)), thread))
}

fn write(format: AccessLog, lines: &Receiver<(SystemTime, Access)>, to: &mut impl Write) {
    let mut out = String::new();
    while let Ok((end, access)) = lines.recv() {
        out.clear();
        line(&mut out, format, end, &access);
        while out.len() < BATCH
            && let Ok((end, access)) = lines.try_recv()
        {
            line(&mut out, format, end, &access);
        }
        // Nobody reads: nothing to be done, and nobody to be told.
        let _ = to.write_all(out.as_bytes());
    }
}

fn line(out: &mut String, format: AccessLog, end: SystemTime, access: &Access) {
    let start = stamp(end.checked_sub(Duration::from_nanos(access.total_ns)).unwrap_or(end));
    match format {
        AccessLog::Apache => apache(out, &start, access),
        AccessLog::Json => json(out, &start, access),
    }
    out.push('\n');
}

/// `client identity - [time] "method uri version" status bytes`.
fn apache(out: &mut String, start: &str, access: &Access) {
    let id = access.client_id.as_deref().unwrap_or("-");
    let _ = write!(out, "{} {id} - [{start}] \"", access.client);
    for part in [&*access.method, " ", &access.uri, " ", access.version] {
        escape(out, part);
    }
    // The client left before there was a status.
    let _ = match access.status {
        0 => write!(out, "\" - {}", access.bytes.1),
        status => write!(out, "\" {status} {}", access.bytes.1),
    };
}

/// What could end the quoted part or the line.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
}

/// The fields under the names that readers of other proxies' logs know; numbers are strings there, but for the status.
fn json(out: &mut String, start: &str, access: &Access) {
    let text = [
        ("client.addr", access.client.to_string()),
        ("client.id", access.client_id.as_deref().unwrap_or("-").to_owned()),
        ("timestamp", start.to_owned()),
        ("method", access.method.to_string()),
        ("uri", access.uri.to_string()),
        ("version", access.version.to_owned()),
        ("trace_id", access.trace_id.to_string()),
        ("request_bytes", access.bytes.0.to_string()),
        ("response_bytes", access.bytes.1.to_string()),
        ("total_ns", access.total_ns.to_string()),
        ("processing_ns", access.processing_ns.to_string()),
        ("user_agent", access.user_agent.to_string()),
        ("host", access.host.to_string()),
    ];
    out.push('{');
    for (name, value) in text {
        quote(out, name);
        out.push(':');
        quote(out, &value);
        out.push(',');
    }
    let _ = write!(out, "\"status\":{}}}", access.status);
}

/// `2026-08-21T10:00:00.000000001Z`.
fn stamp(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.nanosecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            client: "10.0.0.9:5000".parse().expect("an address"),
            client_id: Some("web.id".into()),
            method: "GET".into(),
            uri: "http://web/a\"b".into(),
            version: "HTTP/2.0",
            trace_id: "".into(),
            user_agent: "a\\b\u{7f}\n".into(),
            host: "web".into(),
            bytes: (3, 12),
            status: 200,
            total_ns: 1_500_000_000,
            processing_ns: 7,
        }
    }

    fn written(format: AccessLog, lines: Vec<Access>) -> String {
        let (sink, waiting) = sync_channel(LINES);
        let end = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_787_306_401_500_000_001);
        lines.into_iter().for_each(|line| sink.send((end, line)).expect("room"));
        drop(sink);
        let mut out = Vec::new();
        write(format, &waiting, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn lines_in_the_common_format_cannot_be_forged() {
        let left = Access { client_id: None, status: 0, bytes: (0, 0), uri: "http://web/\r\nx".into(), ..access() };
        let expected = "10.0.0.9:5000 web.id - [2026-08-21T10:00:00.000000001Z] \"GET http://web/a\\\"b HTTP/2.0\" 200 12\n\
                        10.0.0.9:5000 - - [2026-08-21T10:00:00.000000001Z] \"GET http://web/\\x0d\\x0ax HTTP/2.0\" - 0\n";
        assert_eq!(written(AccessLog::Apache, vec![access(), left]), expected);
    }

    #[test]
    fn json_has_every_field() {
        let expected = concat!(
            r#"{"client.addr":"10.0.0.9:5000","client.id":"web.id","timestamp":"2026-08-21T10:00:00.000000001Z","#,
            r#""method":"GET","uri":"http://web/a\"b","version":"HTTP/2.0","trace_id":"","request_bytes":"3","#,
            r#""response_bytes":"12","total_ns":"1500000000","processing_ns":"7","#,
            r#""user_agent":"a\\b\u007f\n","host":"web","status":200}"#,
            "\n"
        );
        assert_eq!(written(AccessLog::Json, vec![access()]).replace('\u{7f}', r"\u007f"), expected);
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let (sink, _held) = sync_channel(1);
        let sink = Lines(sink);
        assert!(sink.put(access()) && !sink.put(access()));
    }
}
