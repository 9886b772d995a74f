//! The flags, as pods that were made for other init containers pass them.

use crate::plan::{Block, Plan, Ports};
use std::net::IpAddr;

/// Shown for `--help`.
pub const HELP: &str = "isthmus-init: redirect this pod's traffic to its proxy

  --incoming-proxy-port PORT       where inbound connections go (4143)
  --outgoing-proxy-port PORT       where outbound connections go (4140)
  --proxy-uid UID                  the proxy's user, left alone (2102)
  --proxy-gid GID                  its group, left alone too
  --ports-to-redirect LIST         inbound ports to redirect (all)
  --inbound-ports-to-ignore LIST   inbound ports left alone, as 4190,4191,8000-8010
  --outbound-ports-to-ignore LIST  outbound ports left alone
  --subnets-to-ignore LIST         address blocks left alone, as 10.0.0.0/8
  --firewall-mode MODE             nft, iptables, iptables-legacy, iptables-nft or auto (auto)
  --firewall-bin-path PATH         nft or iptables-restore program to use
  --firewall-save-bin-path PATH    accepted, not needed
  --ipv6                           set the rules for IPv6 too
  --simulate                       print the rules, change nothing
  --timeout-close-wait-secs SECS   accepted; a pod's own limit stays
  --log-level, --log-format        accepted
  --use-wait-flag, -w              wait for the xtables lock
";

/// What the caller wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Set the rules.
    Run(Options),
    /// Say how.
    Help,
    /// Say which.
    Version,
}

/// Which program sets the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `nft`, else `iptables-nft-restore`, else `iptables-restore`.
    Auto,
    /// `nft -f -`.
    Nft,
    /// `iptables-nft-restore`.
    IptablesNft,
    /// `iptables-restore`.
    Iptables,
    /// `iptables-legacy-restore`.
    IptablesLegacy,
}

/// Parsed flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The rules.
    pub plan: Plan,
    /// The program.
    pub mode: Mode,
    /// Its path, when it is not found by name.
    pub program: Option<String>,
    /// Print only.
    pub simulate: bool,
    /// Wait for the xtables lock.
    pub wait: bool,
}

impl Default for Options {
    fn default() -> Self {
        let plan = Plan {
            inbound: 4143,
            outbound: 4140,
            uid: 2102,
            gid: None,
            skip_inbound: Vec::new(),
            skip_outbound: Vec::new(),
            skip_subnets: Vec::new(),
            only_inbound: Vec::new(),
            ipv6: false,
        };
        Self { plan, mode: Mode::Auto, program: None, simulate: false, wait: false }
    }
}

/// Flags without a value; with one they take `true` or `false` after `=`.
const SWITCHES: [&str; 6] = ["--ipv6", "--simulate", "--use-wait-flag", "-w", "--help", "--version"];

/// Reads the arguments.
///
/// # Errors
/// A sentence per flag that is unknown or whose value cannot be read, with a valid example.
pub fn parse(args: impl Iterator<Item = String>) -> Result<Asked, Vec<String>> {
    let (mut options, mut errors) = (Options::default(), Vec::new());
    let mut args = args.peekable();
    while let Some(arg) = args.next() {
        let (name, given) = match arg.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        let value = if SWITCHES.contains(&name.as_str()) {
            given.unwrap_or_else(|| "true".into())
        } else {
            given.or_else(|| args.next_if(|a| !a.starts_with("--"))).unwrap_or_default()
        };
        match (name.as_str(), value.as_str()) {
            ("--help" | "-h", _) => return Ok(Asked::Help),
            ("--version", _) => return Ok(Asked::Version),
            (name, value) => match set(&mut options, name, value) {
                Ok(()) => {}
                Err(Wrong::Name) => errors.push(format!("{name} is not a flag; --help lists them")),
                Err(Wrong::Value(example)) => {
                    errors.push(format!("{name} is {value:?}, which cannot be read; a valid value is {example}"));
                }
            },
        }
    }
    if options.plan.inbound == options.plan.outbound {
        let port = options.plan.inbound;
        errors
            .push(format!("--incoming-proxy-port and --outgoing-proxy-port are both {port}; valid are 4143 and 4140"));
    }
    if errors.is_empty() { Ok(Asked::Run(options)) } else { Err(errors) }
}

