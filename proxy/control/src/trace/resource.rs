//! Who the spans are from: attributes of this proxy, from four places, a later one winning over an earlier.
//!
//! In: the service's name, a file and a text of `key="value"` lines (as the downward API writes labels), and OpenTelemetry's own
//! `key=value,…` with percent escapes. Out: attributes. Limit: 128 of them; a file of 64 KiB.

use super::otlp::{KeyValue, text};
use crate::env::Trace;
use std::collections::BTreeMap;
use std::io::Read;

const MOST: usize = 128;
const FILE: u64 = 64 << 10;

/// The attributes that the settings name. A file that cannot be read is a warning.
pub(super) fn attributes(settings: &Trace) -> Vec<KeyValue> {
    let name = settings.service_name.clone().unwrap_or_else(|| "linkerd-proxy".into());
    let mut all = BTreeMap::from([("service.name".to_owned(), name)]);
    if let Some(host) = &settings.hostname {
        all.insert("host.name".into(), host.clone());
    }
    if let Some(path) = &settings.attributes_path {
        let mut said = String::new();
        match std::fs::File::open(path).and_then(|file| file.take(FILE).read_to_string(&mut said)) {
            Ok(_) => all.extend(lines(&said)),
            Err(error) => log::warn!("trace attributes: {} cannot be read: {error}", path.display()),
        }
    }
    all.extend(lines(&settings.extra));
    all.extend(listed(&settings.otel));
    all.into_iter().take(MOST).map(|(key, value)| text(key, value)).collect()
}

fn lines(said: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let pairs = said.lines().filter_map(|line| line.trim().split_once('='));
    pairs.filter(|(key, _)| !key.is_empty()).map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
}

fn listed(said: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let pairs = said.split(',').filter_map(|part| part.trim().split_once('='));
    let pairs = pairs.map(|(key, value)| (key.trim().to_owned(), unescaped(value.trim())));
    pairs.filter(|(key, _)| !key.is_empty())
}

/// `%2C` to `,`.
fn unescaped(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match code.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(code) => {
                out.push(code);
                rest = &after[2..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::otlp::Value;
    use super::*;
    use crate::env::Authority;

    #[test]
    fn later_places_win() {
        let file = std::env::temp_dir().join(format!("isthmus-attributes-{}", std::process::id()));
        std::fs::write(&file, "zone=\"a\"\nteam=\"x=y\"\nempty\n=nameless\n").expect("a file");
        let settings = Trace {
            service: Authority { host: "c".into(), port: 1, name: None },
            service_name: Some("web".into()),
            hostname: None,
            attributes_path: Some(file.clone()),
            extra: "zone=b\nextra=1".into(),
            otel: "service.name=o%2Cne, zone=c,=d,broken=%zz".into(),
        };
        let got = attributes(&settings);
        std::fs::remove_file(file).expect("removed");
        let got: Vec<_> = got
            .iter()
            .map(|a| match a.value.as_ref().and_then(|v| v.value.as_ref()) {
                Some(Value::Text(value)) => (a.key.as_str(), value.as_str()),
                _ => panic!("no text"),
            })
            .collect();
        let expected = [("broken", "%zz"), ("extra", "1"), ("service.name", "o,ne"), ("team", "x=y"), ("zone", "c")];
        assert_eq!(got, expected);
        let missing = Trace { attributes_path: Some("/nowhere".into()), otel: String::new(), ..settings };
        assert_eq!(attributes(&missing).len(), 3);
    }
}
