//! A table that follows changes answers as one that is built anew, and both as the records themselves say.

use roundhouse_config::Port;

use super::changes::{DOMAINS, LABELS, NUMBERS, OFFSETS, follow, history};
use super::*;

/// Every name, VIP and number that a table may be asked for, and what it says.
#[derive(Debug, Default, PartialEq)]
struct Answers {
    names: Vec<(String, Option<String>)>,
    above: Vec<(String, bool)>,
    vips: Vec<Option<String>>,
    numbers: Vec<(Option<String>, Option<String>)>,
    conflicts: Vec<(String, String, u16, bool, String)>,
    domains: Vec<String>,
}

fn prefixes() -> Vec<String> {
    let ports = LABELS.iter().flat_map(|label| (0..4).map(move |n| format!("p{n}.{label}")));
    let names = ["x.y", "y.x", "a.x.y", "b.a.x.y", "nobody", "p0.nobody"].map(str::to_owned);
    LABELS.iter().map(|label| (*label).to_owned()).chain(ports).chain(names).collect()
}

fn hosts() -> impl Iterator<Item = String> {
    let domains = DOMAINS.map(|domain| domain.replace('*', "any"));
    domains.into_iter().chain(["net", "any.any.d.net"].map(str::to_owned))
}

fn answers(table: &Table) -> Answers {
    let named = |name: String| {
        let says = table.resolve(&name).map(|named| match named {
            Named::Job { job, port } => format!("{} {port:?}", job.label),
            Named::Domain(domain) => format!("{} to {}", domain.name, domain.routes[0].legs()[0].job),
        });
        (name, says)
    };
    let inside = prefixes().into_iter().map(|prefix| format!("{prefix}.jobs.coding.net"));
    let at = |offset: &u32| table.by_vip(vip_address(table.vips, *offset)?).map(|job| job.label.to_string());
    let tcp = |target| match target {
        Target::ByHost => "by host".to_owned(),
        Target::BySni => "by SNI".to_owned(),
        Target::Job(job, port) => format!("{} {}", job.label, port.name()),
    };
    let udp = |(job, port): (Arc<JobEntry>, Arc<PortEntry>)| format!("{} {}", job.label, port.name());
    let conflicts: Vec<Conflict> = table.hub().into_iter().flat_map(HubPorts::conflicts).collect();
    let told = |one: &Conflict| {
        (
            one.job.to_string(),
            one.port.to_string(),
            one.number,
            one.udp,
            format!("{} {}", one.owner, one.spoken),
        )
    };
    let mut answers = Answers {
        names: inside.chain(hosts()).map(named).collect(),
        above: prefixes().into_iter().map(|name| (name.clone(), table.is_above_a_jobname(&name))).collect(),
        vips: OFFSETS.iter().map(at).collect(),
        numbers: NUMBERS.map(|n| (table.hub_port(n).map(tcp), table.hub_udp_port(n).map(udp))).collect(),
        conflicts: conflicts.iter().map(told).collect(),
        domains: table.domains().map(|domain| domain.name.to_string()).collect(),
    };
    answers.conflicts.sort();
    answers.domains.sort();
    answers
}

