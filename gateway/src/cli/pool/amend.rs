//! From a pool as it is, and what was asked for, to what it shall be. Pure.
//!
//! What is said replaces what is there, what is not said stays. A line that is named keeps its VIPs unless it is said
//! which it has, and the lines that are not named stay too: nobody loses an address by naming another line.

use std::net::IpAddr;

use anyhow::bail;
use roundhouse_config::{Label, PortName};
use roundhouse_registry::record::{Persistence, Pool, PoolForwarding, PoolTarget, Record as _, Sorted};

use super::options::{OnLine, PoolOptions};

/// `of_a_domain`: it may be left out what the pool leads to.
pub(super) fn amended(
    name: &Label,
    before: Option<&Pool>,
    said: &PoolOptions,
    of_a_domain: bool,
) -> anyhow::Result<Pool> {
    let mut pool = match before {
        Some(before) => before.clone(),
        None => begun(name, said, of_a_domain)?,
    };
    amend_target(name, &mut pool, said)?;
    replace(&mut pool.port, said.port);
    replace(&mut pool.protocol, said.protocol);
    replace(&mut pool.sink, said.sink);
    replace(&mut pool.scheduler, said.scheduler);
    replace(&mut pool.quorum, said.quorum);
    replace(&mut pool.fallback, said.fallback);
    replace(&mut pool.drain, said.drain);
    replace(&mut pool.local_weight, said.local_weight);
    if said.local_only || said.no_local_only {
        pool.local_only = said.local_only;
    }
    amend_forwarding(&mut pool, said);
    amend_optional(&mut pool, said);
    amend_lines(name, &mut pool, said)?;
    // What the gateway would refuse is said without asking it.
    pool.check()?;
    Ok(pool)
}

/// Nothing that was said of an existing pool may be taken for granted in a new one.
fn begun(name: &Label, said: &PoolOptions, of_a_domain: bool) -> anyhow::Result<Pool> {
    let has_target = said.job.is_some() || said.hubs.is_some() || said.pool.is_some();
    match said.port {
        Some(port) if has_target => Ok(Pool::new(PoolTarget::Hubs(PortName::http()), port)),
        None if has_target => bail!("pool `{name}` is new; say the port of its VIPs, as in --port 80"),
        None if of_a_domain => Ok(Pool::new(PoolTarget::Hubs(PortName::http()), 80)),
        _ => bail!(
            "pool `{name}` is new; say where it leads, as in --job app2 --port 80, or --hubs http --port 80"
        ),
    }
}

fn amend_target(name: &Label, pool: &mut Pool, said: &PoolOptions) -> anyhow::Result<()> {
    if let Some(job) = &said.job {
        let port = match &pool.to {
            PoolTarget::Job(before, port) if before == job => port.clone(),
            _ => PortName::main(),
        };
        pool.to = PoolTarget::Job(job.clone(), port);
    }
    if let Some(entrypoint) = &said.hubs {
        pool.to = PoolTarget::Hubs(entrypoint.clone());
    }
    if let Some(next) = &said.pool {
        pool.to = PoolTarget::Pool(next.clone());
    }
    match (&mut pool.to, &said.port_name) {
        (PoolTarget::Job(_, port), Some(named)) => port.clone_from(named),
        (_, Some(_)) => bail!("--port-name is a job's, and pool `{name}` leads to none; write --job too"),
        (_, None) => {}
    }
    Ok(())
}

fn amend_forwarding(pool: &mut Pool, said: &PoolOptions) {
    if let Some(tunnel) = &said.tunnel {
        pool.forwarding = PoolForwarding::Tunnel;
        pool.tunnel = Some(tunnel.clone());
    }
    if let Some(forwarding) = said.forwarding {
        pool.forwarding = forwarding;
        // Without the tunnel its kind means nothing; both at once is a contradiction, which the record refuses.
        if said.tunnel.is_none() && forwarding != PoolForwarding::Tunnel {
            pool.tunnel = None;
        }
    }
}

