//! Row 2: a full list of 100,000 instances, from etcd to a table.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roundhouse_benches::Samples;
use roundhouse_registry::delta::delta;
use roundhouse_registry::hold::{Away, Keeper, Now, Policy};
use roundhouse_registry::{Follower, Snapshot};

use crate::options::Options;
use crate::plane::Plane;
use crate::report::{Figure, Report};
use crate::world::{EACH, World, saved};

/// Seconds.
const AIM: f64 = 2.0;

pub(crate) fn run(options: &Options, world: &mut World, report: &mut Report) {
    world.grow(EACH);
    let rounds = options.times(5);
    let [mut started, mut listed, mut applied, mut tabled, mut relisted] =
        [(); 5].map(|()| Samples::default());
    world.runtime.block_on(async {
        let kv = world.kv().await;
        // Once for nothing: the connection, and etcd's own caches.
        kv.list().await.expect("etcd runs");
        for _ in 0..rounds {
            let began = Instant::now();
            let follower = Follower::start(kv.clone()).await.expect("etcd runs");
            started.push(began.elapsed().as_secs_f64());
            let old = follower.store().load();
            assert_eq!(old.instance_count(), world.instances());

            let mut clock = Clock::start();
            let listing = kv.list().await.expect("etcd runs");
            clock.lap(&mut listed);
            let fresh = Snapshot::from_listing(listing);
            clock.lap(&mut applied);
            drop(Plane::first(Arc::new(fresh)));
            clock.lap(&mut tabled);

            // What a follower does when its stream broke: the parts that its `relist` is made of.
            let began = Instant::now();
            let mut fresh = Snapshot::from_listing(kv.list().await.expect("etcd runs"));
            let mut keeper = Keeper::new(Policy::default(), "bench", false);
            let away = Away { time: Duration::from_secs(1), from_disk: false };
            keeper.relisted(&old, &mut fresh, away, Now::read());
            assert!(delta(&old, &fresh).is_none(), "nothing has changed");
            relisted.push(began.elapsed().as_secs_f64());
        }
    });
    let of = format!("{} instances", world.instances());
    report.add(Figure::new(2, format!("Follower::start, {of}: list and apply"), "s", &started).at_most(AIM));
    report.add(Figure::new(2, "  of this: list from etcd, decoded", "s", &listed));
    report.add(Figure::new(2, "  of this: apply to a snapshot", "s", &applied));
    report.add(Figure::new(2, "and the first table", "s", &tabled));
    let what = "a relist: list, apply, hold's look, compare with the old";
    report.add(Figure::new(2, what, "s", &relisted).at_most(AIM));
    whole_gateway(options, world, report);
}

/// From exec to the API's first answer, all VIPs bound: without anything on disk, and with a saved snapshot.
fn whole_gateway(options: &Options, world: &World, report: &mut Report) {
    let [mut first, mut again] = [(); 2].map(|()| Samples::default());
    for _ in 0..options.times(3) {
        let mut gateway = world.gateway();
        for samples in [&mut first, &mut again] {
            let began = Instant::now();
            gateway.run();
            samples.push(began.elapsed().as_secs_f64());
            saved(&gateway);
            gateway.process().signal(roundhouse_tests::Signal::TERM);
            gateway.stopped();
        }
    }
    report.add(Figure::new(2, "a gateway process: exec to ready", "s", &first));
    report.add(Figure::new(2, "the same with a saved snapshot", "s", &again));
}

struct Clock(Instant);

impl Clock {
    fn start() -> Clock {
        Clock(Instant::now())
    }

    fn lap(&mut self, samples: &mut Samples) {
        samples.push(self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}
