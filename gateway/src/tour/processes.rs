//! What the tour started, and how it ends: jobs first, so that they drain through a living gateway.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::log::ProvisionalLog;
use crate::holder::{self, Holder};

/// A job drains for half a second and its program ends within two.
const JOBS_END: Duration = Duration::from_secs(10);
const GATEWAY_END: Duration = Duration::from_secs(35);
/// A job-init that is told again and again takes milliseconds, most of them to leave the registry.
const JOBS_END_AT_ONCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(50);

pub(super) struct Processes {
    logs: PathBuf,
    gateway: Option<Gateway>,
    jobs: Vec<Child>,
}

struct Gateway {
    child: Child,
    log: ProvisionalLog,
}

impl Processes {
    pub(super) fn new(logs: PathBuf) -> Processes {
        Processes { logs, gateway: None, jobs: Vec::new() }
    }

    pub(super) fn logs(&self) -> &Path {
        &self.logs
    }

    pub(super) fn start_gateway(&mut self, program: &Path, config: &Path) -> anyhow::Result<()> {
        let path = self.log("gateway");
        let (log, file) = ProvisionalLog::create(path.clone()).with_context(|| cannot_write(&path))?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(config);
        self.gateway = Some(Gateway { child: spawn(command, file)?, log });
        Ok(())
    }

    pub(super) fn start_job(
        &mut self,
        label: &str,
        program: &Path,
        arguments: &[String],
        envs: &[(String, String)],
    ) -> anyhow::Result<()> {
        let log = self.log(label);
        let file = File::create(&log).with_context(|| cannot_write(&log))?;
        let mut command = Command::new(program);
        command.args(arguments).envs(envs.iter().map(|(key, value)| (key, value)));
        self.jobs.push(spawn(command, file)?);
        Ok(())
    }

    /// Whether it is the gateway started here that listens there, and no other. It lets go of the port when it ends.
    pub(super) fn gateway_listens(&self, address: SocketAddr) -> bool {
        let Some(gateway) = &self.gateway else { return false };
        matches!(
            holder::of_tcp(address),
            Some((_, Holder::Process { pid, .. })) if pid == gateway.child.id() as i32
        )
    }

    /// The data directory is the gateway's, so the log's usual place is too.
    pub(super) fn keep_gateway_log(&mut self) -> anyhow::Result<()> {
        match &mut self.gateway {
            Some(gateway) => gateway.log.keep().with_context(|| cannot_write(&self.log("gateway"))),
            None => Ok(()),
        }
    }

    /// The end of its log.
    pub(super) fn gateway_says(&self) -> String {
        self.gateway.as_ref().map(|gateway| gateway.log.last_lines()).unwrap_or_default()
    }

    /// The end of its log, once the gateway has ended.
    pub(super) fn gateway_has_ended(&mut self) -> Option<String> {
        let ended = self.gateway.as_mut().is_some_and(|gateway| has_ended(&mut gateway.child));
        ended.then(|| self.gateway_says())
    }

    pub(super) async fn gateway_ended(&mut self) -> String {
        loop {
            if let Some(last) = self.gateway_has_ended() {
                return last;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(super) async fn stop(&mut self) {
        for job in &mut self.jobs {
            signal(job, Signal::TERM);
        }
        wait(&mut self.jobs, JOBS_END).await;
        self.kill_jobs().await;
        if let Some(Gateway { child, .. }) = &mut self.gateway {
            signal(child, Signal::TERM);
            wait(std::slice::from_mut(child), GATEWAY_END).await;
            kill(child);
        }
    }

    /// Within a second or so, whatever the programs do.
    pub(super) async fn kill(&mut self) {
        self.kill_jobs().await;
        if let Some(Gateway { child, .. }) = &mut self.gateway {
            kill(child);
        }
    }

    /// A job's program is in a session of its own, where a KILL for its job-init leaves it alive. So job-init is told
    /// to do it: it kills the whole session at the third TERM. They are sent one by one, because those that wait for
    /// their receiver merge into one (signal(7)), and the first of them may have been sent before.
    async fn kill_jobs(&mut self) {
        let deadline = Instant::now() + JOBS_END_AT_ONCE;
        while !self.jobs.iter_mut().all(has_ended) && Instant::now() < deadline {
            for job in &mut self.jobs {
                signal(job, Signal::TERM);
            }
            tokio::time::sleep(LOOK).await;
        }
        self.jobs.iter_mut().for_each(kill);
    }

    fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }
}

/// In a process group of its own: Ctrl-C reaches the tour alone, which ends the others in order.
fn spawn(mut command: Command, log: File) -> anyhow::Result<Child> {
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))
}

fn cannot_write(log: &Path) -> String {
    format!("cannot write {}", log.display())
}

/// Until all have ended, or the time is over.
async fn wait(children: &mut [Child], within: Duration) {
    let deadline = Instant::now() + within;
    while !children.iter_mut().all(has_ended) && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
}

fn kill(child: &mut Child) {
    signal(child, Signal::KILL);
    let _ = child.wait();
}

fn signal(child: &mut Child, signal: Signal) {
    // A child that was waited for has no pid any more.
    if let (Ok(None), Some(pid)) = (child.try_wait(), Pid::from_raw(child.id() as i32)) {
        let _ = kill_process(pid, signal);
    }
}

fn has_ended(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(Some(_)) | Err(_))
}
