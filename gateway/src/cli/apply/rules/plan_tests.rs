use serde_json::Value;

use super::*;

const FILE: &str = r#"
[[rule]]
id = "let-in"
to = { job = "redis" }
from = { jobname = "cop.coding" }
action = "allow"
[[rule]]
id = "keep-out"
to = { job = "redis" }
from = { cidr = ["10.0.0.0/8"] }
action = "deny"
[[rule]]
id = "tried"
to = { job = "redis" }
from = { cidr = ["10.1.0.0/16"] }
action = "deny"
dry_run = true
[[guard]]
selector = "job.redis"
"#;

fn file(text: &str) -> RulesFile {
    RulesFile::parse(text, "f.toml").unwrap()
}

fn steps(file: &RulesFile, current: &Current, prune: bool) -> Vec<Step> {
    plan(file, current, prune, Timestamp::from_seconds(9)).0
}

fn told(steps: &[Step]) -> Vec<(String, Deed)> {
    steps.iter().map(|step| (step.subject.to_string(), step.deed)).collect()
}

fn names<const N: usize>(names: [(&str, Deed); N]) -> Vec<(String, Deed)> {
    names.map(|(name, deed)| (name.to_owned(), deed)).to_vec()
}

/// What there is after everything in the plan was written.
fn after(before: &Current, steps: Vec<Step>) -> Current {
    let mut current = before.clone();
    for step in steps {
        match (step.subject, step.deed) {
            (_, Deed::Keep | Deed::Leave) => {}
            (Subject::Rule(id, _), Deed::Delete) => drop(current.rules.remove(&id)),
            (Subject::Rule(id, rule), _) => drop(current.rules.insert(id, (rule, Revision(5)))),
            (Subject::Guard(selector, guard), _) => {
                drop(current.guards.insert(selector, (guard, Revision(6))));
            }
        }
    }
    current
}

#[test]
fn what_closes_is_written_before_what_opens() {
    let file = file(FILE);
    let first = steps(&file, &Current::default(), false);
    let all = ["job.redis", "keep-out", "let-in", "tried"];
    assert_eq!(told(&first), names(all.map(|name| (name, Deed::Create))));
    assert!(first.iter().all(|step| step.at.is_none() && step.fields.is_empty()));
    assert_eq!(first[1].place, Some(Place { line: 8, column: 6 }));
    let current = after(&Current::default(), first);
    assert_eq!(current.guards.values().next().unwrap().0.since, Some(Timestamp::from_seconds(9)));
    let second = steps(&file, &current, true);
    let kept = ["job.redis", "keep-out", "let-in", "tried"];
    assert_eq!(told(&second), names(kept.map(|name| (name, Deed::Keep))));
}

#[test]
fn a_change_names_its_fields_and_replaces_what_was_read() {
    let current = after(&Current::default(), steps(&file(FILE), &Current::default(), false));
    let text =
        FILE.replace("[\"10.0.0.0/8\"]", "[\"10.9.0.0/16\"]").replace("dry_run = true", "dry_run = false");
    let changes = steps(&file(&text), &current, false);
    let expected = names([
        ("job.redis", Deed::Keep),
        ("keep-out", Deed::Change),
        ("tried", Deed::Change),
        ("let-in", Deed::Keep),
    ]);
    assert_eq!(told(&changes), expected);
    let fields: Vec<_> =
        changes.iter().flat_map(|step| &step.fields).map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["from.cidr[0]", "dry_run"]);
    assert_eq!(changes[1].at, Some(Revision(5)));
}

/// The new one may be what takes over from it.
#[test]
fn a_new_deny_is_there_before_an_old_one_changes() {
    let current = after(&Current::default(), steps(&file(FILE), &Current::default(), false));
    let text = FILE.replace("[\"10.0.0.0/8\"]", "[\"10.9.0.0/16\"]")
        + "[[rule]]\nid = \"new\"\nto = { job = \"redis\" }\nfrom = { cidr = [\"10.0.0.0/8\"] }\naction = \"deny\"\n";
    let told = told(&steps(&file(&text), &current, false));
    assert_eq!(told[1..3], names([("new", Deed::Create), ("keep-out", Deed::Change)]));
}

