//! Hands the rules to a child process, whole: the kernel takes all of them or none.

use crate::flags::{Mode, Options};
use crate::plan::Plan;
use crate::{iptables, nft};
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

/// Why the rules are not set.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// None of the programs is there.
    #[error("none of {0} is installed; the image of the init container needs one of them")]
    Missing(String),
    /// The program could not be run.
    #[error("{0}: {1}")]
    Run(String, std::io::Error),
    /// The program refused.
    #[error(
        "{program} refused the rules ({status}): {said}; the init container needs the capabilities NET_ADMIN and NET_RAW"
    )]
    Refused {
        /// Which program.
        program: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// Its complaint.
        said: String,
    },
}

/// Sets the rules, or prints them.
///
/// # Errors
/// When no program is there, or the one that is there refuses.
pub fn run(options: &Options) -> Result<(), ApplyError> {
    if options.simulate {
        print!("{}", simulated(options));
        return Ok(());
    }
    match options.mode {
        Mode::Nft => by_nft(options, "nft"),
        Mode::IptablesNft => by_iptables(options, "-nft"),
        Mode::Iptables => by_iptables(options, ""),
        Mode::IptablesLegacy => by_iptables(options, "-legacy"),
        Mode::Auto => {
            let tries: [&dyn Fn() -> Result<(), ApplyError>; 3] =
                [&|| by_nft(options, "nft"), &|| by_iptables(options, "-nft"), &|| by_iptables(options, "")];
            for attempt in tries {
                match attempt() {
                    Err(ApplyError::Missing(_)) => {}
                    done => return done,
                }
            }
            Err(ApplyError::Missing("nft, iptables-nft-restore and iptables-restore".into()))
        }
    }
}

fn simulated(options: &Options) -> String {
    let plan = &options.plan;
    match options.mode {
        Mode::Auto | Mode::Nft => nft::render(plan),
        _ if plan.ipv6 => iptables::render(plan, true, "") + &iptables::render(plan, false, ""),
        _ => iptables::render(plan, true, ""),
    }
}

fn by_nft(options: &Options, name: &str) -> Result<(), ApplyError> {
    let program = options.program.as_deref().unwrap_or(name);
    feed(program, &["-f", "-"], &nft::render(&options.plan)).map(drop)
}

/// `kind`: `-nft`, `-legacy` or nothing, as in the programs' names.
fn by_iptables(options: &Options, kind: &str) -> Result<(), ApplyError> {
    for (family, v4) in families(&options.plan) {
        let named = format!("{family}{kind}");
        // A given path names the program itself or its restore form.
        let base = match options.program.as_deref() {
            Some(path) if v4 => path.strip_suffix("-restore").unwrap_or(path).to_owned(),
            _ => named,
        };
        let save = format!("{base}-save");
        let saved = feed(&save, &["-t", "nat"], "")?;
        let mut args = vec!["--noflush"];
        if options.wait {
            args.push("--wait");
        }
        feed(&format!("{base}-restore"), &args, &iptables::render(&options.plan, v4, &saved))?;
    }
    Ok(())
}

fn families(plan: &Plan) -> Vec<(&'static str, bool)> {
    if plan.ipv6 { vec![("iptables", true), ("ip6tables", false)] } else { vec![("iptables", true)] }
}

/// Runs a program with this input; its output.
fn feed(program: &str, args: &[&str], input: &str) -> Result<String, ApplyError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => ApplyError::Missing(program.to_owned()),
        _ => ApplyError::Run(program.to_owned(), error),
    };
    let child =
        Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that refuses early closes its input; its own complaint tells more.
        let _ = stdin.write_all(input.as_bytes());
    }
    let done = child.wait_with_output().map_err(failed)?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().replace('\n', "; ");
    Err(ApplyError::Refused { program: program.to_owned(), status: done.status, said })
}
