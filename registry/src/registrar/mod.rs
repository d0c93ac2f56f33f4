//! Keeps one instance registered, for ever.
//!
//! ```text
//! register ──► keep alive every TTL/3, and see that the key is still there ──► lease or key lost: register again
//!    ▲  refused, unreachable: again with jittered back-off          │
//!    └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! At the start another live instance may have the address: a former self that crashed, whose lease is gone after one TTL.
//! So long it is waited for, and only then is it a refusal, which names the other one.
//!
//! The registrar never gives up and never stops the app. What it wants registered (the state included) lives here, so a
//! registration that was lost comes back as it was. All clocks are monotonic.
//!
//! A person outranks the instance's own health: `up` and `down` are not written over a `draining` or `maintenance` that
//! the registry has, and a registration that was lost comes back in that state. Once the person lets go, the registry is
//! told the own health again.

mod cgroup;
mod pool;
mod target;

use std::net::IpAddr;
use std::time::Duration;

use roundhouse_config::{JobName, Label, Port, RegistrySettings};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

pub use self::cgroup::own_cgroup;
pub use self::pool::PoolProgress;
use self::pool::{PoolKeeper, PoolTold};
use crate::kv::LeaseId;
use crate::record::{CGROUP, Digest, Instance, InstanceId, State};
use crate::remote::{Heartbeat, LEAVE_DEADLINE, LOST, Refusal, Report, Retry, Target, jittered};
pub use crate::remote::{Progress, RemoteError};
use crate::write::{NewInstance, NewPool};

/// The states that the instance's own health moves between; the others are somebody's decision.
const HEALTH: &[State] = &[State::Up, State::Down];

/// What is kept registered.
#[derive(Clone, Debug)]
pub struct Registration {
    pub job: Label,
    /// For the implicit job record; a JOBNAME that does not own the label is refused.
    pub jobname: Option<JobName>,
    pub ports: Vec<Port>,
    pub id: InstanceId,
    pub address: IpAddr,
    pub host: Option<String>,
    pub line: Option<Label>,
    pub weight: u32,
    pub version: Option<String>,
    /// Other jobs live at the address too.
    pub shared_ip: bool,
    /// The hash of the token by which the instance proves who it is.
    pub proof: Option<Digest>,
    pub ttl: Duration,
    /// The pool that it wants to be in.
    pub pool: Option<NewPool>,
}

enum Command {
    SetState(State, oneshot::Sender<()>),
    Leave(oneshot::Sender<()>),
}

/// A handle to the task; dropping it stops the keepalives, and the lease runs out.
#[derive(Debug)]
pub struct Registrar {
    commands: mpsc::Sender<Command>,
    progress: watch::Receiver<Progress>,
    pool: watch::Receiver<PoolProgress>,
}

impl Registrar {
    /// Nothing is dialled here. Needs a tokio runtime, current-thread or not.
    pub fn start(
        registry: &RegistrySettings,
        registration: Registration,
        state: State,
    ) -> Result<Registrar, RemoteError> {
        let target = Target::new(registry)?;
        let (commands, inbox) = mpsc::channel(8);
        let (report, progress) = Report::new();
        let (keeper, pool) = PoolKeeper::new(registration.pool.clone());
        let task = Task {
            target,
            registration,
            state,
            held: None,
            inbox,
            report,
            unwritten: false,
            cgroup: cgroup(),
            lease: None,
            pool: keeper,
        };
        tokio::spawn(task.run());
        Ok(Registrar { commands, progress, pool })
    }

    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// What came of the pool. It never stands in the way of the registration.
    pub fn pool(&self) -> watch::Receiver<PoolProgress> {
        self.pool.clone()
    }

    /// Returns when the state is written; while not registered, or while a person's state stands against it, it is only
    /// remembered.
    pub async fn set_state(&self, state: State) {
        self.ask(|done| Command::SetState(state, done)).await;
    }

    /// Revokes the own lease, within 2 s or not at all.
    pub async fn leave(self) {
        let _ = tokio::time::timeout(LEAVE_DEADLINE, self.ask(Command::Leave)).await;
    }

    async fn ask(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, answer) = oneshot::channel();
        if self.commands.send(command(done)).await.is_ok() {
            // The task ending is an answer too.
            let _ = answer.await;
        }
    }
}

struct Task {
    target: Target,
    registration: Registration,
    /// What the instance should be, also after it was registered again.
    state: State,
    /// What a person made of it instead, as the registry was last seen to have it.
    held: Option<State>,
    inbox: mpsc::Receiver<Command>,
    report: Report,
    /// The state changed and the registry has not been told yet.
    unwritten: bool,
    /// The own cgroup, where there is one.
    cgroup: Option<u64>,
    /// The last lease that was granted; it may live on in a registry that went silent.
    lease: Option<LeaseId>,
    pool: PoolKeeper,
}

