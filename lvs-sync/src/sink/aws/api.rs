//! The five actions that are asked for, each call with a deadline.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    TargetDescription, TargetGroup, TargetHealthDescription, TargetHealthReasonEnum, TargetHealthStateEnum,
    TargetTypeEnum,
};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::{Instant, sleep, timeout_at};

use super::Options;
use super::backoff::delay;
use super::calls::{CHUNK, Change};
use super::connect::connect;
use super::directory::{Listed, TAG};
use super::error::CallError;
use super::thread::Thread;
use crate::sink::SinkError;

/// One call, with all that comes again after a throttled one.
const DEADLINE: Duration = Duration::from_secs(10);
/// The API's bounds on a page of groups, and on resources whose tags are told.
const PAGE: i32 = 400;
const TAGGED: usize = 20;
/// Looks at groups at once: far below where AWS throttles.
const AT_ONCE: usize = 8;

/// How AWS stands to a target that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Registered,
    Draining,
}

pub(super) type Targets = BTreeMap<SocketAddr, Standing>;

#[derive(Debug)]
pub(super) struct Api {
    options: Options,
    thread: Thread,
    /// Once it is known how.
    connection: Option<Connection>,
}

#[derive(Clone, Debug)]
struct Connection {
    client: Client,
    /// For errors.
    at: String,
}

impl Api {
    pub(super) fn new(options: Options) -> Result<Api, SinkError> {
        Ok(Api { options, thread: Thread::start()?, connection: None })
    }

    /// All of the account in the region.
    pub(super) fn groups(&mut self) -> Result<Vec<Listed>, CallError> {
        self.run(async |connection| connection.groups().await)
    }

    /// All in each of the groups, by their ARN; a group that is gone is left out.
    pub(super) fn targets<K: Send + 'static>(
        &mut self,
        groups: BTreeMap<K, String>,
    ) -> Result<Vec<(K, Targets)>, CallError> {
        let look = async |connection: Connection, (key, arn): (K, String)| match connection
            .health(&arn, &[])
            .await
        {
            Ok(targets) => Ok(Some((key, targets))),
            Err(CallError::NoGroup) => Ok(None),
            Err(error) => Err(error),
        };
        self.run(async move |connection| {
            let looks = groups.into_iter().map(|group| look(connection.clone(), group));
            let found: Vec<_> = stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
            Ok(found.into_iter().flatten().collect())
        })
    }

    /// Those of these that are in the group.
    pub(super) fn targets_among(
        &mut self,
        arn: &str,
        addresses: &[SocketAddr],
    ) -> Result<Targets, CallError> {
        let (arn, addresses) = (arn.to_owned(), addresses.to_vec());
        self.run(async move |connection| {
            let mut targets = Targets::new();
            for addresses in addresses.chunks(CHUNK) {
                targets.extend(connection.health(&arn, addresses).await?);
            }
            Ok(targets)
        })
    }

    /// At most [`CHUNK`] targets. `until`: not after that.
    pub(super) fn change(
        &mut self,
        change: Change,
        arn: &str,
        targets: &[SocketAddr],
        until: Option<std::time::Instant>,
    ) -> Result<(), CallError> {
        let arn = arn.to_owned();
        let targets: Vec<TargetDescription> = targets.iter().copied().map(described).collect();
        self.run(async move |connection| connection.change(change, &arn, &targets, until).await)
    }

    fn run<T: Send + 'static, F: Future<Output = Result<T, CallError>> + Send + 'static>(
        &mut self,
        work: impl FnOnce(Connection) -> F,
    ) -> Result<T, CallError> {
        let connection = match &self.connection {
            Some(connection) => connection.clone(),
            None => {
                let client = self.wait(connect(self.options.clone()))?;
                let region = client.config().region().map(ToString::to_string).unwrap_or_default();
                let at = match &self.options.endpoint {
                    Some(endpoint) => endpoint.clone(),
                    None => format!("Elastic Load Balancing in {region}"),
                };
                self.connection.insert(Connection { client, at }).clone()
            }
        };
        let outcome = self.wait(work(connection));
        if let Err(CallError::Denied(_)) = outcome {
            // Whatever was found, there may be something better by now.
            self.connection = None;
        }
        outcome
    }

    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, CallError>> + Send + 'static,
    ) -> Result<T, CallError> {
        self.thread
            .wait(work)
            .unwrap_or_else(|| Err(CallError::Strange("a call to AWS ended in a panic".into())))
    }
}

