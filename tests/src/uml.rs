//! A Linux kernel that runs as a process (user-mode-linux, on the machine's own files), with IPVS, which this machine's
//! kernel need not have.
//!
//! ```text
//! test, outside ─► linux.uml ─► init: modules, loopback ─► this test again, alone, inside ─► verdict in a file ─► power off
//! ```

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::Background;

const INSIDE: &str = "ROUNDHOUSE_TEST_INSIDE_UML";
/// A kernel that hangs; the longest test takes a quarter of it.
const PATIENCE: Duration = Duration::from_secs(150);
/// Loaded for every test, with what they need.
const MODULES: &[&str] = &["ip_vs", "veth"];

/// What a test finds inside.
#[derive(Debug)]
pub struct Uml {
    modules: Modules,
}

/// The kernel's modules, in the order in which modules.dep(5) says that they are to be loaded.
#[derive(Debug)]
struct Modules {
    folder: PathBuf,
    needs: String,
}

/// Runs the body on a kernel of its own: outside it starts this test again, alone, in there. `schedulers` are loaded.
///
/// A machine that cannot run such a kernel skips the test and says so; a build machine that says it can must not.
///
/// # Panics
/// When the body does, with everything that it said.
#[track_caller]
pub fn in_uml(test: &str, schedulers: &[&str], body: impl FnOnce(&Uml)) {
    if std::env::var_os(INSIDE).is_some() {
        return body(&Uml { modules: Modules::find().expect("it was found outside") });
    }
    let Some(modules) = cannot().map_or_else(Modules::find, |_| None) else {
        let reason =
            cannot().unwrap_or("package user-mode-linux is not installed: apt-get install user-mode-linux");
        assert!(std::env::var_os("CI").is_none(), "{test}: no user-mode-linux: {reason}");
        eprintln!("SKIPPED {test}: no user-mode-linux: {reason}");
        return;
    };
    let folder = TempDir::new().expect("a temporary directory");
    let init = folder.path().join("init");
    std::fs::write(&init, script(test, schedulers, &modules, folder.path())).expect("the folder is ours");
    let kernel = Background::spawn(boot(&init));
    kernel.wait_exit(PATIENCE);
    let said = kernel.stdout();
    let verdict = std::fs::read_to_string(folder.path().join("verdict")).unwrap_or_default();
    assert_eq!(verdict.trim(), "0", "{test}, inside:\n{said}\n{}", kernel.stderr());
}

/// Why this machine has no business with it.
fn cannot() -> Option<&'static str> {
    (!geteuid().is_root()).then_some("only root can read and mount what it needs")
}

impl Modules {
    fn find() -> Option<Modules> {
        let releases = std::fs::read_dir("/usr/lib/uml/modules").ok()?;
        let read = |folder: PathBuf| {
            Some(Modules { needs: std::fs::read_to_string(folder.join("modules.dep")).ok()?, folder })
        };
        releases.flatten().find_map(|release| read(release.path()))
    }

    /// The files of a module and of all that it needs, those first.
    fn files(&self, name: &str) -> Vec<PathBuf> {
        let end = format!("/{name}.ko");
        let line = self.needs.lines().find_map(|line| {
            line.split_once(": ").or(line.split_once(':')).filter(|(file, _)| file.ends_with(&end))
        });
        let (file, needs) = line.unwrap_or_else(|| panic!("user-mode-linux has no module {name}"));
        needs.split_whitespace().rev().chain([file]).map(|file| self.folder.join(file)).collect()
    }
}

fn boot(init: &Path) -> Command {
    use std::os::unix::fs::PermissionsExt;

    std::fs::set_permissions(init, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
    let mut command = Command::new("linux.uml");
    command.args(["mem=384M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", "quiet"]);
    command.arg(format!("init={}", init.display())).args(["con=null", "con0=fd:0,fd:1"]);
    command.stdin(Stdio::null());
    command
}

/// The first process there. The exit status of the kernel says nothing, so a file does.
fn script(test: &str, schedulers: &[&str], modules: &Modules, folder: &Path) -> String {
    let own = std::env::current_exe().expect("a test has a file");
    let schedulers: Vec<String> = schedulers.iter().map(|name| format!("ip_vs_{name}")).collect();
    let mut files: Vec<PathBuf> = Vec::new();
    for file in MODULES
        .iter()
        .copied()
        .chain(schedulers.iter().map(String::as_str))
        .flat_map(|name| modules.files(name))
    {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    let loads: String = files.iter().map(|file| format!("busybox insmod {}\n", file.display())).collect();
    format!(
        "#!/bin/sh\nexport PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root {INSIDE}=1\n\
         mount -t proc proc /proc\nmount -t sysfs sysfs /sys\nmount -t tmpfs tmpfs /run\n{loads}ip link set lo up\n\
         {own} --exact {test} --nocapture 2>&1\necho $? >{verdict}\nsync\nbusybox poweroff -f\n",
        own = own.display(),
        verdict = folder.join("verdict").display(),
    )
}

impl Uml {
    /// Loads one more, with what it needs. What is there already is no mistake.
    pub fn load(&self, module: &str) {
        let files = self.modules.files(module);
        let load = |file: &PathBuf| Command::new("busybox").arg("insmod").arg(file).status();
        for (n, file) in files.iter().enumerate() {
            let status = load(file).expect("busybox runs");
            assert!(status.success() || n + 1 < files.len(), "{} was not loaded", file.display());
        }
    }
}