#[test]
fn only_prune_deletes_and_then_denies_last_and_guards_never() {
    let current = after(&Current::default(), steps(&file(FILE), &Current::default(), false));
    let one = file(
        "[[rule]]\nid = \"new\"\nto = { job = \"a\" }\nfrom = { cidr = [\"::/0\"] }\naction = \"allow\"\n",
    );
    let (kept, left) = plan(&one, &current, false, Timestamp::from_seconds(9));
    assert_eq!((told(&kept), left), (names([("new", Deed::Create)]), 3));
    let (pruned, left) = plan(&one, &current, true, Timestamp::from_seconds(9));
    let expected = names([
        ("new", Deed::Create),
        ("let-in", Deed::Delete),
        ("tried", Deed::Delete),
        ("keep-out", Deed::Delete),
    ]);
    assert_eq!((told(&pruned), left), (expected, 0));
    assert!(pruned[1..].iter().all(|step| step.at == Some(Revision(5)) && step.place.is_none()));
    let last = after(&current, pruned);
    assert_eq!((last.rules.len(), last.guards.len()), (1, 1));
}

#[test]
fn a_guard_keeps_what_the_file_does_not_say() {
    let stored = Guard { job: None, rule: "r".parse().ok(), since: None, note: "n".into() };
    let current = Current {
        guards: [("job.redis".parse().unwrap(), (stored.clone(), Revision(3)))].into(),
        ..Current::default()
    };
    let kept = steps(&file("[[guard]]\nselector = \"job.redis\"\n"), &current, true);
    assert_eq!(told(&kept), names([("job.redis", Deed::Keep)]));
    let changed = steps(&file("[[guard]]\nselector = \"job.redis\"\nnote = \"m\"\n"), &current, true);
    let Subject::Guard(_, guard) = &changed[0].subject else { panic!("{changed:?}") };
    assert_eq!((guard, changed[0].at), (&Guard { note: "m".into(), ..stored }, Some(Revision(3))));
}

proptest::proptest! {
    /// The naive twin does not plan: it takes the file as it is, and what else there was unless it is pruned.
    #[test]
    fn after_the_plan_there_is_what_the_file_says(
        before in proptest::collection::btree_map(0u8..6, (0u8..2, 0u8..2), 0..6),
        wanted in proptest::collection::btree_map(0u8..6, (0u8..2, 0u8..2), 1..6),
        prune: bool,
    ) {
        let text = |rules: &std::collections::BTreeMap<u8, (u8, u8)>| -> String {
            let rule = |(id, (action, dry)): (&u8, &(u8, u8))| format!(
                "[[rule]]\nid = \"r{id}\"\nto = {{ job = \"a\" }}\nfrom = {{ cidr = [\"::/0\"] }}\naction = \"{}\"\ndry_run = {}\n",
                if *action == 0 { "allow" } else { "deny" }, *dry == 1,
            );
            rules.iter().map(rule).collect()
        };
        let current = after(&Current::default(), steps(&file(&text(&before)), &Current::default(), false));
        let planned = steps(&file(&text(&wanted)), &current, prune);
        let opens = |step: &Step| matches!(&step.subject, Subject::Rule(_, rule) if !keeps_out(rule)) && step.deed != Deed::Delete;
        let closes = |step: &Step| matches!(step.deed, Deed::Create | Deed::Change) && !opens(step);
        if let (Some(first), Some(last)) = (planned.iter().position(opens), planned.iter().rposition(closes)) {
            proptest::prop_assert!(last < first);
        }
        let mut expected = if prune { Default::default() } else { before.clone() };
        expected.extend(wanted);
        let now = after(&current, planned);
        let all = |text: &str| -> Vec<(String, Value)> {
            let mut all: Vec<_> = file(text).rules.iter().map(|rule| (rule.name.to_string(), json!(rule.value))).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all
        };
        let found: Vec<(String, Value)> = now.rules.iter().map(|(id, (rule, _))| (id.to_string(), json!(rule))).collect();
        proptest::prop_assert_eq!(found, all(&text(&expected)));
    }
}
