use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const MS: u64 = 1_000_000;

fn member(weight: u32) -> Member {
    Member { weight, near: false, new: false }
}

fn pool(weights: &[u32]) -> (Pool, Vec<EndpointId>, Dice) {
    let mut pool = Pool::new(Params::default());
    let ids = weights.iter().map(|weight| pool.insert(member(*weight), 0)).collect();
    (pool, ids, Dice::new(7))
}

fn shares(pool: &mut Pool, dice: &mut Dice, n: u32) -> HashMap<EndpointId, f64> {
    let mut counts = HashMap::new();
    for _ in 0..n {
        *counts.entry(pool.pick(0, dice).unwrap()).or_insert(0.0) += 1.0 / f64::from(n);
    }
    counts
}

#[test]
fn nobody_one_and_the_slower_of_two() {
    let (mut pool, ids, mut dice) = pool(&[1, 1]);
    assert_eq!(Pool::new(Params::default()).pick(0, &mut dice), None);
    pool.finish(ids[0], Some(900 * MS), 0);
    assert!((0..50).all(|_| pool.pick(0, &mut dice) == Some(ids[1])));
    // Requests in flight outweigh latency when they are many.
    (0..100).for_each(|_| pool.start(ids[1]));
    assert_eq!(pool.pick(0, &mut dice), Some(ids[0]));
    pool.set_ready(ids[0], false);
    assert_eq!(pool.pick(0, &mut dice), Some(ids[1]));
    pool.set_ready(ids[1], false);
    assert_eq!((pool.pick(0, &mut dice), pool.counts()), (None, (2, 0)));
}

#[test]
fn a_slow_endpoint_is_tried_again_in_time() {
    let (mut pool, ids, mut dice) = pool(&[1, 1]);
    pool.finish(ids[0], Some(1000 * MS), 0);
    let later = 100_000 * MS;
    pool.finish(ids[1], Some(5 * MS), later);
    assert_eq!(pool.pick(later, &mut dice), Some(ids[0]));
}

#[test]
fn a_retry_goes_elsewhere_if_it_can() {
    let (mut pool, ids, mut dice) = pool(&[1, 1, 1]);
    assert!((0..100).all(|_| pool.pick_other(ids[1], 0, &mut dice) != Some(ids[1])));
    assert!(pool.is_ready(ids[1]));
    pool.set_ready(ids[0], false);
    pool.set_ready(ids[2], false);
    assert_eq!(pool.pick_other(ids[1], 0, &mut dice), Some(ids[1]));
}

#[test]
fn equal_endpoints_share_equally() {
    let (mut pool, _, mut dice) = pool(&[5, 5, 5, 5]);
    assert!(shares(&mut pool, &mut dice, 20_000).values().all(|share| (share - 0.25).abs() < 0.2));
}

/// Served one after the other, with requests that stay in flight a while, shares must follow the weights.
#[test]
fn weights_shape_the_load() {
    let (mut pool, ids, mut dice) = pool(&[30_000, 10_000, 0]);
    let mut flying = std::collections::VecDeque::new();
    let mut counts = HashMap::new();
    for _ in 0..40_000 {
        let id = pool.pick(0, &mut dice).unwrap();
        pool.start(id);
        flying.push_back(id);
        *counts.entry(id).or_insert(0u32) += 1;
        if flying.len() > 40 {
            pool.finish(flying.pop_front().unwrap(), Some(MS), 0);
        }
    }
    let share = f64::from(counts[&ids[0]]) / 40_000.0;
    assert!((share - 0.75).abs() < 0.03, "{share}");
    assert_eq!(counts.get(&ids[2]), None);
}

/// `near` and `far` endpoints; how many requests of `n`, none of which ends, go to a far one.
fn spilled(near: &[(u32, bool)], far: usize, n: u32) -> u32 {
    let (mut pool, mut dice) = (Pool::new(Params::default()), Dice::new(3));
    for (weight, ready) in near {
        let id = pool.insert(Member { near: true, ..member(*weight) }, 0);
        pool.set_ready(id, *ready);
    }
    let first_far = near.len() as u32;
    for _ in 0..far {
        pool.insert(member(1), 0);
    }
    (0..n)
        .filter(|_| {
            let id = pool.pick(0, &mut dice).unwrap();
            pool.start(id);
            id.slot >= first_far
        })
        .count() as u32
}

