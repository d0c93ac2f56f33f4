//! The first token: who may make tokens where nobody has one yet?
//!
//! A gateway whose listener asks for tokens, and whose registry has none, makes an admin's and writes its text into its
//! own data directory, where only whoever runs the gateway can read it. Of gateways that start together one does. It
//! looks for as long as it lives: a registry that was wiped would lock everybody out.
//!
//! ```text
//! admin-token.new ──► the registry takes it ──► admin-token
//!    │   ▲ no answer, or a crash: the same text is offered again
//!    └─► the registry has tokens: `tokens/admin` is read; this text's ──► admin-token, else the file goes
//! ```

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use roundhouse_registry::WriteError;
use roundhouse_registry::record::{Key, Name, Role, Token, TokenText, decode};

use super::written::settled;
use crate::phase::Phase;
use crate::shared::Shared;

const ID: &str = "admin";
const FILE: &str = "admin-token";
const FRESH: &str = "admin-token.new";
/// While the registry is away; and the least time between two looks.
const AGAIN: Duration = Duration::from_secs(1);

/// Returns when the gateway drains.
pub async fn first_token(shared: Arc<Shared>, data_dir: PathBuf) {
    let Ok(id) = ID.parse::<Name>() else { return };
    if !shared.settings.admin.require_token {
        return;
    }
    let mut phase = shared.phase.clone();
    let mut changes = shared.store.changes();
    let first = First { path: data_dir.join(FILE), fresh: data_dir.join(FRESH), shared, id };
    // What a former self left.
    let mut unsettled = first.fresh.exists();
    let look = async {
        loop {
            changes.borrow_and_update();
            if unsettled || first.shared.store.load().tokens.is_empty() {
                let made = first.make().await;
                unsettled = made.is_err();
                if let Err(error) = made {
                    tracing::warn!(%error, "there may be no token yet, and none could be made; trying again");
                }
            }
            tokio::time::sleep(AGAIN).await;
            if !unsettled && changes.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = look => {}
        _ = phase.wait_for(|phase| *phase == Phase::Draining) => {}
    }
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("cannot use {path}: {source}", path = .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Registry(#[from] WriteError),
}

struct First {
    shared: Arc<Shared>,
    id: Name,
    path: PathBuf,
    fresh: PathBuf,
}

impl First {
    /// An error leaves the file where it is: the registry may have taken what it holds.
    async fn make(&self) -> Result<(), Failed> {
        let (store, registry) = (&self.shared.store, &self.shared.registry);
        let text = match read(&self.fresh).map_err(|source| failed(&self.fresh, source))? {
            Some(text) => text,
            // Tokens that nobody here can read are tokens too.
            None if !registry.kv().range(Key::TOKENS).await.map_err(WriteError::from)?.is_empty() => {
                return Ok(());
            }
            None => {
                let text = TokenText::generate(self.id.clone());
                // The file is there first: a token that nobody can read would lock everybody out.
                write(&self.fresh, &text).map_err(|source| failed(&self.fresh, source))?;
                text
            }
        };
        // Tokens that are retained from a former history stand for whoever restores them.
        if store.load().tokens.is_empty() {
            let mut token = Token::new(Role::Admin, text.hash());
            token.note = format!("made by gateway {} for whoever runs it", self.shared.id).into();
            if let Some(revision) = registry.put_first_token(&self.id, &token).await? {
                // Whoever finds the file may use what it holds.
                settled(store, revision).await;
                return self.publish();
            }
        }
        let key = Key::Token(self.id.clone()).to_string();
        let stored = registry.kv().get(&key).await.map_err(WriteError::from)?;
        let token = stored.and_then(|entry| decode::<Token>(&entry.value).ok());
        if token.is_some_and(|token| token.accepts(&text)) {
            return self.publish();
        }
        tracing::info!("the registry has tokens already");
        fs::remove_file(&self.fresh).map_err(|source| failed(&self.fresh, source))
    }

    fn publish(&self) -> Result<(), Failed> {
        fs::rename(&self.fresh, &self.path).map_err(|source| failed(&self.path, source))?;
        let file = self.path.display();
        tracing::warn!(%file, "the registry had no token; the text of an admin's is in the file (ROUNDHOUSE_TOKEN_FILE)");
        Ok(())
    }
}

fn failed(path: &Path, source: io::Error) -> Failed {
    Failed::File { path: path.to_owned(), source }
}

/// One that was not written to its end was never offered, so it counts as none.
fn read(path: &Path) -> io::Result<Option<TokenText>> {
    match fs::read_to_string(path) {
        Ok(text) => match text.trim().parse() {
            Ok(text) => Ok(Some(text)),
            Err(_) => fs::remove_file(path).map(|()| None),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// For the gateway's own user alone, from the first byte.
fn write(path: &Path, text: &TokenText) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", text.reveal())?;
    file.sync_all()
}
