//! The log: one line per event on standard error, filtered by `LOG`, plain or JSON by `LOG_FORMAT`.
//!
//! In: records of the `log` crate from any thread. Out: lines. Directives are `level`, `target=level` or `off`; `linkerd` names
//! all of our own modules, so filters written for other proxies hold; directives on spans (`[{..}]=..`) are accepted and unused.
//! Never here: buffering; the engine logs rarely and never per request.

mod follow;

pub use follow::{Followed, follow};

use log::{LevelFilter, Log, Metadata, Record};
use std::io::Write;
use std::sync::RwLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Modules that the directive `linkerd` means.
const OURS: &[&str] = &["control", "engine", "isthmus", "balance", "sock", "wire", "table"];
/// Bytes a filter may have.
const MAX_FILTER: usize = 4096;

/// A parsed `LOG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    default: LevelFilter,
    targets: Vec<(String, LevelFilter)>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { default: LevelFilter::Warn, targets: Vec::new() }
    }
}

impl Filter {
    /// Parses `warn,linkerd=info,hickory=error`.
    ///
    /// # Errors
    /// A sentence with the directive that cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_FILTER {
            return Err(format!("a log filter may have {MAX_FILTER} bytes"));
        }
        let mut filter = Self { default: LevelFilter::Off, targets: Vec::new() };
        let mut spans = 0i32;
        // A comma inside braces belongs to a span directive.
        let split = text.split(|c| {
            spans += i32::from(c == '[') - i32::from(c == ']');
            c == ',' && spans == 0
        });
        for part in split.map(str::trim).filter(|p| !p.is_empty() && !p.contains('[')) {
            let bad = || format!("{part:?} is not a log directive; valid ones are warn, linkerd=debug or off");
            match part.split_once('=') {
                Some((target, level)) => filter.targets.push((target.to_owned(), level.parse().map_err(|_| bad())?)),
                None => filter.default = part.parse().map_err(|_| bad())?,
            }
        }
        // The longest name decides.
        filter.targets.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Ok(filter)
    }

    fn level(&self, target: &str) -> LevelFilter {
        let ours = OURS.iter().any(|name| target.starts_with(name));
        let covers = |name: &str| target.starts_with(name) || (ours && name.starts_with("linkerd"));
        self.targets.iter().find(|(name, _)| covers(name)).map_or(self.default, |(_, level)| *level)
    }

    fn max(&self) -> LevelFilter {
        self.targets.iter().map(|(_, level)| *level).fold(self.default, Ord::max)
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.default.as_str().to_ascii_lowercase())?;
        self.targets.iter().try_for_each(|(n, l)| write!(f, ",{n}={}", l.as_str().to_ascii_lowercase()))
    }
}

struct Logger {
    filter: RwLock<Filter>,
    json: bool,
    start: Instant,
}

static LOGGER: std::sync::OnceLock<Logger> = std::sync::OnceLock::new();

/// Installs the log; a second call changes nothing but the filter.
pub fn install(filter: Filter, json: bool) {
    let logger = LOGGER.get_or_init(|| Logger { filter: RwLock::new(filter.clone()), json, start: Instant::now() });
    let _ = log::set_logger(logger);
    set(filter);
}

/// Replaces the filter.
pub fn set(filter: Filter) {
    if let Some(logger) = LOGGER.get() {
        *logger.filter.write().unwrap_or_else(std::sync::PoisonError::into_inner) = filter;
        level();
    }
}

/// Lets through what the log or one of its followers wants.
fn level() {
    let own = current().map_or(LevelFilter::Off, |filter| filter.max());
    log::set_max_level(own.max(follow::max()));
}

/// The filter in force.
pub fn current() -> Option<Filter> {
    LOGGER.get().map(|l| l.filter.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone())
}

impl Log for Logger {
    fn enabled(&self, m: &Metadata<'_>) -> bool {
        m.level() <= self.filter.read().unwrap_or_else(std::sync::PoisonError::into_inner).level(m.target())
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = if self.json { json(record) } else { plain(record, self.start.elapsed().as_secs_f64()) };
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        follow::publish(record);
    }

    fn flush(&self) {}
}

fn plain(record: &Record<'_>, uptime: f64) -> String {
    format!("[{uptime:>12.6}s] {:>5} {}: {}\n", record.level(), record.target(), record.args())
}

fn json(record: &Record<'_>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut out = format!(
        "{{\"timestamp\":{}.{:03},\"level\":\"{}\",\"target\":",
        now.as_secs(),
        now.subsec_millis(),
        record.level()
    );
    quote(&mut out, record.target());
    out.push_str(",\"message\":");
    quote(&mut out, &record.args().to_string());
    out.push_str("}\n");
    out
}

/// Appends a JSON string.
pub fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::LevelFilter as L;

    #[test]
    fn the_longest_directive_decides_and_linkerd_means_us() {
        let f = Filter::parse("warn,linkerd=info,hickory=error,[{headers}]=off,[{a,b}]=off,hickory_proto=debug")
            .expect("a filter");
        for (target, level) in [
            ("control::hub", L::Info),
            ("isthmus_proxy", L::Info),
            ("hickory_resolver", L::Error),
            ("hickory_proto::udp", L::Debug),
            ("h2", L::Warn),
        ] {
            assert_eq!(f.level(target), level, "{target}");
        }
    }

    #[test]
    fn a_wrong_directive_is_named() {
        for text in ["loud", "linkerd=loud", "warn,x=y"] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
        assert_eq!(Filter::parse("off").map(|f| f.max()), Ok(L::Off));
    }

    #[test]
    fn json_is_escaped() {
        let mut out = String::new();
        quote(&mut out, "a\"b\\c\n\u{1}");
        assert_eq!(out, r#""a\"b\\c\n\u0001""#);
    }
}
