//! isthmus-init: redirects a pod's traffic to its proxy, before anything else of the pod runs.
//!
//! In: flags. Out: the nat rules of this network namespace, set in one transaction by a child process (`nft`, `iptables-restore`);
//! running it twice leaves the same rules. Exit 0 done, 1 the kernel or the program refused, 64 wrong flags (one sentence each).
//! Never here: traffic, state, a half-applied ruleset.

mod apply;
mod flags;
mod iptables;
mod nft;
mod plan;

use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match flags::parse(std::env::args().skip(1)) {
        Ok(flags::Asked::Run(options)) => options,
        Ok(flags::Asked::Help) => {
            print!("{}", flags::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(flags::Asked::Version) => {
            println!("isthmus-init {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Err(sentences) => {
            for sentence in sentences {
                eprintln!("isthmus-init: {sentence}");
            }
            return ExitCode::from(64);
        }
    };
    match apply::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("isthmus-init: {error}");
            ExitCode::FAILURE
        }
    }
}
