//! Row 7: 10,000 jobs, each with a VIP that is caught by *bind*: what a start and what a new job costs then.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use roundhouse_benches::compare::{Comparison, Skipped, Stage, Who};
use roundhouse_benches::load::CLOSED_REQUEST;
use roundhouse_benches::process::{self, Cpu, Memory};
use roundhouse_benches::{Nginx, PORT, Samples, edit, fill_embedded, put_instance, put_job};
use roundhouse_tests::{Gateway, eventually, seen};

const ROW: u8 = 7;
const JOBS: u32 = 10_000;
/// VIPs that are dialled.
const SAMPLE: u32 = 200;
/// Jobs that come while the others are there.
const MORE: u32 = 20;
const BACKEND: u16 = 7_307;
const VIPS: &str = "127.98.0.0/16";
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn run(stage: &mut Stage) -> Result<(), Skipped> {
    // One backend at every address of loopback: an address is held by one instance only.
    let _backend = Nginx::backend(&[SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), BACKEND)]);
    let mut gateway = Gateway::prepared("embedded", "");
    edit(&gateway, "count = 2", "count = 1");
    edit(&gateway, &gateway.net.vips(), VIPS);
    fill_embedded(&gateway.data_dir(), (0..JOBS).flat_map(records).collect());

    let began = Instant::now();
    gateway.run();
    let ready = began.elapsed();
    let pid = gateway.process().pid();
    stage.cores.to_proxy(pid);
    eventually(PATIENCE, "every VIP is caught", || {
        let caught = process::descriptors(pid) >= JOBS as usize;
        if caught { Ok(()) } else { Err(gateway.api("/v1/status").body) }
    });
    let caught = began.elapsed();
    let (cpu, memory) = (Cpu::of(pid).since(&Cpu::none()), Memory::of(pid));
    let answered = (0..SAMPLE).filter(|n| answers(vip(n * (JOBS / SAMPLE)))).count();
    let (news, spent) = newcomers(&gateway, pid);

    let mebibytes = |bytes: f64| bytes / 1_048_576.0;
    for (what, unit, value) in [
        ("10,000 jobs: exec to ready", "s", ready.as_secs_f64()),
        ("  exec to every VIP caught (bind)", "s", caught.as_secs_f64()),
        ("  CPU until then", "s", cpu.as_secs_f64()),
        ("  RSS", "MiB", mebibytes(memory.rss)),
        ("  Pss", "MiB", mebibytes(memory.pss)),
    ] {
        stage.report.add(Comparison::cost(ROW, what, unit, [(Who::Roundhouse, Samples::from_iter([value]))]));
    }
    let answered = Samples::from_iter([answered as f64]);
    let what = format!("  VIPs that answer, of {SAMPLE}");
    let answered = Comparison::yields(ROW, what, "", [(Who::Roundhouse, answered)]);
    stage.report.add(answered.at_least(f64::from(SAMPLE)));
    let what = "  one more job: PUT to its VIP's first answer";
    stage.report.add(Comparison::cost(ROW, what, "ms", [(Who::Roundhouse, news)]));
    let spent = Samples::from_iter([spent.as_secs_f64() * 1e3 / f64::from(MORE)]);
    stage.report.add(Comparison::cost(ROW, "  one more job: CPU", "ms", [(Who::Roundhouse, spent)]));
    stage.report.note(
        ROW,
        "one start; the registry was filled before it, with VIPs, since a job at a time takes minutes",
    );
    Ok(())
}

/// A job with a VIP and one instance.
fn records(n: u32) -> [(String, String); 4] {
    let (job, offset) = (format!("app{n}"), n + 1);
    let port = format!(r#"{{"name":"main","port":{PORT},"protocol":"tcp"}}"#);
    [
        (format!("jobs/{job}"), format!(r#"{{"jobname":"job.{job}","check":null,"ports":[{port}]}}"#)),
        (format!("vips/{job}"), format!(r#"{{"offset":{offset}}}"#)),
        (format!("vip-owners/{offset}"), format!(r#"{{"job":"{job}"}}"#)),
        (
            format!("instances/{job}/0a1b2c3d-0000-4000-8000-{n:012x}"),
            format!(r#"{{"address":"{}","ports":{{"main":{BACKEND}}}}}"#, instance(n)),
        ),
    ]
}

fn instance(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 64, 0, 0).to_bits() + n + 1).into()
}

fn vip(n: u32) -> SocketAddr {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 98, 0, 0).to_bits() + n + 1);
    SocketAddr::new(address.into(), PORT)
}

fn answers(at: SocketAddr) -> bool {
    let answer = || {
        let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(CLOSED_REQUEST)?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok::<_, std::io::Error>(&status == b"HTTP/1.1 200")
    };
    answer().unwrap_or(false)
}

/// Milliseconds from the write of a job to the first answer at its VIP, job by job; and the gateway's CPU time for all.
fn newcomers(gateway: &Gateway, pid: u32) -> (Samples, Duration) {
    let before = Cpu::of(pid);
    let one = |n| {
        let (job, began) = (format!("app{n}"), Instant::now());
        put_job(gateway, &job, "tcp");
        put_instance(gateway, &job, SocketAddr::new(instance(n), BACKEND));
        let at = SocketAddr::new(gateway.vip(&job), PORT);
        eventually(PATIENCE, "the new VIP answers", || seen(answers(at), |answered| *answered));
        began.elapsed().as_secs_f64() * 1e3
    };
    let samples = (JOBS..JOBS + MORE).map(one).collect();
    (samples, Cpu::of(pid).since(&before))
}
