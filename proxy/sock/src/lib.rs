//! sock: being built.
