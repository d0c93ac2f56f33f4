//! Requests to every job, and looks at every job's endpoints, until somebody ends them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::{self, Connection};
use crate::{Load, Outcome};

const CLIENTS: usize = 2;
/// A steady trickle: what is looked for is a gap, not a limit.
const PACE: Duration = Duration::from_millis(15);
const LOOK: Duration = Duration::from_millis(250);

pub(super) struct Traffic {
    requests: Load,
    looks: Load,
}

impl Traffic {
    pub(super) fn begin(
        entrypoint: SocketAddr,
        admin: SocketAddr,
        served: &[String],
        watched: &[String],
    ) -> Traffic {
        let requests = Load::start(CLIENTS, || {
            let hosts: Vec<String> = served.iter().map(|label| format!("{label}.jobs")).collect();
            let mut turns = hosts.into_iter().cycle();
            let mut kept: Option<Connection> = None;
            move || {
                std::thread::sleep(PACE);
                let host = turns.next().ok_or("no job")?;
                let mut connection = match kept.take() {
                    Some(connection) => connection,
                    None => Connection::open(entrypoint).map_err(|error| format!("connect: {error}"))?,
                };
                let reply = connection.get(&host, "/").map_err(|error| format!("{host}: {error}"))?;
                if reply.header("connection") != Some("close") {
                    kept = Some(connection);
                }
                if reply.status == 200 { Ok(()) } else { Err(format!("{host}: {reply:?}")) }
            }
        });
        let looks = Load::start(1, || {
            let watched = watched.to_vec();
            move || {
                std::thread::sleep(LOOK);
                let jobs =
                    http::get(admin, &admin.to_string(), "/v1/jobs").map_err(|e| e.to_string())?.json();
                let of = |label: &str| jobs.as_array()?.iter().find(|job| job["label"] == label);
                let empty =
                    |label: &&String| of(label).is_none_or(|job| job["ready_count"].as_u64() == Some(0));
                match watched.iter().find(empty) {
                    Some(label) => Err(format!("job {label} is empty: {:?}", of(label))),
                    None => Ok(()),
                }
            }
        });
        Traffic { requests, looks }
    }

    pub(super) fn end(self) -> Outcome {
        let mut outcome = self.requests.stop();
        outcome.add(self.looks.stop());
        outcome
    }
}
