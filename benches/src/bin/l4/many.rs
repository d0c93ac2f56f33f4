//! Row 7: 10,000 jobs, each with a VIP that is caught by *bind*, and as many domains: what a start costs then, and what one
//! job or domain more.

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
    let jobs = newcomers(&gateway, pid);
    let domains = new_domains(&gateway, pid);

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
    for (what, news) in
        [("job: PUT to its VIP's first answer", jobs), ("domain: PUT to its first answer", domains)]
    {
        let News { answers, cpu, control } = news;
        let (kind, _) = what.split_once(':').unwrap_or((what, ""));
        for (what, values) in [
            (format!("  one more {what}"), answers),
            (format!("  one more {kind}: CPU"), Samples::from_iter([cpu])),
            (format!("  one more {kind}: CPU of the control thread"), Samples::from_iter([control])),
        ] {
            stage.report.add(Comparison::cost(ROW, what, "ms", [(Who::Roundhouse, values)]));
        }
    }
    stage.report.note(
        ROW,
        "one start; the registry was filled before it, with VIPs, since a job at a time takes minutes",
    );
    Ok(())
}

/// A job with a VIP, one instance and a domain.
fn records(n: u32) -> [(String, String); 5] {
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
        (format!("domains/d{n}.example.net"), route(&job)),
    ]
}

fn route(job: &str) -> String {
    format!(r#"{{"routes":[{{"to":[{{"job":"{job}"}}]}}]}}"#)
}

fn instance(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 64, 0, 0).to_bits() + n + 1).into()
}

fn vip(n: u32) -> SocketAddr {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 98, 0, 0).to_bits() + n + 1);
    SocketAddr::new(address.into(), PORT)
}

fn answers(at: SocketAddr) -> bool {
    is_ok(at, CLOSED_REQUEST)
}

fn is_ok(at: SocketAddr, request: &[u8]) -> bool {
    let answer = || {
        let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(request)?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok::<_, std::io::Error>(&status == b"HTTP/1.1 200")
    };
    answer().unwrap_or(false)
}

/// Milliseconds: from the write to the first answer, one by one; and CPU time for each.
struct News {
    answers: Samples,
    cpu: f64,
    control: f64,
}

impl News {
    fn of(pid: u32, mut one: impl FnMut(u32)) -> News {
        let (before, control) = (Cpu::of(pid), process::control_cpu(pid));
        let timed = |n| {
            let began = Instant::now();
            one(n);
            began.elapsed().as_secs_f64() * 1e3
        };
        let answers = (JOBS..JOBS + MORE).map(timed).collect();
        let each = |spent: Duration| spent.as_secs_f64() * 1e3 / f64::from(MORE);
        let control = each(process::control_cpu(pid).saturating_sub(control));
        News { answers, cpu: each(Cpu::of(pid).since(&before)), control }
    }
}

fn newcomers(gateway: &Gateway, pid: u32) -> News {
    News::of(pid, |n| {
        let job = format!("app{n}");
        put_job(gateway, &job, "tcp");
        put_instance(gateway, &job, SocketAddr::new(instance(n), BACKEND));
        let at = SocketAddr::new(gateway.vip(&job), PORT);
        eventually(PATIENCE, "the new VIP answers", || seen(answers(at), |answered| *answered));
    })
}

/// Domains of a job with HTTP.
fn new_domains(gateway: &Gateway, pid: u32) -> News {
    put_job(gateway, "web", "http");
    put_instance(gateway, "web", SocketAddr::new(instance(JOBS + MORE), BACKEND));
    let add = |n| {
        let domain = format!("d{n}.example.net");
        let reply = gateway.call("PUT", &format!("/v1/domains/{domain}"), &route("web"));
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
        let request = format!("GET / HTTP/1.1\r\nhost: {domain}\r\nconnection: close\r\n\r\n");
        let answered = || seen(is_ok(gateway.http(), request.as_bytes()), |answered| *answered);
        eventually(PATIENCE, "the new domain answers", answered);
    };
    add(JOBS + MORE);
    News::of(pid, add)
}
