//! Many endpoints at once: counters, storms, and logs that aggregate.

use super::*;
use crate::{PeerState, StormEnd};

fn name(number: usize) -> String {
    format!("a{number:03}")
}

/// A master with so many agents that it dials.
fn fleet(count: usize) -> Vec<Arc<ConfigObject>> {
    let mut objects = vec![zone("master", &["m1"], None), endpoint("m1", None)];
    for number in 0..count {
        let name = name(number);
        objects.push(zone(&name, &[&name], Some("master")));
        objects.push(endpoint(&name, Some("10.0.0.1")));
    }
    objects
}

fn come(node: &mut Node, number: usize) -> Vec<Effect> {
    let name = name(number);
    let (link, effects) = node.up_as(|link| LinkUp {
        times: PhaseTimes {
            tls_s: Some(0.004),
            ..PhaseTimes::default()
        },
        ..dialled(link, &name, Some(&name))
    });
    node.handle(Input::Alive { link });
    effects
}

fn fail(node: &mut Node, number: usize, kind: FailureKind) -> Vec<Effect> {
    node.handle(Input::DialFailed {
        endpoint: name(number).into(),
        failure: DialFailure::new(DialPhase::Tcp, kind, "no way"),
    })
}

/// A second passes, and what is dialled in it fails.
fn pass_in_vain(node: &mut Node, kind: FailureKind) -> Vec<Effect> {
    let mut effects = node.pass(1.0);
    let dialled: Vec<usize> = dials(&effects)
        .into_iter()
        .map(|endpoint| endpoint.trim_start_matches('a').parse().unwrap())
        .collect();
    for number in dialled {
        effects.extend(fail(node, number, kind));
    }
    effects
}

/// States counted one by one must be those counted on the way.
fn check_counts(node: &Node) {
    let now = Timestamp(node.now);
    let fleet = node.cluster.fleet(now);
    let mut counted: BTreeMap<PeerState, usize> =
        PeerState::ALL.into_iter().map(|state| (state, 0)).collect();
    let topology = node.cluster.topology();
    for (name, _) in topology.endpoints() {
        if name == topology.local_endpoint() {
            continue;
        }
        let state = node.facts(name).state;
        *counted.entry(state).or_default() += 1;
    }
    assert_eq!(fleet.states, counted);
}

#[test]
fn a_storm_has_one_line_a_second_and_one_at_its_end() {
    let mut node = Node::new("m1", fleet(100));
    check_counts(&node);
    let fleet = node.cluster.fleet(Timestamp(node.now));
    assert_eq!(fleet.in_state(PeerState::Connecting), 100);
    assert!(fleet.storm.is_some());
    let mut effects = Vec::new();
    for number in 0..90 {
        effects.extend(node.pass(0.02));
        effects.extend(come(&mut node, number));
    }
    for number in 90..100 {
        effects.extend(fail(&mut node, number, FailureKind::Refused));
    }
    check_counts(&node);
    assert_eq!(lines(&effects, Severity::Critical), [""; 0]);
    assert_eq!(lines(&effects, Severity::Notice).len(), 90 * 2 + 10 + 1);
    let told = lines(&effects, Severity::Information);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("connected in the last second"), "{told:?}");
    // The ten are dialled in vain until nobody waits for them any more.
    let mut told = Vec::new();
    while node.cluster.fleet(Timestamp(node.now)).storm.is_some() {
        let effects = pass_in_vain(&mut node, FailureKind::Refused);
        told.extend(
            lines(&effects, Severity::Information)
                .into_iter()
                .map(str::to_owned),
        );
    }
    check_counts(&node);
    let last = told.last().unwrap();
    assert!(
        last.starts_with("Storm over: 90 endpoints connected in 1.8 s"),
        "{last}"
    );
    assert!(
        last.contains("90 of 100 in all, 10 are still dialled"),
        "{last}"
    );
    assert!(
        last.contains("tcp refused), 0 handshakes in vain"),
        "{last}"
    );
    let fleet = node.cluster.fleet(Timestamp(node.now));
    let report = fleet.last_storm.unwrap();
    assert_eq!(report.ended.unwrap().1, StormEnd::Complete);
    assert!(report.failed() >= 30, "three times each");
    assert_eq!(report.dials, 90 + report.failed());
    assert_eq!(fleet.counters.failures, report.failures);
    let handshakes = fleet.counters.handshakes.values();
    assert_eq!(handshakes.map(|of| of.count).sum::<u64>(), 90);
    assert_eq!(fleet.counters.sent["icinga::Hello"].messages, 90);
    // Afterwards each event has its line again.
    while dials(&node.pass(0.5)).is_empty() {}
    let failing = (90..100).find(|number| {
        !lines(
            &fail(&mut node, *number, FailureKind::Refused),
            Severity::Critical,
        )
        .is_empty()
    });
    assert!(failing.is_some());
}

#[test]
fn endpoints_that_leave_the_configuration_are_counted_no_longer() {
    let mut node = Node::new("m1", fleet(30));
    for number in 0..10 {
        come(&mut node, number);
    }
    node.reconfigure(fleet(5));
    check_counts(&node);
    let fleet_now = node.cluster.fleet(Timestamp(node.now));
    assert_eq!((fleet_now.connected(), fleet_now.neighbours), (5, 5));
    node.reconfigure(fleet(50));
    check_counts(&node);
    let fleet_now = node.cluster.fleet(Timestamp(node.now));
    assert_eq!((fleet_now.connected(), fleet_now.neighbours), (5, 50));
}

#[test]
fn many_that_fail_for_ever_are_no_storm_but_fill_no_log() {
    let mut node = Node::new("m1", fleet(400));
    while node.cluster.fleet(Timestamp(node.now)).storm.is_some() {
        pass_in_vain(&mut node, FailureKind::Timeout);
        if node.now > START + 2.0 && node.now < START + 3.5 {
            for number in 0..400 {
                fail(&mut node, number, FailureKind::Timeout);
            }
        }
    }
    let mut lines_most = 0;
    for _ in 0..300 {
        let effects = pass_in_vain(&mut node, FailureKind::Timeout);
        let count = lines(&effects, Severity::Information).len();
        lines_most = lines_most.max(count);
    }
    assert!(
        lines_most <= 201,
        "{lines_most}: of a second, or of two that touch"
    );
    let fleet = node.cluster.fleet(Timestamp(node.now));
    assert_eq!(fleet.storms, 1);
    assert!(fleet.failures_per_second > 5.0);
    check_counts(&node);
}