#[test]
fn near_ones_come_first_while_enough_of_them_are_ready() {
    let (up, down) = ((1, true), (1, false));
    for (case, near, far, n, least, most) in [
        ("all near", &[up, up][..], 0, 100, 0, 0),
        ("a few requests stay near", &[up, up], 2, 6, 0, 0),
        ("many spill over", &[up, up], 2, 1000, 150, 300),
        ("half is enough", &[up, down], 2, 3, 0, 0),
        ("less is not: everybody counts", &[up, down, down], 2, 900, 500, 700),
        ("by weight", &[(1, true), (9, false)], 2, 900, 500, 700),
        ("nobody near is ready", &[down], 2, 10, 10, 10),
        ("near ones without weight", &[(0, true)], 1, 10, 10, 10),
    ] {
        let found = spilled(near, far, n);
        assert!((least..=most).contains(&found), "{case}: {found} of {n}");
    }
}

#[test]
fn a_new_endpoint_gets_its_share_step_by_step() {
    let slow = Params { slow_start: 10_000 * MS, ..Params::default() };
    let (mut pool, mut dice) = (Pool::new(slow), Dice::new(5));
    pool.insert(member(10_000), 0);
    let fresh = pool.insert(Member { new: true, ..member(10_000) }, 0);
    // (ms, part of the requests that it gets, of a pair that shares by weight: w / (1 + w))
    for (at, part) in [(0, 0.09), (2_500, 0.2), (5_000, 0.333), (9_999, 0.5), (10_000, 0.5), (99_000, 0.5)] {
        let (mut flying, mut count) = (std::collections::VecDeque::new(), 0);
        for _ in 0..20_000 {
            let id = pool.pick(at * MS, &mut dice).unwrap();
            pool.start(id);
            flying.push_back(id);
            count += u32::from(id == fresh);
            if flying.len() > 60 {
                pool.finish(flying.pop_front().unwrap(), Some(MS), at * MS);
            }
        }
        flying.into_iter().for_each(|id| pool.finish(id, Some(MS), at * MS));
        let found = f64::from(count) / 20_000.0;
        assert!((found - part).abs() < 0.04, "{at}: {found}");
    }
}

#[test]
fn an_overloaded_endpoint_is_left_alone_until_its_penalty_has_faded() {
    let params = Params { penalty_decay: 1_000 * MS, ..Params::default() };
    let (mut pool, mut dice) = (Pool::new(params), Dice::new(5));
    let ids = [0, 1].map(|_| pool.insert(member(1), 0));
    ids.iter().for_each(|id| pool.finish(*id, Some(MS), 0));
    pool.penalise(ids[0], 5_000 * MS, 0);
    assert!((0..50).all(|_| pool.pick(0, &mut dice) == Some(ids[1])));
    // 5 s fade to less than the 30 ms at which both began in five decay times and a bit.
    assert!((0..50).all(|_| pool.pick(4_000 * MS, &mut dice) == Some(ids[1])));
    let later = 6_000 * MS;
    assert!((0..200).any(|_| pool.pick(later, &mut dice) == Some(ids[0])));
    pool.set_params(Params { penalty_decay: 1, ..params });
    assert!((0..50).any(|_| pool.pick(10 * MS, &mut dice) == Some(ids[0])), "as the policy says now");
}

#[test]
fn requests_one_after_the_other_follow_the_weights() {
    let (mut pool, ids, mut dice) = pool(&[40_000, 10_000]);
    let share = shares(&mut pool, &mut dice, 20_000)[&ids[0]];
    assert!((share - 0.8).abs() < 0.02, "{share}");
}

