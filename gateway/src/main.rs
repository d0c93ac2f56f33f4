//! `roundhouse`: the gateway and the operator's commands; see [`roundhouse::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    roundhouse::cli::main()
}
