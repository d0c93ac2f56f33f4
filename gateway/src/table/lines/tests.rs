//! The choice of a line and the reach of an answer, against a twin that looks at everything.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use roundhouse_registry::Snapshot;

use super::Answer;
use crate::table::Table;
use crate::table::tests::{build, delete, facts, put};

const LINES: [&str; 4] = ["a", "b", "c", "default"];
/// Prefixes are of the first eight bits, so a block of them is all that there is.
const BLOCKS: u16 = 256;

/// Whether it is of IPv6, block and length.
type Prefix = (bool, u8, u8);

/// What is drawn.
#[derive(Clone, Debug)]
struct World {
    /// Of each line: its prefixes, and what stands in for it.
    lines: Vec<(Vec<Prefix>, Vec<usize>)>,
    /// Which lines have VIPs of IPv4 and of IPv6.
    pool: Vec<(bool, bool)>,
}

fn world() -> impl Strategy<Value = World> {
    let prefixes = proptest::collection::vec((any::<bool>(), any::<u8>(), 0..=8u8), 0..4);
    let fallback = proptest::collection::vec(0..LINES.len(), 0..3);
    let lines = proptest::collection::vec((prefixes, fallback), LINES.len());
    let pool = proptest::collection::vec((any::<bool>(), any::<bool>()), LINES.len());
    (lines, pool).prop_map(|(lines, pool)| World { lines, pool })
}

fn client(v6: bool, block: u16) -> IpAddr {
    let block = u32::from(block) << 24;
    if v6 { Ipv6Addr::from(u128::from(block) << 96).into() } else { Ipv4Addr::from(block).into() }
}

fn vip(v6: bool, line: usize) -> IpAddr {
    let line = line as u16 + 1;
    if v6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, line).into()
    } else {
        Ipv4Addr::new(203, 0, 113, line as u8).into()
    }
}

fn is_in(address: u8, block: u8, length: u8) -> bool {
    length == 0 || (address ^ block) >> (8 - length) == 0
}

impl World {
    fn vips(&self, v6: bool) -> Vec<(usize, IpAddr)> {
        let has = |line: &usize| if v6 { self.pool[*line].1 } else { self.pool[*line].0 };
        (0..LINES.len()).filter(has).map(|line| (line, vip(v6, line))).collect()
    }

    fn all_vips(&self) -> Vec<IpAddr> {
        [false, true].iter().flat_map(|v6| self.vips(*v6)).map(|(_, vip)| vip).collect()
    }

    fn records(&self) -> Vec<(String, String)> {
        let mut records = Vec::new();
        for (name, (prefixes, fallback)) in LINES.iter().zip(&self.lines) {
            let mut all: Vec<String> = Vec::new();
            for (v6, block, length) in prefixes {
                let kept = if *length == 0 { 0 } else { block >> (8 - length) << (8 - length) };
                let text = format!("{}/{length}", client(*v6, kept.into()));
                if !all.contains(&text) {
                    all.push(text);
                }
            }
            let mut stand_ins: Vec<&str> = Vec::new();
            for line in fallback {
                if !stand_ins.contains(&LINES[*line]) {
                    stand_ins.push(LINES[*line]);
                }
            }
            let record = serde_json::json!({ "prefixes": all, "fallback": stand_ins });
            records.push((format!("lines/{name}"), record.to_string()));
        }
        let mut lines = BTreeMap::new();
        for (line, vip) in [false, true].iter().flat_map(|v6| self.vips(*v6)) {
            lines.entry(LINES[line]).or_insert_with(Vec::new).push(vip);
        }
        let pool = serde_json::json!({ "to": { "hubs": "http" }, "port": 80, "lines": lines });
        records.push(("pools/blog".to_owned(), pool.to_string()));
        let domain = r#"{"routes":[{"to":[{"job":"blog"}]}],"pool":"blog"}"#;
        records.push(("domains/blog.coding.net".to_owned(), domain.to_owned()));
        records
    }

    /// The longest prefix, of equal ones the first line's; 3 is `default`.
    fn line_of(&self, v6: bool, block: u8) -> usize {
        let mut best: (Option<u8>, usize) = (None, 3);
        for (line, (prefixes, _)) in self.lines.iter().enumerate() {
            for (of, prefix, length) in prefixes {
                let longer = best.0.is_none_or(|best| *length > best);
                if *of == v6 && is_in(block, *prefix, *length) && longer {
                    best = (Some(*length), line);
                }
            }
        }
        best.1
    }

