//! The README's tour, followed literally: its commands are taken from the file and run, one after another, against what
//! `make run` starts. In namespaces of its own, because the tour's ports are fixed.

mod tour;

use std::time::Duration;

use roundhouse_tests::{Background, TempDir, in_namespaces, programs};

use crate::tour::{Expect, Step, steps};

/// The whole tour takes seconds; a loaded machine gets its time.
const DEADLINE: Duration = Duration::from_secs(90);

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
    let folder = TempDir::new().unwrap();
    let script = format!(
        "{PRELUDE}{}echo the-tour-is-over\n",
        steps(README).iter().map(Step::script).collect::<String>()
    );
    let path = folder.path().join("tour");
    std::fs::write(&path, script).unwrap();

    let target = programs::program("roundhouse").parent().unwrap().to_owned();
    let mut command = in_namespaces(&path);
    // A checkout as a user has it, the data directory in its own place: what the tour writes goes with the test.
    command.current_dir(folder.path());
    command.env("CHECKOUT", concat!(env!("CARGO_MANIFEST_DIR"), "/..")).env("TARGET", target);
    let tour = Background::spawn(command);
    tour.wait_line(DEADLINE, "the-tour-is-over");
    let status = tour.wait_exit(DEADLINE);
    assert!(status.success(), "{}{}", tour.stdout(), tour.stderr());

    let said = tour.stdout();
    for (wanted, why) in [
        ("verdict   ok", "explain says that the name is served"),
        ("\napp2 127.0.1.2:1111", "curl reaches app2 through its VIP"),
        ("\ncoding-blog 127.0.1.", "curl reaches coding-blog by Host"),
        ("draining", "the drained instance is shown"),
        ("\"revision\"", "the snapshot is JSON"),
        ("in use by another gateway", "the second `make run` says what is held"),
    ] {
        assert!(said.contains(wanted), "{why}: no `{wanted}` in\n{said}");
    }
    let wrong = tour.stdout() + &tour.stderr();
    assert!(wrong.contains("9999") && wrong.contains("git-app-1"), "the clash is named:\n{wrong}");
}

/// Lays the checkout out and does what `make run` does once everything is built.
const PRELUDE: &str = r#"
set -u
ip link set lo up
mkdir target && ln -s "$TARGET" target/debug
cp -r "$CHECKOUT/config" .
fail() { echo "FAILED: $*"; exit 1; }
until_contains() { # TEXT COMMAND: run the command until it prints the text; the test's own deadline ends it
  while :; do out=$(bash -c "$2" 2>&1); case $out in *"$1"*) echo "$out"; return;; esac; done
}
./target/debug/roundhouse tour > tour.log 2>&1 &
until_contains 'Ctrl-C ends it all' 'cat tour.log' > /dev/null
./target/debug/roundhouse tour 2>&1 && fail 'a second tour started'
"#;