fn amend_optional(pool: &mut Pool, said: &PoolOptions) {
    if let Some(timeout) = said.persistence {
        pool.persistence = match (timeout.is_zero(), pool.persistence.take()) {
            (true, _) => None,
            (false, Some(former)) => Some(Persistence { timeout, ..former }),
            (false, None) => Some(Persistence { timeout, prefix_v4: 32, prefix_v6: 128 }),
        };
    }
    if !said.flag.is_empty() {
        pool.flags.clone_from(&said.flag);
    }
    if let Some(mark) = said.fwmark {
        pool.fwmark = (mark != 0).then_some(mark);
    }
    if let Some(version) = said.send_proxy {
        pool.send_proxy = (version != 0).then_some(version);
    }
}

fn amend_lines(name: &Label, pool: &mut Pool, said: &PoolOptions) -> anyhow::Result<()> {
    for OnLine { line, vips } in &said.line {
        let kept = || pool.lines.get(line).cloned().unwrap_or_default();
        let vips: Vec<IpAddr> = if vips.is_empty() { kept() } else { vips.clone() };
        pool.lines.insert(line.clone(), vips);
    }
    if said.no_line.is_empty() {
        return Ok(());
    }
    let stays = |line: &Label| !said.no_line.contains(line);
    let lines: Sorted<Label, Vec<IpAddr>> = pool
        .lines
        .iter()
        .filter(|(line, _)| stays(line))
        .map(|(line, vips)| (line.clone(), vips.clone()))
        .collect();
    // No line at all would be every line.
    if lines.is_empty() && !pool.lines.is_empty() {
        bail!("pool `{name}` would be on no line; take it out whole with `roundhouse pool rm {name}`");
    }
    pool.lines = lines;
    Ok(())
}

