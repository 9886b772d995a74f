//! Where our certificate comes from: the identity plane, or a SPIRE agent on the node.
//!
//! In: settings. Out: a task that keeps the credentials' slot filled. A mistake in anchors or key is told before anything is bound.

use crate::serve::ServeError;
use control::env::{Settings, Spire};
use control::identity::{self, Anchors, Key};
use control::link::{Dns, Link, Trust};
use metrics::Registry;
use std::sync::Arc;
use table::Credentials;
use tokio::sync::watch;

/// What was made ready.
pub enum Source {
    /// A SPIRE agent's socket.
    Spire(Spire),
    /// The identity plane, asked with this key and believed under these anchors.
    Plane(Box<(Anchors, Key, Arc<rustls::ClientConfig>)>),
}

/// Reads what is needed.
///
/// # Errors
/// When anchors or key cannot be used.
pub fn prepare(settings: &Settings) -> Result<Source, ServeError> {
    let own = &settings.identity;
    if let Some(spire) = &own.spire {
        return Ok(Source::Spire(spire.clone()));
    }
    let anchors = Anchors::new(&own.trust_anchors, own.trust_anchors_file.clone(), own.trust_anchors_force);
    let anchors = anchors.map_err(ServeError::Identity)?;
    let key = Key::load(own.dir.as_deref(), &own.id).map_err(ServeError::Identity)?;
    let anonymous = tls::anonymous_client(&anchors.roots).map_err(|error| ServeError::Identity(error.to_string()))?;
    Ok(Source::Plane(Box::new((anchors, key, anonymous))))
}

/// Starts the task.
pub fn start(
    source: Source,
    settings: &Settings,
    dns: &Arc<Dns>,
    slot: watch::Sender<Option<Arc<Credentials>>>,
    registry: &Arc<Registry>,
) {
    let own = settings.identity.clone();
    match source {
        Source::Spire(spire) => drop(tokio::spawn(identity::spire::run(own, spire, slot, registry.clone()))),
        Source::Plane(parts) => {
            let (anchors, key, anonymous) = *parts;
            let (anonymous_in, anonymous) = watch::channel(anonymous);
            let trust = Trust::Anchors(anonymous);
            let link = Link::new(own.service.clone(), dns.clone(), trust, settings.control.streams.lifetime);
            tokio::spawn(identity::run(own, key, anchors, link, slot, anonymous_in, registry.clone()));
        }
    }
}
