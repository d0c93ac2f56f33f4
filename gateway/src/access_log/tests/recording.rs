//! From a worker to the file.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use roundhouse_config::{AccessLogSettings, LogPath, Share};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn started(path: &Path, sample: Share) -> (AccessLog, Writer) {
    let settings =
        AccessLogSettings { path: Some(LogPath::File(path.into())), sample, ..AccessLogSettings::default() };
    let (log, writer) = AccessLog::start(&settings).unwrap();
    (log, writer.unwrap())
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn all_lines_of_all_workers_are_in_the_file_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let (log, writer) = started(&path, Share::ALL);
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let log = log.clone();
            std::thread::spawn(move || {
                let recorder = log.recorder();
                for n in 0..5_000 {
                    recorder.record(&Entry { request_bytes: n, attempts: worker, ..minimal() });
                }
                recorder.finish();
                recorder.record(&minimal());
                assert!(!recorder.is_on());
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let state = log.state().clone();
    drop(log);
    assert!(writer.finish(PATIENCE));
    assert_eq!(state.written() + state.dropped(), 20_000);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count() as u64, state.written());
    // Each worker's in its order.
    for worker in 0..4 {
        let mine = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let mine = mine.filter(|line| line["attempts"] == worker);
        let numbers: Vec<_> = mine.map(|line| line["request_bytes"].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted() && !numbers.is_empty());
    }
}

#[test]
fn a_tick_shows_a_quiet_workers_line_and_sampling_leaves_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let (log, _writer) = started(&path, Share::NONE);
    let recorder = log.recorder();
    recorder.record(&full());
    recorder.record(&minimal());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    recorder.tick();
    eventually("the line is there", || std::fs::read_to_string(&path).unwrap() == MINIMAL);
}

#[test]
fn sighup_opens_the_file_again_without_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let (log, _writer) = started(&path, Share::ALL);
    std::fs::remove_file(&path).unwrap();
    log.state().reopen();
    eventually("the file is there again", || path.exists());
}

#[test]
fn a_full_disk_drops_and_counts() {
    let (log, writer) = started(Path::new("/dev/full"), Share::ALL);
    let recorder = log.recorder();
    recorder.record(&full());
    recorder.finish();
    let state = log.state().clone();
    drop((log, recorder));
    assert!(writer.finish(PATIENCE));
    assert_eq!((state.written(), state.dropped(), state.errors()), (0, 1, 1));
}

#[test]
fn a_writer_that_stands_still_costs_lines_and_no_time() {
    let (queue, batches) = sync_channel(1);
    let (state, shown) = (Arc::new(State::default()), Shown { query: true, headers: Vec::new() });
    let recorder = AccessLog::of(queue, Share::ALL, shown, state.clone()).recorder();
    for _ in 0..3 {
        recorder.record(&minimal());
        recorder.record(&minimal());
        recorder.tick();
    }
    assert_eq!(state.dropped(), 4);
    let kept = batches.recv().unwrap();
    assert_eq!((kept.lines, kept.bytes), (2, MINIMAL.repeat(2).into_bytes()));
    recorder.record(&minimal());
    drop(batches);
    recorder.tick();
    assert_eq!(state.dropped(), 5, "nor does one that is gone");
}

#[test]
fn without_settings_nothing_is_recorded() {
    let (log, writer) = AccessLog::start(&AccessLogSettings::default()).unwrap();
    assert!(writer.is_none() && !log.recorder().is_on());
    let recorder = log.recorder();
    recorder.record(&minimal());
    recorder.tick();
    recorder.finish();
}