fn replace<T>(field: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *field = said;
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        said: PoolOptions,
    }

    fn after(before: Option<&Pool>, words: &str, of_a_domain: bool) -> Result<Pool, String> {
        let words = std::iter::once("pool").chain(words.split_whitespace());
        let said = Line::try_parse_from(words).map_err(|error| error.to_string())?.said;
        amended(&"blog".parse().unwrap(), before, &said, of_a_domain).map_err(|error| error.to_string())
    }

    fn new(words: &str) -> Pool {
        after(None, words, false).unwrap()
    }

    fn json(pool: &Pool) -> Value {
        json!(pool)
    }

    #[test]
    fn a_new_pool_says_where_it_leads_and_at_which_port() {
        let short = new("--job app2 --port 80");
        assert_eq!(short, Pool::new(PoolTarget::Job("app2".parse().unwrap(), PortName::main()), 80));
        assert_eq!(
            json(&new("--job app2 --port-name web --port 80"))["to"],
            json!({"job": "app2", "port": "web"})
        );
        assert_eq!(json(&new("--pool l7 --port 80"))["to"], json!({"pool": "l7"}));
        let of_a_domain = json(&after(None, "", true).unwrap());
        assert_eq!((&of_a_domain["to"], &of_a_domain["port"]), (&json!({"hubs": "http"}), &json!(80)));
        for (words, of_a_domain, wrong) in [
            ("", false, "pool `blog` is new; say where it leads, as in --job app2 --port 80"),
            ("--port 80", false, "say where it leads"),
            ("--port 443", true, "say where it leads, as in --job app2 --port 80, or --hubs http"),
            ("--hubs https", true, "pool `blog` is new; say the port of its VIPs"),
            (
                "--hubs http --port 80 --port-name web",
                false,
                "--port-name is a job's, and pool `blog` leads to none",
            ),
            ("--job a --hubs http --port 80", false, "cannot be used with"),
            ("--job a --port 0", false, "port: port 0 cannot be dialled"),
            ("--job a --port 80 --scheduler random", false, "expected one of `rr`, `wrr`"),
            ("--job a --port 80 --sink haproxy --flag sh-port", false, "flags: is for the sink ipvs alone"),
            ("--job a --port 80 --forwarding masq --tunnel gre", false, "tunnel: is for \"forwarding\""),
        ] {
            let error = after(None, words, of_a_domain).unwrap_err();
            assert!(error.contains(wrong), "{words}: {error}");
        }
    }

    #[test]
    fn everything_that_is_said_is_in_the_record() {
        let ipvs = new(
            "--job a --port 53 --protocol udp --scheduler mh --tunnel gue:6080 --persistence 300s \
                        --flag one-packet --flag mh-port --fwmark 7 --quorum 2 --fallback 10.0.0.9:80 --drain 1m \
                        --local-weight 3",
        );
        let expected = json!({"to": {"job": "a", "port": "main"}, "port": 53, "lines": {}, "protocol": "udp",
            "sink": "ipvs", "scheduler": "mh", "forwarding": "tunnel",
            "tunnel": {"kind": "gue", "port": 6080, "checksum": "none"}, "persistence": {"timeout": "5m"},
            "flags": ["one-packet", "mh-port"], "fwmark": 7, "quorum": 2, "fallback": {"sorry": "10.0.0.9:80"},
            "drain": "1m", "local_only": false, "local_weight": 3});
        assert_eq!(json(&ipvs), expected);
        let haproxy =
            json(&new("--job a --port 80 --sink haproxy --send-proxy 2 --local-only --fallback lines"));
        assert_eq!((&haproxy["send_proxy"], &haproxy["fallback"]), (&json!(2), &json!("lines")));
        assert_eq!(haproxy["local_only"], true);
    }

    #[test]
    fn what_is_not_said_stays_and_what_is_said_can_be_taken_back() {
        let first =
            new("--job a --port-name web --port 80 --tunnel gre --persistence 5m --fwmark 7 --flag sh-port");
        assert_eq!(after(Some(&first), "", false).unwrap(), first);
        assert_eq!(
            after(Some(&first), "", true).unwrap(),
            first,
            "a domain comes to a pool that leads elsewhere"
        );
        assert_eq!(after(Some(&first), "--job a --port 80", false).unwrap(), first);
        let renamed = after(Some(&first), "--port-name main", false).unwrap();
        assert_eq!(json(&renamed)["to"]["port"], "main");
        let other = after(Some(&first), "--job b", false).unwrap();
        assert_eq!(json(&other)["to"], json!({"job": "b", "port": "main"}), "another job has other ports");
        let plain = after(Some(&first), "--forwarding droute --persistence 0s --fwmark 0", false).unwrap();
        assert_eq!((&plain.tunnel, &plain.persistence, plain.fwmark), (&None, &None, None));
        assert_eq!(plain.flags, first.flags);
        let local = new("--job a --port 80 --local-only");
        assert!(!after(Some(&local), "--no-local-only", false).unwrap().local_only);
    }

    #[test]
    fn naming_a_line_takes_no_address_from_another() {
        let first = new("--job a --port 80 --line telecom=203.0.113.10 --line unicom");
        assert_eq!(json(&first)["lines"], json!({"telecom": ["203.0.113.10"], "unicom": []}));
        let more = after(Some(&first), "--line telecom --line mobile=192.0.2.1", false).unwrap();
        let lines = json!({"mobile": ["192.0.2.1"], "telecom": ["203.0.113.10"], "unicom": []});
        assert_eq!(json(&more)["lines"], lines);
        let moved =
            after(Some(&more), "--line telecom=203.0.113.11 --no-line unicom --no-line mobile", false);
        assert_eq!(json(&moved.unwrap())["lines"], json!({"telecom": ["203.0.113.11"]}));
        let none = after(Some(&first), "--no-line telecom --no-line unicom", false).unwrap_err();
        assert!(none.contains("take it out whole with `roundhouse pool rm blog`"), "{none}");
    }
}