    fn answer(&self, v6: bool, line: usize, applied: &[IpAddr]) -> (Vec<IpAddr>, bool) {
        let vips = self.vips(v6);
        let works = |of: &dyn Fn(usize) -> bool| -> Vec<IpAddr> {
            let vips = vips.iter().filter(|(line, vip)| of(*line) && applied.contains(vip));
            vips.map(|(_, vip)| *vip).collect()
        };
        let own = works(&|of| of == line);
        if !own.is_empty() {
            return (own, false);
        }
        for stand_in in self.lines[line].1.iter().chain([&3]) {
            let theirs = works(&|of| of == *stand_in);
            if !theirs.is_empty() {
                return (theirs, true);
            }
        }
        let all = works(&|_| true);
        let any = self.all_vips().iter().any(|vip| applied.contains(vip));
        if !all.is_empty() || any {
            return (all, true);
        }
        let own: Vec<IpAddr> = vips.iter().filter(|(of, _)| *of == line).map(|(_, vip)| *vip).collect();
        (if own.is_empty() { vips.iter().map(|(_, vip)| *vip).collect() } else { own }, true)
    }

    /// What a line is answered under everything that could be applied.
    fn behaviour(&self, v6: bool, line: usize) -> Vec<(Vec<IpAddr>, bool)> {
        let all = self.all_vips();
        let subset = |mask: u32| -> Vec<IpAddr> {
            all.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0).map(|(_, vip)| *vip).collect()
        };
        (0..1 << all.len()).map(|mask| self.answer(v6, line, &subset(mask))).collect()
    }
}

fn table_of(records: &[(String, String)]) -> (Snapshot, Table) {
    let snapshot =
        records.iter().fold(Snapshot::default(), |snapshot, (key, value)| put(&snapshot, key, value));
    assert!(snapshot.quarantine.is_empty(), "{:?}", snapshot.quarantine);
    let table = build(&facts(), &snapshot, &Table::empty(&facts()));
    (snapshot, table)
}