enum Wrong {
    Name,
    Value(&'static str),
}

fn set(options: &mut Options, name: &str, value: &str) -> Result<(), Wrong> {
    let plan = &mut options.plan;
    match name {
        "--incoming-proxy-port" | "-p" => plan.inbound = port(value).ok_or(Wrong::Value("4143"))?,
        "--outgoing-proxy-port" | "-o" => plan.outbound = port(value).ok_or(Wrong::Value("4140"))?,
        "--proxy-uid" | "-u" => plan.uid = value.parse().map_err(|_| Wrong::Value("2102"))?,
        "--proxy-gid" | "-g" => plan.gid = Some(value.parse().map_err(|_| Wrong::Value("2102"))?),
        "--ports-to-redirect" | "-r" => plan.only_inbound = ports(value).ok_or(Wrong::Value("80,8080"))?,
        "--inbound-ports-to-ignore" => plan.skip_inbound = ports(value).ok_or(Wrong::Value("4190,4191,8000-8010"))?,
        "--outbound-ports-to-ignore" => plan.skip_outbound = ports(value).ok_or(Wrong::Value("443,6443"))?,
        "--subnets-to-ignore" => plan.skip_subnets = blocks(value).ok_or(Wrong::Value("10.0.0.0/8"))?,
        "--firewall-mode" | "-m" => options.mode = mode(value).ok_or(Wrong::Value("nft"))?,
        "--firewall-bin-path" if !value.is_empty() => options.program = Some(value.to_owned()),
        "--ipv6" => plan.ipv6 = value.parse().map_err(|_| Wrong::Value("true"))?,
        "--simulate" => options.simulate = value.parse().map_err(|_| Wrong::Value("true"))?,
        "--use-wait-flag" | "-w" => options.wait = value.parse().map_err(|_| Wrong::Value("true"))?,
        "--timeout-close-wait-secs" => drop(value.parse::<u32>().map_err(|_| Wrong::Value("3600"))?),
        "--firewall-bin-path" | "--firewall-save-bin-path" | "--log-level" | "--log-format" => {}
        _ => return Err(Wrong::Name),
    }
    Ok(())
}

fn mode(text: &str) -> Option<Mode> {
    Some(match text {
        "auto" => Mode::Auto,
        "nft" => Mode::Nft,
        "iptables-nft" | "plain" => Mode::IptablesNft,
        "iptables" => Mode::Iptables,
        "iptables-legacy" | "legacy" => Mode::IptablesLegacy,
        _ => return None,
    })
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&p| p > 0)
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|t| !t.is_empty())
}

fn ports(text: &str) -> Option<Vec<Ports>> {
    let range = |text: &str| {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let (low, high) = (port(low)?, port(high)?);
        (low <= high).then_some(Ports(low, high))
    };
    list(text).map(range).collect()
}

fn blocks(text: &str) -> Option<Vec<Block>> {
    let block = |text: &str| {
        let (ip, len) = text.split_once('/').map_or((text, None), |(ip, len)| (ip, Some(len)));
        let ip: IpAddr = ip.parse().ok()?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let len = len.map_or(Some(most), |l| l.parse().ok())?;
        (len <= most).then_some(Block(ip, len))
    };
    list(text).map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Asked, Vec<String>> {
        parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_flags_of_an_injected_pod() {
        let text = "--ipv6=false --incoming-proxy-port 4143 --outgoing-proxy-port 4140 --proxy-uid 2102 \
            --inbound-ports-to-ignore 4190,4191,4567-4568 --outbound-ports-to-ignore=443,6443 --subnets-to-ignore 10.0.0.0/8,fd00::1 \
            --firewall-mode nft --firewall-bin-path nft --log-level info --timeout-close-wait-secs 0 -w";
        let Ok(Asked::Run(options)) = read(text) else { panic!("{:?}", read(text)) };
        assert_eq!(options.plan.skip_inbound, [Ports(4190, 4190), Ports(4191, 4191), Ports(4567, 4568)]);
        assert_eq!(options.plan.skip_subnets[1], Block("fd00::1".parse().expect("an address"), 128));
        assert!(options.mode == Mode::Nft && options.wait && !options.plan.ipv6 && !options.simulate);
    }

    #[test]
    fn every_mistake_is_told_with_flag_value_and_example() {
        let errors = read(
            "--incoming-proxy-port x --proxy-uid -1 --subnets-to-ignore 10.0.0.0/40 --firewall-mode loud --speed 3",
        )
        .expect_err("errors");
        for (i, part) in ["\"x\"", "2102", "10.0.0.0/8", "nft", "--speed is not a flag"].iter().enumerate() {
            assert!(errors[i].contains(part), "{part} in {errors:?}");
        }
        assert!(read("--incoming-proxy-port 4140").is_err_and(|e| e[0].contains("both 4140")));
    }

    #[test]
    fn help_and_version_change_nothing() {
        assert_eq!((read("--proxy-uid 1 --help"), read("--version")), (Ok(Asked::Help), Ok(Asked::Version)));
    }
}
