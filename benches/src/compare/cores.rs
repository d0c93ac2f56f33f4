//! Who runs where: the proxy on core 0, everything else on core 1.

use crate::process;

pub struct Cores {
    apart: bool,
}

impl Cores {
    /// Takes this process, and what it starts from now on, to core 1.
    pub fn take() -> Cores {
        let cores = Cores { apart: std::thread::available_parallelism().map_or(1, usize::from) > 1 };
        cores.to_load();
        cores
    }

    /// Takes a process and its children to core 0.
    pub fn to_proxy(&self, pid: u32) {
        if self.apart {
            process::pin_family(pid, "0");
        }
    }

    /// Lets a process and its children run on both.
    pub fn to_all(&self, pid: u32) {
        if self.apart {
            process::pin_family(pid, "0,1");
        }
    }

    /// Takes this process, and what it starts from now on, back to core 1.
    pub fn to_load(&self) {
        if self.apart {
            process::pin(std::process::id(), "1");
        }
    }

    pub fn placement(&self) -> &'static str {
        if self.apart { "proxy on core 0, load on core 1" } else { "ALL ON ONE CORE: nothing here says much" }
    }
}
