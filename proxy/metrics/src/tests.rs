use crate::{Family, Registry, Unit, families};
use std::time::Duration;

static HITS: Family = Family { limit: 3, ..Family::counter("hits_total", "Hits") };
static OPEN: Family = Family::gauge("open", "Open");
static TIME: Family = Family::histogram("time_ms", "Time", Unit::MicrosAsMillis, &[1_000, 10_000]);

fn text(registry: &Registry) -> String {
    let mut out = String::new();
    registry.render(&mut out);
    out
}

#[test]
fn workers_are_summed_and_the_same_labels_are_the_same_series() {
    let registry = Registry::new(2);
    let a = registry.counter(&HITS, &[("x", "1")]);
    assert_eq!(a, registry.counter(&HITS, &[("x", "1")]));
    registry.shard(0).add(a, 2);
    registry.shard(1).add(a, 3);
    registry.control_shard().add(a, 1);
    assert_eq!(text(&registry), "# HELP hits_total Hits\n# TYPE hits_total counter\nhits_total{x=\"1\"} 6\n");
}

#[test]
fn a_series_that_never_moved_is_not_shown() {
    let registry = Registry::new(1);
    registry.counter(&HITS, &[]);
    registry.gauge(&OPEN, &[]);
    registry.histogram(&TIME, &[]);
    assert_eq!(text(&registry), "");
}

#[test]
fn a_gauge_that_came_back_to_zero_stays() {
    let registry = Registry::new(2);
    let open = registry.gauge(&OPEN, &[]);
    registry.shard(0).gauge_add(open, 1);
    assert!(text(&registry).contains("open 1\n"));
    registry.shard(1).gauge_add(open, -1);
    assert!(text(&registry).contains("open 0\n"));
}

#[test]
fn a_full_family_folds_into_other_and_says_so() {
    let registry = Registry::new(1);
    let shard = registry.shard(0);
    for i in 0..10 {
        shard.add(registry.counter(&HITS, &[("x", &i.to_string())]), 1);
    }
    let text = text(&registry);
    assert!(text.contains("hits_total{x=\"other\"} 7\n"), "{text}");
    assert!(text.contains("metrics_series_folded_total{family=\"hits_total\"} 7\n"), "{text}");
}

#[test]
fn a_histogram_is_cumulative_and_scaled() {
    let registry = Registry::new(1);
    let time = registry.histogram(&TIME, &[("a", "b")]);
    let shard = registry.shard(0);
    for micros in [500, 1_000, 1_001, 2_000_000] {
        shard.observe(time, micros);
    }
    let expected = "time_ms_bucket{a=\"b\",le=\"1\"} 2\ntime_ms_bucket{a=\"b\",le=\"10\"} 3\n\
        time_ms_bucket{a=\"b\",le=\"+Inf\"} 4\ntime_ms_sum{a=\"b\"} 2002.501\ntime_ms_count{a=\"b\"} 4\n";
    assert!(text(&registry).ends_with(expected), "{}", text(&registry));
}

#[test]
fn idle_series_leave_the_text_and_come_back_with_their_count() {
    let minute = Duration::from_secs(60);
    let registry = Registry::new(1);
    registry.retain_idle(10 * minute);
    let (shard, hits) = (registry.shard(0), registry.counter(&HITS, &[]));
    let (open, time) = (registry.gauge(&OPEN, &[]), registry.histogram(&TIME, &[]));
    let certs = registry.counter(&families::CERT_REFRESHES_TOTAL, &[]);
    let at = |minutes: u32| {
        let mut out = String::new();
        registry.render_at(&mut out, minutes * minute);
        out
    };
    let shown =
        |text: &str| ["hits_total 3", "open 1", "time_ms_count 1", "refreshes_total 1"].map(|s| text.contains(s));
    shard.add(hits, 3);
    shard.add(certs, 1);
    shard.gauge_add(open, 1);
    shard.observe(time, 5);
    for (minutes, expected) in [(1, [true; 4]), (10, [true; 4]), (12, [false, true, false, true])] {
        assert_eq!(shown(&at(minutes)), expected, "after {minutes} minutes");
    }
    shard.gauge_add(open, -1);
    shard.add(hits, 2);
    let text = at(13);
    assert!(text.contains("hits_total 5\n") && text.contains("open 0\n"), "{text}");
    assert!(!at(24).contains("open"), "closed for ten minutes");
}

#[test]
fn labels_are_escaped() {
    let registry = Registry::new(1);
    registry.shard(0).add(registry.counter(&HITS, &[("x", "a\"b\\c\nd")]), 1);
    assert!(text(&registry).contains(r#"hits_total{x="a\"b\\c\nd"} 1"#));
}

#[test]
fn words_run_out_without_harm() {
    static WIDE: Family = Family { limit: usize::MAX, ..Family::counter("wide_total", "Wide") };
    let registry = Registry::new(1);
    for i in 0..crate::shard::CHUNK * crate::shard::CHUNKS + 10 {
        registry.counter(&WIDE, &[("i", &i.to_string())]);
    }
    let late = registry.counter(&HITS, &[("late", "1")]);
    registry.shard(0).add(late, 1);
    assert!(!text(&registry).contains("late"));
}

#[test]
fn latency_buckets_are_the_ones_dashboards_know() {
    let registry = Registry::new(1);
    let h = registry.histogram(&families::RESPONSE_LATENCY_MS, &[]);
    registry.shard(0).observe(h, 42_000);
    let text = text(&registry);
    assert!(text.contains("response_latency_ms_bucket{le=\"50\"} 1\n") && text.contains("le=\"50000\"} 1\n"), "{text}");
    let known = families::ROUTE_SECONDS.iter().chain(families::BACKEND_SECONDS);
    let lost: Vec<_> = known.filter(|bound| !families::OUTBOUND_SECONDS.contains(bound)).collect();
    assert!(lost.is_empty() && families::OUTBOUND_SECONDS.is_sorted(), "{lost:?}");
}

#[test]
fn answers_within_the_cluster_are_told_apart() {
    let registry = Registry::new(1);
    let h = registry.histogram(&families::OUTBOUND_HTTP_ROUTE_SECONDS, &[]);
    [400, 700, 3_000].into_iter().for_each(|micros| registry.shard(0).observe(h, micros));
    let text = text(&registry);
    for (le, count) in [("0.0005", 1), ("0.001", 2), ("0.0025", 2), ("0.005", 3), ("10", 3), ("+Inf", 3)] {
        let line = format!("outbound_http_route_request_duration_seconds_bucket{{le=\"{le}\"}} {count}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
}
