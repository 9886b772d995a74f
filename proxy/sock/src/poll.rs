//! Readiness: one epoll per worker, edge-triggered for connections, and an eventfd to wake it.
//!
//! In: descriptors with a token each. Out: tokens with what is ready.
//! Never here: what a token means.

use crate::check;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// An epoll instance.
#[derive(Debug)]
pub struct Poll(OwnedFd);

/// Room for the events of one wait.
pub struct Events {
    list: Vec<libc::epoll_event>,
    filled: usize,
}

/// What is ready on a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// As given to `add`.
    pub token: u64,
    /// Bytes, an end or an error can be read.
    pub read: bool,
    /// The peer will send no more, or the connection broke: reading finds the end soon.
    pub end: bool,
    /// Bytes can be written, or a connect is decided.
    pub write: bool,
}

impl Events {
    /// Room for this many events.
    #[must_use]
    pub fn new(capacity: usize) -> Events {
        Events { list: vec![libc::epoll_event { events: 0, u64: 0 }; capacity], filled: 0 }
    }

    /// How many the last wait found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Whether the last wait found none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The event at `index` of the last wait.
    #[must_use]
    pub fn get(&self, index: usize) -> Ready {
        let libc::epoll_event { events, u64: token } = self.list[index];
        let has = |bits: libc::c_int| events & bits as u32 != 0;
        Ready {
            token,
            read: has(libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR),
            end: has(libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR),
            write: has(libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR),
        }
    }
}

impl Poll {
    /// A new instance.
    ///
    /// # Errors
    /// As epoll_create1(2).
    pub fn new() -> io::Result<Poll> {
        // SAFETY: takes no pointers; the result is a fresh descriptor.
        unsafe { Ok(Poll(OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?))) }
    }

    /// Watches a connection, edge-triggered, both directions. Closing the descriptor ends it.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn add(&self, fd: &impl AsFd, token: u64) -> io::Result<()> {
        self.ctl(fd, token, libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET)
    }

    /// Watches a listener or a waker, level-triggered, for reading.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn add_listener(&self, fd: &impl AsFd, token: u64) -> io::Result<()> {
        self.ctl(fd, token, libc::EPOLLIN)
    }

    fn ctl(&self, fd: &impl AsFd, token: u64, interest: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest as u32, u64: token };
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: the event outlives the call, which copies it; both descriptors are open.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) }).map(drop)
    }

    /// Stops watching.
    pub fn remove(&self, fd: &impl AsFd) {
        // SAFETY: EPOLL_CTL_DEL takes no event.
        unsafe {
            libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_DEL, fd.as_fd().as_raw_fd(), std::ptr::null_mut());
        }
    }

    /// Waits for events, at most `limit` (none: for ever; rounded up to milliseconds). An interrupted wait finds none.
    ///
    /// # Errors
    /// As epoll_wait(2), without EINTR.
    pub fn wait(&self, events: &mut Events, limit: Option<Duration>) -> io::Result<()> {
        let millis = limit.map_or(-1, |d| i32::try_from(d.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
        let room = libc::c_int::try_from(events.list.len()).unwrap_or(libc::c_int::MAX);
        events.filled = 0;
        // SAFETY: the kernel writes at most `room` events into the list, which is that long.
        let found = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.list.as_mut_ptr(), room, millis) };
        match check(found) {
            Ok(n) => events.filled = n as usize,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

/// Wakes a poll from another thread.
#[derive(Debug)]
pub struct Waker(OwnedFd);

impl AsFd for Waker {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Waker {
    /// A new one; add it to a poll with `add_listener`.
    ///
    /// # Errors
    /// As eventfd(2).
    pub fn new() -> io::Result<Waker> {
        // SAFETY: takes no pointers; the result is a fresh descriptor.
        unsafe { Ok(Waker(OwnedFd::from_raw_fd(check(libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC))?))) }
    }

    /// Makes it readable.
    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: eight bytes of a live u64. Fails only when the counter is full, and then it is readable anyway.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Makes it quiet again.
    pub fn clear(&self) {
        let mut seen = 0u64;
        // SAFETY: eight bytes of a live u64. Fails only when it was quiet.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut seen).cast(), 8) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_is_seen_once() {
        let (poll, waker, mut events) = (Poll::new().expect("epoll"), Waker::new().expect("eventfd"), Events::new(4));
        poll.add_listener(&waker, 7).expect("add");
        poll.wait(&mut events, Some(Duration::ZERO)).expect("wait");
        assert!(events.is_empty());
        waker.wake();
        poll.wait(&mut events, None).expect("wait");
        assert_eq!((events.len(), events.get(0).token, events.get(0).read), (1, 7, true));
        waker.clear();
        poll.wait(&mut events, Some(Duration::from_millis(1))).expect("wait");
        assert!(events.is_empty());
    }
}
