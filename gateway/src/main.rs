//! `roundhouse`: the gateway and the operator's commands; see [`roundhouse::cli`].

use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    roundhouse::cli::main()
}
