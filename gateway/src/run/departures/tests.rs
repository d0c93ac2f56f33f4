use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use roundhouse_registry::probe::Verdict;
use roundhouse_registry::{InstanceId, State};

use super::decide::{Answer, Departures, Due, LONG, MOST_PROBES, OFTEN, Present, Probe, SELDOM, SETTLED};
use crate::plane::Reason;
use crate::table::{Endpoint, Live};

const DRAIN: Duration = Duration::from_secs(30);

fn second(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn endpoint(port: u16) -> Arc<Endpoint> {
    let live = Arc::new(Live::new(Verdict::Healthy));
    live.open.store(1, Relaxed);
    Arc::new(Endpoint {
        job: "app2".parse().unwrap(),
        port: "main".parse().unwrap(),
        id: InstanceId::random(),
        address: ([10, 0, 0, 7], port).into(),
        weight: 100,
        state: State::Up,
        held: false,
        refused: None,
        live,
    })
}

/// The same in another state.
fn in_state(endpoint: &Endpoint, state: State) -> Arc<Endpoint> {
    Arc::new(Endpoint {
        job: endpoint.job.clone(),
        port: endpoint.port.clone(),
        refused: None,
        live: endpoint.live.clone(),
        state,
        ..*endpoint
    })
}

/// A job of TCP with the `drain` of 30 s.
fn present(endpoints: &[&Endpoint]) -> Present {
    let mut present = Present::new(DRAIN, false);
    endpoints.iter().for_each(|endpoint| present.add(endpoint, false));
    present
}

fn update(departures: &mut Departures, was: &Arc<Endpoint>, present: &Present, now: Instant) {
    departures.update(&was.job, [(was.clone(), false)], present, now);
}

fn ended(due: &Due) -> Vec<(Reason, usize)> {
    due.end.iter().map(|(reason, lives)| (*reason, lives.len())).collect()
}

#[test]
fn a_drained_instance_s_connections_end_at_the_deadline() {
    for state in [State::Draining, State::Maintenance] {
        let (mut departures, start) = (Departures::default(), Instant::now());
        let up = endpoint(1);
        let draining = in_state(&up, state);
        update(&mut departures, &up, &present(&[&draining]), start);
        let due = departures.due(start + second(29));
        assert!(due.end.is_empty() && due.probe.is_empty());
        assert_eq!(ended(&departures.due(start + DRAIN)), [(Reason::Drained, 1)]);
        assert_eq!(ended(&departures.due(start + second(31))), [(Reason::Drained, 1)], "it is still open");
        up.live.open.store(0, Relaxed);
        assert_eq!(ended(&departures.due(start + second(32))), []);
        assert!(!departures.is_watched(&up.job));
    }
}

#[test]
fn who_is_up_again_before_the_deadline_keeps_its_connections() {
    let (mut departures, start) = (Departures::default(), Instant::now());
    let up = endpoint(1);
    let draining = in_state(&up, State::Draining);
    update(&mut departures, &up, &present(&[&draining]), start);
    update(&mut departures, &draining, &present(&[&up]), start + second(29));
    assert!(!departures.is_watched(&up.job));
    // And has the whole of it the next time.
    update(&mut departures, &up, &present(&[&draining]), start + second(60));
    assert_eq!(ended(&departures.due(start + second(89))), []);
    // A person shortens it meanwhile.
    let mut shorter = Present::new(second(5), false);
    shorter.add(&draining, false);
    departures.update(&up.job, [], &shorter, start + second(89));
    assert_eq!(ended(&departures.due(start + second(89))), [(Reason::Drained, 1)]);
}

#[test]
fn who_is_gone_keeps_its_connections_until_it_refuses_one() {
    let (mut departures, start) = (Departures::default(), Instant::now());
    let gone = endpoint(1);
    update(&mut departures, &gone, &present(&[]), start);
    let mut now = start;
    for (answer, pause) in [(Answer::Accepts, OFTEN), (Answer::Silent, OFTEN), (Answer::Accepts, SELDOM)] {
        let due = departures.due(now);
        assert_eq!((ended(&due), due.probe.len()), (vec![], 1));
        assert!(departures.due(now).probe.is_empty(), "asked once");
        if pause == SELDOM {
            now = start + LONG;
        }
        departures.answered(&due.probe[0], answer, now);
        assert!(departures.due(now + pause - Duration::from_millis(1)).probe.is_empty());
        now += pause;
    }
    let due = departures.due(now);
    departures.answered(&due.probe[0], Answer::Refuses, now);
    assert_eq!(ended(&departures.due(now)), [(Reason::Gone, 1)]);
}

#[test]
fn another_instance_at_the_address_ends_the_probing() {
    let (mut departures, start) = (Departures::default(), Instant::now());
    let (gone, other) = (endpoint(1), endpoint(1));
    update(&mut departures, &gone, &present(&[]), start);
    let asked = departures.due(start).probe.remove(0);
    departures.update(&gone.job, [], &present(&[&other]), start);
    departures.answered(&asked, Answer::Refuses, start + second(1));
    let due = departures.due(start + second(100));
    assert!(due.end.is_empty() && due.probe.is_empty());
    // With the other one both go; an answer from before says nothing.
    update(&mut departures, &other, &present(&[]), start + second(101));
    let due = departures.due(start + second(101));
    assert_eq!(due.probe.len(), 2);
    departures.answered(&asked, Answer::Refuses, start + second(101));
    assert_eq!(ended(&departures.due(start + second(101))), []);
}

#[test]
fn down_is_as_gone_unless_the_job_closes() {
    let (mut departures, start) = (Departures::default(), Instant::now());
    let up = endpoint(1);
    let down = in_state(&up, State::Down);
    update(&mut departures, &up, &present(&[&down]), start);
    let due = departures.due(start);
    assert_eq!((ended(&due), due.probe.len()), (vec![], 1));
    let mut closes = Present::new(DRAIN, true);
    closes.add(&down, false);
    departures.update(&up.job, [], &closes, start);
    assert_eq!(ended(&departures.due(start)), [(Reason::Unhealthy, 1)]);
}

#[test]
fn udp_that_is_gone_ends_at_once_and_down_says_nothing() {
    let (mut departures, start) = (Departures::default(), Instant::now());
    let (gone, up) = (endpoint(1), endpoint(2));
    let mut now = Present::new(DRAIN, false);
    now.add(&in_state(&up, State::Down), true);
    // TCP of that number is another thing.
    now.add(&endpoint(1), false);
    departures.update(&up.job, [(gone.clone(), true), (up.clone(), true)], &now, start);
    let due = departures.due(start);
    assert_eq!((ended(&due), due.probe.len()), (vec![(Reason::Gone, 1)], 0));
}

#[test]
fn one_publish_is_one_ending_a_reason_and_few_probes_at_once() {
    let (mut departures, start) = (Departures::default(), Instant::now());
    let all: Vec<_> = (1..=200).map(endpoint).collect();
    let replaced = all.iter().map(|one| (one.clone(), false));
    departures.update(&all[0].job, replaced, &present(&[]), start);
    let first = departures.due(start).probe;
    assert_eq!((first.len(), departures.due(start).probe.len()), (MOST_PROBES, 0));
    for probe in &first {
        departures.answered(probe, Answer::Refuses, start);
    }
    let due = departures.due(start);
    assert_eq!((ended(&due), due.probe.len()), (vec![(Reason::Gone, MOST_PROBES)], MOST_PROBES));
    let ports = |probes: &[Probe]| probes.iter().map(|probe| probe.address().port()).collect::<HashSet<_>>();
    assert!(ports(&first).is_disjoint(&ports(&due.probe)));
}

#[test]
fn nothing_open_is_looked_at_until_late_connects_are_counted() {
    let (mut departures, start) = (Departures::default(), Instant::now());
    let gone = endpoint(1);
    gone.live.open.store(0, Relaxed);
    update(&mut departures, &gone, &present(&[]), start);
    assert!(departures.due(start + second(1)).probe.is_empty(), "nobody would lose anything");
    gone.live.open.store(1, Relaxed);
    assert_eq!(departures.due(start + second(2)).probe.len(), 1);
    gone.live.open.store(0, Relaxed);
    departures.due(start + SETTLED);
    assert!(!departures.is_watched(&gone.job));
}

/// What an endpoint has been through, kept whole.
#[derive(Clone, Debug)]
struct Plain {
    state: Option<State>,
    since: u64,
    refused: bool,
    asked: Option<u64>,
}

impl Plain {
    fn wants(&self, now: u64) -> Option<Reason> {
        match self.state {
            Some(State::Up) => None,
            Some(State::Draining | State::Maintenance) => (now - self.since >= 30).then_some(Reason::Drained),
            Some(State::Down) | None => self.refused.then_some(Reason::Gone),
        }
    }
}

fn kind(state: Option<State>) -> Option<State> {
    if state == Some(State::Maintenance) { Some(State::Draining) } else { state }
}

proptest! {
    /// Second by second it does what a plain account of each endpoint says.
    #[test]
    fn it_does_what_a_plain_account_says(
        steps in proptest::collection::vec((0usize..3, 0u8..8, 0u64..20), 1..60)
    ) {
        let (mut departures, start, mut now) = (Departures::default(), Instant::now(), 0);
        let mut endpoints: Vec<Option<Arc<Endpoint>>> = (1..=3).map(|port| Some(endpoint(port))).collect();
        let ups: Vec<Arc<Endpoint>> = endpoints.iter().flatten().cloned().collect();
        let first = Plain { state: Some(State::Up), since: 0, refused: false, asked: None };
        let mut plain = vec![first; 3];
        let mut waiting: Vec<Probe> = Vec::new();
        for (which, what, pause) in steps {
            now += pause;
            let at = start + second(now);
            let state = match what {
                0 => Some(Some(State::Up)),
                1 => Some(Some(State::Draining)),
                2 => Some(Some(State::Maintenance)),
                3 => Some(Some(State::Down)),
                4 => Some(None),
                _ => None,
            };
            if let Some(state) = state {
                let was = endpoints[which].clone();
                endpoints[which] = state.map(|state| in_state(&ups[which], state));
                let present = present(&endpoints.iter().flatten().map(|one| &**one).collect::<Vec<_>>());
                departures.update(&ups[0].job, was.map(|was| (was, false)), &present, at);
                let one = &mut plain[which];
                if kind(one.state) != kind(state) {
                    *one = Plain { state, since: now, refused: false, asked: None };
                }
                one.state = state;
            } else if let Some(probe) = waiting.pop() {
                let port = usize::from(probe.address().port()) - 1;
                departures.answered(&probe, if what == 5 { Answer::Refuses } else { Answer::Accepts }, at);
                if plain[port].asked.is_some() {
                    plain[port].refused |= what == 5;
                    plain[port].asked = None;
                }
            }
            let due = departures.due(at);
            for probe in due.probe {
                let one = &mut plain[usize::from(probe.address().port()) - 1];
                prop_assert!(matches!(one.state, None | Some(State::Down)) && !one.refused && one.asked.is_none());
                one.asked = Some(now);
                waiting.retain(|other| other.address() != probe.address());
                waiting.push(probe);
            }
            for (one, up) in plain.iter().zip(&ups) {
                let told = due.end.iter().find(|(_, lives)| lives.iter().any(|live| Arc::ptr_eq(live, &up.live)));
                prop_assert_eq!(told.map(|(reason, _)| *reason), one.wants(now), "{:?} at {}", one, now);
            }
        }
    }
}
