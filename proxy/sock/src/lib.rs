//! The system calls the standard library lacks, each behind a safe function; the only room with `unsafe`.
//!
//! In: addresses, buffers, durations. Out: owned descriptors that close themselves, `None` for "would block".
//! Never here: blocking (every socket is non-blocking from birth), TLS, policy, or any state beside the descriptor.

mod addr;
mod errno;
mod memory;
mod poll;
mod stream;

pub use errno::{ERRNO, absent, errno};
pub use memory::{cpu_time, one_heap, trim};
pub use poll::{Events, Poll, Ready, Waker};
pub use stream::{Listener, Socket};

use std::io;

/// Turns a C result below zero into the last error.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for byte counts, with "would block" as `None`.
fn count(result: libc::ssize_t) -> io::Result<Option<usize>> {
    if result >= 0 {
        return Ok(Some(result.unsigned_abs()));
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
        _ => Err(error),
    }
}
