//! Which connections end when, and whom to probe for it: pure.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use roundhouse_config::{Label, Protocol};
use roundhouse_registry::State;

use crate::plane::Reason;
use crate::table::{Endpoint, JobEntry, Live};

/// Between two probes of an endpoint: an app that stops lets go of its port some time.
pub(super) const OFTEN: Duration = Duration::from_secs(1);
/// The same for one that goes on accepting after [`LONG`].
pub(super) const SELDOM: Duration = Duration::from_secs(10);
pub(super) const LONG: Duration = Duration::from_secs(60);
/// A connect that was under way when its endpoint left is counted within this, at the default of `connect_timeout` and
/// well above it. Until then an endpoint with nothing open is still looked at.
pub(super) const SETTLED: Duration = Duration::from_secs(10);
/// Probes under way at once. Each is a descriptor, of those that are kept back for such things.
pub(super) const MOST_PROBES: usize = 64;

/// The endpoints that are on their way out and have connections, job by job.
#[derive(Debug, Default)]
pub(super) struct Departures {
    jobs: HashMap<Label, HashMap<LiveKey, Leaving>>,
}

/// What a job says now, and who is at which of its addresses.
#[derive(Debug, Default)]
pub(super) struct Present {
    drain: Duration,
    closes_unhealthy: bool,
    at: HashMap<(SocketAddr, bool), (State, LiveKey)>,
}

#[derive(Debug, Default)]
pub(super) struct Due {
    /// One entry a reason.
    pub(super) end: Vec<(Reason, Vec<Arc<Live>>)>,
    pub(super) probe: Vec<Probe>,
}

/// A question to an endpoint that left.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub(super) endpoint: Arc<Endpoint>,
    /// Since when it is gone: an answer about an earlier time says nothing.
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Accepts,
    Refuses,
    /// Within the timeout, or the network had something else to say.
    Silent,
}

/// Where a live state is in memory; whoever has the key holds the state, so no other one can be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct LiveKey(usize);

impl LiveKey {
    fn of(endpoint: &Endpoint) -> LiveKey {
        LiveKey(Arc::as_ptr(&endpoint.live).addr())
    }
}

#[derive(Debug)]
struct Leaving {
    endpoint: Arc<Endpoint>,
    udp: bool,
    how: How,
    since: Instant,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Another instance of the job is at its address: perhaps the same app under another id.
    Replaced,
    Drains,
    /// By its own check.
    Down,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Ends(Instant, Reason),
    /// At the time, or the answer is awaited.
    Probed(Option<Instant>),
}

impl Present {
    /// `None`: there is no such job any more.
    pub(super) fn of(job: Option<&JobEntry>) -> Present {
        let Some(job) = job else { return Present::default() };
        let mut present = Present::new(job.drain, job.closes_unhealthy());
        for port in &job.ports {
            let udp = port.port.protocol == Protocol::Udp;
            port.endpoints().endpoints.iter().for_each(|endpoint| present.add(endpoint, udp));
        }
        present
    }

    pub(super) fn new(drain: Duration, closes_unhealthy: bool) -> Present {
        Present { drain, closes_unhealthy, at: HashMap::new() }
    }

    pub(super) fn add(&mut self, endpoint: &Endpoint, udp: bool) {
        let here = (endpoint.state, LiveKey::of(endpoint));
        let at = self.at.entry((endpoint.address, udp)).or_insert(here);
        // Of two at one address the one that works counts.
        if endpoint.state == State::Up {
            *at = here;
        }
    }

    /// `None`: it is as it should be.
    fn how(&self, endpoint: &Endpoint, udp: bool) -> Option<How> {
        match self.at.get(&(endpoint.address, udp)) {
            None => Some(How::Gone),
            Some((State::Up, live)) if *live == LiveKey::of(endpoint) => None,
            Some((State::Up, _)) => Some(How::Replaced),
            Some((State::Draining | State::Maintenance, _)) => Some(How::Drains),
            Some((State::Down, _)) => Some(How::Down),
        }
    }
}

impl Departures {
    pub(super) fn is_watched(&self, job: &Label) -> bool {
        self.jobs.contains_key(job)
    }

