//! init: being built.
fn main() {}
