//! Field names as numbers. A name's bytes enter once, at the codec; behind it filters match on [`Name`] and test a bit
//! of a [`Set`], and no string is compared again. Nothing here allocates.

macro_rules! names {
    ($($id:ident $text:literal,)*) => {
        /// A field name the proxy has business with; everything else is [`Name::Other`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`")] $id,)*
            /// Any other name that begins with `l5d-` or `l5d_`, in any case: never trusted, never forwarded from strangers.
            L5dOther,
            /// A name the proxy does not know; its bytes are in the field.
            Other,
        }
        const TEXTS: &[&str] = &[$($text,)*];
        /// Each with what follows it in an HTTP/1 head.
        const STARTS: &[&str] = &[$(concat!($text, ": "),)*];
        /// Every known name, in the order of its number.
        pub const ALL: &[Name] = &[$(Name::$id,)*];
    };
}

names! {
    Accept "accept",
    AcceptEncoding "accept-encoding",
    AcceptLanguage "accept-language",
    AcceptRanges "accept-ranges",
    Age "age",
    Authorization "authorization",
    CacheControl "cache-control",
    Connection "connection",
    ContentEncoding "content-encoding",
    ContentLength "content-length",
    ContentType "content-type",
    Cookie "cookie",
    Date "date",
    Etag "etag",
    Expect "expect",
    Forwarded "forwarded",
    GrpcAcceptEncoding "grpc-accept-encoding",
    GrpcEncoding "grpc-encoding",
    GrpcMessage "grpc-message",
    GrpcPushback "grpc-retry-pushback-ms",
    GrpcStatus "grpc-status",
    GrpcTimeout "grpc-timeout",
    Host "host",
    Http2Settings "http2-settings",
    KeepAlive "keep-alive",
    L5dClientId "l5d-client-id",
    L5dDstCanonical "l5d-dst-canonical",
    L5dDstOverride "l5d-dst-override",
    L5dOrigProto "l5d-orig-proto",
    L5dProxyConnection "l5d-proxy-connection",
    L5dProxyError "l5d-proxy-error",
    L5dRequestTimeout "l5d-request-timeout",
    L5dRequireId "l5d-require-id",
    L5dResponseTimeout "l5d-response-timeout",
    L5dRetryGrpc "l5d-retry-grpc",
    L5dRetryHttp "l5d-retry-http",
    L5dRetryLimit "l5d-retry-limit",
    L5dRetryTimeout "l5d-retry-timeout",
    L5dTimeout "l5d-timeout",
    LastModified "last-modified",
    Location "location",
    ProxyAuthorization "proxy-authorization",
    ProxyConnection "proxy-connection",
    Range "range",
    Referer "referer",
    RetryAfter "retry-after",
    Server "server",
    SetCookie "set-cookie",
    Te "te",
    Traceparent "traceparent",
    Trailer "trailer",
    TransferEncoding "transfer-encoding",
    Upgrade "upgrade",
    UserAgent "user-agent",
    Vary "vary",
    XForwardedFor "x-forwarded-for",
    XRequestId "x-request-id",
}

const COUNT: usize = TEXTS.len();
const EMPTY: u8 = 255;

/// A name folded into three words: its first bytes, its last, and those in the middle of a long one. Setting bit 5 makes
/// letters lower-case and leaves digits and `-` alone; two *tokens* fold alike only if they differ in case.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Folded {
    first: u64,
    middle: u64,
    last: u64,
}

const FOLD: u64 = 0x2020_2020_2020_2020;

impl Folded {
    /// `None` for lengths that no known name has.
    #[inline]
    const fn of(name: &[u8]) -> Option<Folded> {
        let (first, middle, last) = match name {
            [a, b] => (*a as u64 | (*b as u64) << 8, 0, 0),
            [a, b, c] => (*a as u64 | (*b as u64) << 8 | (*c as u64) << 16, 0, 0),
            _ => match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
                (Some(first), Some(last)) => match name.len() {
                    8..=16 => (u64::from_le_bytes(*first), 0, u64::from_le_bytes(*last)),
                    17..=24 => match name.split_at(8).1.first_chunk::<8>() {
                        Some(middle) => {
                            (u64::from_le_bytes(*first), u64::from_le_bytes(*middle), u64::from_le_bytes(*last))
                        }
                        None => return None,
                    },
                    _ => return None,
                },
                _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
                    (Some(first), Some(last)) => {
                        (u32::from_le_bytes(*first) as u64, 0, u32::from_le_bytes(*last) as u64)
                    }
                    _ => return None,
                },
            },
        };
        Some(Folded { first: first | FOLD, middle: middle | FOLD, last: last | FOLD })
    }

    #[inline]
    const fn slot(&self, len: usize) -> usize {
        let mixed =
            (self.first ^ self.last.rotate_left(21)).wrapping_add(len as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 56) as usize
    }
}

#[derive(Clone, Copy)]
struct Known {
    id: u8,
    len: u8,
    folded: Folded,
}

/// Open addressing over the known names, filled while compiling.
static TABLE: [Known; 256] = {
    let none = Known { id: EMPTY, len: 0, folded: Folded { first: 0, middle: 0, last: 0 } };
    let mut table = [none; 256];
    let mut i = 0;
    while i < COUNT {
        let text = TEXTS[i].as_bytes();
        let Some(folded) = Folded::of(text) else { panic!("a known name has 2 to 24 bytes") };
        let mut at = folded.slot(text.len());
        while table[at].id != EMPTY {
            at = (at + 1) & 255;
        }
        table[at] = Known { id: i as u8, len: text.len() as u8, folded };
        i += 1;
    }
    table
};

