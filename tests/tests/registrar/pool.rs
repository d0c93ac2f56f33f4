//! The pool that an instance wants to be in, straight at etcd and through a gateway: made once, by whoever comes first, and
//! never in the way of the registration.

use roundhouse_config::Port;
use roundhouse_registry::record::{Key, Line, Pool, PoolVip, decode};
use roundhouse_registry::registrar::PoolProgress;
use roundhouse_registry::write::{Expect, NewPool};
use roundhouse_registry::{Registrar, Registration, Registry, State};
use roundhouse_tests::sample::{label, port, registration};
use roundhouse_tests::{Etcd, Gateway, eventually_async, seen};

use crate::{PREFIX, RECOVERY, TTL, progress, registered, start};

/// An instance of the job that wants to be in the pool at port 80.
fn wanting(job: &str, number: u16, pool: &str) -> Registration {
    let to: Port = port("main", number);
    let wish = NewPool { name: label(pool), job: label(job), to, port: Some(80) };
    Registration { pool: Some(wish), ..registration(job, number, TTL) }
}

async fn told(registrar: &Registrar, wanted: impl Fn(&PoolProgress) -> bool) -> PoolProgress {
    let look = async || seen(registrar.pool().borrow().clone(), &wanted);
    eventually_async(RECOVERY, "what became of the pool", look).await
}

async fn there(registrar: &Registrar) {
    told(registrar, |progress| *progress == PoolProgress::There).await;
}

async fn failing(registrar: &Registrar, part: &str) {
    let says = |progress: &PoolProgress| matches!(progress, PoolProgress::Failing { reason } if reason.contains(part));
    told(registrar, says).await;
}

async fn line(registry: &Registry, vips: &str) {
    let line: Line = decode(format!(r#"{{"vips":["{vips}"]}}"#).as_bytes()).unwrap();
    registry.put_record(&Key::Line(label("telecom")), &line, Expect::Any).await.unwrap();
}

async fn pool(registry: &Registry, name: &str) -> Option<Pool> {
    let entry = registry.kv().get(&Key::Pool(label(name)).to_string()).await.unwrap()?;
    Some(decode(&entry.value).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_come_together_are_in_one_pool() {
    for through_a_gateway in [false, true] {
        let (etcd, gateway, registry) = site(through_a_gateway).await;
        let url = gateway.as_ref().map_or(etcd.url(), Gateway::url);
        line(&registry, "203.0.113.0/28").await;
        let all: Vec<Registrar> = (1..=6).map(|n| start(&url, &wanting("app", 1000 + n, "blog"))).collect();
        for registrar in &all {
            registered(registrar).await;
            there(registrar).await;
        }
        let made = pool(&registry, "blog").await.unwrap();
        assert_eq!((made.port, made.vips().count()), (80, 1), "{made:?}");
        let owners = registry.kv().range(Key::POOL_VIPS).await.unwrap();
        let owners: Vec<PoolVip> = owners.iter().map(|entry| decode(&entry.value).unwrap()).collect();
        assert_eq!(owners, [PoolVip::Pools(vec![label("blog")])]);

        // A person's pool is a person's: neither written over nor, while they live, made again.
        registry.put_pool(&label("blog"), &Pool { quorum: 3, ..made }, Expect::Present, 0).await.unwrap();
        let late = start(&url, &wanting("app", 1007, "blog"));
        there(&late).await;
        assert_eq!(pool(&registry, "blog").await.unwrap().quorum, 3);
        registry.delete_pool(&label("blog"), Expect::Any, 0).await.unwrap();
        let rounds = std::time::Instant::now();
        let stays = async || {
            assert_eq!(pool(&registry, "blog").await, None);
            rounds.elapsed() > TTL * 2
        };
        eventually_async(RECOVERY, "a few keepalives", stays).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_cannot_be_made_is_said_and_made_later() {
    for through_a_gateway in [false, true] {
        let (etcd, gateway, registry) = site(through_a_gateway).await;
        let url = gateway.as_ref().map_or(etcd.url(), Gateway::url);
        let registrar = start(&url, &wanting("app", 1111, "blog"));
        registered(&registrar).await;
        failing(&registrar, "no line has VIPs to give").await;
        // Every VIP is another's, before the line has it; then there is one, and it gets that at the next keepalive.
        registry.put_pool(&label("taken"), &taken(), Expect::Absent, 0).await.unwrap();
        line(&registry, "203.0.113.1/32").await;
        failing(&registrar, "line `telecom` has no VIP to give").await;
        line(&registry, "203.0.113.0/31").await;
        there(&registrar).await;
        assert_eq!(pool(&registry, "blog").await.unwrap().vips().count(), 1);
        registered(&registrar).await;
        // What leads to another job is said and left alone, and the state is written all the same.
        let stranger = start(&url, &wanting("shop", 2222, "blog"));
        registered(&stranger).await;
        failing(&stranger, "pool `blog` leads to job `app`, not to `shop`; choose another name").await;
        stranger.set_state(State::Draining).await;
        let state = async || {
            let all = registry.kv().range("instances/shop/").await.unwrap();
            all.iter().any(|entry| String::from_utf8_lossy(&entry.value).contains("draining"))
        };
        eventually_async(RECOVERY, "the state is written", state).await;
        progress(&stranger, |progress| *progress == roundhouse_registry::registrar::Progress::Registered)
            .await;
        registry.delete_pool(&label("taken"), Expect::Any, 0).await.unwrap();
        registry.delete_pool(&label("blog"), Expect::Any, 0).await.unwrap();
        line(&registry, "203.0.113.0/29").await;
        there(&stranger).await;
    }
}

fn taken() -> Pool {
    decode(br#"{"to":{"hubs":"http"},"port":80,"lines":{"telecom":["203.0.113.1"]}}"#).unwrap()
}

async fn site(through_a_gateway: bool) -> (Etcd, Option<Gateway>, Registry) {
    let etcd = Etcd::running();
    let gateway = through_a_gateway.then(|| Gateway::on(&etcd.url()));
    let registry = Registry::new(etcd.kv(PREFIX).await);
    (etcd, gateway, registry)
}
