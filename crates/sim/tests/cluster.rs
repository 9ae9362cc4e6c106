//! Whole clusters under seeded chaos.

mod site;

use std::fmt::Write as _;

use bheka_model::CheckableName;
use bheka_sim::{Chaos, Journal, Random, ResultId, Site, Speed, World};
use site::{HOSTS, INTERVAL_S, TREE, entitled};

/// Seeds that each test of chaos runs.
const SEEDS: u64 = 100;

/// Seconds of chaos in each run.
const CHAOS_S: f64 = 400.0;

/// Seconds of peace after it: reconnecting (30 s), authority (10 s), the next check and its
/// relaying.
const PEACE_S: f64 = 150.0;

/// Runs each seed, or the one that `BHEKA_SIM_SEED` names; fails with all broken rules.
fn for_seeds(count: u64, run: impl Fn(u64) -> World) {
    let seeds: Vec<u64> = match std::env::var("BHEKA_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (1..=count).collect(),
    };
    let mut failures = String::new();
    for seed in seeds {
        let world = run(seed);
        for violation in &world.journal.violations {
            let _ = writeln!(
                failures,
                "BHEKA_SIM_SEED={seed}: {} at {}",
                violation.text, violation.at
            );
        }
    }
    assert!(failures.is_empty(), "broken rules:\n{failures}");
}

fn start(site: &Site, seed: u64) -> World {
    let mut world = World::new(site, seed, Speed::default());
    if std::env::var_os("BHEKA_SIM_TRACE").is_some() {
        world.trace_all();
    }
    world
}

fn last_result(world: &World, node: &str, host: &str) -> Option<(ResultId, f64)> {
    let state = world.monitor(node)?.state(&CheckableName::host(host))?;
    let result = state.last_check_result.as_ref()?;
    Some((
        Journal::result_of(&result.output)?,
        result.execution_end.seconds(),
    ))
}

/// What must hold when everything has been in order for a while.
fn check_peace(world: &mut World) {
    for zone in &TREE {
        for node in zone.members {
            let Some(cluster) = world.cluster(node) else {
                world.violate(format!("{node} is down"));
                continue;
            };
            let missing = cluster.status(world.now()).not_conn_endpoints;
            let syncing: Vec<String> = cluster
                .topology()
                .endpoints()
                .filter(|(name, _)| cluster.endpoint_status(name, world.now()).syncing)
                .map(|(name, _)| name.to_string())
                .collect();
            if !missing.is_empty() {
                world.violate(format!("{node} misses {missing:?}"));
            }
            if !syncing.is_empty() {
                world.violate(format!("{node} still syncs {syncing:?}"));
            }
        }
    }
    for (host, zone, _) in HOSTS {
        let members = TREE
            .iter()
            .find(|of| of.name == zone)
            .map_or(&[][..], |of| of.members);
        let name = CheckableName::host(host);
        let owners = members
            .iter()
            .filter(|node| {
                world
                    .monitor(node)
                    .is_some_and(|monitor| monitor.is_authoritative(&name))
            })
            .count();
        if owners != 1 {
            world.violate(format!("{owners} nodes are responsible for {host}"));
        }
        for node in entitled(zone) {
            let age = last_result(world, node, host).map(|(_, end)| world.now().seconds() - end);
            if age.is_none_or(|age| age > INTERVAL_S + 15.0) {
                world.violate(format!("{node} has no fresh result of {host}: {age:?}"));
            }
        }
    }
}

/// What must hold at any time.
fn check_traffic(world: &mut World, applied_max: u32) {
    let nodes = TREE.iter().map(|zone| zone.members.len()).sum::<usize>() as u32;
    let mut broken = Vec::new();
    for (id, count) in &world.journal.sent {
        // A result takes each edge of the tree of nodes once or twice (live, and by the log of a
        // member that did not know that another had passed it on); an echo would go on and on.
        if *count > 4 * nodes {
            broken.push(format!("result {} was sent {count} times", id.0));
        }
    }
    for ((id, node), count) in &world.journal.applied {
        if *count > applied_max {
            broken.push(format!(
                "result {} took effect {count} times on {node}",
                id.0
            ));
        }
    }
    for node in world.names() {
        let (files, records) = world.log_of(&node);
        if records > 200_000 || files.len() > 10 {
            broken.push(format!(
                "log of {node} has {records} records in {} files",
                files.len()
            ));
        }
    }
    for text in broken {
        world.violate(text);
    }
}

