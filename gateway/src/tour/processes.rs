//! What the tour started, and how it ends: jobs first, so that they drain through a living gateway.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// A job drains for half a second and its program ends within two.
const JOBS_END: Duration = Duration::from_secs(10);
const GATEWAY_END: Duration = Duration::from_secs(35);
const LOOK: Duration = Duration::from_millis(50);
/// Lines of a log that are shown when its program failed.
const SHOWN: usize = 15;

pub(super) struct Processes {
    logs: PathBuf,
    gateway: Option<Child>,
    jobs: Vec<Child>,
}

impl Processes {
    pub(super) fn new(logs: PathBuf) -> Processes {
        Processes { logs, gateway: None, jobs: Vec::new() }
    }

    pub(super) fn logs(&self) -> &Path {
        &self.logs
    }

    pub(super) fn start_gateway(&mut self, program: &Path, config: &Path) -> anyhow::Result<()> {
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(config);
        self.gateway = Some(self.spawn("gateway", command)?);
        Ok(())
    }

    pub(super) fn start_job(
        &mut self,
        label: &str,
        program: &Path,
        arguments: &[String],
        envs: &[(String, String)],
    ) -> anyhow::Result<()> {
        let mut command = Command::new(program);
        command.args(arguments).envs(envs.iter().map(|(key, value)| (key, value)));
        let child = self.spawn(label, command)?;
        self.jobs.push(child);
        Ok(())
    }

    /// The end of its log, once the gateway has ended.
    pub(super) fn gateway_has_ended(&mut self) -> Option<String> {
        let ended = self.gateway.as_mut().is_some_and(|gateway| matches!(gateway.try_wait(), Ok(Some(_))));
        ended.then(|| last_lines(&self.log("gateway")))
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
        end(&mut self.jobs, JOBS_END).await;
        end(self.gateway.as_mut_slice(), GATEWAY_END).await;
    }

    pub(super) fn kill(&mut self) {
        for child in self.jobs.iter_mut().chain(&mut self.gateway) {
            // The job's own program is in a session of its own; init takes it along.
            signal(child, Signal::KILL);
            let _ = child.wait();
        }
    }

    /// In a process group of its own: Ctrl-C reaches the tour alone, which ends the others in order.
    fn spawn(&self, name: &str, mut command: Command) -> anyhow::Result<Child> {
        let log = self.log(name);
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }
}

async fn end(children: &mut [Child], within: Duration) {
    for child in children.iter_mut() {
        signal(child, Signal::TERM);
    }
    let deadline = Instant::now() + within;
    for child in children {
        while !matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            if Instant::now() > deadline {
                signal(child, Signal::KILL);
                let _ = child.wait();
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn signal(child: &mut Child, signal: Signal) {
    // A child that was waited for has no pid any more.
    if let (Ok(None), Some(pid)) = (child.try_wait(), Pid::from_raw(child.id() as i32)) {
        let _ = kill_process(pid, signal);
    }
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}
