//! Programs that answer.

use std::process::{Command, Output};

/// What the command says; it must go well.
#[track_caller]
pub(crate) fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{script}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

pub(crate) fn output(script: &str) -> Output {
    Command::new("sh").args(["-c", script]).output().unwrap()
}

/// `ipvsadm -Sn`, its lines sorted: the kernel has an order of its own.
pub(crate) fn saved() -> Vec<String> {
    sorted(&sh("ipvsadm -Sn"))
}

pub(crate) fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.sort();
    lines
}