#[test]
fn in_peace_each_result_reaches_each_entitled_node_exactly_once() {
    let site = site::tree();
    for_seeds(20, |seed| {
        let mut world = start(&site, seed);
        world.run(90.0);
        let links = world.open_connections();
        let first = world.journal.executed + 1;
        world.run(120.0);
        check_peace(&mut world);
        check_traffic(&mut world, 3);
        assert_eq!(world.open_connections(), links, "seed {seed}");
        let settled = world.now().seconds() - 5.0;
        let results: Vec<(ResultId, CheckableName)> = world
            .journal
            .results
            .iter()
            .filter(|(id, (_, end))| id.0 >= first && *end < settled)
            .map(|(id, (name, _))| (*id, name.clone()))
            .collect();
        assert!(results.len() > 30, "{} results only", results.len());
        for (id, name) in results {
            let zone = HOSTS
                .iter()
                .find(|(host, ..)| *name.host == **host)
                .expect("a host")
                .1;
            for node in world.names() {
                let count = world
                    .journal
                    .applied
                    .get(&(id, node.clone()))
                    .copied()
                    .unwrap_or(0);
                let expected = u32::from(entitled(zone).contains(&&*node));
                if count != expected {
                    let text = format!("result {} of {name}: {count} times on {node}", id.0);
                    world.violate(text);
                }
            }
        }
        world
    });
}

#[test]
fn a_faulty_network_is_survived() {
    let site = site::tree();
    for_seeds(SEEDS, |seed| {
        let mut world = start(&site, seed);
        Chaos::NETWORK.run(&mut world, CHAOS_S);
        world.run(PEACE_S);
        check_peace(&mut world);
        check_traffic(&mut world, 3);
        world
    });
}

#[test]
fn crashes_are_survived() {
    let site = site::tree();
    for_seeds(SEEDS, |seed| {
        let mut world = start(&site, seed);
        Chaos::ALL.run(&mut world, CHAOS_S);
        world.run(PEACE_S);
        check_peace(&mut world);
        check_traffic(&mut world, 4);
        world
    });
}

