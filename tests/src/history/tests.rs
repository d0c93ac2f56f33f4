//! The checker can fail: each kind of lie is found.

use super::*;

/// Revisions 2 to 7 of an etcd; 4 and 6 are not under the prefix.
fn account() -> Account {
    let set = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    let commit =
        |at, put: &[&str], delete: &[&str]| (Revision(at), Commit { put: set(put), delete: set(delete) });
    Account {
        origin: "c".into(),
        commits: [
            commit(2, &["jobs/a"], &[]),
            commit(3, &["jobs/b", "jobs/c"], &[]),
            commit(5, &["jobs/a"], &["jobs/b"]),
            commit(7, &[], &["jobs/c"]),
        ]
        .into(),
        at: Revision(7),
        fresh: [("jobs/a".to_owned(), Revision(5))].into(),
    }
}

fn listed(at: u64, keys: &[(&str, u64)]) -> Recorded {
    let keys = keys.iter().map(|(key, at)| ((*key).to_owned(), Revision(*at))).collect();
    Recorded::Listed { listed: Revision(at), origin: "c".into(), keys }
}

fn applied(at: u64, put: &[&str], delete: &[&str]) -> Recorded {
    let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    Recorded::Applied { revision: Revision(at), put: owned(put), delete: owned(delete) }
}

fn right() -> Vec<Recorded> {
    vec![
        listed(2, &[("jobs/a", 2)]),
        applied(3, &["jobs/b", "jobs/c"], &[]),
        applied(5, &["jobs/a"], &["jobs/b"]),
        applied(7, &[], &["jobs/c"]),
    ]
}

#[track_caller]
fn refused(lines: &[Recorded], why: &str) {
    let wrong = account().check(lines).unwrap_err();
    assert!(wrong.contains(why), "{wrong}");
}

#[test]
fn a_true_record_passes_and_so_does_a_listing_in_place_of_a_gap() {
    assert_eq!(account().check(&right()), Ok(Checked { listings: 1, revisions: 3 }));
    let listing = listed(6, &[("jobs/a", 5), ("jobs/c", 3)]);
    let lines = [right()[0].clone(), listing, right()[3].clone()];
    assert_eq!(account().check(&lines), Ok(Checked { listings: 2, revisions: 1 }));
    // What came after the account was closed is nobody's lie.
    let lines = [right(), vec![applied(9, &["jobs/late"], &[])]].concat();
    assert!(account().check(&lines).is_ok());
}

#[test]
fn a_gap_is_found() {
    for (left_out, at) in [(1, 3), (2, 5), (3, 7)] {
        let mut lines = right();
        lines.remove(left_out);
        refused(&lines, &format!("revision {at} is missing"));
    }
    refused(&right()[1..], "before anything was listed");
    refused(&[], "revision 2 is missing");
}

#[test]
fn a_duplicate_is_found() {
    let mut lines = right();
    lines.insert(2, lines[1].clone());
    refused(&lines, "line 3: revision 3 is applied twice");
    lines[2] = listed(3, &[("jobs/a", 2), ("jobs/b", 3), ("jobs/c", 3)]);
    lines.insert(3, lines[1].clone());
    refused(&lines, "line 4: revision 3 is applied twice");
    let mut lines = right();
    lines[1] = applied(3, &["jobs/b", "jobs/c", "jobs/c"], &[]);
    refused(&lines, "a key twice");
}

#[test]
fn a_ghost_is_found_wherever_it_appears() {
    let mut lines = right();
    lines[1] = applied(3, &["jobs/b", "jobs/c", "jobs/ghost"], &[]);
    refused(&lines, "jobs/ghost");
    let mut lines = right();
    lines[0] = listed(2, &[("jobs/a", 2), ("jobs/ghost", 1)]);
    refused(&lines, "line 1: the listing at 2: ghosts: 1 [(\"jobs/ghost\"");
    // A delete that was not applied.
    let mut lines = right();
    lines[3] = applied(7, &[], &[]);
    refused(&lines, "revision 7 is");
    let mut account = account();
    account.fresh.clear();
    assert!(account.check(&right()).unwrap_err().contains("at the end: ghosts: 1"));
}

#[test]
fn what_a_listing_lacks_or_has_old_is_found() {
    let mut lines = right();
    lines[0] = listed(2, &[]);
    refused(&lines, "missing: 1 [(\"jobs/a\"");
    lines[0] = listed(2, &[("jobs/a", 1)]);
    refused(&lines, "ghosts: 1");
    let mut account = account();
    account.fresh.insert("jobs/lost".into(), Revision(1));
    assert!(account.check(&right()).unwrap_err().contains("jobs/lost"));
}

#[test]
fn another_order_or_another_etcd_is_found() {
    let mut lines = right();
    lines.swap(1, 2);
    refused(&lines, "line 2: revision 3 is missing");
    let mut lines = right();
    lines.push(lines[0].clone());
    refused(&lines, "goes back to 2");
    let mut lines = right();
    lines[0] = Recorded::Listed { listed: Revision(2), origin: "d".into(), keys: Keys::new() };
    refused(&lines, "a listing of d");
}
