//! A checkout as a user has it, with `make run` at work in it, on a machine of its own: the tour's ports are fixed.

use std::time::Duration;

use roundhouse_tests::{Background, TempDir, in_namespaces, programs};

/// The whole tour takes seconds; a loaded machine gets its time.
const DEADLINE: Duration = Duration::from_secs(90);

/// Runs the bash script there, and gives back what it said on stdout and on stderr.
///
/// # Panics
/// When it does not come to its end.
#[track_caller]
pub(crate) fn while_running(script: &str) -> (String, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("script");
    std::fs::write(&path, format!("{PRELUDE}{script}\necho the-script-is-over\n")).unwrap();

    let target = programs::program("roundhouse").parent().unwrap().to_owned();
    let mut command = in_namespaces(&path);
    // The data directory is in its own place: what the tour writes goes with the test.
    command.current_dir(folder.path());
    command.env("CHECKOUT", concat!(env!("CARGO_MANIFEST_DIR"), "/..")).env("TARGET", target);
    let running = Background::spawn(command);
    running.wait_line(DEADLINE, "the-script-is-over");
    let status = running.wait_exit(DEADLINE);
    assert!(status.success(), "{}{}", running.stdout(), running.stderr());
    (running.stdout(), running.stderr())
}

/// Lays the checkout out and does what `make run` does once everything is built.
const PRELUDE: &str = r#"
set -u
ip link set lo up
mkdir target && ln -s "$TARGET" target/debug
cp -r "$CHECKOUT/config" . && rm -rf config/examples/roundhouse-data
fail() { echo "FAILED: $*"; exit 1; }
until_contains() { # TEXT COMMAND: run the command until it prints the text; the test's own deadline ends it
  while :; do out=$(bash -c "$2" 2>&1); case $out in *"$1"*) echo "$out"; return;; esac; done
}
./target/debug/roundhouse tour > tour.log 2>&1 &
tour=$!
until_contains 'Ctrl-C ends it all' 'cat tour.log' > /dev/null
"#;
