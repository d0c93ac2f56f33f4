//! A real nginx with a server of the test's own.

use std::net::SocketAddr;
use std::process::Command;

use roundhouse_tests::{Background, SOON, TempDir, eventually, listens};

pub(crate) struct Nginx {
    _process: Background,
    _folder: TempDir,
}

impl Nginx {
    /// With these lines in its one `server`.
    pub(crate) fn start(listen: SocketAddr, server: &str) -> Nginx {
        let folder = TempDir::new().expect("a temporary directory");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|of| format!("{of}_temp_path {of};\n"))
            .collect();
        let config = format!(
            "daemon off;\nworker_processes 1;\npid nginx.pid;\nevents {{ worker_connections 256; }}\n\
             http {{\naccess_log off;\n{temporary}server {{\nlisten {listen};\n{server}\n}}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config).expect("the folder is ours");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(file).args(["-e", "stderr"]);
        let process = Background::spawn(command);
        eventually(SOON, "nginx listens", || {
            assert_eq!(process.exit_status(), None, "{}", process.stderr());
            listens(listen)
        });
        Nginx { _process: process, _folder: folder }
    }
}
