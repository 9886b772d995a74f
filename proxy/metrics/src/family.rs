//! What a metric family is: name, help, kind, buckets, and how many series it may hold. Statics only, nothing mutable here.

/// How a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution over `Family::buckets`.
    Histogram,
}

/// What one observed number means, and how the exposition prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Printed as observed (bytes, counts).
    One,
    /// Observed in microseconds, printed in milliseconds.
    MicrosAsMillis,
    /// Observed in microseconds, printed in seconds.
    MicrosAsSeconds,
}

impl Unit {
    /// How many observed units make one printed unit.
    pub const fn scale(self) -> u64 {
        match self {
            Self::One => 1,
            Self::MicrosAsMillis => 1_000,
            Self::MicrosAsSeconds => 1_000_000,
        }
    }
}

/// A metric family. Identified by its name: two statics of one name are one family.
#[derive(Debug)]
pub struct Family {
    /// As scraped, without `_bucket`, `_sum`, `_count`.
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
    /// How it counts.
    pub kind: Kind,
    /// What an observation means.
    pub unit: Unit,
    /// Upper bounds in observed units, ascending; empty unless a histogram.
    pub buckets: &'static [u64],
    /// Series beyond this many are folded into `other`.
    pub limit: usize,
}

impl Family {
    /// A family that only grows; at most 2 000 series.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Counter, unit: Unit::One, buckets: &[], limit: 2_000 }
    }

    /// A family that goes up and down; at most 2 000 series.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Gauge, unit: Unit::One, buckets: &[], limit: 2_000 }
    }

    /// A distribution; at most 500 series, as each takes a slot per bucket.
    pub const fn histogram(name: &'static str, help: &'static str, unit: Unit, buckets: &'static [u64]) -> Self {
        Self { name, help, kind: Kind::Histogram, unit, buckets, limit: 500 }
    }

    /// How many words a series takes in each shard: a histogram has its buckets, the rest, and the sum.
    pub(crate) const fn width(&self) -> usize {
        match self.kind {
            Kind::Counter | Kind::Gauge => 1,
            Kind::Histogram => self.buckets.len() + 2,
        }
    }
}
