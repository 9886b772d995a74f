//! When a certificate ends: for sessions that are resumed, where nobody looks at certificates any more.
//!
//! In: DER of a certificate that was checked whole when the session began. Out: seconds since 1970. Never here: chains, names.

use rustls::pki_types::{CertificateDer, UnixTime};

/// Whether a certificate has ended by now; one that cannot be read has.
#[must_use]
pub fn ended(cert: &CertificateDer<'_>) -> bool {
    until(cert).is_none_or(|until| until < UnixTime::now().as_secs())
}

/// Certificates that stand one after the other; none when the last is not whole.
#[must_use]
pub fn split(mut der: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (_, rest) = take(der, 0x30)?;
        found.push(der[..der.len() - rest.len()].to_vec());
        der = rest;
    }
    Some(found)
}

/// The notAfter of a certificate in seconds since 1970 (RFC 5280 section 4.1).
#[must_use]
pub fn until(cert: &[u8]) -> Option<u64> {
    let (certificate, _) = take(cert, 0x30)?;
    let (mut rest, _) = take(certificate, 0x30)?;
    // Version, serial number, algorithm, issuer; then the validity.
    if let Some((_, after)) = take(rest, 0xa0) {
        rest = after;
    }
    for tag in [0x02, 0x30, 0x30] {
        rest = take(rest, tag)?.1;
    }
    let (validity, _) = take(rest, 0x30)?;
    let (_, after) = take(validity, 0x17).or_else(|| take(validity, 0x18))?;
    match take(after, 0x17) {
        Some((short, _)) => {
            let century: &[u8] = if short.first()? < &b'5' { b"20" } else { b"19" };
            seconds(&[century, short].concat())
        }
        None => seconds(take(after, 0x18)?.0),
    }
}

/// The value of an element with this tag, and what follows it.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = der else { return None };
    if *found != tag {
        return None;
    }
    let more = usize::from(length & 0x7f);
    let (length, rest) = match length {
        0..=0x7f => (more, rest),
        _ if more > 3 || rest.len() < more => return None,
        _ => (rest[..more].iter().fold(0, |n, &byte| n << 8 | usize::from(byte)), &rest[more..]),
    };
    (rest.len() >= length).then(|| rest.split_at(length))
}

/// `YYYYMMDDHHMMSSZ` in seconds since 1970.
fn seconds(text: &[u8]) -> Option<u64> {
    if text.len() != 15 || text[14] != b'Z' || !text[..14].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].iter().fold(0i64, |n, b| n * 10 + i64::from(b - b'0'));
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    // Days of the civil calendar, years beginning in March.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    u64::try_from(days * 86_400 + number(8, 10) * 3600 + number(10, 12) * 60 + number(12, 14)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn dates_are_read() {
        for (text, wanted) in [
            ("19700101000000Z", Some(0)),
            ("20000301000000Z", Some(951_868_800)),
            ("20240229235959Z", Some(1_709_251_199)),
            ("20991231000000Z", Some(4_102_358_400)),
            ("20991231000000", None),
            ("2099123100000aZ", None),
            ("00000101000000Z", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), wanted, "{text}");
        }
    }

    #[test]
    fn certificates_in_a_row_are_told_apart() {
        let key = KeyPair::generate().expect("key");
        let one = CertificateParams::new(vec!["a.test".into()]).expect("params").self_signed(&key).expect("signed");
        let (der, twice) = (one.der().to_vec(), [&one.der()[..], one.der()].concat());
        assert_eq!(split(&twice), Some(vec![der.clone(), der.clone()]));
        assert_eq!((split(&[]), split(&twice[..twice.len() - 1]), split(b"x")), (Some(vec![]), None, None));
    }

    #[test]
    fn certificates_end_when_they_say() {
        let key = KeyPair::generate().expect("key");
        for (year, wanted, over) in [(2020, 1_577_836_800, true), (2060, 2_840_140_800, false)] {
            let mut params = CertificateParams::new(vec!["a.test".into()]).expect("params");
            params.not_after = date_time_ymd(year, 1, 1);
            let cert = params.self_signed(&key).expect("signed");
            assert_eq!((until(cert.der()), ended(cert.der())), (Some(wanted), over), "{year}");
            for cut in 0..cert.der().len().min(200) {
                assert!(ended(&CertificateDer::from(&cert.der()[..cut])), "cut at {cut}");
            }
        }
    }
}
