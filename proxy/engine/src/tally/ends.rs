//! How requests end, as labels: the words of `response_total` and `*_errors_total`, and those of the `*_statuses_total` families.
//!
//! In: a fault. Out: a small number that names both words, so that an answer is found again without comparing text.

use crate::traffic::fault::{Fault, LATE, LONG};
use http::h2::Code;

/// An answer of the server, passed on whole.
pub(crate) const GOOD: u8 = 0;

/// Words of `response_total{error}` and of `*_statuses_total{error}`.
const WORDS: [(&str, &str); 19] = [
    ("", ""),
    ("failfast", "FAIL_FAST"),
    ("loadshed", "LOAD_SHED"),
    ("response timeout", "REQUEST_TIMEOUT"),
    ("response timeout", "RESPONSE_HEADERS_TIMEOUT"),
    ("response timeout", "RESPONSE_STREAM_TIMEOUT"),
    ("response timeout", "IDLE_TIMEOUT"),
    ("cancelled", "CANCEL"),
    ("i/o", "REFUSED"),
    ("i/o", "ENHANCE_YOUR_CALM"),
    ("i/o", "RESET"),
    ("i/o", "GO_AWAY"),
    ("i/o", "IO"),
    ("route not found", "UNKNOWN"),
    ("unauthorized", "UNKNOWN"),
    ("gateway loop", "UNKNOWN"),
    ("gateway domain invalid", "UNKNOWN"),
    ("identity required", "UNKNOWN"),
    ("unexpected", "UNKNOWN"),
];

/// The number of a fault.
pub(crate) fn of(fault: &Fault) -> u8 {
    match fault {
        Fault::Failfast | Fault::Unready(_) => 1,
        Fault::Loadshed => 2,
        Fault::Timeout(LATE) => 4,
        Fault::Timeout(LONG) => 5,
        Fault::Timeout("stream idle for too long") => 6,
        Fault::Timeout(_) => 3,
        Fault::Cancelled => 7,
        Fault::Reset(Code::RefusedStream) => 8,
        Fault::Reset(Code::EnhanceYourCalm) => 9,
        Fault::Reset(Code::Cancel) => 7,
        Fault::Reset(_) => 10,
        Fault::Away => 11,
        Fault::Connect | Fault::ConnectLate | Fault::Io | Fault::BadResponse => 12,
        // The others by the word that error counters use.
        other => WORDS.iter().position(|(error, _)| *error == other.label()).unwrap_or(WORDS.len() - 1) as u8,
    }
}

/// Both words of a number.
pub(crate) fn words(end: u8) -> (&'static str, &'static str) {
    WORDS.get(end as usize).copied().unwrap_or(("unexpected", "UNKNOWN"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_words() {
        let table = [
            (Fault::Failfast, "FAIL_FAST"),
            (Fault::Unready("".into()), "FAIL_FAST"),
            (Fault::Loadshed, "LOAD_SHED"),
            (Fault::Timeout("request timed out"), "REQUEST_TIMEOUT"),
            (Fault::Timeout(LATE), "RESPONSE_HEADERS_TIMEOUT"),
            (Fault::Timeout(LONG), "RESPONSE_STREAM_TIMEOUT"),
            (Fault::Timeout("stream idle for too long"), "IDLE_TIMEOUT"),
            (Fault::Cancelled, "CANCEL"),
            (Fault::Reset(Code::RefusedStream), "REFUSED"),
            (Fault::Reset(Code::EnhanceYourCalm), "ENHANCE_YOUR_CALM"),
            (Fault::Reset(Code::InternalError), "RESET"),
            (Fault::Away, "GO_AWAY"),
            (Fault::Connect, "IO"),
            (Fault::NoRoute, "UNKNOWN"),
            (Fault::Policy(500, "no".into()), "UNKNOWN"),
        ];
        for (fault, word) in table {
            let (error, said) = words(of(&fault));
            assert_eq!(said, word, "{fault:?}");
            assert_eq!(error, fault.label(), "{fault:?}");
        }
    }
}
