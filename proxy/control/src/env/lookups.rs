//! How long an answer of the name server holds: nothing is kept unless one of the two variables is set.

use super::reader::{PREFIX, Reader};
use super::value;
use std::time::Duration;

/// Bounds of what an answer says of its own life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookups {
    /// `DNS_MIN_TTL`.
    pub min: Duration,
    /// `DNS_MAX_TTL`.
    pub max: Option<Duration>,
}

pub(super) fn lookups(r: &mut Reader<'_>) -> Option<Lookups> {
    let min = r.opt("DNS_MIN_TTL", value::duration, "1s");
    let max = r.opt("DNS_MAX_TTL", value::duration, "10s");
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        r.complain(format!(
            "{PREFIX}DNS_MIN_TTL is {min:?}, longer than …_MAX_TTL, which is {max:?}; valid are 1s and 10s"
        ));
    }
    (min.is_some() || max.is_some()).then(|| Lookups { min: min.unwrap_or_default(), max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alone_both_or_neither() {
        let seconds = Duration::from_secs;
        for (min, max, expected) in [
            (None, None, None),
            (Some("2s"), None, Some(Lookups { min: seconds(2), max: None })),
            (None, Some("9s"), Some(Lookups { min: seconds(0), max: Some(seconds(9)) })),
            (Some("2s"), Some("9s"), Some(Lookups { min: seconds(2), max: Some(seconds(9)) })),
        ] {
            let set = |name: &str| if name.ends_with("MIN_TTL") { min } else { max }.map(str::to_owned);
            assert_eq!(lookups(&mut Reader::new(&set)), expected, "{min:?} {max:?}");
        }
        let crossed = |name: &str| Some(if name.ends_with("MIN_TTL") { "9s" } else { "2s" }.to_owned());
        let mut r = Reader::new(&crossed);
        lookups(&mut r);
        assert!(r.errors[0].contains("DNS_MIN_TTL is 9s"), "{:?}", r.errors);
    }
}
