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
/// A kernel that hangs; the longest test takes a tenth of it, and the bench half.
const PATIENCE: Duration = Duration::from_secs(300);
/// Of eight such kernels at once.
const MEMORY: u64 = 8 * (384 << 20);
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
/// A machine that cannot run such a kernel skips the test and says so; where `ROUNDHOUSE_NO_SKIPS` is set it fails.
///
/// # Panics
/// When the body does, with everything that it said.
#[track_caller]
pub fn in_uml(test: &str, schedulers: &[&str], body: impl FnOnce(&Uml)) {
    if is_inside() {
        return body(&Uml { modules: Modules::find().expect("it was found outside") });
    }
    match run_inside(&["--exact", test, "--nocapture"], schedulers) {
        Ok(Ended { status: Some(0), .. }) => {}
        Ok(Ended { said, .. }) => panic!("{test}, inside:\n{said}"),
        Err(reason) => {
            assert!(
                std::env::var_os("ROUNDHOUSE_NO_SKIPS").is_none(),
                "{test}: no user-mode-linux: {reason}"
            );
            eprintln!("SKIPPED {test}: no user-mode-linux: {reason}");
        }
    }
}

/// Whether this process runs on such a kernel.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// What came of it.
#[derive(Debug)]
pub struct Ended {
    pub said: String,
    /// `None`: the kernel ended before the program.
    pub status: Option<i32>,
}

/// Runs this program with these arguments on a kernel of its own. An error says why this machine cannot.
pub fn run_inside(arguments: &[&str], schedulers: &[&str]) -> Result<Ended, String> {
    if !geteuid().is_root() {
        return Err("only root can read and mount what it needs".to_owned());
    }
    let modules =
        Modules::find().ok_or("package user-mode-linux is not installed: apt-get install user-mode-linux")?;
    let folder = TempDir::new().expect("a temporary directory");
    let init = folder.path().join("init");
    std::fs::write(&init, script(arguments, schedulers, &modules, folder.path()))
        .expect("the folder is ours");
    let kernel = Background::try_spawn(boot(&init)).map_err(|error| format!("linux.uml: {error}"))?;
    kernel.wait_exit(PATIENCE);
    let said = format!("{}{}", kernel.stdout(), kernel.stderr());
    let verdict = std::fs::read_to_string(folder.path().join("verdict")).unwrap_or_default();
    let status = verdict.trim().parse().ok();
    match status.is_none() && said.contains("ptrace") {
        true => Err(format!("its kernel cannot trace: {said}")),
        false => Ok(Ended { said, status }),
    }
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
    // Its memory is a file in /dev/shm, which in many containers is too small for one such kernel.
    let shared = rustix::fs::statvfs("/dev/shm").map_or(0, |of| of.f_bavail.saturating_mul(of.f_frsize));
    if shared < MEMORY {
        command.env("TMPDIR", std::env::temp_dir());
    }
    command
}

/// The first process there. The exit status of the kernel says nothing, so a file does.
fn script(arguments: &[&str], schedulers: &[&str], modules: &Modules, folder: &Path) -> String {
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
        "#!/bin/sh\nexport PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/run {INSIDE}=1\n\
         mount -t proc proc /proc\nmount -t sysfs sysfs /sys\nmount -t tmpfs tmpfs /run\n{loads}ip link set lo up\n\
         {own} {arguments} 2>&1\necho $? >{verdict}\nsync\nbusybox poweroff -f\n",
        own = own.display(),
        arguments = arguments.join(" "),
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