impl Connection {
    async fn groups(&self) -> Result<Vec<Listed>, CallError> {
        let (mut groups, mut marker) = (Vec::new(), None);
        loop {
            let page = patiently(None, || async {
                let call = self.client.describe_target_groups().page_size(PAGE);
                call.set_marker(marker.clone()).send().await.map_err(|error| CallError::of(&error, &self.at))
            })
            .await?;
            groups.extend(page.target_groups.unwrap_or_default().into_iter().filter_map(listed));
            marker = page.next_marker;
            if marker.is_none() {
                break;
            }
        }
        self.tag(&mut groups).await?;
        Ok(groups)
    }

    async fn tag(&self, groups: &mut [Listed]) -> Result<(), CallError> {
        for groups in groups.chunks_mut(TAGGED) {
            let arns: Vec<String> = groups.iter().map(|group| group.arn.clone()).collect();
            let told = patiently(None, || async {
                let call = self.client.describe_tags().set_resource_arns(Some(arns.clone()));
                call.send().await.map_err(|error| CallError::of(&error, &self.at))
            })
            .await;
            let told = match told {
                Ok(told) => told.tag_descriptions.unwrap_or_default(),
                // One of them went in between; the others are seen at the next look.
                Err(CallError::NoGroup) => continue,
                Err(error) => return Err(error),
            };
            for group in groups {
                let mut tags = told.iter().filter(|one| one.resource_arn() == Some(&group.arn));
                group.tag = tags
                    .find_map(|one| one.tags().iter().find(|tag| tag.key() == Some(TAG)))
                    .map(|tag| tag.value().unwrap_or_default().to_owned());
            }
        }
        Ok(())
    }

    /// `addresses`: none for all.
    async fn health(&self, arn: &str, addresses: &[SocketAddr]) -> Result<Targets, CallError> {
        let asked = (!addresses.is_empty()).then(|| addresses.iter().copied().map(described).collect());
        let told = patiently(None, || async {
            let call = self.client.describe_target_health().target_group_arn(arn);
            call.set_targets(Option::clone(&asked))
                .send()
                .await
                .map_err(|error| CallError::of(&error, &self.at))
        })
        .await?;
        Ok(told.target_health_descriptions().iter().filter_map(standing).collect())
    }

    async fn change(
        &self,
        change: Change,
        arn: &str,
        targets: &[TargetDescription],
        until: Option<std::time::Instant>,
    ) -> Result<(), CallError> {
        let targets = || Some(targets.to_vec());
        match change {
            Change::Register => {
                patiently(until, || async {
                    let call = self.client.register_targets().target_group_arn(arn).set_targets(targets());
                    call.send().await.map(drop).map_err(|error| CallError::of(&error, &self.at))
                })
                .await
            }
            Change::Deregister => {
                patiently(until, || async {
                    let call = self.client.deregister_targets().target_group_arn(arn).set_targets(targets());
                    call.send().await.map(drop).map_err(|error| CallError::of(&error, &self.at))
                })
                .await
            }
        }
    }
}

/// Again while AWS throttles, within the deadline, and none after `until`.
async fn patiently<T, F: Future<Output = Result<T, CallError>>>(
    until: Option<std::time::Instant>,
    call: impl Fn() -> F,
) -> Result<T, CallError> {
    let end = Instant::now() + DEADLINE;
    let last = until.map_or(end, |until| end.min(until.into()));
    if until.is_some() && last <= Instant::now() {
        return Err(CallError::Late);
    }
    let mut attempt = 0;
    loop {
        let throttled = match timeout_at(end, call()).await {
            Err(_) => {
                let seconds = DEADLINE.as_secs();
                return Err(CallError::Unreached(format!("AWS did not answer within {seconds} s")));
            }
            Ok(Err(error @ CallError::Throttled(_))) => error,
            Ok(outcome) => return outcome,
        };
        let wait = delay(attempt, rand::random());
        if Instant::now() + wait >= last {
            return Err(throttled);
        }
        sleep(wait).await;
        attempt += 1;
    }
}

fn described(address: SocketAddr) -> TargetDescription {
    TargetDescription::builder().id(address.ip().to_string()).port(address.port().into()).build()
}

fn listed(group: TargetGroup) -> Option<Listed> {
    Some(Listed {
        arn: group.target_group_arn?,
        name: group.target_group_name?,
        is_ip: group.target_type == Some(TargetTypeEnum::Ip),
        tag: None,
    })
}

fn standing(told: &TargetHealthDescription) -> Option<(SocketAddr, Standing)> {
    let (target, health) = (told.target()?, told.target_health()?);
    let address = SocketAddr::new(target.id()?.parse().ok()?, target.port()?.try_into().ok()?);
    match health.state()? {
        TargetHealthStateEnum::Draining => Some((address, Standing::Draining)),
        // One that was asked for, and is not there.
        _ if health.reason() == Some(&TargetHealthReasonEnum::NotRegistered) => None,
        _ => Some((address, Standing::Registered)),
    }
}
