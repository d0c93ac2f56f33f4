//! The id of one's own cgroup (cgroups(7)), to be compared with that of a socket.
//!
//! A cgroup v2 id is the inode number of the cgroup's directory. Which directory that is takes two files: membership is
//! told by a path within the hierarchy (`/proc/self/cgroup`), and a mount shows the hierarchy from some path on
//! (`/proc/self/mountinfo`, proc_pid_mountinfo(5)). In a cgroup namespace of its own (cgroup_namespaces(7)) a process
//! sees both of them as paths from the namespace's root on, so that what is found is the same.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{major, minor};

/// The cgroup v2 id of this process; `None` where there is no cgroup v2, or no mount that shows this cgroup.
///
/// On 64-bit kernels: elsewhere an inode number is but half of an id.
///
/// # Errors
/// Those of reading `/proc` and of stat(2) on the cgroup's directory.
pub fn own_cgroup() -> io::Result<Option<u64>> {
    let mounts = fs::read("/proc/self/mountinfo")?;
    let membership = match fs::read("/proc/self/cgroup") {
        // A kernel without cgroups.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        membership => membership?,
    };
    let Some(cgroup) = unified(&membership) else { return Ok(None) };
    for mount in mounts.split(|byte| *byte == b'\n').filter_map(Mount::parse) {
        let Some(directory) = mount.directory(&cgroup) else { continue };
        match fs::metadata(directory) {
            Ok(found) if mount.device == (major(found.dev()), minor(found.dev())) => {
                return Ok(Some(found.ino()));
            }
            // Another mount covers this one.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The cgroup's path, from the line of the unified hierarchy.
fn unified(membership: &[u8]) -> Option<PathBuf> {
    let line = membership.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    Some(path(line.to_vec()))
}

/// A mount of the unified hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// Major and minor.
    device: (u32, u32),
    /// The cgroup that is seen at the mount point.
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// `None` for a line of another filesystem.
    fn parse(line: &[u8]) -> Option<Mount> {
        let mut fields = line.split(|byte| *byte == b' ');
        let device = str::from_utf8(fields.nth(2)?).ok()?.split_once(':')?;
        let [root, point] = [unescape(fields.next()?), unescape(fields.next()?)];
        // Options, then any number of tags, which a hyphen ends.
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        (kind == b"cgroup2").then_some(())?;
        Some(Mount { device: (device.0.parse().ok()?, device.1.parse().ok()?), root, point })
    }

    /// Where this mount shows the cgroup. `None` if it lies outside, which `..` tells, as of a process that was moved
    /// out of its namespace's root.
    fn directory(&self, cgroup: &Path) -> Option<PathBuf> {
        let below = cgroup.strip_prefix(&self.root).ok()?;
        let outside = below.components().any(|component| component == Component::ParentDir);
        (!outside).then(|| self.point.join(below))
    }
}

/// Spaces, tabs, line feeds and backslashes are written in octal, as `\040` (proc_pid_mountinfo(5), getmntent(3)).
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let (byte, next) = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', next @ ..] => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), next)
            }
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = next;
    }
    path(bytes)
}

fn path(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(cgroup: &str, mount: &str) -> Option<PathBuf> {
        Mount::parse(mount.as_bytes())?.directory(Path::new(cgroup))
    }

    #[test]
    fn the_unified_hierarchy_has_the_number_0_and_no_controllers() {
        assert_eq!(unified(b"9:name=systemd:/\n4:memory:/a\n0::/b c\n"), Some("/b c".into()));
        assert_eq!(unified(b"0::/\n"), Some("/".into()));
        assert_eq!(unified(b"10::/a\n9:name=systemd:/\n"), None);
        assert_eq!(unified(b""), None);
    }

    #[test]
    fn a_cgroup_is_found_below_what_a_mount_shows() {
        let whole = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
        assert_eq!(directory("/", whole), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(directory("/a/b", whole), Some("/sys/fs/cgroup/unified/a/b".into()));
        assert_eq!(directory("/../a", whole), None);

        let part = "41 31 0:38 /docker/7 /sys/fs/cgroup ro shared:9 master:3 - cgroup2 cgroup rw,nsdelegate";
        assert_eq!(directory("/docker/7/init", part), Some("/sys/fs/cgroup/init".into()));
        assert_eq!(directory("/docker/70", part), None);
        assert_eq!(directory("/", part), None);

        let above = "41 31 0:38 /.. /mnt rw - cgroup2 none rw";
        assert_eq!(directory("/../a", above), Some("/mnt/a".into()));
        assert_eq!(directory("/", above), None);
    }

    #[test]
    fn names_may_have_spaces() {
        let mount = Mount::parse(br"41 31 0:38 /a\040b /c\134d\0 rw - cgroup2 none rw").unwrap();
        assert_eq!(mount, Mount { device: (0, 38), root: "/a b".into(), point: r"/c\d\0".into() });
    }

    #[test]
    fn other_filesystems_are_no_mounts_of_it() {
        for line in
            ["36 31 0:33 / /sys/fs/cgroup/devices rw - cgroup cgroup2 rw", "", "36 31 0:33 / /cgroup2 rw"]
        {
            assert_eq!(Mount::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn this_process_has_one() {
        let listed = fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - cgroup2 ");
        assert_eq!(own_cgroup().unwrap().is_some(), listed);
    }
}
