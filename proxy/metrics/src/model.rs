//! Every interleaving of a worker that counts and a scrape that sums: `cargo test -p isthmus-metrics --features loom model`.

use crate::{Family, Registry, Unit};
use loom::thread;

static HITS: Family = Family::counter("hits_total", "Hits");
static OPEN: Family = Family::gauge("open", "Open");
static TIME: Family = Family::histogram("time", "Time", Unit::One, &[10]);

#[test]
fn a_sum_is_never_ahead_and_never_goes_back() {
    loom::model(|| {
        let registry = Registry::new(2);
        let hits = registry.counter(&HITS, &[]);
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let shard = registry.shard(worker);
                // Made before the threads are: the once-cell of a chunk is not part of the model.
                shard.add(hits, 1);
                thread::spawn(move || shard.add(hits, 2))
            })
            .collect();
        let first = registry.total(hits);
        let second = registry.total(hits);
        assert!((2..=6).contains(&first) && first <= second && second <= 6, "{first} then {second}");
        workers.into_iter().for_each(|worker| worker.join().expect("counted"));
        assert_eq!(registry.total(hits), 6);
    });
}

#[test]
fn a_scrape_in_the_middle_of_an_observation_stays_cumulative() {
    loom::model(|| {
        let registry = Registry::new(1);
        let (open, time) = (registry.gauge(&OPEN, &[]), registry.histogram(&TIME, &[]));
        let shard = registry.shard(0);
        shard.observe(time, 1);
        shard.gauge_add(open, 1);
        let worker = thread::spawn(move || {
            shard.observe(time, 20);
            shard.gauge_add(open, -1);
        });
        let mut text = String::new();
        registry.render(&mut text);
        let number = |text: &str, name: &str| -> f64 {
            let line = text.lines().find(|l| l.starts_with(name)).unwrap_or("0");
            line.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0)
        };
        let (low, all, count) = ("time_bucket{le=\"10\"}", "time_bucket{le=\"+Inf\"}", "time_count");
        assert!(number(&text, low) <= number(&text, all) && number(&text, all) == number(&text, count), "{text}");
        worker.join().expect("counted");
        text.clear();
        registry.render(&mut text);
        assert_eq!((number(&text, count), number(&text, "open")), (2.0, 0.0), "{text}");
    });
}
