//! What is wrong with a `gateway.toml`, where, and what to write instead.

use std::path::Path;

use super::{parse, problems};
use crate::settings::Settings;

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    let text = r#"data_dri = "x"
[registry]
url = "redis://x"
prefix = "roundhouse"
[dns]
ttl = 5
[names]
zone = "jobs..net"
vips = "127.99.3.0/16"
colour = "red"
[workers]
count = 1000
[[entrypoint]]
listen = ":80"
[[entrypoint]]
name = "web"
listen = "80"
protocol = "quic"
"#;
    let expected = r#"g.toml:1:1: data_dri: unknown key
  hint: did you mean `data_dir`?
g.toml:3:7: registry.url: registry `redis://x` is none we know; write `embedded`, `etcd://host:2379` or `http://host:8400`
g.toml:4:10: registry.prefix: prefix `roundhouse` does not begin with `/`; write as in `/roundhouse/v1`
g.toml:6:7: dns.ttl: is the number 5, not a string
  hint: write ttl = "5s"
g.toml:8:8: names.zone: zone label is empty; write 1 to 63 of a-z, 0-9 and `-`
g.toml:9:8: names.vips: `127.99.3.0/16` has host bits set; write `127.99.0.0/16`
g.toml:10:1: names.colour: unknown key
  hint: known here: zone, vips, answer, hub_addresses, catch
g.toml:12:9: workers.count: 1000 is out of bounds; write 0 to 256
g.toml:13:1: entrypoint[0].name: is missing
  hint: write name = "http"
g.toml:17:10: entrypoint[1].listen: listen address `80` is a port alone; write `:80` for all addresses or `127.0.0.1:80`
g.toml:18:12: entrypoint[1].protocol: `quic` is unknown; write `http`, `https`, `tls`, `tcp` or `udp`"#;
    assert_eq!(problems(text), expected);
}

