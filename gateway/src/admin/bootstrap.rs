//! The first token: who may make tokens where nobody has one yet?
//!
//! A gateway whose listener asks for tokens, and whose registry has none, makes an admin's and writes its text into its
//! own data directory, where only whoever runs the gateway can read it. Of gateways that start together one does.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use roundhouse_registry::WriteError;
use roundhouse_registry::record::{Name, Role, Token, TokenText};

use super::written::settled;
use crate::phase::Phase;
use crate::shared::Shared;

const ID: &str = "admin";
const FILE: &str = "admin-token";
/// While the registry is away.
const AGAIN: Duration = Duration::from_secs(1);

/// Returns when there is a token, this one or others.
pub async fn first_token(shared: Arc<Shared>, data_dir: PathBuf) {
    let Ok(id) = ID.parse::<Name>() else { return };
    let mut phase = shared.phase.clone();
    while shared.settings.admin.require_token && shared.store.load().tokens.is_empty() {
        match make(&shared, &id, &data_dir).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "there is no token yet, and none could be made; trying again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => return,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("cannot write {path}: {source}", path = .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Registry(#[from] WriteError),
}

async fn make(shared: &Shared, id: &Name, data_dir: &Path) -> Result<(), Failed> {
    let text = TokenText::generate(id.clone());
    let mut token = Token::new(Role::Admin, text.hash());
    token.note = format!("made by gateway {} for whoever runs it", shared.id).into();
    let (path, fresh) = (data_dir.join(FILE), data_dir.join("admin-token.new"));
    // The file is there first: a token that nobody can read would lock everybody out.
    write(&fresh, &text).map_err(|source| Failed::File { path: fresh.clone(), source })?;
    let first = shared.registry.put_first_token(id, &token).await;
    if !matches!(first, Ok(Some(_))) {
        let _ = fs::remove_file(&fresh);
    }
    let Some(revision) = first? else {
        tracing::info!("the registry has tokens already");
        return Ok(());
    };
    // Whoever finds the file may use what it holds.
    settled(&shared.store, revision).await;
    fs::rename(&fresh, &path).map_err(|source| Failed::File { path: path.clone(), source })?;
    let file = path.display();
    tracing::warn!(%file, "the registry had no token; the text of an admin's is in the file (ROUNDHOUSE_TOKEN_FILE)");
    Ok(())
}

/// For the gateway's own user alone, from the first byte.
fn write(path: &Path, text: &TokenText) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", text.reveal())?;
    file.sync_all()
}
