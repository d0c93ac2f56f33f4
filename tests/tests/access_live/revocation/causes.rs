//! All that takes somebody's right to be there away, and what does not.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use roundhouse_registry::InstanceId;

use super::crowd::Crowd;
use super::world::{OTHER, WEB, World};
use crate::stage::{instance, write};

/// Web and other are let in by rules, and are there.
struct Set {
    world: World,
    web: Crowd,
    other: Crowd,
    /// Web's instance.
    id: InstanceId,
}

impl Set {
    async fn start() -> Set {
        let world = World::start("").await;
        let (id, _) = instance(&world.gateway, "web", world.address(WEB), "");
        instance(&world.gateway, "other", world.address(OTHER), "");
        world.allow_both();
        let (web, other) = (Crowd::open(&world, WEB).await, Crowd::open(&world, OTHER).await);
        Set { world, web, other, id }
    }

    /// After this write.
    async fn only_web_goes(&self, since: Instant) {
        self.web.is_gone(&self.world, since).await;
        self.other.is_there(&self.world).await;
    }

    async fn nobody_goes(&self) {
        self.web.is_there(&self.world).await;
        self.other.is_there(&self.world).await;
    }
}

macro_rules! live {
    ($(#[doc = $doc:literal])? async fn $name:ident($set:ident: Set) $body:block) => {
        $(#[doc = $doc])?
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let $set = Set::start().await;
            $body
        }
    };
}

live! {
    async fn a_rule_that_denies_ends_those_whom_it_names(set: Set) {
        set.world.rule("deny-web", r#""from":{"jobname":"job.web"},"action":"deny""#);
        set.only_web_goes(Instant::now()).await;
        write(&set.world.gateway, "DELETE", "/v1/rules/deny-web", "");
        Crowd::may_come_again(&set.world, WEB).await;
    }
}

live! {
    async fn a_rule_that_denies_an_address_ends_those_who_come_from_it(set: Set) {
        let from = format!(r#""from":{{"cidr":["{}/32"]}},"action":"deny""#, set.world.address(WEB));
        set.world.rule("deny-address", &from);
        set.only_web_goes(Instant::now()).await;
    }
}

live! {
    /// The guard that it brought stays.
    async fn an_allow_that_is_deleted_ends_those_who_came_in_by_it(set: Set) {
        write(&set.world.gateway, "DELETE", "/v1/rules/allow-web", "");
        set.only_web_goes(Instant::now()).await;
    }
}

live! {
    async fn an_allow_that_names_others_now_ends_those_whom_it_named(set: Set) {
        set.world.rule("allow-web", r#""from":{"jobname":"job.evil"},"action":"allow""#);
        set.only_web_goes(Instant::now()).await;
    }
}

live! {
    async fn an_allow_that_expires_ends_those_who_came_in_by_it(set: Set) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let at = now + 3;
        let rule = format!(r#""from":{{"jobname":"job.web"}},"action":"allow","expires":{at}"#);
        let written = set.world.rule("allow-web", &rule);
        set.world.in_force(written);
        set.nobody_goes().await;
        let left = UNIX_EPOCH + std::time::Duration::from_secs(at);
        let left = left.duration_since(SystemTime::now()).expect("it was there before it expired");
        set.only_web_goes(Instant::now() + left).await;
    }
}

live! {
    async fn an_instance_that_leaves_takes_its_right_along(set: Set) {
        let path = format!("/v1/instances/web/{}", set.id);
        write(&set.world.gateway, "DELETE", &path, "");
        set.only_web_goes(Instant::now()).await;
        let record = format!(r#"{{"address":"{}","ports":{{"main":9000}}}}"#, set.world.address(WEB));
        write(&set.world.gateway, "PUT", &path, &record);
        Crowd::may_come_again(&set.world, WEB).await;
    }
}

live! {
    async fn an_instance_that_moves_takes_its_right_along(set: Set) {
        const ELSEWHERE: u8 = 29;
        let record = format!(r#"{{"address":"{}","ports":{{"main":9000}}}}"#, set.world.address(ELSEWHERE));
        write(&set.world.gateway, "PUT", &format!("/v1/instances/web/{}", set.id), &record);
        set.only_web_goes(Instant::now()).await;
        Crowd::may_come_again(&set.world, ELSEWHERE).await;
    }
}

live! {
    /// The address is whose who came last; who was there before is back when that one leaves.
    async fn an_address_that_is_taken_by_a_newer_instance_is_that_one_s(set: Set) {
        let (newer, _) = instance(&set.world.gateway, "evil", set.world.address(WEB), "");
        set.only_web_goes(Instant::now()).await;
        write(&set.world.gateway, "DELETE", &format!("/v1/instances/evil/{newer}"), "");
        Crowd::may_come_again(&set.world, WEB).await;
    }
}

live! {
    /// Who does not say which it is may be either.
    async fn an_address_that_becomes_shared_is_held_to_what_all_may(set: Set) {
        let path = format!("/v1/instances/web/{}", set.id);
        let shared = format!(r#"{{"address":"{}","ports":{{"main":9000}},"shared_ip":true}}"#, set.world.address(WEB));
        let written = write(&set.world.gateway, "PUT", &path, &shared);
        set.world.in_force(written);
        set.nobody_goes().await;
        instance(&set.world.gateway, "evil", set.world.address(WEB), r#","shared_ip":true"#);
        set.only_web_goes(Instant::now()).await;
    }
}

live! {
    async fn what_does_not_concern_them_ends_nobody(set: Set) {
        let deny = |to: &str, fields: &str| format!(r#"{{"to":{to},{fields},"action":"deny"}}"#);
        let shop = r#"{"jobname":"cop.shop"}"#;
        let web = r#""from":{"jobname":"job.web"}"#;
        let elsewhere = set.world.address(28);
        let mut last = 0;
        for (id, record) in [
            ("tried", deny(shop, &format!(r#"{web},"dry_run":true"#))),
            ("another-port", deny(shop, &format!(r#"{web},"ports":[1]"#))),
            ("another-subtree", deny(r#"{"jobname":"cop.shopping"}"#, web)),
            ("another-job", deny(r#"{"job":"web"}"#, web)),
            ("another-path", deny(r#"{"job":"live"}"#, &format!(r#"{web},"paths":["/other"]"#))),
            ("another-method", deny(r#"{"job":"live"}"#, &format!(r#"{web},"methods":["POST"]"#))),
            ("a-like-name", deny(shop, r#""from":{"jobname":"job.we"}"#)),
            ("another-address", deny(shop, &format!(r#""from":{{"jobname":"job.web","cidr":["{elsewhere}/32"]}}"#))),
        ] {
            last = write(&set.world.gateway, "PUT", &format!("/v1/rules/{id}"), &record);
        }
        set.world.in_force(last);
        instance(&set.world.gateway, "web", elsewhere, "");
        let (_, last) = instance(&set.world.gateway, "evil", set.world.address(27), "");
        set.world.in_force(last);
        set.nobody_goes().await;
        // All workers have looked by the time at which one is gone whom a later write named.
        set.world.rule("deny-web", r#""from":{"jobname":"job.web"},"action":"deny""#);
        set.only_web_goes(Instant::now()).await;
    }
}
