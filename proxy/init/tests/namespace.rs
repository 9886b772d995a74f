//! The rules in a real kernel: a network namespace per test, made by `unshare` and gone with its process.
//!
//! Needs root; without it a test says so and ends. With it the programs must be there: a test that tested nothing would pass.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::{Command, Output};

/// Runs a script in a new network namespace with `$INIT` set; `None` without root.
fn in_namespace(script: &str) -> Option<Output> {
    let init = env!("CARGO_BIN_EXE_isthmus-init");
    let probe = Command::new("unshare").args(["-n", "true"]).output().ok()?;
    if !probe.status.success() {
        eprintln!("no right to make a network namespace: nothing was tested");
        return None;
    }
    let script = format!("set -e; ip link set lo up; {script}");
    Some(Command::new("unshare").args(["-n", "sh", "-c", &script]).env("INIT", init).output().unwrap())
}

fn has(program: &str) -> bool {
    let found =
        Command::new("sh").args(["-c", &format!("command -v {program}")]).output().is_ok_and(|o| o.status.success());
    if !found {
        let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
        assert!(!root, "{program} is not installed: apt-get install nftables iptables python3");
        eprintln!("{program} is not installed, and this is not root: nothing was tested");
    }
    found
}

const FLAGS: &str =
    "--inbound-ports-to-ignore 4190,4191 --outbound-ports-to-ignore 443 --subnets-to-ignore 192.168.0.0/16";

/// Two runs leave the same rules, and rules of others stay.
fn twice(mode: &str, foreign: &str, show: &str) {
    let script = format!(
        "{foreign}; $INIT --firewall-mode {mode} {FLAGS} --ipv6; {show} > $TMPDIR/a.$$; \
         $INIT --firewall-mode {mode} {FLAGS} --ipv6; {show} > $TMPDIR/b.$$; cat $TMPDIR/a.$$; cmp $TMPDIR/a.$$ $TMPDIR/b.$$"
    );
    let script = format!("TMPDIR=$(mktemp -d); trap 'rm -r $TMPDIR' EXIT; {script}");
    let Some(out) = in_namespace(&script) else { return };
    let (shown, said) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{shown}{said}");
    assert!(shown.contains("4143") && shown.contains("4140") && shown.contains("2102"), "{shown}");
    assert!(shown.contains("10.9.9.9"), "rules of others stay: {shown}");
}

#[test]
fn nft_twice() {
    if has("nft") {
        twice(
            "nft",
            "nft add table ip other; nft add chain ip other c; nft add rule ip other c ip saddr 10.9.9.9 drop",
            "nft list ruleset",
        );
    }
}

#[test]
fn iptables_twice() {
    for kind in ["iptables-nft", "iptables-legacy"] {
        if has(&format!("{kind}-restore")) {
            let show = format!("{kind}-save -t nat | grep -v '^#' | sed 's/\\[[0-9:]*\\]//'");
            twice(kind, &format!("{kind} -t nat -A POSTROUTING -s 10.9.9.9 -j ACCEPT"), &show);
        }
    }
}

/// Connections to any address of either kind land on the outbound port, those of the proxy's user do not.
fn redirects(mode: &str) {
    let script = format!(
        "ip link add d0 type veth peer name d1; ip link set d1 up; ip addr add 10.1.1.1/24 dev d0; \
         ip addr add fd11::1/64 dev d0 nodad; ip link set d0 up; $INIT --firewall-mode {mode} --ipv6; \
         python3 - <<'EOF'
import os, socket, struct
kinds = [('127.0.0.1', '10.1.1.77', socket.AF_INET, socket.SOL_IP, '!2xH4s8x', 16),
         ('::1', 'fd11::77', socket.AF_INET6, socket.IPPROTO_IPV6, '!2xH4x16s4x', 28)]
for own, far, family, level, shape, size in kinds:
    listener = socket.create_server((own, 4140), family=family)
    client = socket.create_connection((far, 8080), timeout=3)
    accepted, _ = listener.accept()
    port, ip = struct.unpack(shape, accepted.getsockopt(level, 80, size))
    assert (socket.inet_ntop(family, ip), port) == (far, 8080), (ip, port)
os.setuid(2102)
for _, far, *_ in kinds:
    try:
        socket.create_connection((far, 8080), timeout=0.5)
        raise SystemExit('the proxy was redirected to itself')
    except OSError:
        pass
print('redirected')
EOF"
    );
    let Some(out) = in_namespace(&script) else { return };
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && out.stdout.ends_with(b"redirected\n"), "{mode}: {said}");
}

#[test]
fn connections_are_redirected_but_the_proxy_s_own_are_not() {
    let modes = [
        ("nft", "nft"),
        ("iptables-nft", "iptables-nft-restore"),
        ("iptables-legacy", "iptables-legacy-restore"),
        ("auto", "nft"),
    ];
    for (mode, program) in modes {
        if has(program) && has("python3") {
            redirects(mode);
        }
    }
}

#[test]
fn wrong_flags_end_with_64_and_a_missing_program_with_1() {
    let init = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_isthmus-init")).args(args).output().unwrap();
    let out = init(&["--proxy-uid", "me"]);
    assert_eq!(out.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&out.stderr).contains("--proxy-uid is \"me\""));
    let out = init(&["--firewall-mode", "nft", "--firewall-bin-path", "/nowhere/nft"]);
    assert!(out.status.code() == Some(1) && String::from_utf8_lossy(&out.stderr).contains("/nowhere/nft"));
    let out = init(&["--simulate"]);
    assert!(out.status.success() && out.stdout.starts_with(b"add table ip isthmus_proxy"));
}
