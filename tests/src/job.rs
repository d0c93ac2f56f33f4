//! A job's program under job-init, as it runs in a container.

use std::net::{IpAddr, SocketAddr};

use crate::{Background, programs};

/// Builds `job-init … -- command`; by default the command is `roundhouse sample`.
#[derive(Debug)]
pub struct Job {
    label: String,
    address: SocketAddr,
    protocol: String,
    registry: String,
    options: Vec<String>,
}

impl Job {
    pub fn new(registry: &str, label: &str, address: IpAddr, port: u16) -> Job {
        Job {
            label: label.into(),
            address: SocketAddr::new(address, port),
            protocol: "tcp".into(),
            registry: registry.into(),
            options: Vec::new(),
        }
    }

    #[must_use]
    pub fn http(mut self) -> Job {
        self.protocol = "http".into();
        self
    }

    /// A further option of job-init with its value.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Job {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Runs the sample responder.
    pub fn start(self) -> Background {
        let sample = programs::program("roundhouse").display().to_string();
        let (label, listen) = (self.label.clone(), self.address.to_string());
        self.run(&[&sample, "sample", "--name", &label, "--listen", &listen])
    }

    pub fn run(self, command: &[&str]) -> Background {
        let mut init = programs::job_init();
        init.args(["--registry", &self.registry, "--job", &self.label]);
        init.args(["--address", &self.address.ip().to_string()]);
        init.args(["--port", &format!("main={}/{}", self.address.port(), self.protocol)]);
        init.args(["--ttl", "3s"]).args(self.options).arg("--").args(command);
        Background::spawn(init)
    }
}