/// What the records say, looked through one by one for each question.
fn plainly(snapshot: &Snapshot, facts: &Facts) -> Answers {
    let mut jobs: Vec<(&Label, &Job)> =
        snapshot.jobs.iter().map(|(label, job)| (label, &job.value)).collect();
    jobs.sort_by_key(|(label, _)| (snapshot.jobs[*label].created, (*label).clone()));
    let in_zone = |prefix: &str| {
        let port = |(label, job): &(&Label, &Job)| {
            let mut ports = job.ports.iter();
            let port = ports.find(|port| format!("{}.{label}", port.name) == prefix)?;
            Some(format!("{label} {:?}", Some(&port.name)))
        };
        let whole = |(label, _): &(&Label, &Job)| format!("{label} None");
        let label = jobs.iter().find(|(label, _)| label.as_str() == prefix).map(whole);
        let jobname = jobs.iter().find(|(_, job)| job.jobname.dns_labels() == prefix).map(whole);
        label.or_else(|| jobs.iter().find_map(port)).or(jobname)
    };
    let domain = |host: &str| {
        let wildcard = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let mut names = [Some(host.to_owned()), wildcard].into_iter().flatten();
        let (name, record) = names.find_map(|name| snapshot.domains.get_key_value(name.as_str()))?;
        Some(format!("{name} to {}", record.value.routes[0].to[0].job))
    };
    let inside = prefixes().into_iter().map(|prefix| (format!("{prefix}.jobs.coding.net"), in_zone(&prefix)));
    let above = |name: String| {
        let below = format!(".{name}");
        let is_above = jobs.iter().any(|(_, job)| job.jobname.dns_labels().ends_with(&below));
        (name, is_above)
    };
    let at = |offset: &u32| {
        vip_address(facts.vips, *offset)?;
        let mut jobs = jobs.iter().rev();
        jobs.find(|(label, _)| snapshot.vip(label) == Some(*offset)).map(|(label, _)| label.to_string())
    };
    let mut answers = Answers {
        names: inside.chain(hosts().map(|host| (host.clone(), domain(&host)))).collect(),
        above: prefixes().into_iter().map(above).collect(),
        vips: OFFSETS.iter().map(at).collect(),
        domains: snapshot.domains.keys().map(ToString::to_string).collect(),
        ..Answers::default()
    };
    for number in NUMBERS {
        let claims = |udp: bool| {
            let ports = jobs.iter().flat_map(|(label, job)| job.ports.iter().map(move |port| (*label, port)));
            ports.filter(move |(_, port)| port.port == number && udp == (port.protocol == Protocol::Udp))
        };
        let owner = |udp: bool| {
            claims(udp).next().filter(|_| facts.hub).map(|(label, port)| match port.protocol {
                Protocol::Http => "by host".to_owned(),
                Protocol::Tls => "by SNI".to_owned(),
                _ => format!("{label} {}", port.name),
            })
        };
        answers.numbers.push((owner(false), owner(true)));
        for udp in [false, true].into_iter().filter(|_| facts.hub) {
            let Some((owner, owned)) = claims(udp).next() else { continue };
            let shares = |port: &Port| {
                owned.protocol == port.protocol && matches!(port.protocol, Protocol::Http | Protocol::Tls)
            };
            let refused = claims(udp).skip(1).filter(|(_, port)| !shares(port));
            answers.conflicts.extend(refused.map(|(label, port)| {
                let owner = format!("{owner} {}", owned.protocol);
                (label.to_string(), port.name.to_string(), number, udp, owner)
            }));
        }
    }
    answers.conflicts.sort();
    answers
}

/// Where each endpoint's live state is.
fn lives(table: &Table) -> HashMap<(String, String, String, SocketAddr), usize> {
    let ports = table.jobs().flat_map(|job| job.ports.iter().map(move |port| (job, port)));
    let lives = ports.flat_map(|(job, port)| {
        let endpoints = port.endpoints().endpoints.clone();
        endpoints.into_iter().map(|one| {
            let key = (job.label.to_string(), port.name().to_string(), one.id.to_string(), one.address);
            (key, Arc::as_ptr(&one.live).addr())
        })
    });
    lives.collect()
}

proptest! {
    #[test]
    fn following_changes_of_names_equals_building_anew(history in history(), hub: bool) {
        let facts = Facts { hub, ..facts() };
        let (mut snapshot, mut table) = (Snapshot::default(), Table::empty(&facts));
        for steps in history {
            let next = follow(&snapshot, steps);
            let before = lives(&table);
            let (updated, ..) = table.updated(&facts, &snapshot, &next, &mut || 0);
            let kept = answers(&table);
            prop_assert_eq!(&kept, &plainly(&snapshot, &facts), "the table before is as it was");
            (table, snapshot) = (updated, next);
            let fresh = build(&facts, &snapshot, &Table::empty(&facts));
            let expected = plainly(&snapshot, &facts);
            prop_assert_eq!(&answers(&table), &expected);
            prop_assert_eq!(&answers(&fresh), &expected);
            prop_assert_eq!(dialled(&table), dialled(&fresh));
            for (endpoint, live) in lives(&table) {
                if let Some(before) = before.get(&endpoint) {
                    prop_assert_eq!(*before, live, "{:?} lost its live state", endpoint);
                }
            }
        }
    }
}

#[test]
fn what_did_not_change_is_the_old_table_s_own() {
    let facts = facts();
    let first = put(&put(&app2(), "jobs/other", r#"{"jobname":"job.other"}"#), "domains/d.net", ROUTE);
    let table = build(&facts, &first, &Table::empty(&facts));
    let second = put(&put(&first, "jobs/more", r#"{"jobname":"job.more"}"#), "domains/e.net", ROUTE);
    let (next, _, former) = table.updated(&facts, &first, &second, &mut || 0);
    assert!(former.is_empty());
    assert!(Arc::ptr_eq(table.job("other").unwrap(), next.job("other").unwrap()));
    let domain = |table: &Table| match table.resolve("d.net") {
        Some(Named::Domain(domain)) => domain,
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&domain(&table), &domain(&next)));
}

const ROUTE: &str = r#"{"routes":[{"to":[{"job":"app2"}]}]}"#;
