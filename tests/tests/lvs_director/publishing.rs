//! job-init's `--pool` and the operator's `pool add`: both write the registry and nothing else, so in whatever order,
//! however often, the sink is the same.

use std::net::SocketAddr;
use std::process::Output;

use roundhouse_tests::{Background, Job, SOON, eventually};

use crate::stage::Stage;

/// Two instances under job-init, each of which asks for the pool.
fn start(stage: &Stage) -> Vec<Background> {
    let instance = |n| {
        Job::new(&stage.gateway.url(), "blog", stage.gateway.net.app(n), 7000)
            .option("--pool", "blog:8000")
            .start()
    };
    vec![instance(1), instance(2)]
}

/// What the operator wants of the pool.
fn add(stage: &Stage) -> Output {
    stage.gateway.cli(&[
        "pool", "add", "blog", "--job", "blog", "--port", "8000", "--sink", "haproxy", "--drain", "5s",
    ])
}

#[track_caller]
fn went_well(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What the sink shall hold, once both instances are there, with this stage's own addresses taken out.
fn table(stage: &Stage) -> String {
    stage.config(1, "");
    let net = stage.gateway.net.address(0).to_string();
    let net = net.strip_suffix('0').unwrap();
    eventually(SOON, "both instances are in the pool", || {
        let output = stage.lvs_sync(1, &["plan", "--table"]);
        let text = String::from_utf8_lossy(&output.stdout).replace(net, "net.");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if text.lines().count() == 3 { Ok(text) } else { Err(format!("{text}{said}")) }
    })
}

#[test]
fn in_whatever_order_the_table_is_the_same() {
    let expected = "-A -t net.101:8000 -s wrr\n-a -t net.101:8000 -r net.3:7000 -m -w 100\n\
                    -a -t net.101:8000 -r net.4:7000 -m -w 100\n";
    // The operator first.
    let stage = Stage::new();
    went_well(&add(&stage));
    let jobs = start(&stage);
    assert_eq!(table(&stage), expected);
    drop(jobs);

    // The instances first; the operator says it twice.
    let stage = Stage::new();
    let jobs = start(&stage);
    let pool = || stage.gateway.api("/v1/pools/blog");
    eventually(SOON, "they have made the pool", || pool().status == 200);
    assert_eq!(pool().json()["sink"], "ipvs", "a pool that nobody has amended");
    went_well(&add(&stage));
    went_well(&add(&stage));
    assert_eq!(table(&stage), expected);
    drop(jobs);

    // All at once.
    let stage = Stage::new();
    let jobs = std::thread::scope(|scope| {
        let operators: Vec<_> = (0..4).map(|_| scope.spawn(|| add(&stage))).collect();
        let jobs = start(&stage);
        // Of those who write at once some are told that it changed under them.
        let done = operators.into_iter().map(|one| one.join().unwrap());
        assert!(done.filter(|output| output.status.success()).count() > 0);
        jobs
    });
    went_well(&add(&stage));
    assert_eq!(table(&stage), expected);

    // And it is served.
    let _director = stage.run(1);
    let vip = SocketAddr::new(stage.gateway.net.address(101), 8000);
    eventually(SOON, "the VIP leads to an instance", || std::net::TcpStream::connect(vip).is_ok());
    drop(jobs);
}
