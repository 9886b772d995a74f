//! Reads variables one by one and collects every complaint, so that a wrong deployment is mended in one go.

use std::fmt::Display;

/// What every variable of the proxy starts with.
pub const PREFIX: &str = "LINKERD2_PROXY_";

/// A look-up and the complaints so far.
pub(super) struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    pub(super) errors: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { get, errors: Vec::new() }
    }

    /// The raw value of `LINKERD2_PROXY_<name>`, when set and not blank.
    pub(super) fn raw(&self, name: &str) -> Option<String> {
        self.exact(&format!("{PREFIX}{name}"))
    }

    /// The raw value of a variable without our prefix.
    pub(super) fn exact(&self, name: &str) -> Option<String> {
        (self.get)(name).filter(|v| !v.trim().is_empty())
    }

    /// The parsed value; a malformed one is recorded and reads as unset.
    pub(super) fn opt<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>, example: &str) -> Option<T> {
        self.own(&format!("{PREFIX}{name}"), parse, example)
    }

    /// The same for a variable without our prefix.
    pub(super) fn own<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>, example: &str) -> Option<T> {
        let raw = self.exact(name)?;
        let parsed = parse(raw.trim());
        if parsed.is_none() {
            self.errors.push(format!("{name} is {raw:?}, which cannot be read; a valid value is {example}"));
        }
        parsed
    }

    /// The parsed value or a default.
    pub(super) fn or<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>, example: &str, default: T) -> T {
        self.opt(name, parse, example).unwrap_or(default)
    }

    /// The parsed value; unset is an error.
    pub(super) fn must<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>, example: &str) -> Option<T> {
        if self.raw(name).is_none() {
            self.errors.push(format!("{PREFIX}{name} is not set; a valid value is {example}"));
            return None;
        }
        self.opt(name, parse, example)
    }

    pub(super) fn complain(&mut self, sentence: impl Display) {
        self.errors.push(sentence.to_string());
    }
}
