//! HTTP/2 applications.
