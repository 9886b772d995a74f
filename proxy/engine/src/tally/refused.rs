//! Why something was turned away: one counter per direction and reason, the reasons a fixed set.
//!
//! In: a reason, where a connection, a stream or a request is refused or cut for its peer's fault. Out: `*_refused_total`.
//! Limit: as many series as there are reasons. Never here: the peer's own text.

use crate::tally::Tally;
use http::h1;
use http::h2::{self, Code};
use metrics::{Counter, families};
use rustls::{AlertDescription, CertificateError, Error};

macro_rules! reasons {
    ($($id:ident = $label:literal: $meaning:literal;)*) => {
        /// Why something was turned away.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Reason {
            $(#[doc = $meaning] $id,)*
        }

        /// The `reason` labels, in order.
        const LABELS: &[&str] = &[$($label),*];
    };
}

reasons! {
    Connections = "connections": "More connections than a worker holds.";
    SourceConnections = "source_connections": "More connections of one address than it may have.";
    Address = "address": "A loop, or an address that is not ours.";
    SniffTimeout = "sniff_timeout": "It did not say in time what it speaks, or did not finish its handshake.";
    DirectClearText = "direct_clear_text": "Clear text to our own port.";
    DirectName = "direct_name": "TLS for somebody else to our own port.";
    DirectAnonymous = "direct_anonymous": "No certificate on our own port.";
    OwnIdentity = "own_identity": "A gateway's own certificate: a loop.";
    TransportHeader = "transport_header": "A malformed transport header.";
    HeaderLoop = "header_loop": "A transport header that names our own port.";
    GatewayName = "gateway_name": "A name that this gateway does not serve.";
    GatewayProtocol = "gateway_protocol": "Bytes without a name to a gateway.";
    TlsMalformed = "tls_malformed": "Records or messages that are no TLS.";
    TlsVersion = "tls_version": "A version of TLS below 1.3.";
    TlsParameters = "tls_parameters": "No cipher suite, group or signature in common.";
    TlsUnknownIssuer = "tls_unknown_issuer": "A certificate that does not chain to our anchors.";
    TlsExpired = "tls_expired": "A certificate whose time is over.";
    TlsNotYetValid = "tls_not_yet_valid": "A certificate whose time has not come.";
    TlsPurpose = "tls_purpose": "A certificate for another use.";
    TlsName = "tls_name": "A certificate of somebody else.";
    TlsConstraint = "tls_constraint": "A chain that breaks its own rules: no CA, path too long, name not permitted, unknown critical extension.";
    TlsNobody = "tls_nobody": "A certificate without a name.";
    TlsTwoNames = "tls_two_names": "A certificate with two identities.";
    TlsOddName = "tls_odd_name": "A certificate whose name cannot be one.";
    TlsCertificate = "tls_certificate": "A certificate that cannot be used for another reason.";
    TlsAlert = "tls_alert": "The peer broke the handshake off.";
    TlsOther = "tls_other": "TLS failed otherwise.";
    Http1StartLine = "http1_start_line": "No request line.";
    Http1StartLineTooLong = "http1_start_line_too_long": "A start line over the limit.";
    Http1HeadTooLarge = "http1_head_too_large": "A head over the limit, or too many fields.";
    Http1Field = "http1_field": "A malformed field line.";
    Http1BareLineFeed = "http1_bare_line_feed": "A line without a carriage return.";
    Http1Host = "http1_host": "Host missing, doubled or malformed.";
    Http1ContentLength = "http1_content_length": "A malformed or doubled content-length.";
    Http1BothFramings = "http1_both_framings": "Content-length beside transfer-encoding.";
    Http1TransferEncoding = "http1_transfer_encoding": "A transfer-encoding other than chunked.";
    Http1Target = "http1_target": "A malformed request target.";
    Http1Version = "http1_version": "A version of HTTP that we do not speak.";
    Http1Upgrade = "http1_upgrade": "An upgrade nobody asked for.";
    Http1Body = "http1_body": "A malformed chunk or trailer.";
    ResponseHead = "response_head": "A server's malformed response head.";
    ResponseBody = "response_body": "A server's malformed response body.";
    ResponseUnasked = "response_unasked": "A response to nothing.";
    ResponseInterim = "response_interim": "Too many interim answers.";
    HeadTimeout = "head_timeout": "A request head that took too long.";
    FirstHeadTimeout = "first_head_timeout": "No request at all.";
    BodyTimeout = "body_timeout": "A request body that does not get on.";
    ReaderTimeout = "reader_timeout": "A reader that does not take its answer.";
    IdleTimeout = "idle_timeout": "A stranger's connection unused for too long.";
    Http2Protocol = "http2_protocol": "HTTP/2: a breach of the protocol.";
    Http2FlowControl = "http2_flow_control": "HTTP/2: a window exceeded.";
    Http2FrameSize = "http2_frame_size": "HTTP/2: a frame of a wrong size.";
    Http2Compression = "http2_compression": "HTTP/2: a header block that cannot be decoded.";
    Http2Flood = "http2_flood": "HTTP/2: frames without content, over the budget.";
    Http2Resets = "http2_resets": "HTTP/2: resets over the budget.";
    Http2HeaderBlock = "http2_header_block": "HTTP/2: a header block over the limit.";
    Http2Stream = "http2_stream": "HTTP/2: a malformed message; its stream is reset.";
    Http2StreamRefused = "http2_stream_refused": "HTTP/2: more streams than allowed; the stream is refused.";
    Http2HeaderList = "http2_header_list": "HTTP/2: a header list over the limit, answered with 431.";
    Path = "path": "A path that two readers could read two ways.";
    Connect = "connect": "CONNECT.";
}

