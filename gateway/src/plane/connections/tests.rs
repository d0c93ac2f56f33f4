use roundhouse_registry::State;
use roundhouse_registry::probe::Verdict;

use super::*;
use crate::table::Live;

fn endpoint(job: &str, address: &str) -> Arc<Endpoint> {
    Arc::new(Endpoint {
        job: job.parse().unwrap(),
        port: "main".parse().unwrap(),
        id: InstanceId::random(),
        address: address.parse().unwrap(),
        weight: 100,
        state: State::Up,
        held: false,
        refused: None,
        live: Arc::new(Live::new(Verdict::Healthy)),
    })
}

fn open(endpoint: &Endpoint) -> u32 {
    endpoint.live.open.load(std::sync::atomic::Ordering::Relaxed)
}

fn enter(table: &Rc<Connections>, client: &str) -> Entered {
    table.enter(Kind::Tcp, client.parse().unwrap(), "127.99.0.1:1111".parse().unwrap())
}

fn at(table: &Connections, tick: u32) -> Vec<Option<Reason>> {
    table.now.set(Tick(tick));
    let live = table.live.borrow();
    live.iter().map(|(_, connection)| connection.over(Tick(tick))).collect()
}

#[test]
fn each_filter_finds_its_own_and_the_first_reason_stands() {
    let table = Rc::new(Connections::new(3));
    let (a, b) = (endpoint("app2", "10.0.0.1:1"), endpoint("redis", "10.0.0.2:1"));
    let (first, second) = (enter(&table, "10.1.0.1:5000"), enter(&table, "[::ffff:10.2.0.1]:5000"));
    first.serve_at(a.clone());
    second.serve_at(b.clone());
    assert_eq!((open(&a), open(&b)), (1, 1));
    let found = |filter: Filter| table.list(&filter, 10).into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(found(Filter::default()), ["3-0", "3-1"]);
    assert_eq!(found(Filter { job: "app2".parse().ok(), ..Filter::default() }), ["3-0"]);
    assert_eq!(found(Filter { instance: Some(b.id), ..Filter::default() }), ["3-1"]);
    assert_eq!(found(Filter { client: "10.2.0.0/16".parse().ok(), ..Filter::default() }), ["3-1"]);
    assert_eq!(found(Filter { id: "3-0".parse().ok(), ..Filter::default() }), ["3-0"]);
    let both = Filter {
        endpoints: Some([a.live.clone()].into_iter().collect()),
        job: "redis".parse().ok(),
        ..Filter::default()
    };
    assert!(found(both).is_empty(), "all that is said must fit");
    assert_eq!(table.list(&Filter::default(), 1).len(), 1);

    let of_a = Filter { endpoints: Some([a.live.clone()].into_iter().collect()), ..Filter::default() };
    assert_eq!(table.end(&of_a, Reason::Gone), 1);
    assert_eq!(table.end(&Filter::default(), Reason::Operator), 2);
    assert_eq!((first.ending(), second.ending()), (Some(Reason::Gone), Some(Reason::Operator)));
    drop(first);
    assert_eq!((open(&a), table.len()), (0, 1));
}

#[test]
fn quiet_ones_and_old_ones_are_over_and_no_others() {
    let table = Rc::new(Connections::new(0));
    let (quiet, busy, old) =
        (enter(&table, "10.0.0.1:1"), enter(&table, "10.0.0.1:2"), enter(&table, "10.0.0.1:3"));
    for one in [&quiet, &busy] {
        one.time_out(Duration::from_secs(2), None);
    }
    old.time_out(Duration::from_secs(3600), Some(Duration::from_secs(3)));
    busy.moved(Tick(4), 10, 20);
    assert_eq!(at(&table, 4), [None, None, None], "two seconds were not over everywhere");
    assert_eq!(at(&table, 5), [Some(Reason::Idle), None, None]);
    assert_eq!(at(&table, 7), [Some(Reason::Idle), None, Some(Reason::Lifetime)]);
    assert_eq!(at(&table, 9), [Some(Reason::Idle), Some(Reason::Idle), Some(Reason::Lifetime)]);
    assert_eq!(busy.bytes(), (10, 20));
}

#[tokio::test]
async fn the_task_is_woken_and_the_last_one_to_leave_is_noticed() {
    let table = Rc::new(Connections::new(0));
    let entered = enter(&table, "10.0.0.1:1");
    let connection = entered.connection.clone();
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let task = tokio::task::spawn_local(async move { entered.ended().await });
            tokio::task::yield_now().await;
            connection.end(Reason::Operator);
            table.emptied().await;
            assert_eq!(task.await.unwrap(), Reason::Operator);
        })
        .await;
}

#[test]
fn ids_are_read_as_they_are_shown() {
    let id = ConnectionId { worker: 1, number: 17 };
    assert_eq!(id.to_string().parse(), Ok(id));
    assert!("17".parse::<ConnectionId>().unwrap_err().contains("`0-17`"));
}
