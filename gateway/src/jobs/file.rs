//! A file as it stands, and whether it still does.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use roundhouse_config::{JobSpec, JobsFile, Label, Problem, Problems};

/// What changes with the file: an edit in place changes time or size, a rename over it or a swapped link the inode.
/// (inotify sees neither what happens on a file server nor a link in the path above.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// Follows links.
pub(super) fn look(path: &Path) -> Result<Print, io::ErrorKind> {
    let found = std::fs::metadata(path).map_err(|error| error.kind())?;
    Ok(Print {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
    })
}

/// A file without a job is refused: an editor empties a file before it writes it, and that must take nothing out.
pub(super) fn read(path: &Path) -> Result<JobsFile, Problems> {
    // Opening a pipe waits for its writer, and nobody else's file would be looked at meanwhile.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(whole(path, "is no regular file; name one").into());
    }
    let file = JobsFile::from_file(path)?;
    if file.jobs.is_empty() {
        let hint = "to let go of a file, take it out of [jobs] files in the settings";
        let message = "has no job, so it is taken for one that is being written, and changes nothing";
        return Err(Problem { hint: Some(hint.into()), ..whole(path, message) }.into());
    }
    Ok(file)
}

/// Every problem of every file, and of all of them together.
pub(crate) fn check(paths: &[PathBuf]) -> Result<Vec<JobsFile>, Problems> {
    let (mut files, mut problems, mut taken) = (Vec::new(), Vec::new(), BTreeMap::new());
    for path in paths {
        match read(path) {
            Ok(file) => {
                problems.extend(file.jobs.iter().filter_map(|spec| clash(path, spec, &taken)));
                take(path, &file, &mut taken);
                files.push(file);
            }
            Err(wrong) => problems.extend(wrong.iter().cloned()),
        }
    }
    Problems::new(problems).map_or(Ok(files), Err)
}

/// Where each label stands that an earlier file has.
pub(super) type Taken = BTreeMap<Label, String>;

pub(super) fn take(path: &Path, file: &JobsFile, taken: &mut Taken) {
    for spec in &file.jobs {
        let place = format!("{}:{}:{}", path.display(), spec.place.line, spec.place.column);
        taken.entry(spec.label.clone()).or_insert(place);
    }
}

pub(super) fn clash(path: &Path, spec: &JobSpec, taken: &Taken) -> Option<Problem> {
    let earlier = taken.get(&spec.label)?;
    Some(at(path, spec, format!("job `{}` is at {earlier} already; keep it in one file", spec.label)))
}

/// A problem with one job.
pub(super) fn at(path: &Path, spec: &JobSpec, message: impl Into<String>) -> Problem {
    Problem { line: spec.place.line, column: spec.place.column, ..whole(path, message) }
}

/// A problem with the file as a whole.
pub(super) fn whole(path: &Path, message: impl Into<String>) -> Problem {
    Problem {
        file: path.display().to_string(),
        line: 0,
        column: 0,
        path: String::new(),
        message: message.into(),
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_look_sees_edits_renames_and_swapped_links() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = written(&folder, "a", "one");
        let first = look(&path).unwrap();
        assert_eq!(look(&path), Ok(first));
        written(&folder, "a", "three");
        let edited = look(&path).unwrap();
        assert_ne!(edited, first);
        std::fs::rename(written(&folder, "b", "three"), &path).unwrap();
        assert_ne!(look(&path), Ok(edited));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(look(&link), look(&path));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(look(&link), Err(io::ErrorKind::NotFound));
    }

    #[test]
    fn a_job_is_in_one_file_and_an_empty_file_is_none() {
        let folder = tempfile::TempDir::new().unwrap();
        let first = written(&folder, "1.jobs", "jobs: < name: \"app\" port: \"1\" >\n");
        let second = written(&folder, "2.jobs", "\n  jobs: < name: \"app\" port: \"2\" >");
        let empty = written(&folder, "3.jobs", "# soon\n");
        let problems = check(&[first.clone(), second, empty]).unwrap_err().to_string();
        assert!(problems.contains("2.jobs:2:3: job `app` is at"), "{problems}");
        assert!(
            problems.contains("1.jobs:1:1 already") && problems.contains("3.jobs: has no job"),
            "{problems}"
        );
        assert_eq!(check(&[first]).unwrap().len(), 1);
    }
}
