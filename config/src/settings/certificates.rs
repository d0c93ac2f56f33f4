//! `[[certificate]]`: certificates and their keys in files.

use std::path::Path;

use super::reader::Section;
use crate::access::Identity;

/// Each is parsed at the start and watched. Whoever has more keeps them in the registry.
const MAX_CERTIFICATES: usize = 1_000;

/// Every certificate of the file that is whole; paths are taken from `base`.
pub(super) fn read_all(root: &Section<'_>, base: &Path) -> Vec<Identity> {
    let sections = root.sections("certificate").unwrap_or_default();
    if sections.len() > MAX_CERTIFICATES {
        let message = format!(
            "{} certificates; write at most {MAX_CERTIFICATES}, and put the others into the registry",
            sections.len()
        );
        root.wrong("certificate", message);
    }
    sections.iter().filter_map(|section| read(section, base)).collect()
}

fn read(section: &Section<'_>, base: &Path) -> Option<Identity> {
    let cert = section.required_file("cert", "\"blog.pem\"");
    let key = section.required_file("key", "\"blog-key.pem\"");
    section.refuse_unknown();
    Some(Identity { cert: base.join(cert?), key: base.join(key?) })
}
