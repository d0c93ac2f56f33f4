//! What the kernel knows of a process: CPU time, memory, where it may run.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// CPU time of every thread of a process and of all that it started, at one moment.
#[derive(Debug)]
pub struct Cpu(BTreeMap<(u32, u32), Duration>);

impl Cpu {
    pub fn of(pid: u32) -> Cpu {
        let threads = family(pid).into_iter().flat_map(|pid| threads(pid).map(move |thread| (pid, thread)));
        // One that ended meanwhile has nothing more to tell.
        Cpu(threads.filter_map(|(pid, thread)| Some(((pid, thread), on_cpu(pid, thread)?))).collect())
    }

    /// Before a process began.
    pub fn none() -> Cpu {
        Cpu(BTreeMap::new())
    }

    /// What was spent from `before` to this moment; a thread that began meanwhile is counted from its start.
    pub fn since(&self, before: &Cpu) -> Duration {
        let spent = |(thread, now): (_, &Duration)| {
            now.saturating_sub(before.0.get(thread).copied().unwrap_or_default())
        };
        self.0.iter().map(spent).sum()
    }
}

/// Bytes of user-space memory of a process and of all that it started (proc(5), `smaps_rollup`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    pub rss: f64,
    /// A page that several processes have counts in each of them by its share.
    pub pss: f64,
}

impl Memory {
    pub fn of(pid: u32) -> Memory {
        family(pid).into_iter().fold(Memory::default(), |sum, pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process runs");
            let one = Memory::parse(&text).expect("smaps_rollup has Rss and Pss");
            Memory { rss: sum.rss + one.rss, pss: sum.pss + one.pss }
        })
    }

    fn parse(rollup: &str) -> Option<Memory> {
        Some(Memory { rss: field(rollup, "Rss")?, pss: field(rollup, "Pss")? })
    }
}

/// CPU time of one thread, in user and in kernel mode (proc(5), `schedstat`: nanoseconds on a CPU come first).
pub fn thread_cpu(pid: u32, thread: u32) -> Duration {
    on_cpu(pid, thread).expect("the thread runs, and schedstat begins with a number")
}

/// The control plane's thread is the first of the process.
pub fn control_cpu(gateway: u32) -> Duration {
    thread_cpu(gateway, gateway)
}

/// CPU time of all threads whose name begins like this.
pub fn named_cpu(pid: u32, name: &str) -> Duration {
    let named = |thread: &u32| {
        fs::read_to_string(format!("/proc/{pid}/task/{thread}/comm")).is_ok_and(|comm| comm.starts_with(name))
    };
    threads(pid).filter(named).map(|thread| thread_cpu(pid, thread)).sum()
}

pub fn own_thread() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
}

/// Bytes: `VmRSS` (now) or `VmHWM` (the most there ever was) of /proc/PID/status.
pub fn memory(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    field(&status, name).expect("the field is there")
}

/// Open descriptors of a process and of all that it started.
pub fn descriptors(pid: u32) -> usize {
    family(pid)
        .into_iter()
        .map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count))
        .sum()
}

/// [`pin`] for a process and all that it started.
pub fn pin_family(pid: u32, cores: &str) {
    family(pid).into_iter().for_each(|pid| pin(pid, cores));
}

/// All threads of a process, and what it starts from now on, run on these cores only (`0`, `0-1`).
pub fn pin(pid: u32, cores: &str) {
    let done = Command::new("taskset").args(["-a", "-p", "-c", cores, &pid.to_string()]).output();
    let done = done.expect("taskset (util-linux) is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

pub fn first_line(file: &str) -> String {
    first(&fs::read_to_string(file).unwrap_or_default())
}

/// The first line of what a program says, on either stream.
pub fn first_output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => first(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat())),
        Err(error) => format!("{program}: {error}"),
    }
}

pub fn processor() -> String {
    let all = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = all.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

fn first(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The process and its children's children; proc(5) lists the children of each thread.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    for thread in threads(pid) {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|child| child.parse().ok()).flat_map(family));
    }
    all
}

fn threads(pid: u32) -> impl Iterator<Item = u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs").flatten();
    threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok())
}

fn on_cpu(pid: u32, thread: u32) -> Option<Duration> {
    schedstat(&fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?)
}

/// Nanoseconds on a CPU come first, then those of waiting for one, then how often it had one.
fn schedstat(text: &str) -> Option<Duration> {
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Bytes, of a line like `Pss:      1234 kB`.
fn field(text: &str, name: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_of_schedstat_is_time_on_a_cpu() {
        assert_eq!(schedstat("1234567890 42 7\n"), Some(Duration::from_nanos(1_234_567_890)));
        assert_eq!((schedstat(""), schedstat("none 1 2")), (None, None));
    }

    #[test]
    fn memory_is_read_from_a_rollup() {
        let rollup = "55d0-7ffc ---p 00000000 00:00 0      [rollup]\n\
                      Rss:                2048 kB\nPss:                1000 kB\nPss_Dirty:           500 kB\n";
        assert_eq!(Memory::parse(rollup), Some(Memory { rss: 2_097_152.0, pss: 1_024_000.0 }));
        assert_eq!(Memory::parse("Rss: 1 kB\n"), None);
    }

    #[test]
    fn a_thread_that_began_meanwhile_counts_from_its_start() {
        let moment = |threads: &[(u32, u64)]| {
            Cpu(threads.iter().map(|(id, ms)| ((1, *id), Duration::from_millis(*ms))).collect())
        };
        let (before, after) = (moment(&[(1, 10), (2, 5)]), moment(&[(1, 14), (3, 2)]));
        assert_eq!(after.since(&before), Duration::from_millis(6));
    }

    #[test]
    fn the_kernel_tells_of_this_process() {
        let pid = std::process::id();
        assert!(!Cpu::of(pid).0.is_empty());
        let Memory { rss, pss } = Memory::of(pid);
        assert!(rss >= pss && pss > 0.0, "{rss} {pss}");
        assert!(descriptors(pid) > 2);
    }
}