fn said(answer: &Answer) -> (Vec<IpAddr>, bool) {
    (answer.addresses.to_vec(), answer.stands_in)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// The table is brought along by what directors apply, one after the other, and says what the twin says.
    #[test]
    fn everybody_is_answered_as_the_twin_answers(
        world in world(),
        steps in proptest::collection::vec((0..2usize, proptest::option::of(any::<u32>())), 1..5),
    ) {
        let (mut snapshot, mut table) = table_of(&world.records());
        let all = world.all_vips();
        let mut applied: [Vec<IpAddr>; 2] = Default::default();
        for (director, mask) in steps {
            let key = format!("directors/lvs-{director}");
            let vips = all.iter().enumerate().filter(|(at, _)| mask.is_some_and(|mask| mask & (1 << at) != 0));
            applied[director] = vips.map(|(_, vip)| *vip).collect();
            let record = serde_json::json!({
                "version": "1", "host": "h", "applied": { "blog": applied[director], "other": ["203.0.113.200"] }
            });
            let next = match mask {
                Some(_) => put(&snapshot, &key, &record.to_string()),
                None => delete(&snapshot, &key),
            };
            prop_assert!(next.quarantine.is_empty(), "{:?}", next.quarantine);
            table = table.updated(&facts(), &snapshot, &next, &mut || 0).0;
            snapshot = next;
            let applied: Vec<IpAddr> = applied.concat();
            let entry = table.published("blog.coding.net").unwrap();
            for asked_v6 in [false, true] {
                for (v6, block) in [false, true].into_iter().flat_map(|v6| (0..BLOCKS).map(move |block| (v6, block))) {
                    let line = world.line_of(v6, block as u8);
                    let (answer, _) = entry.answer(asked_v6, Some(client(v6, block)));
                    prop_assert_eq!(said(answer), world.answer(asked_v6, line, &applied), "{} {}", v6, block);
                }
                let (answer, scope) = entry.answer(asked_v6, None);
                prop_assert_eq!((said(answer), scope), (world.answer(asked_v6, 3, &applied), 0));
            }
        }
    }

    /// An answer reaches as far as nobody is ever answered otherwise, and no less.
    #[test]
    fn an_answer_reaches_as_far_as_it_is_the_only_one(world in world()) {
        let (_, table) = table_of(&world.records());
        let entry = table.published("blog.coding.net").unwrap();
        for asked_v6 in [false, true] {
            let behaviours: Vec<_> = (0..LINES.len()).map(|line| world.behaviour(asked_v6, line)).collect();
            let of = |v6: bool, block: u16| &behaviours[world.line_of(v6, block as u8)];
            let everybody = [false, true].iter().all(|v6| (0..BLOCKS).all(|block| of(*v6, block) == of(false, 0)));
            for (v6, block) in [false, true].into_iter().flat_map(|v6| (0..BLOCKS).map(move |block| (v6, block))) {
                let same = |depth: &u8| {
                    let around = (0..BLOCKS).filter(|other| is_in(*other as u8, block as u8, *depth));
                    around.into_iter().all(|other| of(v6, other) == of(v6, block))
                };
                let depth = (0..=8).find(same).unwrap();
                let expected = if everybody { 0 } else { depth.max(1) };
                let (_, scope) = entry.answer(asked_v6, Some(client(v6, block)));
                prop_assert_eq!(scope, expected, "{} {}", client(v6, block), asked_v6);
            }
        }
    }

    /// Whatever else changes, the table that was brought along answers as one made anew.
    #[test]
    fn following_lines_and_pools_equals_building_anew(before in world(), after in world()) {
        let (old, table) = table_of(&before.records());
        let new = after.records().iter().fold(old.clone(), |snapshot, (key, value)| put(&snapshot, key, value));
        let fresh = build(&facts(), &new, &Table::empty(&facts()));
        let table = table.updated(&facts(), &old, &new, &mut || 0).0;
        let [followed, fresh] = [&table, &fresh].map(|table| table.published("blog.coding.net").unwrap());
        for (v6, block) in [false, true].into_iter().flat_map(|v6| (0..BLOCKS).map(move |block| (v6, block))) {
            for asked_v6 in [false, true] {
                let client = Some(client(v6, block));
                let ((a, a_scope), (b, b_scope)) = (followed.answer(asked_v6, client), fresh.answer(asked_v6, client));
                prop_assert_eq!((a, a_scope), (b, b_scope));
            }
        }
        // A pool that is gone leaves a domain without VIPs.
        let gone = delete(&new, "pools/blog");
        let table = table.updated(&facts(), &new, &gone, &mut || 0).0;
        let entry = table.published("blog.coding.net").unwrap();
        prop_assert_eq!(entry.answer(false, None), (&Answer::default(), 0));
    }
}

#[test]
fn prefixes_of_every_length_divide_the_space() {
    let record =
        r#"{"prefixes":["10.0.0.0/8","10.1.2.3/32","2001:db8::/32","2001:db8::1/128","255.255.255.255/32"]}"#;
    let other = r#"{"prefixes":["10.1.0.0/16","10.0.0.0/8","ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"]}"#;
    let pool = r#"{"to":{"hubs":"http"},"port":80,"lines":{"a":["203.0.113.1"],"b":["203.0.113.2"],"default":["203.0.113.3"]}}"#;
    let domain = r#"{"routes":[{"to":[{"job":"blog"}]}],"pool":"blog"}"#;
    let records =
        [("lines/a", record), ("lines/b", other), ("pools/blog", pool), ("domains/blog.net", domain)];
    let (_, table) = table_of(&records.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let entry = table.published("blog.net").unwrap();
    for (client, line, scope) in [
        ("10.0.0.1", 1, 16),
        ("10.1.0.1", 2, 23),
        ("10.1.2.3", 1, 32),
        ("10.1.2.2", 2, 32),
        ("10.1.3.0", 2, 24),
        ("10.128.0.1", 1, 9),
        ("11.0.0.1", 3, 8),
        ("128.0.0.1", 3, 2),
        ("255.255.255.254", 3, 32),
        ("255.255.255.255", 1, 32),
        ("2001:db8::1", 1, 32),
        ("2001:db9::", 3, 32),
        ("::", 3, 3),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 2, 128),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 3, 128),
    ] {
        let (answer, reach) = entry.answer(false, Some(client.parse().unwrap()));
        let vip = IpAddr::from([203, 0, 113, line]);
        assert_eq!((&*answer.addresses, reach), (&[vip][..], scope), "{client}");
    }
    assert!(table.published("other.net").is_none());
}
