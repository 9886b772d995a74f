//! Field names as numbers. A name's bytes enter once, at the codec; behind it filters match on [`Name`] and test a bit
//! of a [`Set`], and no string is compared again. Nothing here allocates.

/// Lower-cases one ASCII byte.
const fn lower(b: u8) -> u8 {
    if b.is_ascii_uppercase() { b | 0x20 } else { b }
}

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
const LONGEST: usize = 22;
const EMPTY: u8 = 255;

const fn slot(name: &[u8]) -> usize {
    let last = lower(name[name.len() - 1]) as usize;
    let middle = lower(name[name.len() / 2]) as usize;
    (name.len() * 37 + lower(name[0]) as usize * 3 + middle * 11 + last * 5) & 255
}

/// Open addressing over the known names, filled while compiling.
static TABLE: [u8; 256] = {
    let mut table = [EMPTY; 256];
    let mut i = 0;
    while i < COUNT {
        let mut at = slot(TEXTS[i].as_bytes());
        while table[at] != EMPTY {
            at = (at + 1) & 255;
        }
        table[at] = i as u8;
        i += 1;
    }
    table
};

impl Name {
    /// The number of a name, in any letter case.
    #[inline]
    pub fn of(name: &[u8]) -> Name {
        if name.is_empty() || name.len() > LONGEST {
            return Name::unknown(name);
        }
        let mut at = slot(name);
        loop {
            let i = TABLE[at];
            if i == EMPTY {
                return Name::unknown(name);
            }
            if name.eq_ignore_ascii_case(TEXTS[i as usize].as_bytes()) {
                return ALL[i as usize];
            }
            at = (at + 1) & 255;
        }
    }

    #[cold]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for &name in ALL {
            assert_eq!(Name::of(name.text().as_bytes()), name);
            assert_eq!(Name::of(name.text().to_ascii_uppercase().as_bytes()), name);
            assert!(name.text().len() <= LONGEST, "{}", name.text());
        }
        assert!((Name::Other as usize) < 64, "a set is one word");
    }

    #[test]
    fn strangers_are_other_and_look_alikes_are_ours() {
        for (text, name) in [
            ("x-user", Name::Other),
            ("", Name::Other),
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
