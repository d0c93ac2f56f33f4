use serde_json::json;

use super::*;

fn read(text: &str) -> RulesFile {
    RulesFile::parse(text, "f.toml").unwrap_or_else(|problems| panic!("{problems}"))
}

fn wrong(text: &str) -> Vec<String> {
    RulesFile::parse(text, "f.toml").unwrap_err().iter().map(ToString::to_string).collect()
}

const RULE: &str = r#"
[[rule]]
id = "redis-1"
to = { job = "redis" }
from = { jobname = "cop.coding", cidr = ["10.0.0.0/8"] }
action = "allow"
"#;

#[test]
fn the_fields_are_those_of_the_record() {
    let file = read(
        r#"
[[rule]]
id = "all"
action = "deny"
ports = [0x1F90, "main"]
methods = ["GET"]
paths = ["/admin"]
proof = "mtls"
dry_run = true
expires = 2026-01-01T08:00:00+08:00
note = "n"
[rule.to]
jobname = "cop.coding_service.redis"
[rule.from]
cidr = ["10.0.0.0/8", "::/0"]

[[rule]]
id = "short"
to = { job = "redis" }
from = { jobname = "job.*" }
action = "allow"
expires = 1767225600

[[guard]]
selector = "cop.coding_job.redis"
note = "why"
[[guard]]
selector = "job.x"
"#,
    );
    let all = json!({"to": {"jobname": "service.redis_cop.coding"}, "from": {"cidr": ["10.0.0.0/8", "::/0"]},
        "action": "deny", "ports": [8080, "main"], "methods": ["GET"], "paths": ["/admin"], "proof": "mtls",
        "dry_run": true, "expires": 1_767_225_600, "note": "n"});
    assert_eq!(json!(file.rules[0].value), all);
    let short = json!({"to": {"job": "redis"}, "from": {"jobname": "job.*"}, "action": "allow", "ports": [],
        "proof": "none", "dry_run": false, "expires": 1_767_225_600, "note": ""});
    assert_eq!(json!(file.rules[1].value), short);
    assert_eq!((file.rules[1].name.as_str(), file.rules[1].place), ("short", Place { line: 18, column: 6 }));
    assert_eq!(file.guards[0].name.as_str(), "job.redis_cop.coding");
    assert_eq!((file.guards[0].value.note.as_deref(), &file.guards[1].value.note), (Some("why"), &None));
    let summary = "2 rules (1 allow, 1 deny, 1 dry run, 2 expired), 2 guards";
    assert_eq!(file.summary(Timestamp::from_seconds(1_800_000_000)), summary);
    assert_eq!(read("").summary(Timestamp::now()), "0 rules, 0 guards");
}

