//! The exposition: Prometheus text, families by name, no series that never moved.

use crate::family::{Family, Kind, Unit};
use crate::registry::{Row, Series};
use crate::shard::Words;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// `a="b",c="d"`, values escaped.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(pairs.iter().map(|(k, v)| k.len() + v.len() + 4).sum());
    for (i, (name, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(name);
        out.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    out
}

/// `# HELP` and `# TYPE`.
pub(crate) fn head(out: &mut String, name: &str, help: &str, kind: Kind) {
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// By what a scrape knows that a series is idle.
#[derive(Clone, Copy)]
pub(crate) struct Idle {
    pub(crate) now: Duration,
    pub(crate) retain: Duration,
}

impl Idle {
    /// Whether the row is still shown, given the number that stands for it.
    fn shows(self, family: &str, row: &mut Row, number: u64) -> bool {
        if row.last != number {
            (row.last, row.moved) = (number, self.now);
        }
        let lasting = ["control_", "proxy_", "rustls_", "metrics_"].iter().any(|own| family.starts_with(own));
        lasting || self.retain.is_zero() || self.now < row.moved + self.retain
    }
}

pub(crate) fn family(out: &mut String, series: &mut Series, shards: &[Arc<Words>], idle: Idle) {
    let family = series.family;
    let start = out.len();
    head(out, family.name, family.help, family.kind);
    let body = out.len();
    for row in &mut series.rows {
        match family.kind {
            Kind::Counter => counter(out, family.name, row, shards, idle),
            Kind::Gauge => gauge(out, family.name, row, shards, idle),
            Kind::Histogram => histogram(out, family, row, shards, idle),
        }
    }
    if out.len() == body {
        out.truncate(start);
    }
}

fn sum(shards: &[Arc<Words>], index: u32) -> u64 {
    shards.iter().map(|s| s.read(index)).fold(0, u64::wrapping_add)
}

fn counter(out: &mut String, name: &str, row: &mut Row, shards: &[Arc<Words>], idle: Idle) {
    let value = sum(shards, row.first);
    if idle.shows(name, row, value) && value > 0 {
        line(out, name, "", &row.labels, "", value);
    }
}

fn gauge(out: &mut String, name: &str, row: &mut Row, shards: &[Arc<Words>], idle: Idle) {
    let value = sum(shards, row.first).cast_signed();
    row.seen |= value != 0;
    // What is open now is shown however long it has been so.
    if row.seen && (idle.shows(name, row, value.cast_unsigned()) || value != 0) {
        line(out, name, "", &row.labels, "", value);
    }
}

fn histogram(out: &mut String, family: &Family, row: &mut Row, shards: &[Arc<Words>], idle: Idle) {
    let (name, bounds, unit) = (family.name, family.buckets, family.unit);
    let mut counts = [0u64; 64];
    let n = bounds.len().min(counts.len() - 1);
    for (i, count) in counts[..=n].iter_mut().enumerate() {
        *count = sum(shards, row.first + i as u32);
    }
    let total: u64 = counts[..=n].iter().sum();
    if !idle.shows(name, row, total) || total == 0 {
        return;
    }
    let mut below = 0;
    for (bound, count) in bounds.iter().zip(counts) {
        below += count;
        let le = format!("le=\"{}\"", scaled(*bound, unit));
        line(out, name, "_bucket", &row.labels, &le, below);
    }
    line(out, name, "_bucket", &row.labels, "le=\"+Inf\"", total);
    let observed = sum(shards, row.first + bounds.len() as u32 + 1);
    line(out, name, "_sum", &row.labels, "", scaled(observed, unit));
    line(out, name, "_count", &row.labels, "", total);
}

fn scaled(value: u64, unit: Unit) -> f64 {
    value as f64 / unit.scale() as f64
}

fn line(out: &mut String, name: &str, suffix: &str, labels: &str, more: &str, value: impl std::fmt::Display) {
    let comma = if labels.is_empty() || more.is_empty() { "" } else { "," };
    let _ = if labels.is_empty() && more.is_empty() {
        writeln!(out, "{name}{suffix} {value}")
    } else {
        writeln!(out, "{name}{suffix}{{{labels}{comma}{more}}} {value}")
    };
}
