//! The renewal loop: ask, check, publish, sleep to 70 % of the life that is left. New trust anchors are published with the certificate
//! that is there, at once, and a renewal follows.
//!
//! Limits: one request at a time, 5 s each; a failure is tried again after 100 ms .. 3 s while there is no certificate, and
//! between `min_refresh` / 10 and `min_refresh` once there is one.

use super::{Anchors, Key};
use crate::env::{Backoff, Identity};
use crate::link::{Calls, Link, Wait};
use linkerd2_proxy_api::identity::identity_client::IdentityClient;
use linkerd2_proxy_api::identity::{CertifyRequest, CertifyResponse};
use metrics::{Registry, families};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time;
use tonic::{Code, Status};

const ONE_CALL: Duration = Duration::from_secs(5);
/// A pod waits for its first certificate: the tries stay close together.
const FIRST: Backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(3), jitter: 0.5 };
/// How often a file of trust anchors is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What a renewal brought.
pub struct Renewed {
    /// For workers and links.
    pub credentials: table::Credentials,
    /// End of the certificate.
    pub until: SystemTime,
}

/// Keeps `slot` filled for ever. `anchors_slot`: the anonymous client configuration of the identity link.
pub async fn run(
    settings: Identity,
    key: Key,
    mut anchors: Anchors,
    link: Arc<Link>,
    slot: watch::Sender<Option<Arc<table::Credentials>>>,
    anchors_slot: watch::Sender<Arc<ClientConfig>>,
    registry: Arc<Registry>,
) {
    let mut wait = Wait::new(FIRST);
    let mut held: Option<CertifyResponse> = None;
    loop {
        let asked = renew(&settings, &key, &mut anchors, Calls { link: &link, registry: &registry }).await;
        count(&registry, anchors.roots.len(), asked.as_ref().map(|(_, r)| r.until).ok());
        let pause = match asked {
            Ok((answer, renewed)) => {
                held = Some(answer);
                wait = Wait::new(slow(settings.min_refresh));
                let pause = refresh_after(renewed.until, SystemTime::now(), settings.min_refresh, settings.max_refresh);
                log::info!("certified as {}; renewal in {pause:?}", settings.id);
                slot.send_replace(Some(Arc::new(renewed.credentials)));
                pause
            }
            Err(error) => {
                let pause = wait.after_failure(fastrand::f64());
                log::warn!("not certified by {}: {error}; again in {pause:?}", link.address());
                pause
            }
        };
        if !changed_within(pause, &mut anchors).await {
            continue;
        }
        if let Some(answer) = &held {
            match take(&settings, &key, &mut anchors, answer, true) {
                Ok(again) => drop(slot.send_replace(Some(Arc::new(again.credentials)))),
                Err(error) => log::warn!("the new trust anchors wait for a renewal: {error}"),
            }
        }
        match tls::anonymous_client(&anchors.roots) {
            Ok(config) => drop(anchors_slot.send_replace(config)),
            Err(error) => log::warn!("trust anchors: {error}"),
        }
    }
}

fn slow(min_refresh: Duration) -> Backoff {
    Backoff {
        min: (min_refresh / 10).max(Duration::from_millis(100)),
        max: min_refresh.max(Duration::from_secs(1)),
        jitter: 0.5,
    }
}

/// Sleeps, but wakes when the trust anchors have changed: a new chain may be needed.
async fn changed_within(pause: Duration, anchors: &mut Anchors) -> bool {
    let until = time::Instant::now() + pause;
    while time::Instant::now() < until {
        time::sleep_until(until.min(time::Instant::now() + LOOK)).await;
        if anchors.refresh() {
            return true;
        }
    }
    false
}

