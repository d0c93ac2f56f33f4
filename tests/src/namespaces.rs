//! A machine of its own for a script: network, mounts and processes, gone with the test.

use std::path::Path;
use std::process::Command;

use crate::programs;

/// A command that runs the bash script in private namespaces (unshare(1)), with the project's programs in `$ROUNDHOUSE`
/// and `$JOB_INIT`. The network has a loopback device, which is down. Everything inside is killed with the command.
pub fn in_namespaces(script: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.arg("bash").arg(script);
    command.env("ROUNDHOUSE", programs::program("roundhouse")).env("JOB_INIT", programs::program("job-init"));
    command
}
