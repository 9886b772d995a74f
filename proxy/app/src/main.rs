//! The proxy's process: arguments and environment in, exit code out.
//!
//! In: `isthmus-proxy` (serve), `await`, `version`. Out: 0 after an orderly end, 1 when sockets or threads fail, 64 when the
//! environment or the arguments cannot be used (each mistake one sentence, nothing started). Never here: what is served.

mod admin;
mod certify;
mod fill;
mod rest;
mod serve;
mod tap;
mod wait;
mod watching;

use control::env;
use std::process::ExitCode;

/// Wrong arguments or environment (EX_USAGE).
const USAGE: u8 = 64;
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        None => proxy(),
        Some("await") => match wait::Options::parse(args) {
            Ok(options) => wait::run(&options),
            Err(sentence) => refuse(&[sentence]),
        },
        Some("version" | "--version") => {
            println!("isthmus-proxy {VERSION}");
            ExitCode::SUCCESS
        }
        Some(other) => refuse(&[format!(
            "isthmus-proxy does not know {other:?}; it takes no argument (serve), `await [--timeout 2m] [--port 4191]` or `version`"
        )]),
    }
}

fn refuse(sentences: &[String]) -> ExitCode {
    for sentence in sentences {
        eprintln!("isthmus-proxy: {sentence}");
    }
    ExitCode::from(USAGE)
}

fn proxy() -> ExitCode {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = match env::settings(&|name| std::env::var(name).ok(), cpus) {
        Ok(settings) => settings,
        Err(errors) => return refuse(&errors),
    };
    if settings.workers == 1 {
        sock::one_heap();
    }
    control::logger::install(settings.log.clone(), settings.log_json);
    for warning in &settings.warnings {
        log::warn!("{warning}");
    }
    // Fails only when one is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match serve::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("isthmus-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}
