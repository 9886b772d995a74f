//! Rules as input of `iptables-restore --noflush`: our chains are emptied and filled again, and hooked in exactly once.
//!
//! The hooks are deleted and added in the same transaction, which needs them to exist: the first run adds them beforehand
//! (`fresh`), told by what `iptables-save` shows. Never here: a change to a chain that is not ours beyond its hook.

use crate::plan::{Block, Plan, Ports};
use std::fmt::Write;

/// Takes the application's connections.
pub const OUTPUT: &str = "PROXY_INIT_OUTPUT";
/// Takes connections from other pods.
pub const REDIRECT: &str = "PROXY_INIT_REDIRECT";
/// The most ports one multiport match takes; a range counts twice.
const MULTIPORT: usize = 15;

/// The hook rules, as `iptables-save` prints them.
pub const HOOKS: [&str; 2] = ["-A PREROUTING -j PROXY_INIT_REDIRECT", "-A OUTPUT -j PROXY_INIT_OUTPUT"];

/// The whole input for one family; `saved`: what `iptables-save -t nat` shows now.
pub fn render(plan: &Plan, v4: bool, saved: &str) -> String {
    let mut out = format!("*nat\n:{OUTPUT} - [0:0]\n:{REDIRECT} - [0:0]\n");
    for hook in HOOKS.iter().filter(|hook| !saved.lines().any(|line| line.trim() == **hook)) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{hook}");
    }
    for ports in groups(&plan.skip_inbound) {
        let _ = writeln!(out, "-A {REDIRECT} -p tcp -m multiport --dports {ports} -j RETURN");
    }
    for block in of_family(&plan.skip_subnets, v4) {
        let _ = writeln!(out, "-A {REDIRECT} -s {block} -j RETURN");
    }
    if plan.only_inbound.is_empty() {
        let _ = writeln!(out, "-A {REDIRECT} -p tcp -j REDIRECT --to-ports {}", plan.inbound);
    }
    for ports in groups(&plan.only_inbound) {
        let _ =
            writeln!(out, "-A {REDIRECT} -p tcp -m multiport --dports {ports} -j REDIRECT --to-ports {}", plan.inbound);
    }
    let _ = writeln!(out, "-A {OUTPUT} -m owner --uid-owner {} -j RETURN", plan.uid);
    if let Some(gid) = plan.gid {
        let _ = writeln!(out, "-A {OUTPUT} -m owner --gid-owner {gid} -j RETURN");
    }
    let _ = writeln!(out, "-A {OUTPUT} -o lo -j RETURN");
    for ports in groups(&plan.skip_outbound) {
        let _ = writeln!(out, "-A {OUTPUT} -p tcp -m multiport --dports {ports} -j RETURN");
    }
    for block in of_family(&plan.skip_subnets, v4) {
        let _ = writeln!(out, "-A {OUTPUT} -d {block} -j RETURN");
    }
    let _ = writeln!(out, "-A {OUTPUT} -p tcp -j REDIRECT --to-ports {}\nCOMMIT", plan.outbound);
    out
}

fn of_family(blocks: &[Block], v4: bool) -> impl Iterator<Item = &Block> {
    blocks.iter().filter(move |b| b.0.is_ipv4() == v4)
}

/// `80,8000:8010` in pieces that one match takes.
fn groups(ports: &[Ports]) -> Vec<String> {
    let (mut out, mut group, mut taken) = (Vec::new(), Vec::new(), 0);
    for p in ports {
        let (text, size) = if p.0 == p.1 { (p.0.to_string(), 1) } else { (format!("{}:{}", p.0, p.1), 2) };
        if taken + size > MULTIPORT {
            out.push(std::mem::take(&mut group).join(","));
            taken = 0;
        }
        group.push(text);
        taken += size;
    }
    if !group.is_empty() {
        out.push(group.join(","));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Options;

    #[test]
    fn a_pod_s_rules() {
        let mut plan = Options::default().plan;
        plan.skip_inbound = vec![Ports(4190, 4191)];
        plan.skip_outbound = vec![Ports(443, 443)];
        let expected = "*nat
:PROXY_INIT_OUTPUT - [0:0]
:PROXY_INIT_REDIRECT - [0:0]
-A PREROUTING -j PROXY_INIT_REDIRECT
-A OUTPUT -j PROXY_INIT_OUTPUT
-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190:4191 -j RETURN
-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 4143
-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN
-A PROXY_INIT_OUTPUT -o lo -j RETURN
-A PROXY_INIT_OUTPUT -p tcp -m multiport --dports 443 -j RETURN
-A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-ports 4140
COMMIT
";
        assert_eq!(render(&plan, true, ""), expected);
        let again = render(&plan, true, &format!("*nat\n{}\n{}\nCOMMIT\n", HOOKS[0], HOOKS[1]));
        assert!(!again.contains("PREROUTING") && again.len() < expected.len(), "hooked in once: {again}");
    }

    #[test]
    fn a_match_takes_fifteen_ports_and_ranges_count_twice() {
        let many: Vec<Ports> = (1..=16).map(|p| Ports(p, p)).collect();
        assert_eq!(groups(&many).iter().map(|g| g.split(',').count()).collect::<Vec<_>>(), [15, 1]);
        let ranges: Vec<Ports> = (1..=8).map(|p| Ports(p * 10, p * 10 + 5)).collect();
        assert_eq!(groups(&ranges).iter().map(|g| g.split(',').count()).collect::<Vec<_>>(), [7, 1]);
        assert!(groups(&[]).is_empty());
    }

    #[test]
    fn subnets_of_the_other_family_are_not_named() {
        let mut plan = Options::default().plan;
        plan.skip_subnets = vec![Block("fd00::".parse().expect("an address"), 8)];
        assert!(!render(&plan, true, "").contains("fd00"));
        assert_eq!(render(&plan, false, "").matches("fd00::/8").count(), 2);
    }
}
