//! What becomes of a job's connections, and how many there may be.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::serde_as_text;
use crate::settings::Limits;
use crate::units::duration;
use crate::word::words;

/// What becomes of live connections to an instance that fails its check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum OnUnhealthy {
    /// A flapping check must not cut database sessions.
    #[default]
    Keep,
    /// For instances that fail over among themselves: a client that stays connected to the one that lost goes on
    /// writing to it.
    Close,
}

words!(OnUnhealthy { Keep = "keep", Close = "close" });
serde_as_text!(OnUnhealthy);

/// Of a job's connections, within the bounds of the gateway's `[limits]`; `null`: as the gateway has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Timeouts {
    /// To connect to an instance, before another one is tried.
    #[serde(with = "duration::optional")]
    pub connect: Option<Duration>,
    /// Without a byte either way.
    #[serde(with = "duration::optional")]
    pub idle: Option<Duration>,
    /// However busy.
    #[serde(with = "duration::optional")]
    pub lifetime: Option<Duration>,
}

/// What may be open to a job at once on one gateway, 1 to 1,000,000; `null`: no limit of the job's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct JobLimits {
    /// Connections, and sessions of udp.
    pub connections: Option<u32>,
    /// The same of one client, as the gateway's `[limits]` tells clients apart.
    pub connections_per_client: Option<u32>,
}

impl Timeouts {
    /// Each field that is out of its bounds, and what to write instead.
    pub fn out_of_bounds(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let show = |bound: &Duration| format!("\"{}\"", duration::format(*bound));
        let fields = [
            ("connect", within(self.connect, &Limits::CONNECT_TIMEOUT, show)),
            ("idle", within(self.idle, &Limits::IDLE_TIMEOUT, show)),
            ("lifetime", within(self.lifetime, &Limits::LIFETIME, show)),
        ];
        fields.into_iter().filter_map(|(field, message)| Some((field, message?)))
    }
}

impl JobLimits {
    /// Each field that is out of its bounds, and what to write instead.
    pub fn out_of_bounds(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let count = |count| within(count, &Limits::CONNECTIONS, u32::to_string);
        let fields = [
            ("connections", count(self.connections)),
            ("connections_per_client", count(self.connections_per_client)),
        ];
        fields.into_iter().filter_map(|(field, message)| Some((field, message?)))
    }
}

/// Why `value` will not do.
fn within<T: PartialOrd>(
    value: Option<T>,
    bounds: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Option<String> {
    let value = value.filter(|value| !bounds.contains(value))?;
    let (least, most) = (show(bounds.start()), show(bounds.end()));
    Some(format!("{} is out of bounds; write {least} to {most}", show(&value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_are_the_api_s() {
        let json = r#"{"connect":"10ms","idle":null,"lifetime":"30d"}"#;
        let timeouts: Timeouts = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&timeouts).unwrap(), json);
        assert_eq!(timeouts.out_of_bounds().next(), None);
        let json = r#"{"connections":null,"connections_per_client":5}"#;
        let limits: JobLimits = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&limits).unwrap(), json);
        assert_eq!(limits.out_of_bounds().next(), None);
        assert_eq!(serde_json::from_str::<OnUnhealthy>("\"close\"").unwrap(), OnUnhealthy::Close);
    }

    #[test]
    fn every_field_out_of_bounds_is_named() {
        let millis = Duration::from_millis;
        let timeouts = Timeouts { connect: Some(millis(9)), idle: None, lifetime: Some(millis(999)) };
        assert_eq!(
            timeouts.out_of_bounds().collect::<Vec<_>>(),
            [
                ("connect", "\"9ms\" is out of bounds; write \"10ms\" to \"1m\"".to_owned()),
                ("lifetime", "\"999ms\" is out of bounds; write \"1s\" to \"30d\"".to_owned()),
            ]
        );
        let limits = JobLimits { connections: Some(0), connections_per_client: Some(1_000_001) };
        let fields: Vec<_> = limits.out_of_bounds().map(|(field, _)| field).collect();
        assert_eq!(fields, ["connections", "connections_per_client"]);
    }
}
