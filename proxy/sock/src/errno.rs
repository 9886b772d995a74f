//! Errors of the kernel by the names that dashboards know.

use std::io;

/// The first: none; the last: any other.
pub const ERRNO: [&str; 9] =
    ["", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ECONNABORTED", "OTHER"];

/// The index of an error in `ERRNO`; never 0.
#[must_use]
pub fn errno(error: &io::Error) -> u8 {
    match (error.raw_os_error(), error.kind()) {
        (Some(libc::ECONNRESET), _) | (None, io::ErrorKind::ConnectionReset) => 1,
        (Some(libc::EPIPE), _) | (None, io::ErrorKind::BrokenPipe) => 2,
        (Some(libc::ETIMEDOUT), _) => 3,
        (Some(libc::ECONNREFUSED), _) => 4,
        (Some(libc::EHOSTUNREACH), _) => 5,
        (Some(libc::ENETUNREACH), _) => 6,
        (Some(libc::ECONNABORTED), _) => 7,
        _ => 8,
    }
}

/// Whether the kernel has no such address or no such kind of address.
#[must_use]
pub fn absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names() {
        for (code, name) in
            [(libc::ECONNRESET, "ECONNRESET"), (libc::ECONNABORTED, "ECONNABORTED"), (libc::EMFILE, "OTHER")]
        {
            assert_eq!(ERRNO[errno(&io::Error::from_raw_os_error(code)) as usize], name);
        }
        assert_eq!(ERRNO[errno(&io::ErrorKind::BrokenPipe.into()) as usize], "EPIPE");
    }
}
