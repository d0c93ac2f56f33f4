//! Users and roles, as docs/etcd.md says they are made.

use std::path::PathBuf;
use std::process::Command;

use roundhouse_config::access::Login;
use tempfile::TempDir;

use super::Etcd;

/// The users of docs/etcd.md (`hub`, `registrar`, `reader`, `root`), each with a password of its own in a file.
#[derive(Debug)]
pub struct Users {
    folder: TempDir,
}

impl Users {
    /// Runs the commands of docs/etcd.md, literally; from then on etcd asks everybody who they are.
    ///
    /// # Panics
    /// When one of the commands fails.
    #[track_caller]
    pub fn of(etcd: &Etcd) -> Users {
        let users = Users { folder: TempDir::new().expect("a temporary directory") };
        for name in ["root", "hub", "registrar", "reader"] {
            users.set_password(name, &format!("{name}-secret"));
        }
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", commands(0)]).current_dir(users.folder.path());
        run(shell, etcd);
        users
    }

    /// What docs/etcd.md says for job-init with `--pool`.
    ///
    /// # Panics
    /// When one of the commands fails.
    #[track_caller]
    pub fn let_registrars_make_pools(&self, etcd: &Etcd) {
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", commands(1)]).env("ETCDCTL_USER", format!("root:{}", self.password("root")));
        run(shell, etcd);
    }

    pub fn login(&self, user: &str) -> Login {
        Login { user: user.to_owned(), password_file: self.password_file(user) }
    }

    /// What the file says; etcd is not told.
    pub fn set_password(&self, user: &str, password: &str) {
        std::fs::write(self.password_file(user), format!("{password}\n")).expect("the folder is ours");
    }

    pub fn password(&self, user: &str) -> String {
        std::fs::read_to_string(self.password_file(user)).expect("a user of ours").trim_end().to_owned()
    }

    /// As root.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn etcdctl(&self, etcd: &Etcd, arguments: &[&str]) -> String {
        let mut command = Command::new("etcdctl");
        command.args(arguments).env("ETCDCTL_USER", format!("root:{}", self.password("root")));
        run(command, etcd)
    }

    fn password_file(&self, user: &str) -> PathBuf {
        self.folder.path().join(format!("{user}-password"))
    }
}

/// A block of shell commands in docs/etcd.md.
fn commands(block: usize) -> &'static str {
    let page = include_str!("../../../docs/etcd.md");
    let rest = page.split("```sh\n").nth(block + 1).expect("docs/etcd.md has the blocks of commands");
    rest.split_once("```").expect("the block ends").0
}

#[track_caller]
fn run(mut command: Command, etcd: &Etcd) -> String {
    command.env("ETCDCTL_API", "3").env("ETCDCTL_ENDPOINTS", etcd.endpoints().join(","));
    if let Some(tls) = etcd.certificates() {
        let client = tls.client();
        command
            .env("ETCDCTL_CACERT", tls.ca())
            .env("ETCDCTL_CERT", client.cert)
            .env("ETCDCTL_KEY", client.key);
    }
    let output = command.output().expect("these tests need sh and etcdctl");
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}
