//! `ISTHMUS_PROXY_*`: how much strangers may take. Ours, not Linkerd's; unset stays with the engine's default.

use super::reader::Reader;
use super::value;
use std::time::Duration;

/// Limits of connections from other pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strangers {
    /// Connections from one address at a time, per worker.
    pub max_per_source: Option<usize>,
    /// How long a body or an answer may stand still.
    pub progress_timeout: Option<Duration>,
    /// How long a connection may be unused.
    pub stranger_idle: Option<Duration>,
}

pub(super) fn strangers(r: &mut Reader<'_>) -> Strangers {
    let some = |t: &str| value::number::<usize>(t).filter(|&n| n > 0);
    let time = |t: &str| value::duration(t).filter(|time| !time.is_zero());
    Strangers {
        max_per_source: r.own("ISTHMUS_PROXY_MAX_CONNECTIONS_PER_SOURCE", some, "16384"),
        progress_timeout: r.own("ISTHMUS_PROXY_PROGRESS_TIMEOUT", time, "60s"),
        stranger_idle: r.own("ISTHMUS_PROXY_STRANGER_IDLE_TIMEOUT", time, "15m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_and_a_wrong_one_is_named() {
        let get = |name: &str| match name {
            "ISTHMUS_PROXY_MAX_CONNECTIONS_PER_SOURCE" => Some("10".to_owned()),
            "ISTHMUS_PROXY_PROGRESS_TIMEOUT" => Some("2s".to_owned()),
            "ISTHMUS_PROXY_STRANGER_IDLE_TIMEOUT" => Some("0s".to_owned()),
            _ => None,
        };
        let r = &mut Reader::new(&get);
        let read = strangers(r);
        let two = Some(Duration::from_secs(2));
        assert_eq!(read, Strangers { max_per_source: Some(10), progress_timeout: two, stranger_idle: None });
        assert_eq!(r.errors.len(), 1);
        assert!(r.errors[0].starts_with("ISTHMUS_PROXY_STRANGER_IDLE_TIMEOUT is \"0s\""), "{:?}", r.errors);
    }
}