impl Name {
    /// The number of a name, in any letter case. `name` is a token; the codecs see to that.
    #[inline]
    pub fn of(name: &[u8]) -> Name {
        let Some(folded) = Folded::of(name) else { return Name::unknown(name) };
        let mut at = folded.slot(name.len());
        loop {
            let known = &TABLE[at];
            if known.id == EMPTY {
                return Name::unknown(name);
            }
            if known.folded == folded && usize::from(known.len) == name.len() {
                return ALL[usize::from(known.id)];
            }
            at = (at + 1) & 255;
        }
    }

    #[inline]
    fn unknown(name: &[u8]) -> Name {
        match name {
            [b'l' | b'L', b'5', b'd' | b'D', b'-' | b'_', ..] => Name::L5dOther,
            _ => Name::Other,
        }
    }

    /// The lower-case text of a known name; empty for [`Name::Other`] and [`Name::L5dOther`].
    #[inline]
    pub const fn text(self) -> &'static str {
        if (self as usize) < COUNT { TEXTS[self as usize] } else { "" }
    }

    /// The text of a known name and `: `, as an HTTP/1 head has it.
    #[inline]
    pub(crate) const fn start(self) -> &'static str {
        if (self as usize) < COUNT { STARTS[self as usize] } else { "" }
    }

    /// Whether [`Name::text`] is the whole name.
    #[inline]
    pub const fn known(self) -> bool {
        (self as usize) < COUNT
    }
}

/// A set of names in one machine word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set(u64);

impl Set {
    /// No name.
    pub const NONE: Set = Set(0);

    /// The set of these names.
    pub const fn of(names: &[Name]) -> Set {
        let mut bits = 0;
        let mut i = 0;
        while i < names.len() {
            bits |= 1 << names[i] as u8;
            i += 1;
        }
        Set(bits)
    }

    /// This set and `name`.
    #[inline]
    #[must_use]
    pub const fn with(self, name: Name) -> Set {
        Set(self.0 | 1 << name as u8)
    }

    /// What is in either set.
    #[inline]
    #[must_use]
    pub const fn or(self, other: Set) -> Set {
        Set(self.0 | other.0)
    }

    /// Whether `name` is in it.
    #[inline]
    pub const fn has(self, name: Name) -> bool {
        self.0 & 1 << name as u8 != 0
    }

    /// Whether the two sets share a name.
    #[inline]
    pub const fn meets(self, other: Set) -> bool {
        self.0 & other.0 != 0
    }
}

/// Every `l5d-*` request field a stranger may not bring in, look-alikes included. `l5d-dst-override` and the timeout and
/// retry wishes are for the local application only.
pub const L5D: Set = Set::of(&[
    Name::L5dClientId,
    Name::L5dDstCanonical,
    Name::L5dDstOverride,
    Name::L5dOrigProto,
    Name::L5dProxyConnection,
    Name::L5dProxyError,
    Name::L5dRequestTimeout,
    Name::L5dRequireId,
    Name::L5dResponseTimeout,
    Name::L5dRetryGrpc,
    Name::L5dRetryHttp,
    Name::L5dRetryLimit,
    Name::L5dRetryTimeout,
    Name::L5dTimeout,
    Name::L5dOther,
]);

/// Fields that speak of one connection only (RFC 9110 section 7.6.1), never forwarded as they came.
pub const HOP: Set = Set::of(&[
    Name::Connection,
    Name::KeepAlive,
    Name::ProxyConnection,
    Name::Te,
    Name::TransferEncoding,
    Name::Upgrade,
    Name::Http2Settings,
]);

/// Names that must not come after the body (RFC 9110 section 6.5.1).
pub(crate) const NO_TRAILER: Set = HOP.or(L5D).or(Set::of(&[
    Name::Host,
    Name::ContentLength,
    Name::ContentType,
    Name::ContentEncoding,
    Name::Authorization,
    Name::Cookie,
    Name::SetCookie,
    Name::Expect,
    Name::Forwarded,
    Name::Trailer,
]));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for &name in ALL {
            assert_eq!(Name::of(name.text().as_bytes()), name);
            assert_eq!(Name::of(name.text().to_ascii_uppercase().as_bytes()), name);
        }
        assert!((Name::Other as usize) < 64, "a set is one word");
    }

    #[test]
    fn strangers_are_other_and_look_alikes_are_ours() {
        for (text, name) in [
            ("x-user", Name::Other),
            ("", Name::Other),
            ("a", Name::Other),
            ("content-lengths", Name::Other),
            ("content-lengt", Name::Other),
            ("x-content-length", Name::Other),
            ("l5d-response-xxmeout", Name::L5dOther),
            ("l5d", Name::Other),
            ("l5d_client_id", Name::L5dOther),
            ("L5D-Client_Id", Name::L5dOther),
            ("l5d-a-name-longer-than-all-the-known", Name::L5dOther),
        ] {
            assert_eq!(Name::of(text.as_bytes()), name, "{text}");
        }
    }

    #[test]
    fn sets_hold_what_they_are_given() {
        assert!(HOP.has(Name::Te) && !HOP.has(Name::Host));
        assert!(Set::NONE.with(Name::Other).has(Name::Other));
        assert!(L5D.has(Name::L5dOther) && !L5D.meets(HOP) && L5D.or(HOP).meets(HOP));
    }
}