async fn renew(
    settings: &Identity,
    key: &Key,
    anchors: &mut Anchors,
    calls: Calls<'_>,
) -> Result<(CertifyResponse, Renewed), String> {
    let token = tokio::fs::read(&settings.token_file).await;
    let token = token.map_err(|error| format!("{}: {error}", settings.token_file.display()))?;
    let request =
        CertifyRequest { identity: settings.id.to_string(), token, certificate_signing_request: key.csr.clone() };
    let (end, late) = (time::Instant::now() + ONE_CALL, || format!("no answer within {ONE_CALL:?}"));
    let channel = time::timeout_at(end, calls.link.channel()).await.map_err(|_| late())??;
    calls.asked();
    let asked = time::Instant::now();
    let answer = time::timeout_at(end, IdentityClient::new(channel).certify(request)).await;
    let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded(late())));
    calls.ended(answer.as_ref().map_or_else(Status::code, |_| Code::Ok));
    let answer = answer.map_err(|status| format!("{:?}: {}", status.code(), cause(&status)))?.into_inner();
    calls.answered(asked.elapsed());
    take(settings, key, anchors, &answer, false).map(|renewed| (answer, renewed))
}

/// Takes an answer under the wanted anchors; if it hangs on one that is gone from the file, under all that are in force. `held`: it
/// is the certificate that we serve already, which alone can be forced to stay without its anchor.
pub(super) fn take(
    settings: &Identity,
    key: &Key,
    anchors: &mut Anchors,
    answer: &CertifyResponse,
    held: bool,
) -> Result<Renewed, String> {
    match check(settings, key, &anchors.wanted, answer, held && anchors.forced) {
        Ok(renewed) => {
            anchors.settle();
            Ok(renewed)
        }
        Err(why) if !anchors.lingering() => Err(why),
        Err(_) => {
            let renewed = check(settings, key, &anchors.roots, answer, false)?;
            log::warn!(
                "our certificate hangs on a trust anchor that is gone from its file: the anchor stays in force until a renewal \
                 brings a certificate of another one; ISTHMUS_PROXY_TRUST_ANCHORS_FORCE=true lets it go at once"
            );
            Ok(renewed)
        }
    }
}

/// The status message, or what lies under it when the transport failed.
fn cause(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Takes an answer only when it chains to the anchors (unless forced), is for us, fits our key and has a future.
fn check(
    settings: &Identity,
    key: &Key,
    roots: &Arc<RootCertStore>,
    answer: &CertifyResponse,
    forced: bool,
) -> Result<Renewed, String> {
    let until = answer.valid_until.ok_or("the answer has no valid_until")?;
    let seconds = u64::try_from(until.seconds).map_err(|_| "valid_until lies before 1970")?;
    let until = UNIX_EPOCH + Duration::from_secs(seconds);
    if until <= SystemTime::now() {
        return Err("the certificate has already ended".into());
    }
    let make = if forced { tls::forced } else { tls::credentials };
    let credentials = make(
        &settings.id,
        &settings.server_name,
        &answer.leaf_certificate,
        &answer.intermediate_certificates,
        &key.pkcs8,
        roots,
    );
    Ok(Renewed { credentials: credentials.map_err(|error| error.to_string())?, until })
}

/// 70 % of what is left, clamped.
pub(super) fn refresh_after(until: SystemTime, now: SystemTime, min: Duration, max: Duration) -> Duration {
    let left = until.duration_since(now).unwrap_or(Duration::ZERO);
    (left * 7 / 10).clamp(min, max.max(min))
}

/// Seconds since 1970 as a time.
pub(super) fn seconds_of(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A try to be certified: until when we are, or that it failed.
pub(super) fn count(registry: &Registry, roots: usize, until: Option<SystemTime>) {
    let shard = registry.control_shard();
    let roots = i64::try_from(roots).unwrap_or(i64::MAX);
    shard.gauge_set(registry.gauge(&families::TRUST_ANCHORS, &[]), roots);
    let result = if until.is_some() { "ok" } else { "error" };
    shard.add(registry.counter(&families::CERT_REFRESHES_TOTAL, &[("result", result)]), 1);
    let seconds = |t: SystemTime| t.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed();
    if let Some(until) = until {
        shard.gauge_set(registry.gauge(&families::CERT_EXPIRATION, &[]), seconds(until));
        shard.gauge_set(registry.gauge(&families::CERT_REFRESH, &[]), seconds(SystemTime::now()));
    }
}
