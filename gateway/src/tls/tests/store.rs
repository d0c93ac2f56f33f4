//! The set of certificates without a handshake.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::UnixTime;

use super::*;

fn build(sources: &[CertificateSource]) -> (Certificates, Vec<String>) {
    build_after(sources, &Certificates::default())
}

fn build_after(sources: &[CertificateSource], previous: &Certificates) -> (Certificates, Vec<String>) {
    let (certificates, refused) = Certificates::build(sources, previous);
    (certificates, refused.iter().map(ToString::to_string).collect())
}

/// Seconds since 1970 at the first day of a year, as `date -u -d 2021-01-01 +%s` has them.
fn year(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

const Y2020: u64 = 1_577_836_800;
const Y2021: u64 = 1_609_459_200;

#[test]
fn facts_are_those_of_the_leaf() {
    let authority = Authority::new("a");
    let names = ["b.example.com", "*.A.example.com", "b.example.com"];
    let leaf = authority.issue(&Leaf { years: (2020, 2021), ..Leaf::of(&names) });
    let facts = Facts::of(&leaf.der()).unwrap();
    assert_eq!(*facts.names, ["*.a.example.com".into(), "b.example.com".into()]);
    assert_eq!((facts.not_before, facts.not_after), (year(Y2020), year(Y2021)));
    assert!(!facts.is_expired(year(Y2021)));
    assert!(facts.is_expired(year(Y2021 + 1)));
}

/// webpki's refusals are where the dates come from: also at the ends of what it reads.
#[test]
fn dates_are_read_at_the_ends_of_time() {
    let authority = Authority::new("a");
    let facts = |years| Facts::of(&authority.issue(&Leaf { years, ..Leaf::of(&[]) }).der()).unwrap();
    let ancient = facts((1970, 1971));
    assert_eq!((ancient.not_before, ancient.not_after), (year(0), year(365 * 86_400)));
    // `date -u -d 9999-01-01 +%s`
    assert_eq!(facts((2049, 9999)).not_after, year(253_370_764_800));
}

#[test]
fn fingerprints_and_dates_are_those_of_openssl() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("leaf.pem");
    let leaf = Authority::new("a").issue(&Leaf { years: (2020, 2055), ..Leaf::of(&["b.example.com"]) });
    std::fs::write(&file, &*leaf.chain()).unwrap();
    let output = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-dates", "-in"])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let facts = Facts::of(&leaf.der()).unwrap();
    let (_, hex) = text.lines().next().unwrap().split_once('=').unwrap();
    assert_eq!(hex.replace(':', "").to_lowercase(), facts.fingerprint.to_string());
    assert!(text.contains("notBefore=Jan  1 00:00:00 2020 GMT"), "{text}");
    assert_eq!(facts.not_before, year(Y2020));
    assert!(text.contains("notAfter=Jan  1 00:00:00 2055 GMT"), "{text}");
    assert_eq!(facts.not_after, year(2_682_374_400));
}

#[test]
fn a_bad_one_is_left_out_and_says_why() {
    let authority = Authority::new("a");
    let good = authority.source(&["good.example.com"]);
    let bad = |change: &dyn Fn(&mut CertificateSource)| {
        let mut source = authority.source(&["bad.example.com"]);
        change(&mut source);
        let (certificates, refused) = build(&[source, good.clone()]);
        assert!(certificates.by_name("bad.example.com").is_none());
        assert!(certificates.by_name("good.example.com").is_some());
        assert_eq!(certificates.first().map(|served| &*served.name), Some("good.example.com"));
        let [refused] = &*refused else { panic!("{refused:?}") };
        assert!(refused.starts_with("certificate `bad.example.com`: "), "{refused}");
        assert!(refused.ends_with("; it is not served"), "{refused}");
        assert!(!refused.contains("MII") && !refused.contains("BEGIN PRIVATE"), "{refused}");
        refused.clone()
    };
    let pem = |pem: &str| KeySource::Pem(pem.into());
    let other = authority.source(&["other.example.com"]);
    assert!(bad(&|source| source.key = other.key.clone()).contains("the key does not fit"));
    assert!(bad(&|source| source.chain = "".into()).contains("the chain has no certificate"));
    assert!(bad(&|source| source.chain = source.chain.replace("MII", "!!!").into()).contains("is no PEM"));
    assert!(
        bad(&|source| source.chain = source.chain.replace("MII", "AAA").into()).contains("cannot be read")
    );
    assert!(bad(&|source| source.key = pem("")).contains("the key is no private key in PEM"));
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMCAQA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert!(bad(&|source| source.key = pem(encrypted)).contains("decrypt it first"));
    let strange = "-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n";
    assert!(bad(&|source| source.key = pem(strange)).contains("of a kind that is not served"));
    let missing = KeySource::File("/nowhere/key.pem".into());
    assert!(bad(&|source| source.key = missing.clone()).contains("key file /nowhere/key.pem: No such file"));
}

