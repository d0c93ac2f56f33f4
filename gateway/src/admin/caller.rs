//! Who asks: a token's bearer, or somebody on this machine.
//!
//! A token is looked up in the snapshot, so a revoked one is refused as soon as the gateway hears of it, and goes on being
//! accepted while the registry is away. What is wrong with one is told only as far as its bearer knows it already.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use roundhouse_registry::record::{Name, Role, Timestamp, Token, TokenText};
use roundhouse_registry::write::Reach;
use roundhouse_registry::{Snapshot, Versioned};

use super::Problem;
use super::visible::Reader;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) peer: IpAddr,
    /// `None`: nobody was asked for one, and whoever is on this machine may do everything.
    token: Option<(Name, Arc<Versioned<Token>>)>,
}

impl Caller {
    /// `required`: whether to come without a token is refused.
    pub(super) fn authenticate(
        headers: &HeaderMap,
        peer: IpAddr,
        required: bool,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let Some(first) = lines.next() else {
            let detail = "this API asks for a token; send it as `Authorization: Bearer rh_…`, and make one with \
                          `roundhouse token add`";
            return if required {
                Err(Problem::unauthorized(detail))
            } else {
                Ok(Caller { peer, token: None })
            };
        };
        let presented = bearer(first).filter(|_| lines.next().is_none()).ok_or_else(|| {
            Problem::unauthorized(
                "the Authorization header holds no token; write one, as in `Authorization: Bearer rh_<id>_<64 \
                 hexadecimal digits>`",
            )
        })?;
        let record = snapshot.tokens.get(presented.id()).filter(|record| record.value.accepts(&presented));
        let Some(record) = record else {
            return Err(Problem::unauthorized(
                "the token is not known here; it was revoked, or is another registry's: make one with `roundhouse \
                 token add`",
            ));
        };
        let id = presented.id().clone();
        if record.value.expired(now) {
            let detail =
                format!("the token `{id}` has expired; make another one with `roundhouse token add`");
            return Err(Problem::unauthorized(detail));
        }
        // A registrar's ranges are where its instances are.
        if record.value.role != Role::Register && !record.value.allows_from(peer) {
            let detail = format!(
                "the token `{id}` is not for requests from {}; its `cidr` names where it may come from",
                peer.to_canonical()
            );
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        Ok(Caller { peer, token: Some((id, record.clone())) })
    }

    /// Whether the caller may do what takes this role; else a problem that names the token, never its text.
    pub(super) fn must_have(&self, needed: Role) -> Result<(), Problem> {
        let Some((id, _)) = self.token.as_ref().filter(|_| !self.role().includes(needed)) else {
            return Ok(());
        };
        let detail = format!(
            "this takes the role `{needed}`, and the token `{id}` has the role `{}`; ask with another token",
            self.role()
        );
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }

    pub(super) fn role(&self) -> Role {
        self.token.as_ref().map_or(Role::Admin, |(_, record)| record.value.role)
    }

    /// Without a token nobody sees secrets, though everything may be done: what is on this machine need not be trusted with
    /// every private key.
    pub(super) fn reader(&self) -> Reader {
        match &self.token {
            Some((_, record)) if record.value.role.sees_secrets() => Reader::Trusted,
            _ => Reader::WithoutSecrets,
        }
    }

    /// The token, for the log; `-` for none.
    pub(super) fn name(&self) -> &str {
        self.token.as_ref().map_or("-", |(id, _)| id.as_str())
    }

    /// The token of somebody who may touch own instances only.
    pub(super) fn registrar(&self) -> Option<(&Name, &Token)> {
        let (id, record) = self.token.as_ref()?;
        (!record.value.role.includes(Role::Operate)).then_some((id, &record.value))
    }

    pub(super) fn reach(&self) -> Reach {
        match self.registrar() {
            Some((_, token)) => Reach::Own { address: self.peer, ranges: token.cidr.clone() },
            None => Reach::Everywhere,
        }
    }

    /// Whether the token still says what it said when the request came.
    pub(super) fn still_holds(&self, snapshot: &Snapshot, now: Timestamp) -> bool {
        self.token.as_ref().is_none_or(|(id, record)| {
            let same = snapshot.tokens.get(id).is_some_and(|found| found.value == record.value);
            same && !record.value.expired(now)
        })
    }

    /// When the token ends by itself.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        self.token.as_ref().and_then(|(_, record)| record.value.expires)
    }
}

/// RFC 6750, 2.1; the scheme in any case (RFC 9110, 11.1).
fn bearer(value: &HeaderValue) -> Option<TokenText> {
    let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim_start_matches(' ').parse().ok())?
}

/// The guard has put it there. A request that has none did not pass it, and may do nothing.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| Problem::internal(&"a request that nobody has checked"))
    }
}

