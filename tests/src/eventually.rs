//! Waiting for a condition with a deadline.
//!
//! A look answers `bool`, `Option` or `Result`; `true`, `Some` and `Ok` end the waiting. What was seen last is in the
//! panic, so let a look answer `Result` (see [`seen`]) where `false` would say too little.

use std::fmt::Debug;
use std::panic::Location;
use std::time::{Duration, Instant};

/// Between two looks: far below what a person notices, far above what a look costs.
const POLL: Duration = Duration::from_millis(5);

/// What a look came back with.
pub trait Look {
    type Value;
    /// The value waited for, or what was seen instead.
    fn settle(self) -> Result<Self::Value, String>;
}

/// Waits until `look` answers what is wanted, and gives it back.
///
/// # Panics
/// At the deadline, with `what` and the last answer.
#[track_caller]
pub fn eventually<L: Look>(deadline: Duration, what: &str, mut look: impl FnMut() -> L) -> L::Value {
    let end = Instant::now() + deadline;
    loop {
        match look().settle() {
            Ok(value) => return value,
            Err(last) if Instant::now() >= end => {
                panic!("not within {deadline:?}: {what}; last seen: {last}")
            }
            Err(_) => std::thread::sleep(POLL),
        }
    }
}

/// [`eventually`] for a look that awaits. A look that hangs is given up at the deadline too.
///
/// # Panics
/// At the deadline, with the caller's place, `what` and the last answer.
#[track_caller]
pub fn eventually_async<L: Look>(
    deadline: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> L,
) -> impl Future<Output = L::Value> {
    let place = Location::caller();
    async move {
        let end = tokio::time::Instant::now() + deadline;
        let mut last = "nothing yet".to_owned();
        loop {
            match tokio::time::timeout_at(end, look()).await.map(L::settle) {
                Ok(Ok(value)) => return value,
                Ok(Err(answer)) => last = answer,
                Err(_) => last = format!("a look that did not end; before it: {last}"),
            }
            if tokio::time::Instant::now() >= end {
                panic!("{place}: not within {deadline:?}: {what}; last seen: {last}");
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// A look at a value: itself if the predicate holds, else itself as what was seen.
pub fn seen<T: Debug>(value: T, wanted: impl FnOnce(&T) -> bool) -> Result<T, T> {
    if wanted(&value) { Ok(value) } else { Err(value) }
}

impl Look for bool {
    type Value = ();

    fn settle(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("false".into()) }
    }
}

impl<T> Look for Option<T> {
    type Value = T;

    fn settle(self) -> Result<T, String> {
        self.ok_or_else(|| "None".into())
    }
}

impl<T, E: Debug> Look for Result<T, E> {
    type Value = T;

    fn settle(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(30);

    #[test]
    fn the_value_waited_for_is_given_back() {
        let mut looks = 0;
        let got = eventually(Duration::from_secs(5), "three looks", || {
            looks += 1;
            seen(looks, |looks| *looks == 3)
        });
        assert_eq!(got, 3);
    }

    #[test]
    #[should_panic(expected = "the moon; last seen: 7")]
    fn a_deadline_says_what_was_waited_for_and_what_was_seen() {
        eventually(MOMENT, "the moon", || seen(7, |_| false));
    }

    #[tokio::test]
    #[should_panic(expected = "eventually.rs")]
    async fn an_awaited_deadline_names_its_place() {
        eventually_async(MOMENT, "the moon", async || false).await;
    }

    #[tokio::test]
    #[should_panic(expected = "a look that did not end")]
    async fn a_look_that_hangs_is_given_up() {
        eventually_async(MOMENT, "an answer", async || std::future::pending::<bool>().await).await;
    }
}
