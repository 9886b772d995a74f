use super::*;
use proptest::prelude::*;

const PARAMS: Params = Params { failures: 3, rate: None, min: 100, max: 1000, jitter: 0.0, hints: false, floor: 0 };
const RATE: Rate = Rate { least: 0.8, window: 1000, requests: 5 };
const GOOD: Outcome = Outcome { success: true, hint: None, spare: true };
const BAD: Outcome = Outcome { success: false, ..GOOD };

fn outcome(success: bool) -> Outcome {
    Outcome { success, ..GOOD }
}

#[test]
fn a_story() {
    let (mut breaker, mut dice) = (Breaker::new(), Dice::new(1));
    // (success, now, changed, state after)
    for (success, now, changed, state) in [
        (false, 0, false, State::Open(1)),
        (false, 0, false, State::Open(2)),
        (true, 0, false, State::Open(0)),
        (false, 0, false, State::Open(1)),
        (false, 0, false, State::Open(2)),
        (false, 5, true, State::Shut { until: 105, times: 1 }),
        (true, 6, false, State::Shut { until: 105, times: 1 }),
    ] {
        assert_eq!((breaker.record(outcome(success), &PARAMS, now, &mut dice), breaker.state()), (changed, state));
    }
    assert_eq!(
        (breaker.wake(), breaker.admit(104), breaker.admit(105), breaker.admit(106)),
        (Some(105), false, true, false)
    );
    assert!(breaker.record(BAD, &PARAMS, 110, &mut dice));
    assert_eq!(breaker.state(), State::Shut { until: 310, times: 2 });
    assert!(breaker.admit(310));
    breaker.forget(320);
    assert!(breaker.admit(320) && breaker.record(GOOD, &PARAMS, 330, &mut dice) && breaker.admit(330));
    assert_eq!(breaker.state(), State::Open(0));
}

#[test]
fn a_low_share_of_successes_shuts() {
    let params = Params { failures: 0, rate: Some(RATE), ..PARAMS };
    // (outcomes as text, whether the last one shuts)
    for (outcomes, shuts) in [
        ("----", false),
        ("-----", true),
        ("+++-+", false),
        ("++++-", false),
        ("+++--", true),
        ("++++++++--", false),
        ("++++++++---", true),
    ] {
        let (mut breaker, mut dice) = (Breaker::new(), Dice::new(1));
        let changes: Vec<_> =
            outcomes.chars().map(|c| breaker.record(outcome(c == '+'), &params, 0, &mut dice)).collect();
        assert_eq!((changes.iter().any(|c| *c), changes[changes.len() - 1]), (shuts, shuts), "{outcomes}");
    }
    // What is older than the window does not count, and a shut breaker begins anew.
    let (mut breaker, mut dice) = (Breaker::new(), Dice::new(1));
    (0..4).for_each(|_| assert!(!breaker.record(BAD, &params, 0, &mut dice)));
    assert!(!breaker.record(BAD, &params, 1100, &mut dice));
    (0..3).for_each(|_| assert!(!breaker.record(BAD, &params, 1100, &mut dice)));
    assert!(breaker.record(BAD, &params, 1100, &mut dice));
    assert!(breaker.admit(1200) && breaker.record(GOOD, &params, 1200, &mut dice));
    assert!(!breaker.record(BAD, &params, 1200, &mut dice), "old failures are forgotten");
}

#[test]
fn an_answer_may_say_for_how_long() {
    for (hints, hint, until) in [
        (true, Some(50), 100),
        (true, Some(400), 400),
        (true, Some(9000), 1000),
        (false, Some(400), 100),
        (true, None, 100),
    ] {
        let (mut breaker, mut dice) = (Breaker::new(), Dice::new(1));
        let params = Params { failures: 1, hints, ..PARAMS };
        assert!(breaker.record(Outcome { hint, ..BAD }, &params, 0, &mut dice));
        assert_eq!(breaker.wake(), Some(until), "{hints} {hint:?}");
    }
}

#[test]
fn the_last_ones_stay_open() {
    let (mut breaker, mut dice) = (Breaker::new(), Dice::new(1));
    let needed = Outcome { spare: false, ..BAD };
    assert!((0..9).all(|_| !breaker.record(needed, &PARAMS, 0, &mut dice)) && breaker.open());
    assert!(breaker.record(BAD, &PARAMS, 0, &mut dice), "as soon as there is another");
}

#[test]
fn without_a_limit_it_never_shuts() {
    let (mut breaker, mut dice) = (Breaker::new(), Dice::new(1));
    let params = Params { failures: 0, ..PARAMS };
    assert!((0..1000).all(|now| !breaker.record(BAD, &params, now, &mut dice) && breaker.admit(now)));
}

proptest! {
    #[test]
    fn the_backoff_stays_in_its_bounds(fails in 1u32..200, jitter in 0.0f64..2.0, seed in any::<u64>()) {
        let (mut breaker, mut dice) = (Breaker::new(), Dice::new(seed));
        let params = Params { failures: 1, jitter, ..PARAMS };
        let mut now = 0;
        for i in 0..fails {
            prop_assert!(breaker.admit(now) && breaker.record(BAD, &params, now, &mut dice));
            let wait = breaker.wake().unwrap() - now;
            let base = 100u64.saturating_mul(1 << i.min(10)).min(1000);
            prop_assert!(wait >= base && wait <= base * 2);
            now += wait;
        }
    }

    /// Whatever happens: it opens only by a probe's success, and a shut one always says when it will be asked.
    #[test]
    fn it_opens_by_a_probe_alone(acts in proptest::collection::vec((any::<bool>(), 0u64..300), 1..200), seed in any::<u64>()) {
        let (mut breaker, mut dice, mut now) = (Breaker::new(), Dice::new(seed), 0);
        let params = Params { rate: Some(RATE), jitter: 0.5, ..PARAMS };
        for (success, wait) in acts {
            now += wait;
            let before = breaker.state();
            let admitted = breaker.admit(now);
            prop_assert_eq!(admitted, match before { State::Open(_) => true, State::Shut { until, .. } => now >= until, State::Probing { .. } => false });
            let probing = matches!(breaker.state(), State::Probing { .. });
            breaker.record(outcome(success), &params, now, &mut dice);
            prop_assert!(!breaker.open() || matches!(before, State::Open(_)) || probing && success);
            prop_assert_eq!(breaker.wake().is_some(), matches!(breaker.state(), State::Shut { .. }));
        }
    }
}
