//! How long a route's exchanges may take.

use std::ops::RangeInclusive;
use std::time::Duration;

use roundhouse_config::duration;
use serde::{Deserialize, Serialize};

use super::bounds;
use crate::record::ValueError;

/// Below it nobody is served over a network; a day is longer than anybody waits for an answer.
const BOUNDS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(bounds::DAY);

/// Left out: as the gateway has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteTimeouts {
    /// Of the whole exchange, from the request's head to the last byte of the answer.
    #[serde(with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub request: Option<Duration>,
    /// From the end of the request to the head of the answer.
    #[serde(with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub response_head: Option<Duration>,
}

impl RouteTimeouts {
    pub fn is_empty(&self) -> bool {
        *self == RouteTimeouts::default()
    }

    pub(super) fn check(&self) -> Result<(), ValueError> {
        bounds::check("timeouts.request", self.request, &BOUNDS)?;
        bounds::check("timeouts.response_head", self.response_head, &BOUNDS)?;
        match (self.request, self.response_head) {
            (Some(request), Some(head)) if head > request => {
                let message = format!(
                    "\"{}\" is never over: the whole exchange ends after \"{}\"; write less",
                    duration::format(head),
                    duration::format(request)
                );
                Err(ValueError::field("timeouts.response_head", message))
            }
            _ => Ok(()),
        }
    }
}
