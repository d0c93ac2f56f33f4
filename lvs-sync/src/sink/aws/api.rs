//! What is asked of AWS, from the sink's own thread of the program.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::Options;
use super::calls::{CHUNK, Change};
use super::connect::connect;
use super::connection::{Connection, Targets};
use super::directory::Listed;
use super::error::CallError;
use super::thread::Thread;
use crate::sink::SinkError;

/// Looks at groups at once: far below where AWS throttles.
const AT_ONCE: usize = 8;

#[derive(Debug)]
pub(super) struct Api {
    options: Options,
    thread: Thread,
    /// Once it is known how.
    connection: Option<Connection>,
}

impl Api {
    pub(super) fn new(options: Options) -> Result<Api, SinkError> {
        Ok(Api { options, thread: Thread::start()?, connection: None })
    }

    /// All of the account in the region.
    pub(super) fn groups(&mut self) -> Result<Vec<Listed>, CallError> {
        self.run(async |connection| connection.groups().await)
    }

    /// All in each of the groups, by their ARN; a group that is gone is left out.
    pub(super) fn targets<K: Send + 'static>(
        &mut self,
        groups: BTreeMap<K, String>,
    ) -> Result<Vec<(K, Targets)>, CallError> {
        let look = async |connection: Connection, (key, arn): (K, String)| match connection
            .health(&arn, &[])
            .await
        {
            Ok(targets) => Ok(Some((key, targets))),
            Err(CallError::NoGroup) => Ok(None),
            Err(error) => Err(error),
        };
        self.run(async move |connection| {
            let looks = groups.into_iter().map(|group| look(connection.clone(), group));
            let found: Vec<_> = stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
            Ok(found.into_iter().flatten().collect())
        })
    }

    /// Those of these that are in the group.
    pub(super) fn targets_among(
        &mut self,
        arn: &str,
        addresses: &[SocketAddr],
    ) -> Result<Targets, CallError> {
        let (arn, addresses) = (arn.to_owned(), addresses.to_vec());
        self.run(async move |connection| {
            let mut targets = Targets::new();
            for addresses in addresses.chunks(CHUNK) {
                targets.extend(connection.health(&arn, addresses).await?);
            }
            Ok(targets)
        })
    }

    /// At most [`CHUNK`] targets. `until`: not after that.
    pub(super) fn change(
        &mut self,
        change: Change,
        arn: &str,
        targets: &[SocketAddr],
        until: Option<std::time::Instant>,
    ) -> Result<(), CallError> {
        let arn = arn.to_owned();
        let targets = targets.to_vec();
        self.run(async move |connection| connection.change(change, &arn, &targets, until).await)
    }

    fn run<T: Send + 'static, F: Future<Output = Result<T, CallError>> + Send + 'static>(
        &mut self,
        work: impl FnOnce(Connection) -> F,
    ) -> Result<T, CallError> {
        let connection = match &self.connection {
            Some(connection) => connection.clone(),
            None => {
                let client = self.wait(connect(self.options.clone()))?;
                self.connection.insert(Connection::new(client, self.options.endpoint.as_deref())).clone()
            }
        };
        let outcome = self.wait(work(connection));
        if let Err(CallError::Denied(_)) = outcome {
            // Whatever was found, there may be something better by now.
            self.connection = None;
        }
        outcome
    }

    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, CallError>> + Send + 'static,
    ) -> Result<T, CallError> {
        self.thread
            .wait(work)
            .unwrap_or_else(|| Err(CallError::Strange("a call to AWS ended in a panic".into())))
    }
}
