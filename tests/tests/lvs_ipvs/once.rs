//! `plan` and `apply --once`.

use roundhouse_tests::uml::in_uml;
use serde_json::{Value, json};

use crate::shell::{saved, sh, sorted};
use crate::stage::{Stage, VIP};

/// Two instances of `blog`, and its pool.
fn blog() -> Stage {
    let stage = Stage::new("");
    stage.job("blog");
    stage.instance("blog", 1, "10.0.0.1", &json!({}));
    stage.instance("blog", 2, "10.0.0.2", &json!({"line": "telecom", "weight": 50}));
    stage.pool("blog", "blog", &json!({}));
    stage
}

/// Messages to the kernel that change something: what is neither a dump nor a look at one service.
fn changes(command: &str) -> usize {
    let script = format!("strace -f -qq -e trace=sendto -o /run/trace {command} >/dev/null; cat /run/trace");
    let trace = sh(&script);
    let asked = |line: &&str| line.contains("sendto(") && line.contains("NLM_F_REQUEST|NLM_F_ACK");
    trace.lines().filter(asked).count()
}

#[test]
fn a_pool_is_planned_applied_and_then_nothing_is_left_to_do() {
    in_uml("once::a_pool_is_planned_applied_and_then_nothing_is_left_to_do", &["wrr"], |_| {
        let stage = blog();
        let plan = stage.answers(&["plan"], 2);
        let ops: Vec<&str> = plan.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        let expected = [
            "-A -t 203.0.113.10:80 -s wrr",
            "-a -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 100",
            "-a -t 203.0.113.10:80 -r 10.0.0.2:80 -m -w 500",
        ];
        assert_eq!(ops, expected);
        assert_eq!(saved(), Vec::<String>::new(), "a plan does nothing");
        stage.answers(&["apply", "--once"], 0);
        assert_eq!(saved(), sorted(&stage.answers(&["plan", "--table"], 0)));
        assert_eq!(saved(), expected);
        assert!(stage.answers(&["plan"], 0).starts_with("ipvs: nothing to do"));

        let command = stage.command(&["apply", "--once"]);
        let words: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        assert_eq!(changes(&words.join(" ")), 0, "{}", sh("cat /run/trace"));
        // Which it would have seen.
        stage.instance("blog", 2, "10.0.0.2", &json!({"weight": 7}));
        assert_eq!(changes(&words.join(" ")), 1);
        assert_eq!(saved()[2], "-a -t 203.0.113.10:80 -r 10.0.0.2:80 -m -w 7");
    });
}

#[test]
fn a_foreign_service_is_left_until_it_is_adopted() {
    in_uml("once::a_foreign_service_is_left_until_it_is_adopted", &["wrr", "rr"], |_| {
        let stage = blog();
        stage.pool("shop", "blog", &json!({"lines": {"telecom": ["203.0.113.11"]}}));
        sh("ipvsadm -A -t 203.0.113.10:80 -s rr; ipvsadm -a -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 3");
        sh("ipvsadm -a -t 203.0.113.10:80 -r 10.0.0.9:80 -m -w 3; ipvsadm -A -t 198.51.100.1:80 -s rr");
        let before = saved();
        let applied = stage.answers(&["apply", "--once"], 1);
        assert!(
            applied.contains("pool `blog`: `tcp/203.0.113.10:80` is there already, made by somebody else"),
            "{applied}"
        );
        let after = saved();
        assert!(before.iter().all(|line| after.contains(line)), "{after:?}");
        assert!(after.contains(&"-A -t 203.0.113.11:80 -s wrr".to_owned()), "the others go on: {after:?}");

        assert_eq!(stage.answers(&["adopt", "tcp/203.0.113.10:80"], 0), "adopted tcp/203.0.113.10:80\n");
        stage.answers(&["apply", "--once"], 0);
        let table = sorted(&stage.answers(&["plan", "--table"], 0));
        let ours: Vec<String> = saved().into_iter().filter(|line| !line.contains("198.51.100.1")).collect();
        // What was adopted with it and is not wanted is drained, and nothing answers there.
        assert_eq!(ours, table);
        assert!(saved().contains(&"-A -t 198.51.100.1:80 -s rr".to_owned()));

        stage.answers(&["release", "--all", "--remove"], 0);
        assert_eq!(saved(), ["-A -t 198.51.100.1:80 -s rr"]);
    });
}

#[test]
fn what_cannot_be_is_named_and_the_others_go_on() {
    in_uml("once::what_cannot_be_is_named_and_the_others_go_on", &["wrr"], |_| {
        let stage = blog();
        stage.job("six");
        stage.instance("six", 3, "2001:db8::3", &json!({}));
        stage.job("heavy");
        stage.instance("heavy", 4, "10.0.0.4", &json!({"weight": 1000, "line": "telecom"}));
        let on = |vip: &str| json!({"telecom": [vip]});
        stage.pool("mixed", "six", &json!({"lines": on("203.0.113.20")}));
        stage.pool("heavy", "heavy", &json!({"lines": on("203.0.113.21"), "local_weight": 66}));
        stage.pool("far", "blog", &json!({"lines": {"mobile": ["203.0.113.22"]}}));
        stage.pool(
            "direct",
            "blog",
            &json!({"lines": on("203.0.113.23"), "port": 8080, "forwarding": "droute"}),
        );
        stage.pool("missing", "blog", &json!({"lines": on("203.0.113.24"), "scheduler": "mh"}));
        let plan = stage.json(&["plan"], 1);
        let problem = |pool: &str| {
            let problems = plan[0]["problems"].as_array().unwrap();
            let found = problems.iter().find(|problem| problem["pool"] == pool);
            let text = |field: &str| found.map(|found| found[field].as_str().unwrap().to_owned());
            (text("problem").unwrap_or_default(), text("message").unwrap_or_default())
        };
        assert_eq!(problem("mixed").0, "mixed_families");
        assert!(problem("mixed").1.contains("`tcp/203.0.113.20:80` is IPv4 and no destination is"), "{plan}");
        assert_eq!(problem("heavy").0, "too_heavy");
        assert!(
            problem("heavy").1.contains("10.0.0.4:80 would weigh 66000, and the most is 65535"),
            "{plan}"
        );
        assert_eq!(problem("far").0, "nobody_holds");
        assert!(problem("far").1.contains("no live director holds the line `mobile`"), "{plan}");
        assert_eq!(problem("direct").0, "port_differs");
        assert!(problem("direct").1.contains("only \"forwarding\": \"masq\" translates ports"), "{plan}");

        // The kernel has the last word.
        let applied = stage.json(&["apply", "--once"], 1);
        let failed: &Value = &applied[0]["failed"][0];
        assert_eq!(failed["ipvsadm"], "-A -t 203.0.113.24:80 -s mh -b mh-fallback");
        assert!(failed["error"].as_str().unwrap().contains("modprobe ip_vs_mh"), "{failed}");
        let services: Vec<String> = saved().into_iter().filter(|line| line.starts_with("-A")).collect();
        assert_eq!(services, [format!("-A -t {VIP}:80 -s wrr")]);
    });
}
