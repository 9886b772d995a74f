//! Framing fields.
