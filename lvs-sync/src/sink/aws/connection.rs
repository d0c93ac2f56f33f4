//! The five actions, each call with a deadline, and again while AWS throttles it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    TagDescription, TargetDescription, TargetGroup, TargetHealthDescription, TargetHealthReasonEnum,
    TargetHealthStateEnum, TargetTypeEnum,
};
use tokio::time::{Instant, sleep, timeout_at};

use super::backoff::delay;
use super::calls::Change;
use super::directory::{Listed, TAG};
use super::error::CallError;

/// One call, with all that comes again after a throttled one.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// The API's bounds on a page of groups, and on resources whose tags are told.
const PAGE: i32 = 400;
const TAGGED: usize = 20;

/// How AWS stands to a target that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Registered,
    Draining,
}

pub(super) type Targets = BTreeMap<SocketAddr, Standing>;

#[derive(Clone, Debug)]
pub(super) struct Connection {
    client: Client,
    /// For errors.
    at: String,
}

impl Connection {
    pub(super) fn new(client: Client, endpoint: Option<&str>) -> Connection {
        let region = client.config().region().map(ToString::to_string).unwrap_or_default();
        let at = endpoint.map_or_else(|| format!("Elastic Load Balancing in {region}"), Into::into);
        Connection { client, at }
    }

    pub(super) async fn groups(&self) -> Result<Vec<Listed>, CallError> {
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

    /// One that is gone meanwhile keeps nobody else's tags from being told: a group would seem to be away without its own.
    async fn tag(&self, groups: &mut [Listed]) -> Result<(), CallError> {
        for groups in groups.chunks_mut(TAGGED) {
            match self.tag_at_once(groups).await {
                Err(CallError::NoGroup) => {}
                outcome => {
                    outcome?;
                    continue;
                }
            }
            for group in groups.chunks_mut(1) {
                match self.tag_at_once(group).await {
                    Ok(()) | Err(CallError::NoGroup) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    async fn tag_at_once(&self, groups: &mut [Listed]) -> Result<(), CallError> {
        let arns: Vec<String> = groups.iter().map(|group| group.arn.clone()).collect();
        let told = patiently(None, || async {
            let call = self.client.describe_tags().set_resource_arns(Some(arns.clone()));
            call.send().await.map_err(|error| CallError::of(&error, &self.at))
        })
        .await?;
        for group in groups {
            let tags = told.tag_descriptions().iter().filter(|one| one.resource_arn() == Some(&group.arn));
            group.tag = tags
                .flat_map(TagDescription::tags)
                .find(|tag| tag.key() == Some(TAG))
                .map(|tag| tag.value().unwrap_or_default().to_owned());
        }
        Ok(())
    }

    /// `addresses`: none for all.
    pub(super) async fn health(&self, arn: &str, addresses: &[SocketAddr]) -> Result<Targets, CallError> {
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

    pub(super) async fn change(
        &self,
        change: Change,
        arn: &str,
        targets: &[SocketAddr],
        until: Option<std::time::Instant>,
    ) -> Result<(), CallError> {
        let targets = || Some(targets.iter().copied().map(described).collect());
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