#[test]
fn every_syntax_error_is_reported() {
    let text = problems("a = \nb = 1 2\nzone = \"x\n[names\n");
    for line in ["g.toml:1:", "g.toml:2:", "g.toml:3:", "g.toml:4:"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(problems("data_dir = \"a\"\ndata_dir = \"b\"\n").starts_with("g.toml:2:1: duplicate key"));
}

#[test]
fn wrong_types_are_told_what_to_write() {
    assert!(problems("names = 1").contains("names: is the number 1, not a table\n  hint: write [names]"));
    assert!(
        problems("[entrypoint]\nname = \"x\"")
            .contains("not an array of tables\n  hint: write [[entrypoint]]")
    );
    assert!(
        problems("entrypoint = [1]")
            .contains("entrypoint[0]: is the number 1; write a table under [[entrypoint]]")
    );
    assert!(
        problems("workers.count = \"4\"")
            .contains("is the string \"4\", not a whole number\n  hint: write count = 0")
    );
    assert!(problems("workers.count = 1.5").contains("not a whole number"));
    assert!(problems("workers.count = -1").contains("-1 is out of bounds"));
    assert!(problems("workers.count = 99999999999999999999").contains("out of bounds"));
    assert!(problems("limits.head = \"64\"").contains("write `64KiB`"));
    assert!(problems("limits.head = \"1B\"").contains("write \"8KiB\" to \"1MiB\""));
    assert!(problems("dns.ttl = \"1500ms\"").contains("whole seconds"));
    assert!(problems("data_dir = \"\"").contains("is no folder"));
}

#[test]
fn an_unknown_word_is_told_the_known_ones() {
    assert!(problems("names.answer = \"ip\"").contains("`ip` is unknown; write `vip` or `hub`"));
    assert!(problems("names.catch = \"net\"").contains("`net` is unknown; write `bind` or `capture`"));
    assert!(problems("registry.url = \"http://hub\"").contains("a gateway keeps the registry"));
}

#[test]
fn a_way_into_etcd_without_contradictions() {
    let text = problems("[registry]\nurl = \"etcd://h1\"\nca = \"ca.pem\"\nuser = \"hub\"\n");
    let expected = "g.toml:3:6: registry.ca: is for TLS, and `etcd://h1:2379` is without; \
                    write `etcds://h1:2379`, or leave it out\n\
                    g.toml:1:1: registry.password_file: is missing: \
                    a `user` needs the file that holds its password";
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable_by_key(|line| line.contains("password_file"));
    assert_eq!(lines.join("\n"), expected);
    assert!(problems("registry.url = \"etcds://h1\"").contains("registry.ca: is missing"));
    assert!(problems("registry.user = \"hub\"").contains("is for etcd, and the registry is `embedded`"));
    // One wrong value is one problem.
    assert_eq!(problems("registry = { url = \"redis://x\", ca = \"a\" }").lines().count(), 1);
}

#[test]
fn vips_are_a_prefix_with_room() {
    assert!(
        problems("names.vips = \"127.99.0.0/31\"").contains("write at most /30, such as `127.99.0.0/30`")
    );
    assert!(problems("names.vips = \"fd00::/127\"").contains("write at most /126, such as `fd00::/126`"));
    assert!(problems("names.vips = \"127.99.0.0\"").contains("has no prefix length"));
    assert!(problems("names.vips = \"many\"").contains("is no prefix; write as in `127.99.0.0/16`"));
    assert!(
        problems("names.vips = \"127.0.0.0/8\"").contains("127.0.0.0/8 holds admin.listen `127.0.0.1:8400`")
    );
    parse("names.vips = \"10.1.0.0/30\"");
}

#[test]
fn loopback_vips_are_not_told_to_other_machines() {
    let text = problems("[dns]\nlisten = \"10.0.0.1:53\"");
    assert!(
        text.starts_with("g.toml:2:10: dns.listen: DNS on `10.0.0.1:53` would answer other machines"),
        "{text}"
    );
    assert!(text.contains("a few hubs on a network of your own"), "{text}");
    parse("dns.listen = \"10.0.0.1:53\"\nnames.vips = \"10.9.0.0/16\"");
}

#[test]
fn loopback_hubs_are_not_told_to_other_machines() {
    let hub = |hubs: &str| {
        format!("dns.listen = \":53\"\nnames = {{ answer = \"hub\", hub_addresses = [{hubs}] }}")
    };
    let text = problems(&hub("\"10.0.0.5\", \"::1\""));
    assert!(text.starts_with("g.toml:1:14: dns.listen: DNS on `:53` would answer other machines with ::1"));
    assert!(text.contains("one machine: listen = \"127.0.0.1:53\" here"), "{text}");
    parse(&hub("\"10.0.0.5\""));
    parse("names = { answer = \"hub\", hub_addresses = [\"127.0.0.5\"] }");
    let vips = problems("dns.listen = \":53\"");
    assert!(vips.contains("names.answer = \"hub\" and their addresses as names.hub_addresses"), "{vips}");
}

#[test]
fn hub_addresses_are_for_hubs_that_clients_can_dial() {
    let hub = |more: &str| problems(&format!("[names]\nanswer = \"hub\"\n{more}"));
    for none in ["", "hub_addresses = []"] {
        let text = hub(none);
        assert!(
            text.contains("names.hub_addresses: is missing") && text.contains("[\"10.0.0.5\"]"),
            "{text}"
        );
    }
    let elements = hub("hub_addresses = [\"hub\", \"0.0.0.0\", \"::ffff:10.0.0.5\", 5]");
    assert_eq!(
        elements,
        "g.toml:3:18: names.hub_addresses[0]: `hub` is no address; write as in `10.0.0.5`\n\
         g.toml:3:25: names.hub_addresses[1]: nobody can connect to 0.0.0.0; write the address that clients dial\n\
         g.toml:3:36: names.hub_addresses[2]: `::ffff:10.0.0.5` is IPv4 in IPv6's clothes; write `10.0.0.5`\n\
         g.toml:3:55: names.hub_addresses[3]: is the number 5, not a string\n  \
         hint: write hub_addresses = [\"10.0.0.5\"]"
    );
    assert!(hub("hub_addresses = [\"10.0.0.5\", \"10.0.0.5\"]").contains("`10.0.0.5` is there twice"));
    let many: Vec<String> = (1..=17).map(|n| format!("\"10.0.0.{n}\"")).collect();
    let many = format!("hub_addresses = [{}]", many.join(", "));
    assert!(hub(&many).contains("17 addresses; write at most 16"));

    let vip = problems("names.hub_addresses = [\"10.0.0.5\"]");
    assert!(vip.contains("names.hub_addresses: only with answer = \"hub\""), "{vip}");
    let catch = hub("hub_addresses = [\"10.0.0.5\"]\ncatch = \"capture\"");
    assert!(catch.starts_with("g.toml:4:9: names.catch: `capture` is for VIPs"), "{catch}");
    assert_eq!(problems("names.answer = \"cloud\"\nnames.hub_addresses = [\"10.0.0.5\"]").lines().count(), 1);
}

#[test]
fn an_open_admin_listener_has_tls_and_tokens() {
    let open = problems("admin.listen = \":8400\"");
    assert!(
        open.starts_with("g.toml:1:16: admin.listen: a listener that is not on loopback needs TLS"),
        "{open}"
    );
    assert!(open.contains("write cert = ") && open.contains("or listen = \"127.0.0.1:8400\""), "{open}");
    let files = "cert = \"hub.pem\"\nkey = \"hub-key.pem\"\n";
    let admin = |lines: &str| parse(&format!("[admin]\n{lines}")).admin;
    let public = admin(&format!("listen = \":8400\"\n{files}"));
    assert!(public.require_token && public.tls.is_some());
    assert!(!admin(files).require_token, "on loopback TLS asks for no token");
    assert!(admin("require_token = true").require_token);
    let untold = problems(&format!("[admin]\nlisten = \":8400\"\nrequire_token = false\n{files}"));
    assert!(untold.contains("admin.require_token: without tokens everybody"), "{untold}");
    assert!(problems("admin.cert = \"a\"").contains("admin.key: is missing"));
    assert!(problems("admin.key = \"a\"").contains("admin.cert: is missing"));
    assert!(
        problems("admin.require_token = 1").contains("not true or false\n  hint: write require_token = true")
    );
}

#[test]
fn names_and_listeners_are_one_of_a_kind() {
    let web = "[[entrypoint]]\nname = \"web\"\nlisten = \":80\"\n";
    let text = problems(&format!("{web}{web}"));
    assert!(
        text.contains("g.toml:5:8: entrypoint[1].name: there is an entrypoint `web` already, at g.toml:2:8"),
        "{text}"
    );
    assert!(
        text.contains(
            "g.toml:6:10: entrypoint[1].listen: `:80` is taken by entrypoint[0].listen, at g.toml:3:10"
        ),
        "{text}"
    );
    let text = problems("admin.listen = \"127.0.0.1:8080\"");
    assert!(
        text.contains(
            "g.toml:1:16: admin.listen: `127.0.0.1:8080` is taken by entrypoint[0].listen, which is a default"
        ),
        "{text}"
    );
    let any =
        "[[entrypoint]]\nname = \"a\"\nlisten = \":0\"\n[[entrypoint]]\nname = \"b\"\nlisten = \":0\"\n";
    assert_eq!(parse(any).entrypoints.len(), 2);
}

#[test]
fn tcp_and_udp_have_ports_of_their_own() {
    let dns = |name: &str, protocol: &str| {
        format!(
            "[[entrypoint]]\nname = \"{name}\"\nlisten = \":53\"\nprotocol = \"{protocol}\"\njob = \"dns\"\n"
        )
    };
    assert_eq!(parse(&(dns("a", "tcp") + &dns("b", "udp"))).entrypoints.len(), 2);
    for protocol in ["tcp", "udp"] {
        let text = problems(&(dns("a", protocol) + &dns("b", protocol)));
        assert!(text.contains("`:53` is taken by entrypoint[0].listen"), "{text}");
    }
    let own = "dns.listen = \":53\"\nnames.vips = \"10.9.0.0/16\"\n";
    let text = problems(&(own.to_owned() + &dns("a", "udp")));
    assert!(text.contains("entrypoint[0].listen: `:53` is taken by dns.listen, at g.toml:1:14"), "{text}");
    let unknown = problems(&(dns("a", "tcp") + &dns("b", "quic")));
    assert_eq!(unknown.lines().count(), 1, "{unknown}");
}

#[test]
fn too_long_a_file_is_refused() {
    assert!(problems(&"#".repeat(300_000)).contains("is longer than 256KiB"));
    for deep in ["[", "{a=", "a.", "[a.", "[["] {
        assert!(problems(&format!("a = {}", deep.repeat(50_000))).starts_with("g.toml:1:"));
        assert!(problems(&format!("{}a = 1", deep.repeat(50_000))).starts_with("g.toml:1:"));
    }
}

#[test]
fn a_wrong_value_gives_rise_to_no_second_problem() {
    let count = |text: &str| {
        let problems = Settings::parse(text, "g.toml", Path::new("")).unwrap_err();
        problems.iter().count()
    };
    assert_eq!(count("dns.listen = \"10.0.0.1:53\"\nnames.vips = \"10.9.0.1/16\""), 1);
    assert_eq!(count("admin.listen = \"8080\"\ndns.listen = \"127.0.0.1:8400\""), 1);
    assert_eq!(count("entrypoint = [{ listen = \":1\" }, { name = \"http\", listen = \":2\" }]"), 1);
    let later =
        problems("entrypoint = [1, {name = \"a\", listen = \":1\"}, {name = \"a\", listen = \":2\"}]");
    assert!(
        later.contains("entrypoint[2].name: there is an entrypoint `a` already, at g.toml:1:"),
        "{later}"
    );
}

#[test]
fn jobs_files_that_are_none() {
    assert!(problems("[jobs]\nfiles = \"a.jobs\"").contains("write files = [\"stack.jobs\"]"));
    assert!(
        problems("[jobs]\nfiles = [1]").contains("g.toml:2:10: jobs.files[0]: is the number 1, not a string")
    );
    assert!(problems("[jobs]\nfiles = [\"jobs/\"]").contains("jobs.files[0]: `jobs/` is no file"));
    assert!(
        problems("[jobs]\nfiles = [\"a/x.jobs\", \"b/x.jobs\"]").contains("two files are called `x.jobs`")
    );
}
