//! One normal form of a path for routing, policy and forwarding (RFC 3986 section 6.2.2), so that no two parts of the
//! mesh can read the same request differently.

/// Why a path is refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadPath {
    /// Does not begin with `/`.
    #[error("path does not begin with a slash")]
    Start,
    /// Holds `#`.
    #[error("path holds a fragment")]
    Fragment,
    /// A control byte, blank, `\`, or `%00`; or `%` not followed by two hexadecimal digits.
    #[error("path holds a byte it may not")]
    Byte,
    /// `..` with parameters (`..;a=b`), or above the root.
    #[error("path climbs out")]
    Climb,
    /// Overlong or broken UTF-8 behind percent signs.
    #[error("path is not valid text")]
    Text,
}

/// The normal form of `path` (with its query, which is checked for bytes but kept). `Ok(None)`: it is already normal, the
/// common case, nothing copied. `Ok(Some)`: the normal form, written into `room`.
pub fn normalise<'a>(_path: &[u8], _room: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, BadPath> {
    unimplemented!()
}
