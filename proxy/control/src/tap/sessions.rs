//! The sessions that are open, and the stream each client reads.
//!
//! In: rules. Out: the list of sessions to the workers whenever it changes; a stream that ends when its requests have, when its
//! time is over, or when the client leaves (its drop takes the session out of the list).
//!
//! The first event after a silence goes out at once; while more come, a stream is read each `PACE` alone, or when half of the queue is
//! full, so that many share one wake-up, one frame and one write.

use super::queue::{self, EVENTS, Take};
use metrics::{Registry, families};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use table::observe::{Access, Event, Rule, Sink, Span, Tap, Watch};
use table::{Tell, Worker};
use tokio::time::{Instant, Sleep};
use tonic::Status;
use tonic::codegen::tokio_stream::Stream;

const SESSIONS: usize = 8;
const TIME: Duration = Duration::from_secs(600);
/// An event is at most so old when it is sent.
const PACE: Duration = Duration::from_millis(100);

/// Everybody who watches this proxy's requests: the sessions that come and go, and what the environment asked for.
pub struct Taps {
    workers: Vec<Arc<dyn Worker>>,
    access: Option<Arc<dyn Sink<Access>>>,
    spans: Option<Arc<dyn Sink<Span>>>,
    registry: Arc<Registry>,
    open: Mutex<Vec<Arc<Tap>>>,
    base: AtomicU32,
}

impl Taps {
    /// Tells the workers about the access log and the exporter.
    pub fn new(
        workers: Vec<Arc<dyn Worker>>,
        access: Option<Arc<dyn Sink<Access>>>,
        spans: Option<Arc<dyn Sink<Span>>>,
        registry: Arc<Registry>,
    ) -> Arc<Self> {
        let taps = Self { workers, access, spans, registry, open: Mutex::default(), base: AtomicU32::new(0) };
        taps.tell(&[]);
        Arc::new(taps)
    }

    /// A session; none when there are too many.
    pub fn open(self: &Arc<Self>, rule: Rule, limit: u64, headers: bool) -> Option<Session> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= SESSIONS {
            return None;
        }
        let (sink, events) = queue::new();
        let base = self.base.fetch_add(1, Ordering::Relaxed);
        let tap = Arc::new(Tap { base, rule, headers, limit, taken: AtomicU64::new(0), sink: Arc::new(sink) });
        open.push(tap.clone());
        self.tell(&open);
        let (time, pause) = (Box::pin(tokio::time::sleep(TIME)), Box::pin(tokio::time::sleep(Duration::ZERO)));
        let batch = VecDeque::new();
        Some(Session { taps: self.clone(), tap: Some(tap), events, batch, time, pause, pausing: false, told: false })
    }

    fn close(&self, base: u32) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|tap| tap.base != base);
        self.tell(&open);
    }

    fn tell(&self, taps: &[Arc<Tap>]) {
        let shard = self.registry.control_shard();
        shard.gauge_set(self.registry.gauge(&families::TAP_SESSIONS, &[]), taps.len() as i64);
        let watch = Watch { taps: taps.into(), access: self.access.clone(), spans: self.spans.clone() };
        let watch = Arc::new(watch);
        self.workers.iter().for_each(|worker| worker.tell(Tell::Watch(watch.clone())));
    }
}

/// What one client reads.
pub struct Session {
    taps: Arc<Taps>,
    /// None once it takes no more requests; the events of those it took still come.
    tap: Option<Arc<Tap>>,
    events: Take,
    /// Taken, and given to the client one by one.
    batch: VecDeque<Event>,
    time: Pin<Box<Sleep>>,
    pause: Pin<Box<Sleep>>,
    /// Until the pause is over nobody looks whether there are a few events.
    pausing: bool,
    /// Since the last pause.
    told: bool,
}

impl Session {
    fn retire(&mut self) {
        if let Some(tap) = self.tap.take() {
            self.taps.close(tap.base);
        }
    }

    /// How many events have to wait before they are taken.
    fn poll_pause(&mut self, context: &mut Context<'_>) -> usize {
        if std::mem::take(&mut self.told) {
            self.pause.as_mut().reset(Instant::now() + PACE);
            self.pausing = true;
        }
        self.pausing = self.pausing && self.pause.as_mut().poll(context).is_pending();
        if self.pausing { EVENTS / 2 } else { 1 }
    }
}

