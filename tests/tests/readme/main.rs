//! The README's tour, followed literally: its commands are taken from the file and run, one after another, against what
//! `make run` starts; and how that begins and ends.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod checkout;
mod make_run;
mod tour;

use crate::checkout::while_running;
use crate::tour::{Expect, Step, steps};

const README: &str = include_str!("../../../README.md");

#[test]
fn the_readme_has_a_tour() {
    let steps = steps(README);
    let of = |expect: fn(&Expect) -> bool| steps.iter().filter(|step| expect(&step.expect)).count();
    assert!(of(|expect| *expect == Expect::Success) >= 8, "{steps:?}");
    assert_eq!(of(|expect| *expect == Expect::Failure), 1);
    assert_eq!(of(|expect| matches!(expect, Expect::Eventually(_))), 1);
    // The two commands are make's own, and CI runs one of them.
    assert!(README.contains("make run") && README.contains("make test"));
}

#[test]
fn the_readme_can_be_followed_literally() {
    let (said, errors) = while_running(&steps(README).iter().map(Step::script).collect::<String>());
    for (wanted, why) in [
        ("verdict   ok", "explain says that the name is served"),
        ("\napp2 127.0.1.2:1111", "curl reaches app2 through its VIP"),
        ("\ncoding-blog 127.0.1.", "curl reaches coding-blog by Host"),
        ("draining", "the drained instance is shown"),
        ("\"revision\"", "the snapshot is JSON"),
    ] {
        assert!(said.contains(wanted), "{why}: no `{wanted}` in\n{said}");
    }
    let wrong = said + &errors;
    assert!(wrong.contains("9999") && wrong.contains("git-app-1"), "the clash is named:\n{wrong}");
}
