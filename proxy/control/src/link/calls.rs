//! What is counted of the calls to one service of the control plane, by its address and TLS.
//!
//! In: a call that was made, its first answer, its end. Out: the `control_*` families. Never here: the calls.

use super::dial::Link;
use metrics::{Registry, families};
use std::time::Duration;
use tonic::Code;

/// The calls over one link.
#[derive(Clone, Copy)]
pub struct Calls<'a> {
    /// To whom.
    pub link: &'a Link,
    /// Where they are counted.
    pub registry: &'a Registry,
}

impl Calls<'_> {
    /// A call was made.
    pub fn asked(self) {
        let labels = self.labels();
        let labels: Vec<_> = labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
        self.registry.control_shard().add(self.registry.counter(&families::CONTROL_REQUEST_TOTAL, &labels), 1);
    }

    /// Its first answer came after so long.
    pub fn answered(self, after: Duration) {
        let labels = self.labels();
        let labels: Vec<_> = labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let series = self.registry.histogram(&families::CONTROL_RESPONSE_LATENCY_MS, &labels);
        self.registry.control_shard().observe(series, after.as_micros() as u64);
    }

    /// It is over.
    pub fn ended(self, code: Code) {
        let labels = self.labels();
        let classification = if code == Code::Ok { "success" } else { "failure" };
        let code = (code as i32).to_string();
        let mut labels: Vec<_> = labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
        labels.extend([("status_code", "200"), ("classification", classification), ("grpc_status", &code)]);
        self.registry.control_shard().add(self.registry.counter(&families::CONTROL_RESPONSE_TOTAL, &labels), 1);
    }

    fn labels(self) -> [(&'static str, String); 3] {
        let tls = match self.link.server_id() {
            Some(id) => [("tls", "true".to_owned()), ("server_id", id.to_owned())],
            None => [("tls", "no_identity".to_owned()), ("no_tls_reason", "loopback".to_owned())],
        };
        let [a, b] = tls;
        [("addr", self.link.address()), a, b]
    }
}
