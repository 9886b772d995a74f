//! `process_*` families, read from `/proc` at a scrape; what cannot be read is left out.

use crate::family::Kind;
use crate::text;
use std::fmt::Write;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Kernel ticks per second as user space sees them: fixed by the ABI.
const TICKS: f64 = 100.0;

/// What must be known beside `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Wall clock at start.
    pub time: SystemTime,
}

/// Appends the families as of `now`.
pub fn render(out: &mut String, start: Start, now: SystemTime) {
    let since = |t: SystemTime| t.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
    one(
        out,
        "process_start_time_seconds",
        "When the process started, since 1970",
        Kind::Gauge,
        Some(since(start.time)),
    );
    one(out, "process_clock_time_seconds", "The clock, since 1970", Kind::Gauge, Some(since(now)));
    let up = now.duration_since(start.time).unwrap_or(Duration::ZERO).as_secs();
    one(out, "process_uptime_seconds_total", "Time since the start", Kind::Counter, Some(up as f64));
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    one(out, "process_cpu_seconds_total", "User and system CPU time", Kind::Counter, cpu_seconds(&stat));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |key| field(&status, key).map(|v| v * 1024.0);
    one(out, "process_virtual_memory_bytes", "Address space", Kind::Gauge, kib("VmSize:"));
    one(out, "process_resident_memory_bytes", "Resident memory", Kind::Gauge, kib("VmRSS:"));
    one(out, "process_threads", "Threads", Kind::Gauge, field(&status, "Threads:"));
    let open = fs::read_dir("/proc/self/fd").ok().map(|d| d.count() as f64);
    one(out, "process_open_fds", "Open file descriptors", Kind::Gauge, open);
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    one(out, "process_max_fds", "Limit of open file descriptors", Kind::Gauge, field(&limits, "Max open files"));
    let (received, sent) = network(&fs::read_to_string("/proc/self/net/dev").unwrap_or_default());
    one(out, "process_network_receive_bytes_total", "Bytes received by all interfaces", Kind::Counter, Some(received));
    one(out, "process_network_transmit_bytes_total", "Bytes sent by all interfaces", Kind::Counter, Some(sent));
}

fn one(out: &mut String, name: &str, help: &str, kind: Kind, value: Option<f64>) {
    if let Some(value) = value {
        text::head(out, name, help, kind);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name} {value}");
    }
}

/// utime + stime; the command in parentheses may hold spaces, so fields are counted from its end.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut tick = || fields.next()?.parse::<f64>().ok();
    Some((tick()? + tick()?) / TICKS)
}

fn field(text: &str, key: &str) -> Option<f64> {
    let rest = text.lines().find_map(|l| l.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn network(dev: &str) -> (f64, f64) {
    let rows = dev.lines().filter_map(|l| l.split_once(':')).map(|(_, n)| {
        let n: Vec<f64> = n.split_whitespace().filter_map(|v| v.parse().ok()).collect();
        (n.first().copied().unwrap_or(0.0), n.get(8).copied().unwrap_or(0.0))
    });
    rows.fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_past_a_command_with_spaces() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4 0 0 0 0 250 50 0 0 20 0 3 0 100";
        assert_eq!(cpu_seconds(stat), Some(3.0));
    }

    #[test]
    fn interfaces_are_summed() {
        let dev = "Inter-|\n face |bytes\n  lo: 10 1 0 0 0 0 0 0 20 1\n eth0: 5 1 0 0 0 0 0 0 7 1\n";
        assert_eq!(network(dev), (15.0, 27.0));
    }

    #[test]
    fn a_live_process_has_every_family() {
        let mut out = String::new();
        let now = SystemTime::now();
        render(&mut out, Start { time: now }, now);
        for name in ["resident_memory_bytes", "open_fds", "max_fds", "threads", "cpu_seconds_total"] {
            assert!(out.contains(&format!("\nprocess_{name} ")), "{name} in {out}");
        }
    }
}
