//! `roundhouse tour` (`make run`): a gateway on the embedded registry, the jobs of a jobs file, and what to try.
//!
//! Every job's sample program runs under job-init on its host's loopback address, so what is shown is the real way of
//! things: register, check, route, drain. Logs go to files; Ctrl-C ends everything that was started, a second one at
//! once.
//!
//! Nothing is written, neither jobs nor over an older log, before the gateway started here is known to be the one that
//! serves: a second tour changes nothing for the first.

mod log;
mod processes;
mod screen;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use hyper::Method;
use roundhouse_config::access::ApiAccess;
use roundhouse_config::{JobSpec, JobsFile, RegistryUrl, Settings};
use roundhouse_registry::http::HttpClient;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use self::processes::Processes;

/// From the gateway's start to its first answer; an embedded registry opens in milliseconds.
const START: Duration = Duration::from_secs(15);
/// From the jobs' start until all are reachable.
const REACHABLE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, clap::Args)]
pub struct TourOptions {
    /// The gateway's configuration.
    #[arg(long, default_value = "config/examples/gateway.toml")]
    pub config: PathBuf,
    /// The jobs to start.
    #[arg(long, default_value = "config/examples/stack.jobs")]
    pub jobs: PathBuf,
}

pub fn run(options: &TourOptions) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tour(options))
}

async fn tour(options: &TourOptions) -> anyhow::Result<()> {
    let settings = Settings::from_file(&options.config)?;
    let jobs = JobsFile::from_file(&options.jobs)?;
    let programs = Programs::find()?;
    let logs = settings.data_dir.join("logs");
    std::fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut processes = Processes::new(logs);

    let started = tokio::select! {
        started = start(&settings, &jobs, options, &programs, &mut processes) => Some(started),
        _ = term.recv() => None,
        _ = interrupt.recv() => None,
    };
    let outcome = match started {
        Some(Ok(())) => {
            screen::what_to_try(&settings, &jobs, processes.logs(), &mut std::io::stdout())?;
            tokio::select! {
                _ = term.recv() => Ok(()),
                _ = interrupt.recv() => Ok(()),
                ended = processes.gateway_ended() => Err(anyhow!("the gateway ended by itself:\n{ended}")),
            }
        }
        Some(Err(error)) => Err(error),
        None => Ok(()),
    };
    if outcome.is_ok() {
        let _ = writeln!(
            std::io::stdout(),
            "\nStopping the jobs (they drain), then the gateway. Ctrl-C again: at once."
        );
    }
    tokio::select! {
        () = processes.stop() => {}
        _ = interrupt.recv() => processes.kill().await,
        _ = term.recv() => processes.kill().await,
    }
    outcome
}

async fn start(
    settings: &Settings,
    jobs: &JobsFile,
    options: &TourOptions,
    programs: &Programs,
    processes: &mut Processes,
) -> anyhow::Result<()> {
    let address = settings.admin.listen.socket_addr();
    let authority = settings.admin.listen.to_string();
    let tls = settings.admin.tls.is_some();
    let url = RegistryUrl::Http { authority, tls };
    let ca = std::env::var_os("ROUNDHOUSE_CA").filter(|_| tls).map(PathBuf::from);
    let access = ApiAccess { ca, token_file: None };
    let client = HttpClient::at(&url, &access)?.context("the tour asks its own gateway")?;
    processes.start_gateway(&programs.roundhouse, &options.config)?;
    wait_for_gateway(&client, address, processes).await?;
    processes.keep_gateway_log()?;
    let url = url.to_string();
    programs.apply(&url, &options.jobs)?;
    for job in jobs.jobs.iter().filter(|job| !job.is_static) {
        start_job(job, &url, access.ca.as_deref(), programs, processes)?;
    }
    wait_for_jobs(&client, jobs, processes).await
}

/// This program and the one beside it.
struct Programs {
    roundhouse: PathBuf,
    job_init: PathBuf,
}

impl Programs {
    fn find() -> anyhow::Result<Programs> {
        let roundhouse = std::env::current_exe().context("cannot find this program's own file")?;
        let job_init = roundhouse.with_file_name("job-init");
        if !job_init.exists() {
            bail!(
                "{} is not there; build it too: cargo build -p job-init (or `make run`)",
                job_init.display()
            );
        }
        Ok(Programs { roundhouse, job_init })
    }

    fn apply(&self, url: &str, jobs: &Path) -> anyhow::Result<()> {
        let output = std::process::Command::new(&self.roundhouse)
            .args(["--server", url, "apply"])
            .arg(jobs)
            .output()
            .context("cannot run roundhouse apply")?;
        if !output.status.success() {
            bail!("roundhouse apply {} failed:\n{}", jobs.display(), String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

fn start_job(
    job: &JobSpec,
    url: &str,
    ca: Option<&Path>,
    programs: &Programs,
    processes: &mut Processes,
) -> anyhow::Result<()> {
    let address = job.address.ok_or_else(|| {
        anyhow!(
            "job `{}` runs on a host without an address; add it to the hosts: block of the jobs file",
            job.label
        )
    })?;
    let mut arguments: Vec<String> =
        ["--registry", url, "--job", job.label.as_str()].map(str::to_owned).to_vec();
    if let Some(ca) = ca {
        arguments.extend(["--ca".into(), ca.display().to_string()]);
    }
    arguments.extend(["--jobname".into(), job.jobname.to_string(), "--address".into(), address.to_string()]);
    for port in &job.ports {
        arguments.extend(["--port".into(), format!("{}={}/{}", port.name, port.port, port.protocol)]);
    }
    // Long enough for the gateway to hear of it, short enough for a tour.
    arguments.extend(["--drain-wait".into(), "500ms".into(), "--".into()]);
    arguments.extend([programs.roundhouse.display().to_string(), "sample".into()]);
    arguments.extend(["--name".into(), job.label.to_string()]);
    let port = job.ports.first().ok_or_else(|| anyhow!("job `{}` has no port", job.label))?;
    let listen = SocketAddr::new(address, port.port);
    arguments.extend(["--listen".into(), listen.to_string()]);
    processes.start_job(job.label.as_str(), &programs.job_init, &arguments, &job.envs)
}

/// Until the gateway started here answers. Another one would answer too, before this one has found its place taken.
async fn wait_for_gateway(
    client: &HttpClient,
    address: SocketAddr,
    processes: &mut Processes,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + START;
    loop {
        let answers = processes.gateway_listens(address)
            && client.call(Method::GET, "/healthz", &[], None).await.is_ok();
        // Looked at last: it keeps the port while it lives, so the answer was its own.
        if let Some(last) = processes.gateway_has_ended() {
            bail!("the gateway did not start:\n{last}");
        }
        if answers {
            return Ok(());
        }
        if Instant::now() > deadline {
            let last = processes.gateway_says();
            bail!("the gateway does not answer at {} within {START:?}:\n{last}", client.server());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn wait_for_jobs(
    client: &HttpClient,
    jobs: &JobsFile,
    processes: &mut Processes,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + REACHABLE;
    for job in &jobs.jobs {
        loop {
            let answer = client.call(Method::GET, &format!("/v1/jobs/{}", job.label), &[], None).await;
            let ready = answer.is_ok_and(|answer| screen::is_reachable(&answer.body));
            if ready {
                break;
            }
            if let Some(last) = processes.gateway_has_ended() {
                bail!("the gateway ended by itself:\n{last}");
            }
            if Instant::now() > deadline {
                bail!(
                    "job `{}` is not reachable within {REACHABLE:?}; see `roundhouse describe job {}` and {}",
                    job.label,
                    job.label,
                    processes.logs().display()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}
