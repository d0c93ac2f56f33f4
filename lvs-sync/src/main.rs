//! `lvs-sync`, the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    lvs_sync::cli::main()
}
