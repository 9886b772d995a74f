//! `/metrics` in the format and encoding that the scraper accepts.
//!
//! In: what it accepts. Out: Prometheus text, or OpenMetrics when it is asked for; plain or gzip.

use super::routes::{Answer, with_type};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, VARY};
use metrics::{Registry, process};
use std::io::Write;
use std::time::SystemTime;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that was ever counted.
pub fn metrics(registry: &Registry, start: SystemTime, asked: &HeaderMap) -> Answer {
    let mut out = String::with_capacity(64 << 10);
    let now = SystemTime::now();
    registry.render_at(&mut out, now.duration_since(start).unwrap_or_default());
    process::render(&mut out, process::Start { time: start }, now);
    out.push_str("# EOF\n");
    let open = accepts(asked, &ACCEPT, "application/openmetrics-text");
    let (out, kind) = if open { (openmetrics(&out), OPEN) } else { (out, TEXT) };
    let packed = if accepts(asked, &ACCEPT_ENCODING, "gzip") { gzip(out.as_bytes()) } else { None };
    let mut answer = match packed {
        Some(packed) => {
            let mut answer = with_type(StatusCode::OK, packed, kind);
            answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            answer
        }
        None => with_type(StatusCode::OK, out, kind),
    };
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    answer
}

/// Whether the list in a field names `wanted`, and not with `q=0`.
fn accepts(asked: &HeaderMap, field: &HeaderName, wanted: &str) -> bool {
    let values = asked.get_all(field).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|element| {
        let mut parts = element.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        let zero = |q: &str| q.parse::<f32>().is_ok_and(|q| q == 0.0);
        named && !parts.any(|part| part.strip_prefix("q=").is_some_and(zero))
    })
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// OpenMetrics names a counter's family without `_total`; a counter whose samples lack it is no counter there.
fn openmetrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
            continue;
        }
        let typed = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '));
        let Some((name, kind)) = typed else {
            out.extend([line, "\n"]);
            continue;
        };
        let (family, kind) = match (kind, name.strip_suffix("_total")) {
            ("counter", Some(family)) => (family, kind),
            ("counter", None) => (name, "unknown"),
            _ => (name, kind),
        };
        if let Some((_, help)) = help.take() {
            out.extend(["# HELP ", family, " ", help, "\n"]);
        }
        out.extend(["# TYPE ", family, " ", kind, "\n"]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_read_from_lists() {
        for (value, wanted) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("identity", false),
            ("xgzip", false),
            ("", false),
        ] {
            let mut asked = HeaderMap::new();
            asked.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts(&asked, &ACCEPT_ENCODING, "gzip"), wanted, "{value}");
        }
    }

    #[test]
    fn openmetrics_names_families_its_own_way() {
        let text = "# HELP a_total many\n# TYPE a_total counter\na_total{x=\"1\"} 2\n# HELP b of it\n# TYPE b counter\nb 1\n\
                    # HELP c now\n# TYPE c gauge\nc 1\n# EOF\n";
        let open = "# HELP a many\n# TYPE a counter\na_total{x=\"1\"} 2\n# HELP b of it\n# TYPE b unknown\nb 1\n\
                    # HELP c now\n# TYPE c gauge\nc 1\n# EOF\n";
        assert_eq!(openmetrics(text), open);
    }
}
