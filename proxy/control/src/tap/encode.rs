//! A request of Observe from bytes, and events as bytes of `io.linkerd.proxy.tap.TapEvent`.
//!
//! In: `table::observe::Event`. Out: the message, written straight from the event: a tapped proxy pays for each, and maps and copies of
//! texts were most of what it paid. Numbers are written also when they are 0. Never here: what a rule means.

use linkerd2_proxy_api::http_types::{Scheme, http_method, scheme};
use linkerd2_proxy_api::tap::ObserveRequest;
use linkerd2_proxy_api::tap::tap_event::ProxyDirection;
use prost::Message as _;
use prost::bytes::BufMut;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use table::observe::{About, End, Event, Headers, Tls, What};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// One write to the client: what comes within a pause of a busy session.
const BATCH: usize = 32 << 10;

/// Observe's messages for tonic.
#[derive(Default)]
pub(super) struct Messages(Message);

impl Codec for Messages {
    type Encode = Event;
    type Decode = ObserveRequest;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::default()
    }

    fn decoder(&mut self) -> Self {
        Self::default()
    }
}

impl Encoder for Messages {
    type Item = Event;
    type Error = Status;

    fn encode(&mut self, event: Event, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        self.0.0.clear();
        self.0.event(&event);
        out.put_slice(&self.0.0);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BATCH, BATCH)
    }
}

impl Decoder for Messages {
    type Item = ObserveRequest;
    type Error = Status;

    fn decode(&mut self, said: &mut DecodeBuf<'_>) -> Result<Option<ObserveRequest>, Status> {
        ObserveRequest::decode(said).map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}

/// Bytes of one message; the same room serves the next.
#[derive(Default)]
struct Message(Vec<u8>);

/// How a field's value is written.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

impl Message {
    /// Fields under 16 alone.
    fn key(&mut self, field: u8, wire: Wire) {
        self.0.push(field << 3 | wire as u8);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u8, value: u64) {
        self.key(field, Wire::Varint);
        self.varint(value);
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        self.key(field, Wire::Bytes);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, field: u8, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A message inside this one. Its length goes before it and is known after it: a byte is kept free, more are made.
    fn inside(&mut self, field: u8, write: impl FnOnce(&mut Self)) {
        self.key(field, Wire::Bytes);
        let at = self.0.len();
        self.0.push(0);
        write(self);
        let (end, mut len) = (self.0.len(), self.0.len() - at - 1);
        let more = (usize::BITS - len.leading_zeros()).saturating_sub(1) as usize / 7;
        if more > 0 {
            self.0.resize(end + more, 0);
            self.0.copy_within(at + 1..end, at + 1 + more);
        }
        for place in at..at + more {
            self.0[place] = len as u8 | 0x80;
            len >>= 7;
        }
        self.0[at + more] = len as u8;
    }

    fn event(&mut self, event: &Event) {
        let about = &*event.about;
        let direction = if about.inbound { ProxyDirection::Inbound } else { ProxyDirection::Outbound };
        self.inside(1, |m| m.address(about.source.0));
        self.inside(5, |m| m.tls(&about.source.1, "client_id"));
        self.inside(7, |m| m.labels(&about.route));
        self.inside(2, |m| m.address(about.destination.0));
        self.inside(4, |m| {
            m.labels(&about.labels);
            m.tls(&about.destination.1, "server_id");
        });
        self.number(6, direction as u64);
        self.inside(3, |m| m.http(about, &event.what));
    }

    fn address(&mut self, addr: SocketAddr) {
        self.inside(1, |m| match addr.ip() {
            IpAddr::V4(ip) => {
                m.key(1, Wire::Fixed32);
                m.0.extend_from_slice(&ip.to_bits().to_le_bytes());
            }
            IpAddr::V6(ip) => m.inside(2, |m| {
                for (field, half) in [(1, ip.to_bits() >> 64), (2, ip.to_bits())] {
                    m.key(field, Wire::Fixed64);
                    m.0.extend_from_slice(&(half as u64).to_le_bytes());
                }
            }),
        });
        self.number(2, addr.port().into());
    }

    fn label(&mut self, name: &str, value: &str) {
        self.inside(1, |m| {
            m.text(1, name);
            m.text(2, value);
        });
    }

    fn labels(&mut self, labels: &[(Arc<str>, Arc<str>)]) {
        labels.iter().for_each(|(name, value)| self.label(name, value));
    }

    /// Labels of TLS, named as on metrics.
    fn tls(&mut self, tls: &Tls, id: &str) {
        match tls {
            Tls::Mesh(name) => {
                self.label("tls", "true");
                if let Some(name) = name {
                    self.label(id, name);
                }
            }
            Tls::None(why) => {
                self.label("tls", "no_identity");
                self.label("no_tls_reason", why);
            }
            Tls::Unknown => {}
        }
    }

    fn http(&mut self, about: &About, what: &What) {
        match what {
            What::Request { method, scheme, authority, path, headers } => self.inside(1, |m| {
                m.id(about);
                m.inside(2, |m| m.method(method));
                m.inside(3, |m| m.scheme(scheme));
                m.text(4, authority);
                m.text(5, path);
                m.headers(6, headers.as_ref());
            }),
            What::Response { since_request, status, headers } => self.inside(2, |m| {
                m.id(about);
                m.duration(2, *since_request);
                m.number(3, (*status).into());
                m.headers(4, headers.as_ref());
            }),
            What::End { since_request, since_response, bytes, end, trailers } => self.inside(3, |m| {
                m.id(about);
                m.duration(2, *since_request);
                if let Some(since) = since_response {
                    m.duration(3, *since);
                }
                m.number(4, *bytes);
                m.inside(5, |m| match *end {
                    End::Whole => {}
                    End::Grpc(code) => m.number(1, code.into()),
                    End::Reset(code) => m.number(2, code.into()),
                });
                m.headers(6, trailers.as_ref());
            }),
        }
    }

    fn id(&mut self, about: &About) {
        self.inside(1, |m| {
            m.number(1, about.id.0.into());
            m.number(2, about.id.1);
        });
    }

    fn method(&mut self, method: &str) {
        match http_method::Registered::from_str_name(method) {
            Some(known) => self.number(1, known as u64),
            None => self.text(2, method),
        }
    }

    fn scheme(&mut self, scheme: &str) {
        match Scheme::from(scheme).r#type {
            Some(scheme::Type::Registered(known)) => self.number(1, known as u64),
            _ => self.text(2, scheme),
        }
    }