/// Requests that come by no socket, as tests send them, come from this machine.
impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Peer, Infallible> {
        Ok(parts.extensions.get::<Peer>().copied().unwrap_or(Peer(IpAddr::from([127, 0, 0, 1]))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use roundhouse_registry::Revision;

    use super::*;

    const NOW: u64 = 1_767_225_600;

    struct Site {
        snapshot: Snapshot,
        text: TokenText,
    }

    fn site(edit: impl FnOnce(&mut Token)) -> Site {
        let text = TokenText::generate("ci".parse().unwrap());
        let mut token = Token::new(Role::Operate, text.hash());
        edit(&mut token);
        let at = Revision(1);
        let record = Versioned { value: token, created: at, modified: at, lease: None };
        let mut snapshot = Snapshot::default();
        snapshot.tokens.insert("ci".parse().unwrap(), Arc::new(record));
        Site { snapshot, text }
    }

    impl Site {
        fn ask(&self, authorization: &str) -> Result<Caller, (u16, String)> {
            let headers = HeaderMap::from_iter([(
                header::AUTHORIZATION,
                HeaderValue::from_str(authorization).unwrap(),
            )]);
            let (peer, now) = ("10.0.0.7".parse().unwrap(), Timestamp::from_seconds(NOW));
            Caller::authenticate(&headers, peer, true, &self.snapshot, now)
                .map_err(|problem| (problem.status.as_u16(), problem.detail))
        }

        fn with_token(&self) -> Result<Caller, (u16, String)> {
            self.ask(&format!("Bearer {}", self.text.reveal()))
        }
    }

    #[test]
    fn the_right_token_is_its_role() {
        let site = site(|_| {});
        let caller = site.with_token().unwrap();
        assert_eq!((caller.name(), caller.role()), ("ci", Role::Operate));
        assert!(caller.must_have(Role::Register).is_ok());
        let refused = caller.must_have(Role::Admin).unwrap_err().detail;
        assert!(refused.contains("the role `admin`, and the token `ci` has the role `operate`"), "{refused}");
        assert!(site.ask(&format!("bearer  {}", site.text.reveal())).is_ok(), "the scheme in any case");
    }

    #[test]
    fn what_is_no_token_of_ours_is_refused_and_not_repeated() {
        let site = site(|_| {});
        let (right, other) = (site.text.reveal(), TokenText::generate("other".parse().unwrap()).reveal());
        let wrong = format!("{}{}", &right[..right.len() - 1], if right.ends_with('0') { '1' } else { '0' });
        for authorization in [
            "",
            "Bearer",
            "Bearer ",
            &right,
            &format!("Basic {right}"),
            &format!("Bearer {other}"),
            &format!("Bearer {wrong}"),
            &format!("Bearer {right} x"),
        ] {
            let (status, detail) = site.ask(authorization).unwrap_err();
            assert_eq!(status, 401, "{authorization}");
            assert!(!detail.contains(&right[6..20]) && !detail.contains(&other[9..20]), "{detail}");
        }
        let twice = [right.clone(), right]
            .map(|text| (header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {text}")).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in twice {
            headers.append(name, value);
        }
        let peer = "10.0.0.7".parse().unwrap();
        assert!(Caller::authenticate(&headers, peer, false, &site.snapshot, Timestamp::now()).is_err());
    }

    #[test]
    fn no_token_is_everything_or_nothing() {
        let (peer, snapshot) = ("127.0.0.1".parse().unwrap(), Snapshot::default());
        let ask =
            |required| Caller::authenticate(&HeaderMap::new(), peer, required, &snapshot, Timestamp::now());
        assert_eq!(ask(false).unwrap().role(), Role::Admin);
        assert_eq!(ask(true).unwrap_err().status, StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn a_token_ends_in_time_and_is_for_its_ranges() {
        let ends = |seconds| site(|token| token.expires = Some(Timestamp::from_seconds(seconds)));
        assert!(ends(NOW + 1).with_token().is_ok());
        let (status, detail) = ends(NOW).with_token().unwrap_err();
        assert!(status == 401 && detail.contains("`ci` has expired"), "{detail}");
        let from = |range: &str| site(|token| token.cidr = vec![range.parse().unwrap()]);
        assert!(from("10.0.0.0/8").with_token().is_ok());
        assert_eq!(from("11.0.0.0/8").with_token().unwrap_err().0, 403);
        let registrar = site(|token| {
            token.role = Role::Register;
            token.cidr = vec!["11.0.0.0/8".parse().unwrap()];
        });
        let caller = registrar.with_token().unwrap();
        let ranges = vec!["11.0.0.0/8".parse().unwrap()];
        assert_eq!(caller.reach(), Reach::Own { address: caller.peer, ranges });
    }

    #[test]
    fn a_token_holds_until_it_is_changed_or_gone() {
        let site = site(|token| token.expires = Some(Timestamp::from_seconds(NOW + 60)));
        let caller = site.with_token().unwrap();
        let now = Timestamp::from_seconds(NOW);
        assert!(caller.still_holds(&site.snapshot, now));
        assert!(!caller.still_holds(&site.snapshot, now + Duration::from_secs(60)));
        assert!(!caller.still_holds(&Snapshot::default(), now));
        let other = super::tests::site(|_| {});
        assert!(!caller.still_holds(&other.snapshot, now), "another text under the same id");
    }
}
