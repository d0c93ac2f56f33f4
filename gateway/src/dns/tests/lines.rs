//! Public domains: by line, by what is applied, and as far as an answer reaches.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::RecordType::{self, A, AAAA, ANY, MX, NS, SOA, TXT};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

use crate::dns::sample::{TERMS, data, local, query, records, table_of};
use crate::dns::{Asker, Terms, Transport, answer};
use crate::table::Table;

const BLOG: &str = "blog.coding.net.";
const TERMS_OF_AN_HOUR: Terms = Terms { ttl: 3_600, ..TERMS };

/// Telecom has 10.0.0.0/8 and 2001:db8::/32, unicom 10.1.0.0/16; mobile 10.2.0.0/16, which unicom stands in for and which
/// has no VIPs of its own.
fn site(directors: &[(&str, &str)]) -> Table {
    let mut all = records(1);
    let mut put = |key: &str, value: &str| all.push((key.to_owned(), value.to_owned()));
    put("lines/telecom", r#"{"prefixes":["10.0.0.0/8","2001:db8::/32"]}"#);
    put("lines/unicom", r#"{"prefixes":["10.1.0.0/16"]}"#);
    put("lines/mobile", r#"{"prefixes":["10.2.0.0/16"],"fallback":["unicom","telecom"]}"#);
    put("lines/listed", r#"{"prefix_list":"chinanet"}"#);
    let lines = r#"{"telecom":["203.0.113.1","2001:db8:1::1"],"unicom":["203.0.113.2"],"default":["203.0.113.3"],
        "listed":["203.0.113.4"]}"#;
    put("pools/blog", &format!(r#"{{"to":{{"hubs":"http"}},"port":80,"lines":{lines}}}"#));
    for (host, pool) in [
        ("blog.coding.net", "\"blog\""),
        ("*.coding.net", "\"blog\""),
        ("plain.net", "null"),
        ("early.net", "\"early\""),
    ] {
        put(
            &format!("domains/{host}"),
            &format!(r#"{{"routes":[{{"to":[{{"job":"app2"}}]}}],"pool":{pool}}}"#),
        );
    }
    for (id, applied) in directors {
        put(
            &format!("directors/{id}"),
            &format!(r#"{{"version":"1","host":"h","applied":{{"blog":{applied}}}}}"#),
        );
    }
    table_of("127.99.0.0/16", &all)
}

const EVERYTHING: &str = r#"["203.0.113.1","203.0.113.2","203.0.113.3","203.0.113.4","2001:db8:1::1"]"#;

/// The option's bytes: family, source, scope, address.
fn option(family: u16, source: u8, scope: u8, address: &[u8]) -> Vec<u8> {
    [&family.to_be_bytes()[..], &[source, scope], address].concat()
}

fn told(mut message: Message, options: &[Vec<u8>]) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(1_232);
    for data in options {
        edns.options_mut().insert(EdnsOption::Unknown(8, data.clone()));
    }
    message.edns = Some(edns);
    message
}

fn ask_from(table: &Table, message: &Message, from: &str) -> Message {
    let asker = Asker { address: from.parse().unwrap(), transport: Transport::Udp };
    let bytes = answer(table, TERMS_OF_AN_HOUR, &message.to_vec().unwrap(), asker).unwrap();
    Message::from_vec(&bytes).unwrap()
}

/// By a resolver of this host for a client in this subnet.
fn for_subnet(table: &Table, subnet: &str, of: RecordType) -> Message {
    let (address, length) = subnet.split_once('/').unwrap();
    let length: u8 = length.parse().unwrap();
    let bytes = usize::from(length).div_ceil(8);
    let data = match address.parse().unwrap() {
        IpAddr::V4(address) => option(1, length, 0, &address.octets()[..bytes]),
        IpAddr::V6(address) => option(2, length, 0, &address.octets()[..bytes]),
    };
    ask_from(table, &told(query(BLOG, of), &[data]), "127.0.0.1")
}

/// The option of an answer, as its bytes.
fn subnet_of(reply: &Message) -> Option<Vec<u8>> {
    match reply.edns.as_ref()?.option(EdnsCode::Subnet)? {
        EdnsOption::Subnet(subnet) => Some(subnet.try_into().unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_is_answered_the_vip_of_its_line_as_far_as_that_is_so() {
    let table = site(&[("lvs-1", EVERYTHING)]);
    for (subnet, vip, ttl, scope) in [
        ("10.9.0.0/24", "203.0.113.1", 60, 13),
        ("10.1.7.0/24", "203.0.113.2", 60, 16),
        ("10.2.7.0/24", "203.0.113.2", 30, 16),
        ("192.0.2.0/24", "203.0.113.3", 60, 1),
        // Its first address is all that is known of it.
        ("10.0.0.0/9", "203.0.113.1", 60, 16),
        ("2001:db8:7::/48", "203.0.113.1", 60, 32),
        ("2001:db9::/32", "203.0.113.3", 60, 32),
    ] {
        let reply = for_subnet(&table, subnet, A);
        assert!(reply.metadata.authoritative && reply.metadata.response_code == ResponseCode::NoError);
        assert_eq!((data(&reply.answers), reply.answers[0].ttl), (vec![vip.to_owned()], ttl), "{subnet}");
        let echoed = subnet_of(&reply).unwrap();
        assert_eq!(echoed[3], scope, "{subnet}: {echoed:?}");
        assert_eq!(echoed[2].to_string(), subnet.split_once('/').unwrap().1);
    }
    let reply = for_subnet(&table, "10.1.7.0/24", A);
    assert_eq!(
        subnet_of(&reply).unwrap(),
        option(1, 24, 16, &[10, 1, 7]),
        "family, source and address come back"
    );
    let plain = ask_from(&table, &query(BLOG, A), "10.1.7.7");
    assert!(plain.edns.is_none() && plain.answers[0].ttl == 60);
}

#[test]
fn who_says_nothing_is_where_its_resolver_is() {
    let table = site(&[("lvs-1", EVERYTHING)]);
    for (resolver, vip) in [
        ("10.1.0.53", "203.0.113.2"),
        ("::ffff:10.1.0.53", "203.0.113.2"),
        ("2001:db8::53", "203.0.113.1"),
        ("127.0.0.1", "203.0.113.3"),
    ] {
        let reply = ask_from(&table, &query(BLOG, A), resolver);
        assert_eq!(data(&reply.answers), [vip], "{resolver}");
        let reply = ask_from(&table, &told(query(BLOG, A), &[]), resolver);
        assert!(reply.edns.is_some() && subnet_of(&reply).is_none());
    }
    // A client that does not want to be known is on the line `default`, wherever its resolver is.
    for nowhere in [option(0, 0, 0, &[]), option(1, 0, 0, &[]), option(2, 0, 0, &[])] {
        let query = told(query(BLOG, A), std::slice::from_ref(&nowhere)).to_vec().unwrap();
        let asker = Asker { address: [10, 1, 0, 53].into(), transport: Transport::Udp };
        // The decoder knows no family 0.
        let bytes = answer(&table, TERMS, &query, asker).unwrap();
        for part in [&[203, 0, 113, 3][..], &[&[0, 8, 0, 4][..], &nowhere].concat()] {
            assert!(bytes.windows(part.len()).any(|window| window == part), "{part:?} in {bytes:?}");
        }
    }
    // A stranger speaks for itself only, and for what it says there is no answer.
    let unicom = told(query(BLOG, A), &[option(1, 24, 0, &[10, 1, 7])]);
    for (resolver, vip) in [("198.51.100.53", "203.0.113.3"), ("2001:db8::53", "203.0.113.1")] {
        let reply = ask_from(&table, &unicom, resolver);
        assert_eq!((data(&reply.answers), subnet_of(&reply)), (vec![vip.to_owned()], None), "{resolver}");
    }
    for resolver in ["192.168.7.53", "172.16.0.1", "fd00::53", "fe80::1", "::1"] {
        let reply = ask_from(&table, &unicom, resolver);
        assert_eq!(data(&reply.answers), ["203.0.113.2"], "{resolver}");
        assert!(subnet_of(&reply).is_some());
    }
}

#[test]
fn only_what_a_director_has_applied_is_answered() {
    let at = |table: &Table, subnet: &str| {
        let reply = for_subnet(table, subnet, A);
        let mut vips = data(&reply.answers);
        vips.sort();
        (vips.join(" "), reply.answers[0].ttl, subnet_of(&reply).unwrap()[3])
    };
    let answered = |vips: &str, ttl| (vips.to_owned(), ttl, 16);
    let unicom = "10.1.7.0/24";
    let table = site(&[("lvs-1", r#"["203.0.113.1"]"#), ("lvs-2", r#"["203.0.113.2","203.0.113.3"]"#)]);
    assert_eq!(at(&table, unicom), answered("203.0.113.2", 60));
    // Its own is not applied: its line has no fallback, so it is `default`, then any; and the scope stays.
    assert_eq!(
        at(&site(&[("lvs-2", r#"["203.0.113.1","203.0.113.3"]"#)]), unicom),
        answered("203.0.113.3", 30)
    );
    let any = site(&[("lvs-2", r#"["203.0.113.1"]"#), ("lvs-3", r#"["203.0.113.4","192.0.2.1"]"#)]);
    assert_eq!(at(&any, unicom), answered("203.0.113.1 203.0.113.4", 30));
    // Fallbacks in their order.
    assert_eq!(at(&any, "10.2.7.0/24"), answered("203.0.113.1", 30));
    // With everything down everything is published.
    for directors in [&[][..], &[("lvs-1", "[]")], &[("lvs-1", r#"["192.0.2.1"]"#)]] {
        let table = site(directors);
        assert_eq!(at(&table, unicom), answered("203.0.113.2", 30));
        let all = "203.0.113.1 203.0.113.2 203.0.113.3 203.0.113.4";
        assert_eq!(at(&table, "10.2.7.0/24"), answered(all, 30));
    }
    let short =
        answer(&table, Terms { ttl: 7, ..TERMS }, &query(BLOG, A).to_vec().unwrap(), local(Transport::Udp));
    assert_eq!(
        Message::from_vec(&short.unwrap()).unwrap().answers[0].ttl,
        7,
        "never above the configured one"
    );
}

#[test]
fn a_family_is_answered_for_every_line_or_for_none() {
    let table = site(&[("lvs-1", EVERYTHING)]);
    for (subnet, ttl) in [("10.9.0.0/24", 60), ("10.1.7.0/24", 30), ("192.0.2.0/24", 30)] {
        let reply = for_subnet(&table, subnet, AAAA);
        assert_eq!(
            (data(&reply.answers), reply.answers[0].ttl),
            (vec!["2001:db8:1::1".to_owned()], ttl),
            "{subnet}"
        );
    }
    // IPv4 works: what does not by IPv6 is not handed out.
    let table = site(&[("lvs-1", r#"["203.0.113.1"]"#)]);
    let reply = for_subnet(&table, "10.9.0.0/24", AAAA);
    assert!(reply.answers.is_empty() && subnet_of(&reply).unwrap()[3] == 0);
    let [soa] = &reply.authorities[..] else { panic!("{reply}") };
    assert_eq!((soa.record_type(), soa.name.to_ascii(), soa.ttl), (SOA, BLOG.to_owned(), 5));
}

#[test]
fn a_domain_is_a_zone_of_one_name() {
    let table = site(&[("lvs-1", EVERYTHING)]);
    let look = |name: &str, of| ask_from(&table, &query(name, of), "127.0.0.1");
    for name in [BLOG, "BLog.Coding.net.", "www.coding.net.", "early.net."] {
        let reply = look(name, NS);
        assert_eq!(data(&reply.answers), ["ns.jobs.coding.net."], "{name}");
        let reply = look(name, SOA);
        assert!(data(&reply.answers)[0].starts_with("ns.jobs.coding.net. hostmaster.jobs.coding.net. "));
        assert!(reply.metadata.authoritative && reply.answers[0].name.to_ascii() == name);
        for of in [MX, TXT, RecordType::HTTPS, RecordType::DS, RecordType::CNAME, RecordType::Unknown(65_280)]
        {
            let reply = look(name, of);
            assert!(reply.metadata.authoritative && reply.answers.is_empty(), "{name} {of}");
            assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
            let [soa] = &reply.authorities[..] else { panic!("{name} {of}: {reply}") };
            assert_eq!((soa.record_type(), soa.name.to_ascii()), (SOA, name.to_owned()));
        }
    }
    // The second one ends as the zone does, and is not in it.
    for name in ["www.coding.net.", "xjobs.coding.net."] {
        assert_eq!(data(&look(name, A).answers), ["203.0.113.3"], "{name}");
    }
    assert_eq!(look(BLOG, ANY).answers[0].record_type(), A);
    // A pool that is not there yet: the name is, and has no address.
    assert!(look("early.net.", A).answers.is_empty());
    for name in ["coding.net.", "a.b.coding.net.", "www.blog.coding.net.", "plain.net.", "net.", "other.org."]
    {
        let reply = look(name, A);
        assert_eq!(reply.metadata.response_code, ResponseCode::Refused, "{name}");
        assert!(!reply.metadata.authoritative && reply.authorities.is_empty());
    }
    // The zone is within `*.coding.net`, and stays what it is.
    assert_eq!(look("jobs.coding.net.", SOA).answers[0].record_type(), SOA);
    assert_eq!(look("nobody.jobs.coding.net.", A).metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(data(&look("app2.jobs.coding.net.", A).answers), ["127.99.0.7"]);
}

#[test]
fn what_is_the_same_for_everybody_has_scope_zero() {
    let table = site(&[("lvs-1", EVERYTHING)]);
    let subnet = option(1, 24, 0, &[10, 1, 7]);
    for (name, of) in [
        ("app2.jobs.coding.net.", A),
        ("nobody.jobs.coding.net.", A),
        (BLOG, MX),
        (BLOG, SOA),
        ("early.net.", A),
    ] {
        let reply = ask_from(&table, &told(query(name, of), std::slice::from_ref(&subnet)), "127.0.0.1");
        assert_eq!(subnet_of(&reply).unwrap(), subnet, "{name} {of}");
    }
    let refused = ask_from(&table, &told(query("other.org.", A), &[subnet]), "127.0.0.1");
    assert!(refused.metadata.response_code == ResponseCode::Refused && subnet_of(&refused).is_none());
}

#[test]
fn a_malformed_subnet_is_a_format_error() {
    let table = site(&[("lvs-1", EVERYTHING)]);
    let wrong = [
        vec![],
        vec![0, 1, 24],
        option(1, 24, 0, &[10, 1]),
        option(1, 24, 0, &[10, 1, 7, 0]),
        option(1, 20, 0, &[10, 1, 0x08]),
        option(1, 33, 0, &[10, 1, 7, 0, 0]),
        option(2, 129, 0, &[0; 17]),
        option(1, 24, 16, &[10, 1, 7]),
        option(1, 0, 0, &[0]),
        option(0, 8, 0, &[10]),
        option(3, 0, 0, &[]),
    ];
    for data in wrong {
        for name in [BLOG, "app2.jobs.coding.net.", "other.org."] {
            let reply = ask_from(&table, &told(query(name, A), std::slice::from_ref(&data)), "198.51.100.1");
            assert_eq!(reply.metadata.response_code, ResponseCode::FormErr, "{name} {data:?}");
            assert!(reply.answers.is_empty() && reply.edns.is_some() && subnet_of(&reply).is_none());
        }
    }
    let twice = [option(1, 24, 0, &[10, 1, 7]), option(1, 24, 0, &[10, 2, 7])];
    // The decoder keeps one option of a kind, so two are written by hand.
    let mut bytes = told(query(BLOG, A), &twice[..1]).to_vec().unwrap();
    let end = bytes.len();
    let length = end - 2 - (4 + twice[0].len());
    bytes.extend([&[0, 8, 0, 7][..], &twice[1]].concat());
    bytes[length..length + 2].copy_from_slice(&22u16.to_be_bytes());
    let reply = answer(&table, TERMS, &bytes, local(Transport::Udp)).unwrap();
    assert_eq!(reply[3] & 0xf, 1, "{reply:?}");
    // 20 bits with nothing behind them are right.
    assert_eq!(data(&for_subnet(&table, "10.1.16.0/20", A).answers), ["203.0.113.2"]);
}

/// An answer that is cut keeps its option.
#[test]
fn a_subnet_stays_when_an_answer_is_cut() {
    let vips = |line: u16| {
        let vips: Vec<String> = (1..=16).map(|n| format!("\"2001:db8:{line}::{n}\"")).collect();
        format!(r#""l{line}":[{}]"#, vips.join(","))
    };
    let lines: Vec<String> = (0..8).map(vips).collect();
    let mut all = records(1);
    all.push(("lines/a".into(), r#"{"prefixes":["10.0.0.0/8"]}"#.into()));
    all.push((
        "pools/blog".into(),
        format!(r#"{{"to":{{"hubs":"http"}},"port":80,"lines":{{{}}}}}"#, lines.join(",")),
    ));
    all.push((
        "domains/blog.coding.net".into(),
        r#"{"routes":[{"to":[{"job":"app2"}]}],"pool":"blog"}"#.into(),
    ));
    let table = table_of("127.99.0.0/16", &all);
    let subnet = option(1, 24, 0, &[10, 1, 7]);
    let mut query = told(query(BLOG, AAAA), std::slice::from_ref(&subnet));
    // Records are of 28 bytes: among as many lengths they leave every rest.
    for payload in 1_000..1_028 {
        query.edns.as_mut().unwrap().set_max_payload(payload);
        let bytes = answer(&table, TERMS, &query.to_vec().unwrap(), local(Transport::Udp)).unwrap();
        let reply = Message::from_vec(&bytes).unwrap();
        assert!(
            bytes.len() <= usize::from(payload) && bytes.len() > usize::from(payload) - 64,
            "{}",
            bytes.len()
        );
        assert!(reply.metadata.truncation && !reply.answers.is_empty());
        assert_eq!(subnet_of(&reply).unwrap()[..3], subnet[..3]);
    }
}