    fn headers(&mut self, field: u8, headers: Option<&Headers>) {
        let Some(headers) = headers else { return };
        self.inside(field, |m| {
            for (name, value) in headers {
                m.inside(1, |m| {
                    m.text(1, name);
                    m.bytes(2, value);
                });
            }
        });
    }

    fn duration(&mut self, field: u8, nanos: u64) {
        self.inside(field, |m| {
            m.number(1, nanos / 1_000_000_000);
            m.number(2, nanos % 1_000_000_000);
        });
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use linkerd2_proxy_api::http_types::HttpMethod;
    use linkerd2_proxy_api::tap::tap_event::http::{self, Event as Http, StreamId};
    use linkerd2_proxy_api::tap::{TapEvent, eos, tap_event};

    /// The event as its client reads it.
    pub(in super::super) fn read(event: &Event) -> TapEvent {
        let mut message = Message::default();
        message.event(event);
        TapEvent::decode(&*message.0).expect("a message")
    }

    fn about(source: &str) -> Arc<About> {
        Arc::new(About {
            id: (3, 7_000_000_000),
            inbound: false,
            source: (source.parse().expect("an address"), Tls::None("loopback")),
            destination: ("10.0.0.2:80".parse().expect("an address"), Tls::Mesh(Some("web.id".into()))),
            labels: Arc::from([("pod".into(), "web-1".into())]),
            route: Arc::from([("route".into(), "/x".into())]),
        })
    }

    fn http(what: What) -> Http {
        let Some(tap_event::Event::Http(got)) = read(&Event { about: about("10.0.0.1:5"), what }).event else {
            panic!("another event")
        };
        got.event.expect("an event")
    }

    fn over(end: End) -> What {
        let trailers = Some(vec![("a".into(), Box::from(*b"b"))]);
        What::End { since_request: 2_500_000_000, since_response: Some(5), bytes: 9, end, trailers }
    }

    #[test]
    fn events_carry_addresses_labels_and_times() {
        for source in ["10.0.0.1:5", "[fd00::1:2]:65535"] {
            let got = read(&Event { about: about(source), what: over(End::Grpc(4)) });
            assert_eq!(SocketAddr::try_from(got.source.expect("one")).expect("an address").to_string(), source);
            let meta = (got.source_meta.expect("meta").labels, got.destination_meta.expect("meta").labels);
            assert_eq!((meta.0["tls"].as_str(), meta.0["no_tls_reason"].as_str()), ("no_identity", "loopback"));
            assert_eq!((meta.1["server_id"].as_str(), meta.1["pod"].as_str()), ("web.id", "web-1"));
            assert_eq!((meta.0.len(), meta.1.len()), (2, 3));
            assert_eq!(got.proxy_direction, ProxyDirection::Outbound as i32);
            assert_eq!(got.route_meta.expect("meta").labels["route"], "/x");
        }
        for (end, said) in [
            (End::Grpc(0), Some(eos::End::GrpcStatusCode(0))),
            (End::Reset(8), Some(eos::End::ResetErrorCode(8))),
            (End::Whole, None),
        ] {
            let Http::ResponseEnd(got) = http(over(end)) else { panic!("another event") };
            assert_eq!(got.eos.expect("an end").end, said);
            assert_eq!(got.since_request_init, Some(prost_types::Duration { seconds: 2, nanos: 500_000_000 }));
            assert_eq!(got.id, Some(StreamId { base: 3, stream: 7_000_000_000 }));
            assert_eq!((got.response_bytes, got.trailers.expect("some").headers[0].value.as_slice()), (9, &b"b"[..]));
        }
    }

    #[test]
    fn heads_of_any_size_are_written_whole() {
        for size in [0, 1, 100, 127, 128, 129, 5_000, 16_383, 16_384, 40_000] {
            let headers: Headers = vec![("x".into(), vec![7; size].into())];
            let (method, scheme, authority) = ("MAKE".into(), "h".into(), "web".into());
            let path: Box<str> = "p".repeat(size).into();
            let what = What::Request { method, scheme, authority, path: path.clone(), headers: Some(headers) };
            let Http::RequestInit(got) = http(what) else { panic!("another event") };
            assert_eq!((got.authority.as_str(), got.path.as_str()), ("web", &*path));
            assert_eq!(got.headers.expect("some").headers[0].value.len(), size);
            let method = http_method::Type::Unregistered("MAKE".into());
            assert_eq!(got.method, Some(HttpMethod { r#type: Some(method) }));
            assert_eq!(got.scheme, Some(Scheme { r#type: Some(scheme::Type::Unregistered("h".into())) }));
        }
        let answer = What::Response { since_request: 0, status: 204, headers: None };
        let expected = http::ResponseInit {
            id: Some(StreamId { base: 3, stream: 7_000_000_000 }),
            since_request_init: Some(prost_types::Duration::default()),
            http_status: 204,
            headers: None,
        };
        assert_eq!(http(answer), Http::ResponseInit(expected));
    }
}
