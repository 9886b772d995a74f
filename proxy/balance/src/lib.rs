//! balance: being built.
