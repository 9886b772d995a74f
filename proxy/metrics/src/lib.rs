//! metrics: being built.