#[test]
fn a_good_one_that_becomes_bad_is_served_on() {
    let authority = Authority::new("a");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("key.pem");
    let leaf = authority.issue(&Leaf::of(&["app2.example.com"]));
    std::fs::write(&file, &*leaf.key()).unwrap();
    let source = CertificateSource { key: KeySource::File(file.clone()), ..leaf.source("app2") };
    let sources = [source, authority.source(&["good.example.com"])];
    let key = |certificates: &Certificates| certificates.by_name("app2.example.com").unwrap().key().clone();

    let (first, refused) = build(&sources);
    assert!(refused.is_empty());
    std::fs::remove_file(&file).unwrap();
    let (second, refused) = build_after(&sources, &first);
    assert!(refused[0].ends_with("; the former one is served on"), "{refused:?}");
    assert!(Arc::ptr_eq(&key(&first), &key(&second)));
    assert!(second.by_name("app2.example.com").unwrap().former);
    assert_eq!(second.first().map(|served| &*served.name), Some("app2"), "its place stays too");

    // Still bad: it does not get lost the second time.
    let (third, refused) = build_after(&sources, &second);
    assert_eq!(refused.len(), 1);
    assert!(Arc::ptr_eq(&key(&first), &key(&third)));

    // Good again, and of the same content: not even parsed.
    std::fs::write(&file, &*leaf.key()).unwrap();
    let (fourth, refused) = build_after(&sources, &third);
    assert!(refused.is_empty());
    assert!(Arc::ptr_eq(&key(&first), &key(&fourth)));
    assert!(!fourth.by_name("app2.example.com").unwrap().former);

    // Who is taken out is gone.
    let (fifth, _) = build_after(&sources[1..], &fourth);
    assert!(fifth.by_name("app2.example.com").is_none());
}

#[test]
fn an_expired_one_is_served_and_reported() {
    let authority = Authority::new("a");
    let expired = authority.issue(&Leaf { years: (2020, 2021), ..Leaf::of(&["old.example.com"]) });
    let (certificates, refused) = build(&[authority.source(&["new.example.com"]), expired.source("old")]);
    assert!(refused.is_empty());
    assert!(certificates.by_name("old.example.com").is_some());
    let expired = |now| certificates.expired(now).map(|served| &*served.name).collect::<Vec<_>>();
    assert_eq!(expired(UnixTime::now()), ["old"]);
    assert!(expired(year(Y2021)).is_empty());
}

#[test]
fn of_two_with_one_name_the_later_is_served() {
    let authority = Authority::new("a");
    let names = ["app2.example.com", "*.example.org"];
    let older = authority.issue(&Leaf { years: (2020, 2090), ..Leaf::of(&names) }).source("older");
    let newer = authority.issue(&Leaf { years: (2021, 2080), ..Leaf::of(&names) }).source("newer");
    for sources in [[older.clone(), newer.clone()], [newer, older]] {
        let (certificates, _) = build(&sources);
        assert_eq!(&*certificates.by_name("app2.example.com").unwrap().name, "newer");
        assert_eq!(&*certificates.by_name("x.example.org").unwrap().name, "newer");
    }
}

#[test]
fn a_wildcard_is_one_label() {
    let authority = Authority::new("a");
    let (certificates, _) = build(&[authority.source(&["*.example.com"]), authority.source(&["*.jobs"])]);
    let found = |name: &str| certificates.by_name(name).is_some();
    assert!(found("app2.example.com") && found("APP2.Example.com") && found("app2.example.com."));
    assert!(!found("example.com") && !found("a.b.example.com") && !found(".example.com"));
    // No client believes a wildcard that has one label after it, so webpki does not list it.
    assert!(!found("app2.jobs"));
}

/// As RFC 6125, 6.4.3 says it, over all names one by one.
fn naive<'a>(sources: &'a [(String, &[&str])], name: &str) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let (_, parent) = name.split_once('.').unwrap();
    let having = |wanted: &str| sources.iter().find(|(_, names)| names.contains(&wanted));
    having(&name).or_else(|| having(&format!("*.{parent}"))).map(|(source, _)| source.as_str())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// No two have one name here: who wins is said above.
    #[test]
    fn lookups_are_those_of_a_list(owners in proptest::collection::vec(0usize..4, 6), asked in "[abAB]\\.[abAB]\\.x") {
        const NAMES: [&str; 6] = ["a.a.x", "b.a.x", "a.b.x", "*.a.x", "*.b.x", "b.b.x"];
        let mut owned: HashMap<usize, Vec<&str>> = HashMap::new();
        for (name, owner) in NAMES.iter().zip(&owners) {
            owned.entry(*owner).or_default().push(name);
        }
        // The fourth owner has none of them: some names are nobody's.
        owned.remove(&3);
        let authority = Authority::new("a");
        let listed: Vec<_> = owned.iter().map(|(owner, names)| (owner.to_string(), names.as_slice())).collect();
        let sources: Vec<_> =
            listed.iter().map(|(owner, names)| authority.issue(&Leaf::of(names)).source(owner)).collect();
        let (certificates, refused) = build(&sources);
        prop_assert!(refused.is_empty());
        let found = certificates.by_name(&asked).map(|served| &*served.name);
        prop_assert_eq!(found, naive(&listed, &asked));
    }
}
