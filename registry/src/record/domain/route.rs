//! One route: whom it is for, where it leads, and what is done on the way.

use roundhouse_config::{ByteSize, Label, PortName};
use serde::{Deserialize, Serialize};

use super::compress::{self, Compress};
use super::cors::Cors;
use super::edits::{HeaderEdits, Side};
use super::matches::RouteMatch;
use super::not_served::NotServed;
use super::redirect::Redirect;
use super::rewrite::Rewrite;
use super::sticky::Sticky;
use super::timeouts::RouteTimeouts;
use crate::record::ValueError;

const MAX_DESTINATIONS: usize = 64;
const MAX_WEIGHT: u32 = 1_000_000;

/// It leads to jobs (`to`) or elsewhere (`redirect`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    #[serde(default, rename = "match")]
    pub matches: RouteMatch,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Destination>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<Rewrite>,
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub request_headers: HeaderEdits,
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub response_headers: HeaderEdits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    #[serde(default, deserialize_with = "compress::optional", skip_serializing_if = "Option::is_none")]
    pub compress: Option<Compress>,
    /// Of a request. Left out: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<ByteSize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    #[serde(default, skip_serializing_if = "RouteTimeouts::is_empty")]
    pub timeouts: RouteTimeouts,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    pub job: Label,
    /// Left out: the job's first port of an HTTP protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<PortName>,
    #[serde(default = "default_weight")]
    pub weight: u32,
    #[serde(default, skip_serializing)]
    version: NotServed,
}

fn default_weight() -> u32 {
    100
}

impl Route {
    pub fn to(to: Vec<Destination>) -> Route {
        Route { to, ..Route::default() }
    }

    pub(super) fn check(&self) -> Result<(), ValueError> {
        self.matches.check().map_err(|error| error.within("match"))?;
        match (&self.redirect, self.to.is_empty()) {
            (None, _) => self.check_to()?,
            (Some(_), false) => {
                let message = "is written beside `to`, and a request goes one way; write one of the two";
                return Err(ValueError::field("redirect", message));
            }
            (Some(redirect), true) => {
                redirect.check()?;
                self.check_alone()?;
            }
        }
        self.rewrite.as_ref().map_or(Ok(()), Rewrite::check)?;
        let edits = self.request_headers.check(Side::Request);
        edits.map_err(|error| error.within("request_headers"))?;
        let edits = self.response_headers.check(Side::Response);
        edits.map_err(|error| error.within("response_headers"))?;
        if let Some(cors) = &self.cors {
            cors.check()?;
            if let Some(name) = self.response_headers.set_under("access-control-") {
                let message = format!("`{name}` is what `cors` says; leave it out of one of the two");
                return Err(ValueError::field("response_headers", message));
            }
        }
        self.compress.as_ref().map_or(Ok(()), Compress::check)?;
        self.sticky.as_ref().map_or(Ok(()), Sticky::check)?;
        self.timeouts.check()
    }

    fn check_to(&self) -> Result<(), ValueError> {
        if self.to.is_empty() {
            let message = format!("0 destinations; write 1 to {MAX_DESTINATIONS}, or `redirect`");
            return Err(ValueError::field("to", message));
        }
        if self.to.len() > MAX_DESTINATIONS {
            let message = format!("{} destinations; write 1 to {MAX_DESTINATIONS}", self.to.len());
            return Err(ValueError::field("to", message));
        }
        if let Some(i) = self.to.iter().position(|to| to.weight > MAX_WEIGHT) {
            let message = format!("{} is out of bounds; write 0 to {MAX_WEIGHT}", self.to[i].weight);
            return Err(ValueError::field(format!("to[{i}].weight"), message));
        }
        match self.to.iter().all(|to| to.weight == 0) {
            true => Err(ValueError::field("to", "all weights are 0, so nobody gets a request")),
            false => Ok(()),
        }
    }

    /// Of what is for whoever is behind the gateway, with a redirect nobody is there.
    fn check_alone(&self) -> Result<(), ValueError> {
        let written = [
            ("rewrite", self.rewrite.is_some()),
            ("request_headers", !self.request_headers.is_empty()),
            ("compress", self.compress.is_some()),
            ("max_body", self.max_body.is_some()),
            ("sticky", self.sticky.is_some()),
            ("timeouts", !self.timeouts.is_empty()),
        ];
        match written.into_iter().find(|(_, is_written)| *is_written) {
            None => Ok(()),
            Some((field, _)) => {
                let message = "is without effect beside `redirect`, which serves nothing; leave it out";
                Err(ValueError::field(field, message))
            }
        }
    }
}

impl Destination {
    /// Its HTTP port, with the usual weight.
    pub fn new(job: Label) -> Destination {
        Destination { job, port: None, weight: default_weight(), version: NotServed }
    }
}
