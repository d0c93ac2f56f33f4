//! A machine of its own for a script: network, mounts and processes, gone with the test.

use std::path::Path;
use std::process::Command;

use crate::programs;

/// A command that runs the bash script in private namespaces (unshare(1)), with the project's programs in `$ROUNDHOUSE`
/// and `$JOB_INIT`. The network has a loopback device, which is down. Everything inside is killed with the command.
pub fn in_namespaces(script: &Path) -> Command {
    let mut command = namespaces();
    command.arg("bash").arg(script);
    command.env("ROUNDHOUSE", programs::program("roundhouse")).env("JOB_INIT", programs::program("job-init"));
    command
}

/// Says of the test that runs whether it is inside already; if not, the command that runs it there, alone.
pub fn inside(test: &str) -> Option<Command> {
    const INSIDE: &str = "ROUNDHOUSE_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    let mut command = namespaces();
    command.arg(std::env::current_exe().expect("a test has a file"));
    command.args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    Some(command)
}

/// Whether the tests run as root, as they do in a container.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn namespaces() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    if !is_root() {
        command.arg("--map-root-user");
    }
    command
}
