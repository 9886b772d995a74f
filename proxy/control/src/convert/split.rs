//! Distributions: the four kinds of route carry four types of one shape, read here by one function.

use super::backends::Backends;
use super::matches::{self, ALWAYS, Parsed};
use linkerd2_proxy_api::outbound as api;
use table::outbound::{Arm, Filter, Refusal, Split};

/// A reference to a backend from a route.
pub(super) trait Reference {
    fn backend(&self) -> Option<&api::Backend>;
    fn filters(&self) -> Parsed<Box<[Filter]>>;
}

/// A distribution over references of one type.
pub(super) trait Distribution {
    type Reference: Reference;
    fn shape(&self) -> Option<Shape<'_, Self::Reference>>;
}

/// What a distribution is.
pub(super) enum Shape<'a, R> {
    Empty,
    First(&'a [R]),
    /// Each with its weight; a missing reference is a broken backend.
    Random(Vec<(Option<&'a R>, u32)>),
}

/// Reads a distribution, or one broken arm when it is of an unknown kind.
pub(super) fn split<D: Distribution>(backends: &mut Backends<'_>, from: Option<&D>) -> Parsed<Split> {
    match from.and_then(D::shape) {
        Some(Shape::Empty) => Ok(Split::Empty),
        Some(Shape::First(all)) => {
            all.iter().map(|r| arm(backends, Some(r), 1)).collect::<Parsed<_>>().map(Split::First)
        }
        Some(Shape::Random(all)) => {
            all.into_iter().map(|(r, weight)| arm(backends, r, weight)).collect::<Parsed<_>>().map(Split::Random)
        }
        None => Ok(backends.broken("invalid route: a distribution of a kind we do not know")),
    }
}

fn arm<R: Reference>(backends: &mut Backends<'_>, from: Option<&R>, weight: u32) -> Parsed<Arm> {
    let filters = from.map(R::filters).transpose()?.unwrap_or_default();
    let backend = backends.read(from.and_then(R::backend), filters.iter().find_map(always));
    Ok(Arm { weight, backend, filters })
}

/// What a filter answers to every request, as an HTTP status and a sentence.
fn always(filter: &Filter) -> Option<(u16, &str)> {
    match filter {
        Filter::Fail { status, grpc, message, ratio: ALWAYS } => Some((if *grpc { 503 } else { *status }, message)),
        _ => None,
    }
}

macro_rules! distributions {
    ($($route:ident: $filter:expr;)*) => {$(
        impl Reference for api::$route::RouteBackend {
            fn backend(&self) -> Option<&api::Backend> {
                self.backend.as_ref()
            }

            fn filters(&self) -> Parsed<Box<[Filter]>> {
                self.filters.iter().map($filter).collect()
            }
        }

        impl Distribution for api::$route::Distribution {
            type Reference = api::$route::RouteBackend;

            fn shape(&self) -> Option<Shape<'_, Self::Reference>> {
                use api::$route::distribution::Kind;
                Some(match self.kind.as_ref()? {
                    Kind::Empty(_) => Shape::Empty,
                    Kind::FirstAvailable(first) => Shape::First(&first.backends),
                    Kind::RandomAvailable(random) => {
                        Shape::Random(random.backends.iter().map(|w| (w.backend.as_ref(), w.weight)).collect())
                    }
                })
            }
        }
    )*};
}

distributions! {
    http_route: http_filter;
    grpc_route: grpc_filter;
    opaque_route: |f| Ok(Filter::Refuse(opaque_refusal(f)));
    tls_route: |f| Ok(Filter::Refuse(tls_refusal(f)));
}

/// Filters of connections only refuse. One that we do not know refuses too.
pub(super) fn opaque_refusal(from: &api::opaque_route::Filter) -> Refusal {
    use api::opaque_route::filter::Kind;
    match from.kind.as_ref() {
        Some(Kind::Forbidden(_)) => Refusal::Forbidden,
        Some(Kind::Invalid(invalid)) => Refusal::Invalid(invalid.message.as_str().into()),
        None => Refusal::Invalid("a filter of a kind we do not know".into()),
    }
}

pub(super) fn tls_refusal(from: &api::tls_route::Filter) -> Refusal {
    use api::tls_route::filter::Kind;
    match from.kind.as_ref() {
        Some(Kind::Forbidden(_)) => Refusal::Forbidden,
        Some(Kind::Invalid(invalid)) => Refusal::Invalid(invalid.message.as_str().into()),
        None => Refusal::Invalid("a filter of a kind we do not know".into()),
    }
}

pub(super) fn http_filter(from: &api::http_route::Filter) -> Parsed<Filter> {
    use api::http_route::filter::Kind;
    match from.kind.as_ref() {
        Some(Kind::FailureInjector(f)) => Ok(matches::fail(f.status, &f.message, f.ratio.as_ref())),
        Some(Kind::RequestHeaderModifier(m)) => matches::request_edits(m),
        Some(Kind::Redirect(r)) => matches::redirect(r),
        Some(Kind::ResponseHeaderModifier(m)) => {
            matches::edits(m.add.as_ref(), m.set.as_ref(), &m.remove).map(Filter::Response)
        }
        None => Ok(Filter::Unknown),
    }
}

pub(super) fn grpc_filter(from: &api::grpc_route::Filter) -> Parsed<Filter> {
    use api::grpc_route::filter::Kind;
    match from.kind.as_ref() {
        Some(Kind::FailureInjector(f)) => Ok(matches::fail_rpc(f.code, &f.message, f.ratio.as_ref())),
        Some(Kind::RequestHeaderModifier(m)) => matches::request_edits(m),
        None => Ok(Filter::Unknown),
    }
}
