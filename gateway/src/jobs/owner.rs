//! Whose a static instance is.
//!
//! An instance that a watched file creates is marked in its `meta`: `jobs-file` = `<file name>@<gateway id>`. When it
//! vanishes from the file, a gateway deregisters it only if the mark names this file, and
//!
//! - the gateway itself put it (also before a restart: the id is kept in the data directory), or
//! - the gateway has seen it in its own file since it started: it watches the same file as the one that put it.
//!
//! So two hosts whose different files have the same name never take each other's instances out, and what a person or
//! `roundhouse apply` put is never touched. The price: where the gateway that put an instance is gone for good and no
//! other has seen it in the file, it stays until a person deletes it (`get instances` shows it as static).

use roundhouse_registry::Instance;

const META: &str = "jobs-file";

#[derive(Clone, Debug)]
pub(super) struct Owner {
    /// The file's name without its folder, which may differ between hosts.
    file: String,
    gateway: String,
}

impl Owner {
    pub(super) fn new(file: &std::path::Path, gateway: &str) -> Owner {
        let file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Owner { file, gateway: gateway.to_owned() }
    }

    pub(super) fn mark(&self, instance: &mut Instance) {
        let mark = format!("{}@{}", self.file, self.gateway);
        instance.meta.insert(META.into(), mark.into());
    }

    /// `seen`: the file had it since this gateway started.
    pub(super) fn may_remove(&self, instance: &Instance, seen: bool) -> bool {
        match instance.meta.get(META).and_then(|mark| mark.rsplit_once('@')) {
            Some((file, gateway)) => file == self.file && (seen || gateway == self.gateway),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn only_what_this_file_put_is_removed() {
        let own = Owner::new(Path::new("/etc/roundhouse/stack.jobs"), "one");
        let mut instance = Instance::new([10, 0, 0, 7].into(), [("main".parse().unwrap(), 1)].into());
        assert!(!own.may_remove(&instance, true), "a person put it");
        own.mark(&mut instance);
        assert_eq!(instance.validate(), Ok(()));
        assert!(own.may_remove(&instance, false));
        let twin = Owner::new(Path::new("stack.jobs"), "two");
        assert!(twin.may_remove(&instance, true) && !twin.may_remove(&instance, false));
        let other = Owner::new(Path::new("other.jobs"), "one");
        assert!(!other.may_remove(&instance, true));
    }
}
