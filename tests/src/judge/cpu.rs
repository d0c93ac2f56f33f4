//! What a process costs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Of one core, over the stretch: 1.0 is a whole one.
pub(super) async fn share(pid: u32, stretch: Duration) -> f64 {
    let (began, before) = (Instant::now(), on_cpu(pid));
    tokio::time::sleep(stretch).await;
    let after = on_cpu(pid);
    // A thread that ended meanwhile is not counted; one that began is from zero.
    let spent = after.iter().map(|(thread, now)| now - before.get(thread).copied().unwrap_or_default());
    spent.sum::<u64>() as f64 / began.elapsed().as_nanos() as f64
}

/// Nanoseconds on a CPU, thread by thread: the first number of schedstat (kernel documentation, sched-stats). The file
/// of the process itself is its first thread's only.
fn on_cpu(pid: u32) -> BTreeMap<String, u64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs").flatten();
    let time = |thread: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let spent = stat.split_whitespace().next()?.parse().ok()?;
        Some((thread.file_name().to_string_lossy().into_owned(), spent))
    };
    threads.filter_map(time).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_thread_shows_and_a_sleeping_process_does_not() {
        let pid = std::process::id();
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = stop.clone();
        let busy = std::thread::spawn(move || while !flag.load(std::sync::atomic::Ordering::Relaxed) {});
        let used = share(pid, Duration::from_millis(500)).await;
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        busy.join().unwrap();
        assert!(used > 0.05, "{used}");
    }
}
