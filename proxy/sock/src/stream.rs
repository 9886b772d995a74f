//! Listeners and connections.
//!
//! In: addresses, options, buffers. Out: descriptors closed on drop; `None` where the kernel would block.
//! Never here: epoll (see `poll`), retries, clocks.

use crate::addr::Raw;
use crate::{check, count};
use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Linux `SO_ORIGINAL_DST` and `IP6T_SO_ORIGINAL_DST` (netfilter headers; not in libc for every target).
const ORIGINAL_DST: libc::c_int = 80;

fn socket(addr: SocketAddr) -> io::Result<OwnedFd> {
    let family = if addr.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: takes no pointers; the result is a fresh descriptor that nobody else owns.
    unsafe {
        let fd = check(libc::socket(family, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn set<T>(fd: &OwnedFd, level: libc::c_int, name: libc::c_int, value: T) -> io::Result<()> {
    // SAFETY: `value` outlives the call and its true size is passed.
    let result = unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), size_of::<T>() as libc::socklen_t)
    };
    check(result).map(drop)
}

fn local(fd: &OwnedFd) -> io::Result<SocketAddr> {
    let mut raw = Raw::empty();
    // SAFETY: the kernel writes at most `len` bytes into the storage and corrects `len`.
    check(unsafe { libc::getsockname(fd.as_raw_fd(), raw.as_mut_ptr(), &raw mut raw.len) })?;
    raw.get()
}

/// A socket that accepts.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Binds and listens. `shared`: several workers listen on one address (SO_REUSEPORT). A v6 wildcard takes v4 too.
    ///
    /// # Errors
    /// As bind(2), listen(2).
    pub fn bind(addr: SocketAddr, backlog: u32, shared: bool) -> io::Result<Listener> {
        let fd = socket(addr)?;
        set(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1i32)?;
        if shared {
            set(&fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1i32)?;
        }
        if addr.is_ipv6() {
            set(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, i32::from(!addr.ip().is_unspecified()))?;
        }
        let raw = Raw::from(addr);
        // SAFETY: pointer and length describe `raw`, which outlives the call.
        check(unsafe { libc::bind(fd.as_raw_fd(), raw.as_ptr(), raw.len) })?;
        let backlog = libc::c_int::try_from(backlog).unwrap_or(libc::c_int::MAX);
        // SAFETY: takes no pointers.
        check(unsafe { libc::listen(fd.as_raw_fd(), backlog) })?;
        Ok(Listener(fd))
    }

    /// The next connection and its peer; `None` when nobody waits.
    ///
    /// # Errors
    /// As accept4(2). A connection that died in the queue is `ConnectionAborted`: try again.
    pub fn accept(&self) -> io::Result<Option<(Socket, SocketAddr)>> {
        let mut raw = Raw::empty();
        // SAFETY: the kernel writes at most `len` bytes into the storage; the result is a fresh descriptor.
        let fd = unsafe {
            let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
            let fd = libc::accept4(self.0.as_raw_fd(), raw.as_mut_ptr(), &raw mut raw.len, flags);
            let Some(fd) = count(fd as libc::ssize_t)? else { return Ok(None) };
            OwnedFd::from_raw_fd(fd as libc::c_int)
        };
        Ok(Some((Socket(fd), raw.get()?)))
    }

    /// The bound address.
    ///
    /// # Errors
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local(&self.0)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A TCP connection.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Socket {
    /// Starts to connect; writable (or an error) says how it went. `eager`: bytes follow at once and carry the handshake's
    /// acknowledgement, which has no packet of its own then (tcp(7), TCP_QUICKACK).
    ///
    /// # Errors
    /// As connect(2), without EINPROGRESS.
    pub fn connect(addr: SocketAddr, eager: bool) -> io::Result<Socket> {
        let fd = socket(addr)?;
        if eager {
            let _ = set(&fd, libc::IPPROTO_TCP, libc::TCP_QUICKACK, 0i32);
        }
        let raw = Raw::from(addr);
        // SAFETY: pointer and length describe `raw`, which outlives the call.
        match check(unsafe { libc::connect(fd.as_raw_fd(), raw.as_ptr(), raw.len) }) {
            Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => Err(e),
            _ => Ok(Socket(fd)),
        }
    }

    /// Reads what is there. `Some(0)` is the end of the stream, `None` nothing yet.
    ///
    /// # Errors
    /// As recv(2), without EAGAIN.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        // SAFETY: pointer and length describe `buf`, exclusively borrowed for the call.
        count(unsafe { libc::recv(self.0.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), 0) })
    }

    /// Writes what fits; `None` when nothing does. `more`: bytes or the end follow soon and go out in the same packet; after
    /// 200 ms these go alone (tcp(7), MSG_MORE).
    ///
    /// # Errors
    /// As send(2), without EAGAIN; never raises SIGPIPE.
    pub fn send(&self, buf: &[u8], more: bool) -> io::Result<Option<usize>> {
        let flags = if more { libc::MSG_NOSIGNAL | libc::MSG_MORE } else { libc::MSG_NOSIGNAL };
        // SAFETY: pointer and length describe `buf`, borrowed for the call.
        count(unsafe { libc::send(self.0.as_raw_fd(), buf.as_ptr().cast(), buf.len(), flags) })
    }

    /// No more will be written; the peer reads the end of the stream.
    pub fn shutdown_write(&self) {
        // SAFETY: takes no pointers. Fails only when the connection is already gone.
        unsafe { libc::shutdown(self.0.as_raw_fd(), libc::SHUT_WR) };
    }

    /// Makes the coming close a reset, so that the peer does not take a broken stream for a whole one.
    pub fn reset_on_close(&self) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        let _ = set(&self.0, libc::SOL_SOCKET, libc::SO_LINGER, linger);
    }

    /// Sends small writes at once.
    pub fn nodelay(&self) {
        let _ = set(&self.0, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1i32);
    }

    /// Probes a silent peer after `idle` (whole seconds, at least one).
    pub fn keepalive(&self, idle: Duration) {
        let seconds = i32::try_from(idle.as_secs().max(1)).unwrap_or(i32::MAX);
        let _ = set(&self.0, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1i32);
        let _ = set(&self.0, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, seconds);
    }

    /// Gives the connection up when written bytes stay unacknowledged this long.
    pub fn user_timeout(&self, limit: Duration) {
        let millis = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        let _ = set(&self.0, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, millis);
    }

    /// Our own address of this connection.
    ///
    /// # Errors
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local(&self.0)
    }

    /// Where a redirected connection was meant to go.
    ///
    /// # Errors
    /// `NotFound` when it was not redirected; else as getsockopt(2).
    pub fn original_dst(&self) -> io::Result<SocketAddr> {
        let v4 = self.original(libc::SOL_IP);
        if v4.is_ok() { v4 } else { self.original(libc::SOL_IPV6) }
    }

    fn original(&self, level: libc::c_int) -> io::Result<SocketAddr> {
        let mut raw = Raw::empty();
        let at: *mut libc::c_void = raw.as_mut_ptr().cast();
        // SAFETY: the kernel writes at most `len` bytes into the storage and corrects `len`.
        check(unsafe { libc::getsockopt(self.0.as_raw_fd(), level, ORIGINAL_DST, at, &raw mut raw.len) })?;
        raw.get()
    }

    /// The error that made the connection fail, once.
    pub fn take_error(&self) -> Option<io::Error> {
        let mut code: libc::c_int = 0;
        let mut len = size_of::<libc::c_int>() as libc::socklen_t;
        let at: *mut libc::c_void = (&raw mut code).cast();
        // SAFETY: the kernel writes at most `len` bytes into `code`.
        let result =
            unsafe { libc::getsockopt(self.0.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ERROR, at, &raw mut len) };
        match check(result) {
            Err(e) => Some(e),
            Ok(_) if code != 0 => Some(io::Error::from_raw_os_error(code)),
            Ok(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Listener, Socket, Socket) {
        let listener = Listener::bind("127.0.0.1:0".parse().expect("valid"), 8, false).expect("bind");
        let client = Socket::connect(listener.local_addr().expect("bound"), false).expect("connect");
        let (server, _) = loop {
            if let Some(pair) = listener.accept().expect("accept") {
                break pair;
            }
        };
        (listener, client, server)
    }

    #[test]
    fn bytes_and_ends_arrive() {
        let (_listener, client, server) = pair();
        let mut buf = [0; 8];
        assert_eq!(server.recv(&mut buf).expect("open"), None);
        assert_eq!(client.send(b"hello", false).expect("open"), Some(5));
        client.shutdown_write();
        while server.recv(&mut buf).expect("open").is_none() {}
        assert_eq!(&buf[..5], b"hello");
        while server.recv(&mut buf).expect("open") != Some(0) {}
    }

    #[test]
    fn last_bytes_wait_for_the_end_and_go_with_it() {
        let (_listener, client, server) = pair();
        let mut buf = [0; 8];
        assert_eq!(client.send(b"hello", true).expect("open"), Some(5));
        assert_eq!(server.recv(&mut buf).expect("open"), None);
        client.shutdown_write();
        assert_eq!((server.recv(&mut buf).expect("open"), server.recv(&mut buf).expect("open")), (Some(5), Some(0)));
    }

    #[test]
    fn an_eager_client_is_accepted_with_its_first_bytes() {
        let listener = Listener::bind("127.0.0.1:0".parse().expect("valid"), 8, false).expect("bind");
        let client = Socket::connect(listener.local_addr().expect("bound"), true).expect("connect");
        assert!(listener.accept().expect("accept").is_none());
        assert_eq!(client.send(b"hello", false).expect("open"), Some(5));
        let (server, _) = listener.accept().expect("accept").expect("one");
        assert_eq!(server.recv(&mut [0; 8]).expect("open"), Some(5));
    }

    #[test]
    fn a_connection_not_redirected_has_no_original_destination() {
        let (_listener, _client, server) = pair();
        assert!(server.original_dst().is_err());
    }

    #[test]
    fn a_reset_is_an_error_not_an_end() {
        let (_listener, client, server) = pair();
        client.reset_on_close();
        drop(client);
        let mut buf = [0; 8];
        let error = loop {
            match server.recv(&mut buf) {
                Ok(None) => {}
                Ok(Some(n)) => panic!("read {n} bytes"),
                Err(e) => break e,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn an_address_in_use_is_refused() {
        let (listener, _client, _server) = pair();
        assert!(Listener::bind(listener.local_addr().expect("bound"), 8, false).is_err());
    }
}
