//! Row 5: one change among 100,000 instances, until there is a table with it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use roundhouse_benches::churn::{Churn, Slot};
use roundhouse_benches::{Samples, instance_entry, process, snapshot};
use roundhouse_registry::hold::{Keeper, Now, Policy};
use roundhouse_registry::kv::{Batch, Change, Event, KvError, Listing, Pending, Revision, Watch};
use roundhouse_registry::{Follower, Snapshot, Source, apply};
use tokio::sync::mpsc;

use crate::options::Options;
use crate::plane::Plane;
use crate::report::{Figure, Report};
use crate::world::{EACH, JOBS, World, saved};

/// Microseconds to a new table.
const AIM: f64 = 200.0;
/// The follower gathers for 5 ms after a publish; a change that comes later is published at once.
const QUIET: Duration = Duration::from_millis(8);

pub(crate) fn run(options: &Options, world: &mut World, report: &mut Report) {
    let rounds = options.times(500);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (jobs, each) in [(1_000, 100), (100_000, 1)] {
        let whole = snapshot(jobs, each);
        let shape = format!("{jobs} jobs x {each}");
        let through = runtime.block_on(through_a_follower(rounds, &whole));
        let what = format!("one change, {shape}: batch -> Follower -> table");
        report.add(Figure::new(5, what, "us", &through).at_most(AIM));
        stages(rounds, &shape, &whole, report);
    }
    whole_gateway(options, world, report);
}

/// One instance moves to and fro.
fn change(n: u64) -> Batch {
    let revision = Revision(n + 2);
    let mut entry = instance_entry(500, 0, revision);
    entry.value = format!(r#"{{"address":"10.200.0.{}","ports":{{"main":1111}}}}"#, n % 2 + 1).into();
    Batch { revision, changes: vec![Change::Put(entry)] }
}

/// From the moment at which a watch has the batch to the table, in one thread as in a gateway.
async fn through_a_follower(rounds: usize, whole: &Snapshot) -> Samples {
    let (feed, watch) = mpsc::channel(16);
    let listing = Listing { origin: "bench".into(), revision: whole.revision, entries: whole.entries() };
    let source = Arc::new(Fed { listing, watch: Mutex::new(Some(watch)) });
    let follower = Follower::start(source).await.expect("it lists");
    let store = follower.store();
    let mut changes = store.changes();
    let mut plane = Plane::first(store.load());
    let following = tokio::spawn(follower.run());
    let mut samples = Samples::default();
    for n in 0..rounds as u64 {
        tokio::time::sleep(QUIET).await;
        let batch = change(n);
        let began = Instant::now();
        feed.send(Ok(Event::Batch(batch))).await.expect("it is followed");
        changes.changed().await.expect("it is followed");
        plane.take(store.load());
        samples.push(began.elapsed().as_secs_f64() * 1e6);
        assert_eq!(plane.snapshot().revision, Revision(n + 2));
    }
    following.abort();
    samples
}

/// The same in its parts; the second time with a tenth of the instances gone without a farewell in the last half minute,
/// which is not yet enough to hold them.
fn stages(rounds: usize, shape: &str, whole: &Snapshot, report: &mut Report) {
    for crashed in [0, 10] {
        let mut keeper = Keeper::new(Policy::default(), "bench", false);
        let mut snapshot = whole.clone();
        if crashed > 0 {
            // A job with one instance has lost all when it lost that; its hold is another matter.
            if whole.instances.values().any(|instances| instances.len() < crashed) {
                continue;
            }
            let batch = departures(whole, crashed);
            keeper.observe(whole, &batch, Now::read());
            snapshot = apply(whole, &batch);
            keeper.decide(&mut snapshot, Now::read());
            assert_eq!(snapshot.held_count(), 0, "too many went");
        }
        let mut plane = Plane::first(Arc::new(snapshot.clone()));
        let [mut observe, mut applied, mut decide, mut table, mut sum] = [(); 5].map(|()| Samples::default());
        for n in 0..rounds as u64 {
            let batch = change(n);
            let began = Instant::now();
            let mut last = began;
            let mut lap = |samples: &mut Samples| {
                samples.push(last.elapsed().as_secs_f64() * 1e6);
                last = Instant::now();
            };
            keeper.observe(&snapshot, &batch, Now::read());
            lap(&mut observe);
            let mut next = apply(&snapshot, &batch);
            lap(&mut applied);
            keeper.decide(&mut next, Now::read());
            lap(&mut decide);
            plane.take(Arc::new(next.clone()));
            lap(&mut table);
            sum.push(began.elapsed().as_secs_f64() * 1e6);
            snapshot = next;
        }
        let after = if crashed > 0 { ", 10 % of all crashed in the last 30 s" } else { "" };
        report.add(Figure::new(5, format!("  its parts, {shape}{after}"), "us", &sum).at_most(AIM));
        report.note(
            5,
            format!(
                "{shape}{after}, medians in us: hold looks {:.1}, apply {:.1}, hold decides {:.1}, delta and table {:.1}",
                observe.median(),
                applied.median(),
                decide.median(),
                table.median(),
            ),
        );
    }
}

/// Every job loses so many.
fn departures(whole: &Snapshot, each: usize) -> Batch {
    let revision = Revision(1);
    let keys = whole.instances.iter().flat_map(|(job, instances)| {
        instances.keys().take(each).map(move |id| format!("instances/{job}/{id}"))
    });
    Batch { revision, changes: keys.map(|key| Change::Delete { key, revision }).collect() }
}

/// What the control thread of a whole gateway with 100,000 instances pays for a change, published each by itself.
fn whole_gateway(options: &Options, world: &mut World, report: &mut Report) {
    const RATE: u32 = 100;
    world.grow(EACH);
    let mut gateway = world.gateway();
    gateway.run();
    saved(&gateway);
    let pid = gateway.process().pid();
    let span = options.seconds(5);
    let idle = process::control_cpu(pid);
    std::thread::sleep(span);
    let idle = process::control_cpu(pid) - idle;

    let slots = (0..400).map(|n| Slot::idle(&format!("app{n}"), 1_000_000 + n)).collect();
    let etcd = world.etcd_options();
    let before = process::control_cpu(pid);
    let churn = Churn::start(etcd, RATE, slots);
    std::thread::sleep(span);
    let changes = churn.done();
    let busy = process::control_cpu(pid) - before;
    churn.stop();
    let a_change = busy.saturating_sub(idle).as_secs_f64() * 1e6 / changes as f64;
    let what = format!("a gateway's control thread, {JOBS} jobs x {EACH}: CPU a change");
    report.add(Figure::single(5, what, "us", a_change, changes as usize));
    let idle = idle.as_secs_f64() * 100.0 / span.as_secs_f64();
    report.note(5, format!("the same thread idle: {idle:.2} % of a core, not counted above"));
}

/// A source that gives what it is fed.
struct Fed {
    listing: Listing,
    watch: Mutex<Option<Watch>>,
}

impl Source for Fed {
    fn name(&self) -> String {
        "bench".into()
    }

    fn list(&self) -> Pending<'_, Listing> {
        Box::pin(async { Ok(self.listing.clone()) })
    }

    fn watch(&self, _: Revision) -> Pending<'_, Watch> {
        let watch = self.watch.lock().expect("nobody panics with it").take();
        let gone = || KvError::Invalid("the watch can be taken once".into());
        Box::pin(async move { watch.ok_or_else(gone) })
    }

    fn newest(&self) -> Pending<'_, Revision> {
        Box::pin(async { Ok(self.listing.revision) })
    }
}
