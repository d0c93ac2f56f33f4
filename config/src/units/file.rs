//! Files that a record names.

use std::path::Path;

/// Bytes of a path (Linux, PATH_MAX).
const MAX_PATH: usize = 4_096;

/// Whether a path means one file to whoever reads it: a record has no folder from which a relative one could be taken.
pub fn is_absolute_file(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    path.is_absolute() && bytes.len() <= MAX_PATH && !bytes.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_a_file_from_the_root() {
        let long = format!("/{}", "x".repeat(MAX_PATH));
        assert!(is_absolute_file(Path::new("/etc/tls/ca.pem")));
        assert!(is_absolute_file(Path::new(&long[..MAX_PATH])));
        for path in ["", "ca.pem", "./ca.pem", "/a\0b", &long] {
            assert!(!is_absolute_file(Path::new(path)), "{path:?}");
        }
    }
}
