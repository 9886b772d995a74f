//! app: being built.
fn main() {}