impl Task {
    async fn run(mut self) {
        let mut retry = Retry::new(self.registration.ttl, Instant::now());
        loop {
            let asked = Instant::now();
            let pause = match self.register().await {
                Ok((lease, told)) => {
                    retry.succeeded();
                    self.lease = Some(lease);
                    self.report.say(Progress::Registered);
                    self.pool.registered(told);
                    let heartbeat = Heartbeat::new(self.registration.ttl, asked);
                    let Some(lost) = self.keep(lease, heartbeat).await else { return };
                    self.report.say(Progress::Pending { error: Some(lost) });
                    LOST
                }
                Err(refusal) => {
                    let (progress, pause) = retry.after(refusal, Instant::now());
                    self.report.say(progress);
                    pause
                }
            };
            if self.wait(jittered(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn register(&mut self) -> Result<(LeaseId, PoolTold), Refusal> {
        if self.lease.is_some() {
            // Perhaps only the way to the registry was lost: what a person wrote there meanwhile is not written over.
            let (job, id) = (&self.registration.job, self.registration.id);
            if let Some(stored) = self.target.state(job, id).await? {
                self.saw(stored);
            }
        }
        self.unwritten = false;
        let new = self.new_instance();
        self.target.register(&new, self.registration.ttl, self.registration.pool.as_ref()).await
    }

    /// Until the registration is lost (why) or the handle is gone (`None`).
    async fn keep(&mut self, lease: LeaseId, mut heartbeat: Heartbeat) -> Option<String> {
        let ttl = self.registration.ttl;
        // A third of the TTL is lost at most, and the first keepalive is not late.
        self.pool.first(&self.target, self.registration.id, ttl / 3).await;
        loop {
            tokio::select! {
                command = self.inbox.recv() => {
                    self.handle(command?, true).await?;
                }
                () = tokio::time::sleep_until(heartbeat.next()) => {
                    let asked = Instant::now();
                    match self.round(lease).await {
                        Ok(true) => {
                            heartbeat.answered(asked);
                            if !self.unwritten || self.write_state().await {
                                self.report.say_if_new(Progress::Registered);
                            }
                            self.pool.again(&self.target, self.registration.id, ttl / 3).await;
                        }
                        Ok(false) => return Some("the lease or the key is gone from the registry".into()),
                        Err(refusal) => {
                            let reason = self.report.failed(refusal);
                            if heartbeat.failed(asked, Instant::now()) {
                                return Some(reason);
                            }
                            tracing::warn!(%reason, "keepalive failed; tried again until a TTL has gone by");
                        }
                    }
                }
            }
        }
    }

    /// One keepalive, and a look whether the key is still there: somebody may have deleted it.
    async fn round(&mut self, lease: LeaseId) -> Result<bool, Refusal> {
        if !self.target.keep_alive(lease).await? {
            return Ok(false);
        }
        let (job, id) = (&self.registration.job, self.registration.id);
        let stored = self.target.state(job, id).await?;
        if let Some(stored) = stored {
            self.saw(stored);
        }
        Ok(stored.is_some())
    }

    /// Takes note of the state that the registry has.
    fn saw(&mut self, stored: State) {
        let before = self.held;
        self.held = (is_health(self.state) && !is_health(stored)).then_some(stored);
        // Let go, perhaps as `up` while the instance is down.
        self.unwritten |= before.is_some() && self.held.is_none();
    }

    async fn wait(&mut self, pause: Duration) -> Option<()> {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                command = self.inbox.recv() => self.handle(command?, false).await?,
                () = tokio::time::sleep_until(until) => return Some(()),
            }
        }
    }

    /// `None`: it was the last command.
    async fn handle(&mut self, command: Command, registered: bool) -> Option<()> {
        match command {
            Command::SetState(state, done) => {
                self.state = state;
                if registered {
                    self.write_state().await;
                }
                let _ = done.send(());
                Some(())
            }
            Command::Leave(done) => {
                if let Some(lease) = self.lease
                    && let Err(refusal) = self.target.revoke(lease).await
                {
                    let reason = self.report.failed(refusal);
                    tracing::warn!(%reason, "lease not revoked; it will run out");
                }
                let _ = done.send(());
                None
            }
        }
    }

    /// Whether the registry was told, or a person's state stands against it.
    async fn write_state(&mut self) -> bool {
        let (job, id) = (&self.registration.job, self.registration.id);
        let from = is_health(self.state).then_some(HEALTH);
        match self.target.set_state(job, id, self.state, from).await {
            Ok(stored) => {
                self.unwritten = stored != Some(self.state);
                if let Some(stored) = stored {
                    self.saw(stored);
                }
                true
            }
            Err(refusal) => {
                self.unwritten = true;
                let reason = self.report.failed(refusal);
                tracing::warn!(%reason, state = %self.state, "state not written; tried again at the next keepalive");
                false
            }
        }
    }

    fn new_instance(&self) -> NewInstance {
        let want = &self.registration;
        let ports = want.ports.iter().map(|port| (port.name.clone(), port.port)).collect();
        let mut instance = Instance::new(want.address, ports);
        instance.host = want.host.as_deref().map(Into::into);
        instance.version = want.version.as_deref().map(Into::into);
        instance.weight = want.weight;
        instance.shared_ip = want.shared_ip;
        instance.proof = want.proof;
        if let Some(cgroup) = self.cgroup {
            instance.meta = [(CGROUP.into(), cgroup.to_string().into())].into();
        }
        instance.state = self.held.filter(|_| is_health(self.state)).unwrap_or(self.state);
        if let Some(line) = &want.line {
            instance.line = line.clone();
        }
        NewInstance {
            job: want.job.clone(),
            id: want.id,
            instance,
            jobname: want.jobname.clone(),
            ports: want.ports.clone(),
        }
    }
}

/// A gateway on this host tells by it whose a socket is. The root cgroup is everybody's.
fn cgroup() -> Option<u64> {
    const ROOT: u64 = 1;
    let own = own_cgroup().inspect_err(|error| tracing::debug!(%error, "the own cgroup is not known"));
    own.ok().flatten().filter(|cgroup| *cgroup != ROOT)
}

/// A new token by which an instance proves who it is, and its hash for the registry. It is worth as much as the instance's
/// key there: with the lease it is gone.
pub fn new_proof() -> (String, Digest) {
    let token = format!("rhp_{}", hex::encode(rand::random::<[u8; 32]>()));
    let hash = Digest::of(token.as_bytes());
    (token, hash)
}

fn is_health(state: State) -> bool {
    HEALTH.contains(&state)
}
