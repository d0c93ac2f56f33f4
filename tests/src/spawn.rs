//! Starting a program that cannot outlive the test process.
//!
//! `PR_SET_PDEATHSIG` (prctl(2)) has the kernel kill the child when its parent dies, whatever the parent dies of. It
//! means the parent THREAD, and a runtime's threads come and go; so one thread that lives as long as the process starts
//! everything.

#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

type Order = (Command, Sender<io::Result<Child>>);

/// Starts the command in a process group of its own.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        let run = move || inbox.iter().for_each(|(command, answer)| drop(answer.send(start(command))));
        std::thread::Builder::new().name("spawner".into()).spawn(run).expect("a thread");
        orders
    });
    let (answer, answered) = mpsc::channel();
    spawner.send((command, answer)).expect("the spawner lives as long as the process");
    answered.recv().expect("the spawner answers")
}

fn start(mut command: Command) -> io::Result<Child> {
    let parent = getpid();
    command.process_group(0);
    // SAFETY: between fork and exec only async-signal-safe functions may run. These are two system calls, and nothing
    // is allocated or locked.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // A parent that died before the line above would never be noticed.
            if getppid() == Some(parent) {
                Ok(())
            } else {
                Err(io::Error::from_raw_os_error(3 /* ESRCH */))
            }
        });
    }
    command.spawn()
}