    /// The job changed: `replaced` are its endpoints (and whether they are of UDP) that are not in its sets as they were.
    pub(super) fn update(
        &mut self,
        job: &Label,
        replaced: impl IntoIterator<Item = (Arc<Endpoint>, bool)>,
        present: &Present,
        now: Instant,
    ) {
        let leaving = self.jobs.entry(job.clone()).or_default();
        leaving.retain(|_, one| {
            let Some(how) = present.how(&one.endpoint, one.udp) else { return false };
            if how != one.how {
                (one.how, one.since) = (how, now);
                one.fate = one.fate(present, now);
            } else if how == How::Drains || one.closes(present) {
                // The deadline, or what an instance's own check means, may have changed.
                one.fate = one.fate(present, now);
            }
            true
        });
        for (endpoint, udp) in replaced {
            let key = LiveKey::of(&endpoint);
            let Some(how) = present.how(&endpoint, udp).filter(|_| !leaving.contains_key(&key)) else { continue };
            let mut one = Leaving { endpoint, udp, how, since: now, fate: Fate::Stays };
            one.fate = one.fate(present, now);
            leaving.insert(key, one);
        }
        if leaving.is_empty() {
            self.jobs.remove(job);
        }
    }

    /// What is to be done now. What was told to end and is still there, because it came late, is told again.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        let mut asked = 0;
        let mut to_ask = Vec::new();
        self.jobs.retain(|_, leaving| {
            leaving.retain(|_, one| {
                let open = one.endpoint.live.open.load(Relaxed) > 0;
                match one.fate {
                    Fate::Ends(at, reason) if open && at <= now => due.ends(reason, &one.endpoint),
                    Fate::Probed(Some(at)) if open && at <= now => {
                        to_ask.push((at, Probe { endpoint: one.endpoint.clone(), since: one.since }));
                    }
                    Fate::Probed(None) => asked += 1,
                    _ => {}
                }
                open || now < one.since + SETTLED
            });
            !leaving.is_empty()
        });
        to_ask.sort_by_key(|(at, _)| *at);
        for (_, probe) in to_ask.into_iter().take(MOST_PROBES.saturating_sub(asked)) {
            if let Some(one) = self.find(&probe) {
                one.fate = Fate::Probed(None);
                due.probe.push(probe);
            }
        }
        due
    }

    fn find(&mut self, probe: &Probe) -> Option<&mut Leaving> {
        let leaving = self.jobs.get_mut(&probe.endpoint.job)?;
        leaving.get_mut(&LiveKey::of(&probe.endpoint)).filter(|one| one.since == probe.since)
    }

    pub(super) fn answered(&mut self, probe: &Probe, answer: Answer, now: Instant) {
        let Some(one) = self.find(probe).filter(|one| one.fate == Fate::Probed(None)) else { return };
        one.fate = match answer {
            Answer::Refuses => Fate::Ends(now, Reason::Gone),
            Answer::Accepts | Answer::Silent => {
                Fate::Probed(Some(now + if now < one.since + LONG { OFTEN } else { SELDOM }))
            }
        };
    }
}

impl Leaving {
    fn closes(&self, present: &Present) -> bool {
        self.how == How::Down && present.closes_unhealthy
    }

    fn fate(&self, present: &Present, now: Instant) -> Fate {
        match self.how {
            How::Replaced => Fate::Stays,
            How::Drains => Fate::Ends(self.since + present.drain, Reason::Drained),
            How::Down if present.closes_unhealthy => Fate::Ends(now, Reason::Unhealthy),
            How::Gone if self.udp => Fate::Ends(now, Reason::Gone),
            // Whether anybody is there cannot be asked.
            How::Down if self.udp => Fate::Stays,
            How::Down | How::Gone => Fate::Probed(Some(now)),
        }
    }
}

impl Due {
    fn ends(&mut self, reason: Reason, endpoint: &Endpoint) {
        let live = endpoint.live.clone();
        match self.end.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, lives)) => lives.push(live),
            None => self.end.push((reason, vec![live])),
        }
    }
}

impl Probe {
    pub(super) fn address(&self) -> SocketAddr {
        self.endpoint.address
    }
}