#[test]
fn forged_messages_change_nothing() {
    let site = site::tree();
    for_seeds(10, |seed| {
        let mut world = start(&site, seed);
        let mut random = Random::new(seed);
        world.run(60.0);
        for _ in 0..200 {
            let (from, to) =
                [("a1", "m1"), ("a1", "m2"), ("d1", "s1"), ("s1", "m1")][random.below(4)];
            // None of these objects is the sender's to touch.
            let host = match from {
                "s1" => "ha1",
                "d1" => ["hs1", "hm1"][random.below(2)],
                _ => ["hm1", "hs1", "hd1"][random.below(3)],
            };
            let origin = ["", r#""originZone":"master","#][random.below(2)];
            let text = format!("forged by {from}");
            let params = [
                format!(
                    r#""cr":{{"type":"CheckResult","performance_data":null,"state":2,"output":"{text}"}}"#
                ),
                format!(
                    r#""acktype":2,"author":"{from}","comment":"{text}","notify":false,"persistent":false,"expiry":0,"change_time":1"#
                ),
                r#""next_check":4000000000"#.to_owned(),
                r#""forced":true"#.to_owned(),
                r#""suppressed_notifications":511"#.to_owned(),
            ];
            let methods = [
                "CheckResult",
                "SetAcknowledgement",
                "SetNextCheck",
                "SetForceNextCheck",
                "SetSuppressedNotifications",
            ];
            let kind = random.below(methods.len());
            let json = format!(
                r#"{{"jsonrpc":"2.0",{origin}"method":"event::{}","params":{{"host":"{host}",{}}}}}"#,
                methods[kind], params[kind]
            );
            assert!(world.forge(from, to, &json), "{from} has no link to {to}");
            world.run(0.5);
        }
        world.run(60.0);
        for node in world.names() {
            let Some(monitor) = world.monitor(&node) else {
                continue;
            };
            let touched: Vec<String> = monitor
                .states()
                .filter(|(_, state)| {
                    let output = state
                        .last_check_result
                        .as_ref()
                        .map(|result| result.output.clone());
                    output.is_some_and(|output| output.contains("forged"))
                        || state.acknowledgement != bheka_model::Acknowledgement::None
                        || state.next_check.seconds() >= 4e9
                        || state.suppressed_notifications == 511
                })
                .map(|(name, _)| name.to_string())
                .collect();
            if !touched.is_empty() {
                world.violate(format!("{node} let {touched:?} be touched"));
            }
        }
        check_peace(&mut world);
        world
    });
}

#[test]
fn garbage_costs_only_the_connection_it_came_on() {
    let site = site::tree();
    for_seeds(5, |seed| {
        let mut world = start(&site, seed);
        world.run(60.0);
        let before = world.open_connections();
        for json in [
            "",
            "{",
            "[]",
            "null",
            &"[".repeat(100_000),
            r#"{"method":5}"#,
            "\u{0}",
        ] {
            assert!(world.forge("a1", "m1", json));
            world.run(1.0);
        }
        if world.open_connections() != before {
            world.violate("a bad message closed a connection".to_owned());
        }
        world
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let site = site::tree();
    let run = || {
        let mut world = start(&site, 4711);
        Chaos::ALL.run(&mut world, 200.0);
        (
            world.journal.messages,
            world.journal.executed,
            world.journal.applied,
        )
    };
    assert_eq!(run(), run());
}

#[test]
fn a_long_absence_is_made_up_for() {
    let site = site::tree();
    let mut world = start(&site, 3);
    world.run(60.0);
    world.crash("s1", 600.0);
    world.crash("s2", 600.0);
    world.run(300.0);
    let (_, records) = world.log_of("d1");
    assert!(records > 50, "{records} records for the absent satellites");
    let known = last_result(&world, "d1", "hd1")
        .expect("the agent goes on")
        .0;
    world.run(300.0 + 120.0);
    check_peace(&mut world);
    // What the agent found meanwhile has come up through the satellites' replay.
    let reached = world
        .journal
        .applied
        .contains_key(&(known, "m1".to_owned()));
    assert!(reached, "result {known:?} never reached the master");
    assert_eq!(world.journal.violations, []);
}

#[test]
fn a_reload_that_adds_a_host_drops_no_link() {
    let agents = 20;
    let site = site::star(agents, 40);
    let mut world = start(&site, 1);
    world.run(120.0);
    let before = world.open_connections();
    assert_eq!(before.len(), agents);
    let next_checks = |world: &World| {
        let monitor = world.monitor("m1").expect("up");
        let mut all: Vec<(CheckableName, f64)> = monitor
            .states()
            .filter(|(name, _)| &*name.host != "h40" && &*name.host != "h39")
            .map(|(name, state)| (name.clone(), state.next_check.seconds()))
            .collect();
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    };
    let planned = next_checks(&world);
    // One host more; one less.
    let text =
        site::star_text("m1", agents, 41).replace("object Host \"h39\"", "template Host \"h39\"");
    world.reload("m1", &text).expect("a valid text");
    assert_eq!(
        next_checks(&world),
        planned,
        "untouched objects keep their time"
    );
    assert!(
        world.reload("m1", "object Host {").is_err(),
        "a broken text is refused"
    );
    world.run(120.0);
    assert_eq!(world.open_connections(), before);
    assert_eq!(world.journal.disconnections, 0);
    assert!(
        last_result(&world, "m1", "h40").is_some(),
        "the new host is checked"
    );
    assert!(
        last_result(&world, "m1", "h39").is_none(),
        "the old one is gone"
    );
}