const COUNT: usize = LABELS.len();

/// The counters of both directions, made when first needed.
pub(crate) struct Refused([[Option<Counter>; COUNT]; 2]);

impl Default for Refused {
    fn default() -> Self {
        Refused([[None; COUNT]; 2])
    }
}

impl Tally {
    /// Counts one refusal.
    #[cold]
    pub(crate) fn refused(&mut self, outbound: bool, reason: Reason) {
        self.refused_often(outbound, reason, 1);
    }

    /// Counts so many refusals.
    pub(crate) fn refused_often(&mut self, outbound: bool, reason: Reason, times: u64) {
        let Some(slot) = self.refused.0[usize::from(outbound)].get_mut(reason as usize) else { return };
        let family = if outbound { &families::OUTBOUND_REFUSED_TOTAL } else { &families::INBOUND_REFUSED_TOTAL };
        let counter = *slot.get_or_insert_with(|| {
            self.registry.counter(family, &[("reason", LABELS.get(reason as usize).copied().unwrap_or(""))])
        });
        self.shard.add(counter, times);
    }
}

/// Why a request head is none.
pub(crate) fn head(reason: h1::Reason) -> Reason {
    match reason {
        h1::Reason::StartLine => Reason::Http1StartLine,
        h1::Reason::StartLineTooLong => Reason::Http1StartLineTooLong,
        h1::Reason::HeadTooLarge => Reason::Http1HeadTooLarge,
        h1::Reason::Field => Reason::Http1Field,
        h1::Reason::BareLineFeed => Reason::Http1BareLineFeed,
        h1::Reason::Host => Reason::Http1Host,
        h1::Reason::ContentLength => Reason::Http1ContentLength,
        h1::Reason::BothFramings => Reason::Http1BothFramings,
        h1::Reason::TransferEncoding => Reason::Http1TransferEncoding,
        h1::Reason::Target => Reason::Http1Target,
        h1::Reason::Version => Reason::Http1Version,
        h1::Reason::Upgrade => Reason::Http1Upgrade,
    }
}

/// Why a link was ended.
pub(crate) fn link(fatal: &h2::Fatal) -> Reason {
    match fatal.code {
        Code::FlowControlError => Reason::Http2FlowControl,
        Code::FrameSizeError => Reason::Http2FrameSize,
        Code::CompressionError => Reason::Http2Compression,
        Code::EnhanceYourCalm => match fatal.why {
            h2::TOO_MANY_RESETS => Reason::Http2Resets,
            h2::BLOCK_TOO_LARGE => Reason::Http2HeaderBlock,
            _ => Reason::Http2Flood,
        },
        _ => Reason::Http2Protocol,
    }
}

/// Why a session failed.
pub(crate) fn session(error: &Error) -> Reason {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::PeerIncompatible(
            rustls::PeerIncompatible::Tls12NotOffered
            | rustls::PeerIncompatible::Tls12NotOfferedOrEnabled
            | rustls::PeerIncompatible::Tls13RequiredForQuic
            | rustls::PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => Reason::TlsVersion,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Reason::TlsParameters,
        Error::AlertReceived(AlertDescription::CloseNotify | AlertDescription::UserCanceled) => Reason::TlsOther,
        Error::AlertReceived(_) => Reason::TlsAlert,
        Error::InvalidMessage(_)
        | Error::DecryptError
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => Reason::TlsMalformed,
        _ => Reason::TlsOther,
    }
}

fn certificate(error: &CertificateError) -> Reason {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Reason::TlsExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Reason::TlsNotYetValid,
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Reason::TlsUnknownIssuer,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Reason::TlsPurpose,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Reason::TlsName,
        other if tls::breaks_its_rules(other) => Reason::TlsConstraint,
        CertificateError::Other(other) => match other.0.downcast_ref::<tls::BadName>() {
            Some(tls::BadName::Nobody) => Reason::TlsNobody,
            Some(tls::BadName::Two) => Reason::TlsTwoNames,
            Some(tls::BadName::Odd) => Reason::TlsOddName,
            None => Reason::TlsCertificate,
        },
        _ => Reason::TlsCertificate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_words_and_come_once() {
        let mut seen = std::collections::HashSet::new();
        for label in LABELS {
            assert!(
                seen.insert(label) && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            );
        }
        assert_eq!(LABELS[Reason::Connect as usize], "connect");
        assert_eq!(LABELS[Reason::TlsExpired as usize], "tls_expired");
    }

    #[test]
    fn certificates_fail_for_reasons_of_their_own() {
        for (error, reason) in [
            (CertificateError::Expired, Reason::TlsExpired),
            (CertificateError::NotValidYet, Reason::TlsNotYetValid),
            (CertificateError::UnknownIssuer, Reason::TlsUnknownIssuer),
            (CertificateError::InvalidPurpose, Reason::TlsPurpose),
            (CertificateError::Revoked, Reason::TlsCertificate),
        ] {
            assert_eq!(session(&Error::InvalidCertificate(error)), reason);
        }
    }
}
