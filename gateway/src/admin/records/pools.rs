//! Pools: written with the VIPs that their lines give them, and not taken out while something leads to them.

use axum::http::StatusCode;
use roundhouse_config::Label;
use roundhouse_registry::record::{Key, Pool, PoolTarget, Sink, Timestamp};
use roundhouse_registry::write::Expect;
use roundhouse_registry::{Registry, WriteError, Written};
use serde_json::{Value, json};

use super::{Site, Writable};
use crate::admin::Problem;

impl Writable for Pool {
    fn key(pool: &Label) -> Key {
        Key::Pool(pool.clone())
    }

    /// With the VIPs that it has then.
    async fn put(
        &self,
        name: &Label,
        registry: &Registry,
        expect: Expect,
    ) -> Result<(Written, Value), WriteError> {
        let put = registry.put_pool(name, self, expect, Timestamp::now().seconds()).await?;
        Ok((put.written, json!({ "lines": put.pool.lines })))
    }

    async fn remove(name: &Label, registry: &Registry, expect: Expect) -> Result<Written, WriteError> {
        registry.delete_pool(name, expect, Timestamp::now().seconds()).await
    }

    fn removal(name: &Label, site: &Site<'_>) -> Result<(), Problem> {
        let domains =
            site.snapshot.domains.iter().filter(|(_, domain)| domain.value.pool.as_ref() == Some(name));
        let to = PoolTarget::Pool(name.clone());
        let pools = site.snapshot.pools.iter().filter(|(other, pool)| pool.value.to == to && *other != name);
        let domains = domains.map(|(host, _)| format!("domain `{host}`"));
        let users: Vec<String> = domains.chain(pools.map(|(other, _)| format!("pool `{other}`"))).collect();
        if users.is_empty() {
            return Ok(());
        }
        let detail = format!("{} would lose it; lead that elsewhere first", users.join(", "));
        Err(Problem::new(StatusCode::CONFLICT, format!("pool `{name}` is used: {detail}")))
    }

    fn warnings(&self, name: &Label, site: &Site<'_>) -> Vec<String> {
        let to = match &self.to {
            PoolTarget::Job(job, port) => site.lacks_port(job, Some(port)),
            PoolTarget::Hubs(entrypoint) => site.lacks_entrypoint(entrypoint),
            PoolTarget::Pool(pool) => {
                let known = site.snapshot.pools.contains_key(pool);
                (!known).then(|| format!("there is no pool `{pool}` yet"))
            }
        };
        to.into_iter().chain(lacks_vips(self, name, site)).collect()
    }
}

/// A pool that nobody reaches. A cloud's balancer brings an address of its own.
fn lacks_vips(pool: &Pool, name: &Label, site: &Site<'_>) -> Vec<String> {
    let gives = |line: &Label| site.snapshot.lines.get(line).is_some_and(|line| !line.value.vips.is_empty());
    let has = |line: &Label| {
        let stored = site.snapshot.pools.get(name).and_then(|stored| stored.value.lines.get(line));
        stored.is_some_and(|vips| !vips.is_empty())
    };
    if pool.lines.is_empty() {
        let lines = &site.snapshot.lines;
        let kept = site.snapshot.pools.get(name).is_some_and(|stored| stored.value.vips().next().is_some());
        let none = pool.sink != Sink::Aws && !kept && !lines.keys().any(gives);
        let warning = "no line has VIPs to give, so the pool has none; write the pool again when one has";
        return none.then(|| warning.to_owned()).into_iter().collect();
    }
    let lacking = |(line, vips): (&Label, &Vec<_>)| {
        let alone = pool.sink != Sink::Aws && vips.is_empty() && !gives(line) && !has(line);
        site.lacks_line(line).or_else(|| {
            alone.then(|| {
                format!(
                    "line `{line}` has no VIPs to give, so the pool has none there; write the pool again when it has"
                )
            })
        })
    };
    pool.lines.iter().filter_map(lacking).collect()
}
