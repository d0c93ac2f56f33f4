//! A program for a test to kill: writes one key after another into the embedded store at the path it is given, and says
//! of each that it is acknowledged.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use roundhouse_registry::kv::embedded::Embedded;
use roundhouse_registry::kv::{Commit, Kv, Source, Txn};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let store = Embedded::open(std::env::args_os().nth(1).unwrap().as_ref()).unwrap();
    let start = store.list().await.unwrap().revision.0;
    for i in start.. {
        let key = format!("k/{i}");
        match store.commit(Txn::new().put(key.clone(), "v", None)).await.unwrap() {
            Commit::Done(revision) => println!("written {key} {revision}"),
            Commit::Refused => panic!("a commit without conditions was refused"),
        }
    }
}
