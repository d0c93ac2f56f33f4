//! What the kernel knows of a process: CPU time, memory, where it may run.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// CPU time of one thread, in user and in kernel mode (proc(5), `schedstat`: nanoseconds on a CPU come first).
pub(crate) fn thread_cpu(pid: u32, thread: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).expect("the thread runs");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("schedstat begins with a number"))
}

/// The control plane's thread is the first of the process.
pub(crate) fn control_cpu(gateway: u32) -> Duration {
    thread_cpu(gateway, gateway)
}

/// CPU time of all threads whose name begins like this.
pub(crate) fn named_cpu(pid: u32, name: &str) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    threads
        .flatten()
        .filter(|thread| {
            fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.starts_with(name))
        })
        .filter_map(|thread| thread.file_name().to_str()?.parse().ok())
        .map(|thread| thread_cpu(pid, thread))
        .sum()
}

pub(crate) fn own_thread() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
}

/// Bytes: `VmRSS` (now) or `VmHWM` (the most there ever was) of /proc/PID/status.
pub(crate) fn memory(pid: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kibibytes = line.and_then(|value| value.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.expect("the field is there") * 1024.0
}

/// All threads of a process, and what it starts from now on, run on these cores only (`0`, `0-1`).
pub(crate) fn pin(pid: u32, cores: &str) {
    let done = Command::new("taskset").args(["-a", "-p", "-c", cores, &pid.to_string()]).output();
    let done = done.expect("taskset (util-linux) is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

pub(crate) fn first_line(file: &str) -> String {
    first(&fs::read_to_string(file).unwrap_or_default())
}

/// The first line of what a program says, on either stream.
pub(crate) fn first_output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => first(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat())),
        Err(error) => format!("{program}: {error}"),
    }
}

pub(crate) fn processor() -> String {
    let all = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = all.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

fn first(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
