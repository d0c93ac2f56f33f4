//! `domains/<host>`: a public host name, where its requests go, and what is done to them on the way.
//!
//! ```text
//! Domain ─► routes ─► match: path, method, headers
//!    │               ├─ to: weighted jobs      (exactly one
//!    │               ├─ redirect                of the two)
//!    │               └─ rewrite, header edits, cors, compress, max_body, sticky, timeouts
//!    └─► https, hsts, certificate, pool
//! ```
//!
//! A file a part. What one value can say of itself is its type's (a token, an origin, a cookie's name), so that the error
//! has its path; what several must agree on is in the `check` of each part. What does not go together is refused: a
//! field that is silently without effect is taken for one that works.

mod bounds;
mod compress;
mod cors;
mod edits;
mod field;
mod hsts;
mod matches;
mod not_served;
mod redirect;
mod rewrite;
mod route;
mod sticky;
#[cfg(test)]
mod tests;
mod timeouts;

use roundhouse_config::Label;
use serde::{Deserialize, Serialize};

pub use self::compress::{Coding, Compress, MediaType};
pub use self::cors::{Cors, Origin};
pub use self::edits::HeaderEdits;
pub use self::field::{FieldName, FieldValue, Fields};
pub use self::hsts::Hsts;
pub(super) use self::matches::check_path;
pub use self::matches::{Condition, HeaderMatch, Method, RouteMatch};
pub use self::redirect::{Redirect, RedirectStatus, Scheme};
pub use self::rewrite::{Authority, Rewrite};
pub use self::route::{Destination, Route};
pub use self::sticky::{CookieName, SameSite, Sticky};
pub use self::timeouts::RouteTimeouts;

use self::not_served::NotServed;
use super::{Name, ValueError};

const MAX_ROUTES: usize = 256;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    pub routes: Vec<Route>,
    #[serde(default, skip_serializing_if = "Https::is_off")]
    pub https: Https,
    /// Told to clients that come by https; without meaning for others (RFC 6797, 7.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsts: Option<Hsts>,
    /// `certs/<name>`; `null`: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Name>,
    /// `pools/<pool>` on whose VIPs clients find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Label>,
    #[serde(default, skip_serializing)]
    redirect: NotServed,
}

/// What becomes of a request without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Https {
    /// It is served like any other.
    #[default]
    Off,
    /// It is sent to the same URL by https, with 308.
    Redirect,
}

impl Domain {
    /// Everything under the host name goes to one job.
    pub fn to_job(job: Label) -> Domain {
        Domain::default().led_to(job)
    }

    /// The same domain with one route, which has everything under the host name go to the job.
    #[must_use]
    pub fn led_to(self, job: Label) -> Domain {
        Domain { routes: vec![Route::to(vec![Destination::new(job)])], ..self }
    }

    pub fn validate(&self) -> Result<(), ValueError> {
        if self.routes.is_empty() || self.routes.len() > MAX_ROUTES {
            let message = format!("{} routes; write 1 to {MAX_ROUTES}", self.routes.len());
            return Err(ValueError::field("routes", message));
        }
        for (i, route) in self.routes.iter().enumerate() {
            let at = format!("routes[{i}]");
            route.check().map_err(|error| error.within(&at))?;
            if self.routes[..i].iter().any(|other| other.matches.is_same(&route.matches)) {
                let message = format!(
                    "{} is what an earlier route matches, so this one is never reached",
                    route.matches.described()
                );
                return Err(ValueError::field(format!("{at}.match.path"), message));
            }
            if self.hsts.is_some() && route.response_headers.set_name("strict-transport-security") {
                let message = "`hsts` of the domain says that; leave it out of one of the two";
                return Err(ValueError::field(format!("{at}.response_headers"), message));
            }
        }
        self.hsts.as_ref().map_or(Ok(()), |hsts| hsts.check().map_err(|error| error.within("hsts")))
    }
}

impl Https {
    fn is_off(&self) -> bool {
        *self == Https::Off
    }
}
