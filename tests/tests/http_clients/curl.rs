//! curl, in every version of HTTP that it speaks, with nginx behind the gateway.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use roundhouse_tests::{Background, SOON, eventually};

use crate::origin::{hash, pattern};
use crate::peers::said;
use crate::stage::Stage;

const LARGE: usize = 50 << 20;

/// How curl is told to speak, and on which entrypoint.
struct Way {
    option: &'static str,
    tls: bool,
    /// curl(1), `%{http_version}`.
    version: &'static str,
}

const WAYS: [Way; 4] = [
    Way { option: "--http1.1", tls: false, version: "1.1" },
    Way { option: "--http2-prior-knowledge", tls: false, version: "2" },
    Way { option: "--http1.1", tls: true, version: "1.1" },
    Way { option: "--http2", tls: true, version: "2" },
];

struct Site {
    stage: Stage,
    files: PathBuf,
    _nginx: Background,
}

impl Site {
    /// nginx serves files and takes uploads (ngx_http_dav_module) as the job `web`.
    fn start() -> Site {
        let stage = Stage::start();
        let files = stage.gateway.folder().join("files");
        std::fs::create_dir(&files).unwrap();
        let nginx = nginx(stage.app(0), stage.gateway.folder(), &files);
        stage.job("web", "", &[stage.app(0)]);
        Site { stage, files, _nginx: nginx }
    }

    fn curl(&self, way: &Way, path: &str, more: &[&str]) -> Command {
        let (scheme, port, entrypoint) = match way.tls {
            false => ("http", 80, self.stage.gateway.http()),
            true => ("https", 443, self.stage.https),
        };
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "60", way.option]);
        command.arg("--cacert").arg(self.stage.authority.ca());
        command.args(["--connect-to", &format!("web.jobs:{port}:{entrypoint}")]);
        command.args(more).arg(format!("{scheme}://web.jobs{path}"));
        command
    }
}

fn nginx(address: SocketAddr, folder: &Path, files: &Path) -> Background {
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr;\n\
         events {{}}\n\
         http {{\n\
           access_log off; client_max_body_size 0; client_body_temp_path body; proxy_temp_path proxy;\n\
           fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
           server {{ listen {address}; root {files}; dav_methods PUT; }}\n\
         }}\n",
        files = files.display()
    );
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "stderr"]);
    let nginx = Background::spawn(command);
    eventually(SOON, "nginx listens", || TcpStream::connect(address).is_ok());
    nginx
}

#[test]
fn large_files_arrive_whole_both_ways() {
    let site = Site::start();
    let bytes = pattern(LARGE);
    std::fs::write(site.files.join("large"), &bytes).unwrap();
    let (expected, large) = (hash(&bytes), site.files.join("large").display().to_string());
    for way in &WAYS {
        let fetched = site.stage.gateway.folder().join("fetched");
        let more = ["-w", "%{http_code} %{http_version}", "-o", fetched.to_str().unwrap()];
        let told = said(&mut site.curl(way, "/large", &more));
        assert_eq!(told, format!("200 {}", way.version));
        assert_eq!(hash(&std::fs::read(&fetched).unwrap()), expected, "{}", way.option);

        let more = ["-w", "%{http_code}", "-T", &large];
        assert_eq!(said(&mut site.curl(way, "/sent", &more)), "201", "{}", way.option);
        let sent = site.files.join("sent");
        assert_eq!(hash(&std::fs::read(&sent).unwrap()), expected, "{}", way.option);
        std::fs::remove_file(sent).unwrap();
    }
}

#[test]
fn a_body_of_unknown_length_and_one_that_waits_for_leave_arrive() {
    let site = Site::start();
    let bytes = pattern(3 << 20);
    let file = site.stage.gateway.folder().join("upload");
    std::fs::write(&file, &bytes).unwrap();
    let from = format!("<{}", file.display());
    for way in &WAYS {
        for more in [vec!["-H", "transfer-encoding: chunked"], vec!["-H", "expect: 100-continue"]] {
            if way.version == "2" && more[1].starts_with("transfer") {
                continue;
            }
            let all = [&more[..], &["-w", "%{http_code}", "-T", file.to_str().unwrap()]].concat();
            assert_eq!(said(&mut site.curl(way, "/sent", &all)), "201", "{} {more:?}", way.option);
            assert!(std::fs::read(site.files.join("sent")).unwrap() == bytes, "{} {more:?}", way.option);
            std::fs::remove_file(site.files.join("sent")).unwrap();
        }
        // From a pipe nobody knows a length.
        let mut piped = Command::new("bash");
        let curl = site.curl(way, "/sent", &["-w", "%{http_code}", "-T", "-"]);
        piped.args(["-c", &format!("exec \"$@\" {from}"), "bash"]).arg(curl.get_program());
        piped.args(curl.get_args());
        let told = said(&mut piped);
        // nginx's PUT wants a length and gets none from HTTP/1.1 clients either.
        assert!(told.ends_with("201"), "{}: {told}", way.option);
        assert!(std::fs::read(site.files.join("sent")).unwrap() == bytes, "{}", way.option);
        std::fs::remove_file(site.files.join("sent")).unwrap();
    }
}

#[test]
fn head_range_and_not_modified_come_without_what_they_do_not_have() {
    let site = Site::start();
    std::fs::write(site.files.join("page"), "0123456789").unwrap();
    for way in &WAYS {
        let head = said(&mut site.curl(way, "/page", &["--head"]));
        assert!(head.to_lowercase().contains("content-length: 10"), "{head}");
        let etag = head.lines().find_map(|line| line.to_lowercase().starts_with("etag:").then(|| &line[6..]));
        let condition = format!("if-none-match: {}", etag.expect("nginx gives one").trim());
        let code = ["-w", " %{http_code} %{num_connects}"];
        let unchanged = said(&mut site.curl(way, "/page", &[&["-H", &condition][..], &code].concat()));
        assert_eq!(unchanged, " 304 1", "{}", way.option);
        let range = said(&mut site.curl(way, "/page", &[&["-r", "2-4"][..], &code].concat()));
        assert_eq!(range, "234 206 1", "{}", way.option);
        if way.option == "--http2-prior-knowledge" {
            // This curl cannot use such a connection twice (7.88: error 16 at its own second request, at any server).
            continue;
        }
        // After each of them the connection goes on.
        let next = if way.tls { "https" } else { "http" };
        let urls = [format!("{next}://web.jobs/page"), format!("{next}://web.jobs/page")];
        let more = ["--head", &urls[0], &urls[1], "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null"];
        let told = said(&mut site.curl(way, "/page", &[&more[..], &["-w", "%{num_connects}"]].concat()));
        assert_eq!(told, "100", "{}", way.option);
    }
}