#[test]
fn everything_wrong_is_told_at_once_where_it_is() {
    let found = wrong(
        r#"
[[rule]]
id = "Redis 1"
to = { job = "redis", jobname = "cop.coding" }
from = { cidr = ["10.0.0.7/8", 7, "::/0", "::/0"] }
action = "permit"
ports = [0, "main", "main", 65536]
methods = ["get"]
paths = ["/ok", "v1"]
dry_run = "yes"
expires = "2h"
prof = "mtls"
note = 5

[[rule]]
id = "two"
from = {}
to = "redis"
expires = 2026-01-01

[[guard]]
selector = "job"
colour = 1

[[rules]]
"#,
    );
    let starts = [
        "f.toml:3:6: rule[0].id: `Redis 1` is no name; write",
        "f.toml:4:6: rule[0].to: names not one of `job` and `jobname`",
        "f.toml:5:18: rule[0].from.cidr[0]: `10.0.0.7/8` has bits beyond its prefix; write `10.0.0.0/8`",
        "f.toml:5:32: rule[0].from.cidr[1]: invalid type: integer `7`",
        "f.toml:5:43: rule[0].from.cidr[3]: `::/0` is there twice; write it once",
        "f.toml:6:10: rule[0].action: unknown variant `permit`, expected `allow` or `deny`",
        "f.toml:7:10: rule[0].ports[0]: invalid value: integer `0`, expected a port's number, 1 to 65535",
        "f.toml:7:21: rule[0].ports[2]: `main` is there twice",
        "f.toml:7:29: rule[0].ports[3]: invalid value: integer `65536`",
        "f.toml:8:12: rule[0].methods[0]: a method is written in upper case, as in \"GET\"",
        "f.toml:9:17: rule[0].paths[1]: a path prefix starts with `/`",
        "f.toml:10:11: rule[0].dry_run: invalid type: string \"yes\", expected a boolean",
        "f.toml:11:11: rule[0].expires: is a string, not a moment\n  hint: write expires = 2027",
        "f.toml:12:1: rule[0].prof: unknown key\n  hint: did you mean `proof`?",
        "f.toml:13:8: rule[0].note: invalid type: integer `5`",
        "f.toml:15:1: rule[1].action: is missing\n  hint: write action = \"allow\", or \"deny\"",
        "f.toml:17:8: rule[1].from: names nobody\n  hint: write from = { jobname",
        "f.toml:18:6: rule[1].to: is no table\n  hint: write to = { job = \"redis\" }",
        "f.toml:19:11: rule[1].expires: `2026-01-01` is a moment only with date, time and offset",
        "f.toml:22:12: guard[0].selector: ",
        "f.toml:23:1: guard[0].colour: unknown key\n  hint: known here: selector, note",
        "f.toml:25:3: rules: unknown key\n  hint: did you mean `rule`?",
    ];
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found}\ndoes not start with\n{start}");
    }
    assert_eq!(found.len(), starts.len(), "{found:#?}");
}

#[test]
fn a_name_is_there_once() {
    let twice = format!("{RULE}{}", RULE.replace("allow", "maybe"));
    let found = wrong(&twice);
    assert_eq!(found[0], "f.toml:9:6: rule[1].id: `redis-1` is at f.toml:3:6 already; give each its own id");
    assert!(found[1].contains("unknown variant `maybe`"), "{found:?}");
    let found = wrong("[[guard]]\nselector = \"job.a_cop.b\"\n[[guard]]\nselector = \"cop.b_job.a\"\n");
    assert_eq!(
        found,
        [
            "f.toml:4:12: guard[1].selector: `job.a_cop.b` is at f.toml:2:12 already; give each its own selector"
        ]
    );
}

#[test]
fn what_is_no_list_of_tables_is_told_so() {
    assert!(
        wrong("[rule]\nid = \"a\"\n")[0]
            .contains("rule: is no array of tables\n  hint: write [[rule]] above each")
    );
    assert!(wrong("rule = [1]\n")[0].starts_with("f.toml:1:9: rule[0]: is no table"));
    let found = wrong("[[rule]\nid = 1\n[[rule]]\nid = \n");
    assert!(found.len() == 2 && found[0].starts_with("f.toml:1:"), "{found:?}");
    let many: Vec<String> = (1..=257).map(|port| port.to_string()).collect();
    let found = wrong(&format!("{RULE}ports = [{}]\n", many.join(",")));
    assert!(found[0].contains("rule[0].ports: 257 items; the most is 256"), "{found:?}");
}

#[test]
fn a_file_of_rules_is_told_from_settings() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    for (text, is) in
        [(RULE, true), ("[[rules]]\n", true), ("[[guard]]\n", true), ("workers = {}\n", false), ("", false)]
    {
        std::fs::write(&file, text).unwrap();
        assert_eq!(is_rules_file(&file), is, "{text}");
    }
    let missing = RulesFile::from_file(&folder.path().join("no.toml")).unwrap_err().to_string();
    assert!(missing.contains("no.toml: cannot be read: "), "{missing}");
    std::fs::write(&file, b"\xff").unwrap();
    assert!(
        RulesFile::from_file(&file).unwrap_err().to_string().contains("is not UTF-8 text from byte 0 on")
    );
}

#[test]
fn the_documentation_s_file_is_right() {
    let page = include_str!("../../../../docs/access.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let file = read(rest.split("```").next().unwrap());
    assert_eq!((file.rules.len(), file.guards.len()), (2, 1));
}