impl Stream for Session {
    type Item = Result<Event, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let session = &mut *self;
        if let Some(event) = session.batch.pop_front() {
            return Poll::Ready(Some(Ok(event)));
        }
        let over = session.time.as_mut().poll(context).is_ready();
        if over || session.tap.as_ref().is_some_and(|tap| tap.spent()) {
            session.retire();
        }
        let at = session.poll_pause(context);
        if over || !session.events.take(&mut session.batch, at, context) {
            return Poll::Ready(None);
        }
        match session.batch.pop_front() {
            Some(event) => {
                session.told = true;
                Poll::Ready(Some(Ok(event)))
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.retire();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::task::Waker;
    use table::observe::{About, End, Tls, What};

    #[derive(Default)]
    struct Told(Mutex<Vec<Arc<Watch>>>);

    impl Worker for Told {
        fn tell(&self, tell: Tell) {
            if let Tell::Watch(watch) = tell {
                self.0.lock().expect("not poisoned").push(watch);
            }
        }
    }

    impl Told {
        fn last(&self) -> Arc<Watch> {
            self.0.lock().expect("not poisoned").last().expect("told").clone()
        }
    }

    fn event(number: u64) -> Event {
        let addr: SocketAddr = "10.0.0.1:1".parse().expect("an address");
        let about = About {
            id: (0, number),
            inbound: true,
            source: (addr, Tls::Unknown),
            destination: (addr, Tls::Unknown),
            labels: Arc::from([]),
            route: Arc::from([]),
        };
        let what = What::End { since_request: 1, since_response: None, bytes: 0, end: End::Whole, trailers: None };
        Event { about: Arc::new(about), what }
    }

    async fn next(session: &mut Session) -> Option<Event> {
        std::future::poll_fn(|context| Pin::new(&mut *session).poll_next(context)).await.map(|event| event.expect("ok"))
    }

    #[tokio::test]
    async fn a_session_ends_with_the_last_request_it_took() {
        let told = Arc::new(Told::default());
        let taps = Taps::new(vec![told.clone()], None, None, Registry::new(1));
        assert!(told.last().is_empty());
        let mut session = taps.open(Rule::All(Box::default()), 2, false).expect("room");
        let tap = told.last().taps[0].clone();
        assert_eq!((tap.take(), tap.take(), tap.take()), (Some(0), Some(1), None));
        tap.sink.put(event(0));
        assert!(next(&mut session).await.is_some());
        assert!(told.last().is_empty(), "the workers look no more");
        tap.sink.put(event(1));
        drop(tap);
        told.0.lock().expect("not poisoned").clear();
        assert!(next(&mut session).await.is_some() && next(&mut session).await.is_none());
    }

    #[tokio::test]
    async fn sessions_and_their_queues_are_bounded_and_leave_with_their_client() {
        let told = Arc::new(Told::default());
        let taps = Taps::new(vec![told.clone()], None, None, Registry::new(1));
        let mut open: Vec<_> = (0..SESSIONS).filter_map(|_| taps.open(Rule::Any(Box::default()), 1, false)).collect();
        assert!(open.len() == SESSIONS && taps.open(Rule::Any(Box::default()), 1, false).is_none());
        let tap = told.last().taps[0].clone();
        let put = (0..=EVENTS).filter(|&n| tap.sink.put(event(n as u64))).count();
        assert_eq!(put, EVENTS);
        open.pop();
        assert_eq!(told.last().taps.len(), SESSIONS - 1);
        open.clear();
        assert!(told.last().is_empty() && tap.sink.put(event(0)), "who has left misses nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn events_that_follow_each_other_go_out_together() {
        let told = Arc::new(Told::default());
        let taps = Taps::new(vec![told.clone()], None, None, Registry::new(1));
        let mut session = taps.open(Rule::All(Box::default()), 9, false).expect("room");
        let tap = told.last().taps[0].clone();
        tap.sink.put(event(0));
        let began = tokio::time::Instant::now();
        assert!(next(&mut session).await.is_some() && began.elapsed() < PACE, "the first is not held back");
        let soon = |session: &mut Session| at_once(session).is_some();
        assert!(!soon(&mut session));
        tap.sink.put(event(1));
        tap.sink.put(event(2));
        assert!(!soon(&mut session), "a pause has begun");
        assert!(next(&mut session).await.is_some() && began.elapsed() >= PACE);
        assert!(soon(&mut session), "with it comes the next");
        assert!(!soon(&mut session), "another pause");
        let began = tokio::time::Instant::now();
        (0..EVENTS / 2).for_each(|n| assert!(tap.sink.put(event(n as u64))));
        assert!(next(&mut session).await.is_some() && began.elapsed() < PACE, "half a queue does not wait");
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_wakes_the_client_once_a_batch() {
        let told = Arc::new(Told::default());
        let taps = Taps::new(vec![told.clone()], None, None, Registry::new(1));
        let mut session = taps.open(Rule::All(Box::default()), 999, false).expect("room");
        let tap = told.last().taps[0].clone();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let look = |session: &mut Session| Pin::new(session).poll_next(&mut Context::from_waker(&waker)).is_ready();
        let mut after = |count: usize| {
            (0..count).for_each(|n| assert!(tap.sink.put(event(n as u64))));
            let looks = (0..EVENTS).take_while(|_| look(&mut session)).count();
            (looks, woken.0.swap(0, Ordering::Relaxed))
        };
        assert_eq!(after(0), (0, 0));
        assert_eq!(after(3), (3, 1), "after a silence");
        assert_eq!(after(EVENTS / 2 - 1), (0, 0), "in a pause");
        assert_eq!(after(1), (EVENTS / 2, 1), "half a queue");
    }

    #[derive(Default)]
    struct Woken(AtomicU64);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What there is without waiting.
    fn at_once(session: &mut Session) -> Option<Event> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match Pin::new(session).poll_next(&mut context) {
            Poll::Ready(event) => event.map(|event| event.expect("ok")),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn a_session_has_its_time() {
        let told = Arc::new(Told::default());
        let taps = Taps::new(vec![told.clone()], None, None, Registry::new(1));
        let mut session = taps.open(Rule::All(Box::default()), 9, false).expect("room");
        session.time = Box::pin(tokio::time::sleep(Duration::ZERO));
        assert!(next(&mut session).await.is_none() && told.last().is_empty());
    }
}