#[test]
fn an_old_number_means_nothing() {
    let (mut pool, ids, _) = pool(&[1]);
    pool.start(ids[0]);
    pool.remove(ids[0]);
    let fresh = pool.insert(member(1), 0);
    assert_eq!((fresh.slot, pool.pending(fresh)), (ids[0].slot, 0));
    pool.finish(ids[0], Some(1), 0);
    pool.remove(ids[0]);
    assert_eq!((pool.counts(), pool.ids().collect::<Vec<_>>()), ((1, 1), vec![fresh]));
}

#[derive(Clone, Debug)]
enum Act {
    Insert(u32),
    Remove(usize),
    Ready(usize, bool),
    Weight(usize, u32),
    Start(usize),
    Finish(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0u32..4).prop_map(Act::Insert),
        (0usize..20).prop_map(Act::Remove),
        (0usize..20, any::<bool>()).prop_map(|(i, ready)| Act::Ready(i, ready)),
        (0usize..20, 0u32..4).prop_map(|(i, weight)| Act::Weight(i, weight)),
        (0usize..20).prop_map(Act::Start),
        (0usize..20).prop_map(Act::Finish),
    ]
}

proptest! {
    /// A list of (id, weight, ready, pending) says what must be.
    #[test]
    fn agrees_with_a_plain_list(acts in proptest::collection::vec(act(), 0..80), seed in any::<u64>()) {
        let (mut pool, mut dice) = (Pool::new(Params::default()), Dice::new(seed));
        let mut all: Vec<EndpointId> = Vec::new();
        let mut oracle: HashMap<EndpointId, (u32, bool, u32)> = HashMap::new();
        for act in acts {
            match act {
                Act::Insert(weight) => {
                    let id = pool.insert(member(weight), 0);
                    prop_assert!(oracle.insert(id, (weight, true, 0)).is_none());
                    all.push(id);
                }
                Act::Remove(i) => if let Some(id) = all.get(i) { pool.remove(*id); oracle.remove(id); },
                Act::Ready(i, ready) => if let Some(id) = all.get(i) { pool.set_ready(*id, ready); oracle.entry(*id).and_modify(|x| x.1 = ready); },
                Act::Weight(i, weight) => if let Some(id) = all.get(i) { pool.set_weight(*id, weight); oracle.entry(*id).and_modify(|x| x.0 = weight); },
                Act::Start(i) => if let Some(id) = all.get(i) { pool.start(*id); oracle.entry(*id).and_modify(|x| x.2 += 1); },
                Act::Finish(i) => if let Some(id) = all.get(i) { pool.finish(*id, Some(5), 0); oracle.entry(*id).and_modify(|x| x.2 = x.2.saturating_sub(1)); },
            }
            let ready: Vec<_> = oracle.iter().filter(|(_, x)| x.1).collect();
            prop_assert_eq!(pool.counts(), (oracle.len(), ready.len()));
            let weighs = ready.iter().any(|(_, x)| x.0 > 0);
            match pool.pick(0, &mut dice) {
                None => prop_assert!(ready.is_empty()),
                Some(id) => {
                    let found = oracle.get(&id);
                    prop_assert!(found.is_some_and(|x| x.1 && (x.0 > 0 || !weighs)));
                }
            }
            prop_assert!(oracle.iter().all(|(id, x)| pool.pending(*id) == x.2));
        }
    }

    /// Of any two, the dearer is never picked when both were drawn: with two endpoints that is always.
    #[test]
    fn of_two_the_cheaper_is_picked(rtts in (1u64..1000, 1u64..1000), pending in (0u32..9, 0u32..9), seed in any::<u64>()) {
        let (mut pool, ids, _) = pool(&[1, 1]);
        let mut dice = Dice::new(seed);
        for (id, rtt, pending) in [(ids[0], rtts.0, pending.0), (ids[1], rtts.1, pending.1)] {
            pool.finish(id, Some(rtt * MS), 1);
            (0..pending).for_each(|_| pool.start(id));
        }
        let picked = pool.pick(1, &mut dice).unwrap();
        let (a, b) = (pool.load(ids[0], 1).unwrap(), pool.load(ids[1], 1).unwrap());
        prop_assert!(pool.load(picked, 1).unwrap() <= a.min(b));
    }
}
