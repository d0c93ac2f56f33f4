//! What a follower was told, revision by revision, as a file: so that it can be compared with the store's own history.
//!
//! One JSON document a line, in the order in which they were applied:
//!
//! ```json
//! {"listed":17,"origin":"cdf8181…","keys":{"jobs/app2":12,"instances/app2/0a1b…":17}}
//! {"revision":18,"put":["instances/app2/0a1b…"],"delete":[]}
//! ```
//!
//! A listing gives each key's modification revision, a batch of several commits is one line for each. The file grows
//! without bound: it is for tests, and for an operator who wants to know what a gateway saw.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::kv::{Batch, Change, Listing, Revision};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Recorded {
    Listed { listed: Revision, origin: String, keys: BTreeMap<String, Revision> },
    Applied { revision: Revision, put: Vec<String>, delete: Vec<String> },
}

#[derive(Debug)]
pub struct Recorder {
    file: BufWriter<File>,
    /// Said once, not at every line.
    failed: bool,
}

impl Recorder {
    /// Appends, so that a restart goes on in the same file.
    pub fn open(path: &Path) -> io::Result<Recorder> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        Ok(Recorder { file: BufWriter::new(file), failed: false })
    }

    pub(crate) fn listed(&mut self, listing: &Listing) {
        let keys = listing.entries.iter().map(|entry| (entry.key.clone(), entry.modified)).collect();
        let origin = listing.origin.clone();
        self.write(&[Recorded::Listed { listed: listing.revision, origin, keys }]);
    }

    pub(crate) fn applied(&mut self, batch: &Batch) {
        let mut commits: BTreeMap<Revision, (Vec<String>, Vec<String>)> = BTreeMap::new();
        for change in &batch.changes {
            match change {
                Change::Put(entry) => commits.entry(entry.modified).or_default().0.push(entry.key.clone()),
                Change::Delete { key, revision } => commits.entry(*revision).or_default().1.push(key.clone()),
            }
        }
        let line = |(revision, (put, delete))| Recorded::Applied { revision, put, delete };
        self.write(&commits.into_iter().map(line).collect::<Vec<_>>());
    }

    /// Flushed at each event: whoever reads the file after an event sees it, also after a kill.
    fn write(&mut self, lines: &[Recorded]) {
        let mut write = || -> io::Result<()> {
            for line in lines {
                serde_json::to_writer(&mut self.file, line)?;
                self.file.write_all(b"\n")?;
            }
            self.file.flush()
        };
        if let Err(error) = write()
            && !std::mem::replace(&mut self.failed, true)
        {
            tracing::error!(%error, "the record of applied revisions has a gap");
        }
    }
}
