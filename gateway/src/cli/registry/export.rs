//! `roundhouse registry export`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::place::{Place, open};
use super::{now, remote};
use crate::cli::{Outcome, Output, print_json};
use crate::transfer::{Contents, Lines, Reader};

pub(super) async fn export(
    file: &Path,
    place: Place<'_>,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    if file == Path::new("-") {
        // Its reader sees by the last line whether it has got it all.
        pour(place, |piece| Ok(out.write_all(piece)?)).await?;
        return Ok(Outcome::Ok);
    }
    let mut new = NewFile::beside(file)?;
    let mut reader = Reader::default();
    pour(place, |piece| {
        reader.push(piece)?;
        new.file.write_all(piece).with_context(|| format!("cannot write {}", new.path.display()))
    })
    .await?;
    // What could not be imported never gets the name.
    let Contents { header, entries } = reader.finish()?;
    new.rename(file)?;
    let (name, count, revision) = (file.display().to_string(), entries.len(), header.revision);
    if output == Output::Json {
        print_json(&json!({ "file": name, "header": header }), out)?;
    } else {
        writeln!(
            out,
            "{count} records at revision {revision} are in {name}; it holds every secret of the registry"
        )?;
    }
    Ok(Outcome::Ok)
}

async fn pour(place: Place<'_>, mut take: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    match place {
        Place::Gateway(server) => remote::export(server, take).await,
        Place::Direct(settings) => {
            let opened = open(&settings, false).await?;
            for piece in Lines::new(opened.kv.list().await?, &opened.prefix, now()) {
                take(&piece?)?;
            }
            Ok(())
        }
    }
}

/// Readable by its owner only, from its first byte on; gone unless it is renamed.
struct NewFile {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl NewFile {
    fn beside(file: &Path) -> anyhow::Result<NewFile> {
        let mut name =
            file.file_name().with_context(|| format!("{} is no file name", file.display()))?.to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let path = file.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(NewFile { path, file, kept: false })
    }

    fn rename(mut self, to: &Path) -> anyhow::Result<()> {
        let renamed = || -> io::Result<()> {
            self.file.sync_all()?;
            fs::rename(&self.path, to)?;
            let folder =
                to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()
        };
        renamed().with_context(|| format!("cannot write {}", to.display()))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}
