//! Fuzz targets for every parser of strangers' bytes, in one program: `FUZZ_TARGET` names the one to run.
//!
//! In: bytes from libFuzzer. Out: nothing, or a panic: of the parser, or of a check that two readings of the same bytes agree.
//! Never here: sockets, clocks, randomness of its own.
#![no_main]

mod http1;
mod http2;
mod messages;
mod streams;

use std::sync::OnceLock;

type Target = fn(&[u8]);

const TARGETS: &[(&str, Target)] = &[
    ("hello", streams::hello),
    ("preface", streams::preface),
    ("transport_header", streams::transport_header),
    ("path", http1::path),
    ("http1_request", http1::request),
    ("http1_response", http1::response),
    ("http1_chunks", http1::chunks),
    ("hpack", http2::hpack),
    ("http2_server", http2::server),
    ("http2_client", http2::client),
    ("policy", messages::policy),
    ("environment", messages::environment),
];

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|(name, _)| *name == wanted);
        let Some(&(_, target)) = found else {
            let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
            eprintln!("FUZZ_TARGET must be one of {}", names.join(" "));
            std::process::exit(64);
        };
        let _ = TARGET.set(target);
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            target(data);
        }
    }
);
