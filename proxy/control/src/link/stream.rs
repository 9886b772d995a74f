//! A stream that comes back: opened, followed, opened again after any end, with its messages in one queue.
//!
//! In: how to open it. Out: `Said` for each message and each failure, in order, into a bounded queue (its reader sets the pace).
//! Limits: first message, silence and whole life (`StreamLimits`), not inside the pod. Never here: what to do about a failure.

use super::backoff::Wait;
use super::calls::Calls;
use super::dial::Link;
use crate::env::{Backoff, StreamLimits};
use metrics::{Gauge, Registry, families};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time;
use tonic::transport::Channel;
use tonic::{Code, Response, Status, Streaming};

/// After an answer that will not change soon (`NotFound`, `InvalidArgument`).
const SETTLED: Duration = Duration::from_secs(30);

/// No limit: 34 years.
const AGES: Duration = Duration::from_secs(1 << 30);

/// One event of a stream.
#[derive(Debug)]
pub enum Said<M> {
    /// A stream was opened and this is its first message.
    First(M),
    /// A later message of the same stream.
    Next(M),
    /// The stream failed; it will be opened again.
    Failed(Code, String),
}

/// How to follow the streams of one service.
#[derive(Clone)]
pub struct Follow {
    /// What is followed, for `control_watches` and `control_stale_streams`.
    pub kind: &'static str,
    /// The service.
    pub link: Arc<Link>,
    /// Bounds of one stream.
    pub limits: StreamLimits,
    /// Between tries.
    pub backoff: Backoff,
    /// For `control_*` families.
    pub registry: Arc<Registry>,
}

/// How one stream ended.
enum End {
    /// Its time was up, or the server closed it in order.
    Graceful,
    Failed(Status),
}

impl Follow {
    /// Follows for ever; ends only when nobody reads `out` any more.
    pub async fn run<M, F, Fut, T>(&self, open: F, out: tokio::sync::mpsc::Sender<T>, wrap: fn(Said<M>) -> T)
    where
        F: Fn(Channel) -> Fut,
        Fut: Future<Output = Result<Response<Streaming<M>>, Status>>,
    {
        let mut wait = Wait::new(self.backoff);
        let held = Held::new(self);
        while !out.is_closed() {
            let mut heard = false;
            let end = self.one(&open, &out, wrap, &mut heard, &held).await;
            if heard {
                wait.reset();
            }
            let pause = match end {
                // Not at once: a server that closes streams as they come must not be hammered.
                End::Graceful if heard => Duration::from_millis(fastrand::u64(10..100)),
                End::Graceful => wait.after_failure(fastrand::f64()),
                End::Failed(status) => {
                    let code = status.code();
                    // A refusal is an answer; only silence leaves us with an old one.
                    held.stale(!settled(code));
                    log::debug!("{}: {:?} {}", self.link.address(), code, status.message());
                    let _ = out.send(wrap(Said::Failed(code, status.message().to_owned()))).await;
                    if settled(code) {
                        SETTLED.mul_f64(0.8 + 0.4 * fastrand::f64())
                    } else {
                        wait.after_failure(fastrand::f64())
                    }
                }
            };
            tokio::select! { () = time::sleep(pause) => {} () = out.closed() => return }
        }
    }

    async fn one<M, F, Fut, T>(
        &self,
        open: &F,
        out: &tokio::sync::mpsc::Sender<T>,
        wrap: fn(Said<M>) -> T,
        heard: &mut bool,
        held: &Held,
    ) -> End
    where
        F: Fn(Channel) -> Fut,
        Fut: Future<Output = Result<Response<Streaming<M>>, Status>>,
    {
        let limits = (!self.link.local()).then_some(self.limits);
        let channel = match self.link.channel().await {
            Ok(channel) => channel,
            Err(error) => return End::Failed(Status::unavailable(error)),
        };
        let asked = Instant::now();
        let life = limits.map_or(AGES, |l| l.lifetime.mul_f64(0.9 + 0.1 * fastrand::f64()));
        let last = asked + life;
        self.calls().asked();
        let first = async {
            let mut stream = open(channel).await?.into_inner();
            let message = stream.message().await?;
            Ok::<_, Status>((stream, message))
        };
        let first = match limits {
            Some(limits) => time::timeout(limits.initial, first)
                .await
                .unwrap_or_else(|_| Err(Status::deadline_exceeded(format!("no message within {:?}", limits.initial)))),
            None => first.await,
        };
        let (mut stream, mut message) = match first {
            Ok((stream, Some(message))) => (stream, Said::First(message)),
            Ok((_, None)) => return self.graceful(),
            Err(status) => return self.failed(status),
        };
        self.calls().answered(asked.elapsed());
        *heard = true;
        held.stale(false);
        loop {
            if out.send(wrap(message)).await.is_err() {
                return End::Graceful;
            }
            let idle = limits.map_or(AGES, |l| l.idle);
            let until = time::Instant::from_std(last.min(Instant::now() + idle));
            message = match time::timeout_at(until, stream.message()).await {
                Ok(Ok(Some(message))) => Said::Next(message),
                Ok(Ok(None)) | Err(_) => return self.graceful(),
                Ok(Err(status)) => return self.failed(status),
            };
        }
    }

    fn failed(&self, status: Status) -> End {
        self.calls().ended(status.code());
        End::Failed(status)
    }

    fn graceful(&self) -> End {
        self.calls().ended(Code::Ok);
        End::Graceful
    }

    fn calls(&self) -> Calls<'_> {
        Calls { link: &self.link, registry: &self.registry }
    }
}

/// Counts one followed thing while it is followed, and whether it is served from memory.
struct Held {
    registry: Arc<Registry>,
    watches: Gauge,
    stale: Gauge,
    now: AtomicBool,
}

impl Held {
    fn new(follow: &Follow) -> Self {
        let labels = [("kind", follow.kind)];
        let registry = follow.registry.clone();
        let watches = registry.gauge(&families::CONTROL_WATCHES, &labels);
        let stale = registry.gauge(&families::CONTROL_STALE_STREAMS, &labels);
        registry.control_shard().gauge_add(watches, 1);
        Self { registry, watches, stale, now: AtomicBool::new(false) }
    }

    fn stale(&self, now: bool) {
        if self.now.swap(now, Ordering::Relaxed) != now {
            self.registry.control_shard().gauge_add(self.stale, if now { 1 } else { -1 });
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stale(false);
        self.registry.control_shard().gauge_add(self.watches, -1);
    }
}

fn settled(code: Code) -> bool {
    matches!(code, Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition | Code::Unimplemented)
}
