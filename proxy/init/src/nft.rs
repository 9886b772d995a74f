//! Rules as one nft transaction: the old table goes and the new one comes in the same moment.

use crate::plan::{Block, Plan, Ports};
use std::fmt::Write;

/// Our table; nothing else lives in it.
pub const TABLE: &str = "isthmus_proxy";

/// The whole input of `nft -f -`.
pub fn render(plan: &Plan) -> String {
    let families: &[&str] = if plan.ipv6 { &["ip", "ip6"] } else { &["ip"] };
    families.iter().map(|family| table(plan, family)).collect()
}

fn table(plan: &Plan, family: &str) -> String {
    let v4 = family == "ip";
    let mut out = String::new();
    // Adding before deleting makes the deletion safe when there is no table yet. Writing to a String cannot fail.
    let _ = writeln!(out, "add table {family} {TABLE}\ndelete table {family} {TABLE}\ntable {family} {TABLE} {{");
    let _ = writeln!(out, "  chain output {{\n    type nat hook output priority -100; policy accept;");
    let _ = writeln!(out, "    meta skuid {} return", plan.uid);
    if let Some(gid) = plan.gid {
        let _ = writeln!(out, "    meta skgid {gid} return");
    }
    let _ = writeln!(out, "    oifname \"lo\" return");
    skip(&mut out, "daddr", "dport", family, v4, &plan.skip_subnets, &plan.skip_outbound);
    let _ = writeln!(out, "    meta l4proto tcp redirect to :{}\n  }}", plan.outbound);
    let _ = writeln!(out, "  chain prerouting {{\n    type nat hook prerouting priority -100; policy accept;");
    skip(&mut out, "saddr", "dport", family, v4, &plan.skip_subnets, &plan.skip_inbound);
    let only = if plan.only_inbound.is_empty() {
        "meta l4proto tcp".into()
    } else {
        format!("tcp dport {}", set(&plan.only_inbound))
    };
    let _ = writeln!(out, "    {only} redirect to :{}\n  }}\n}}", plan.inbound);
    out
}

fn skip(out: &mut String, address: &str, port: &str, family: &str, v4: bool, subnets: &[Block], ports: &[Ports]) {
    if !ports.is_empty() {
        let _ = writeln!(out, "    tcp {port} {} return", set(ports));
    }
    for block in subnets.iter().filter(|b| b.0.is_ipv4() == v4) {
        let _ = writeln!(out, "    {family} {address} {block} return");
    }
}

/// A set; equal or overlapping elements are merged, because nft refuses them.
fn set(ports: &[Ports]) -> String {
    let mut sorted: Vec<Ports> = ports.to_vec();
    sorted.sort_by_key(|p| (p.0, p.1));
    let mut merged: Vec<Ports> = Vec::new();
    for p in sorted {
        match merged.last_mut() {
            Some(last) if u32::from(p.0) <= u32::from(last.1) + 1 => last.1 = last.1.max(p.1),
            _ => merged.push(p),
        }
    }
    let each = merged.iter().map(|p| if p.0 == p.1 { p.0.to_string() } else { format!("{}-{}", p.0, p.1) });
    format!("{{ {} }}", each.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Options;

    #[test]
    fn a_pod_s_rules() {
        let mut plan = Options::default().plan;
        plan.skip_inbound = vec![Ports(4191, 4191), Ports(4190, 4190), Ports(80, 90), Ports(85, 95)];
        plan.skip_outbound = vec![Ports(443, 443)];
        plan.skip_subnets = vec![
            Block("192.168.0.0".parse().expect("an address"), 16),
            Block("fd00::".parse().expect("an address"), 8),
        ];
        assert_eq!(
            render(&plan),
            "add table ip isthmus_proxy
delete table ip isthmus_proxy
table ip isthmus_proxy {
  chain output {
    type nat hook output priority -100; policy accept;
    meta skuid 2102 return
    oifname \"lo\" return
    tcp dport { 443 } return
    ip daddr 192.168.0.0/16 return
    meta l4proto tcp redirect to :4140
  }
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    tcp dport { 80-95, 4190-4191 } return
    ip saddr 192.168.0.0/16 return
    meta l4proto tcp redirect to :4143
  }
}
"
        );
    }

    #[test]
    fn ipv6_has_a_table_of_its_own_and_only_its_blocks() {
        let mut plan = Options::default().plan;
        (plan.ipv6, plan.gid, plan.only_inbound) = (true, Some(9), vec![Ports(80, 80)]);
        plan.skip_subnets = vec![Block("fd00::".parse().expect("an address"), 8)];
        let text = render(&plan);
        assert_eq!(text.matches("fd00::/8").count(), 2);
        assert!(text.contains("table ip6 isthmus_proxy {") && text.contains("meta skgid 9 return"));
        assert_eq!(text.matches("tcp dport { 80 } redirect to :4143").count(), 2);
    }
}
