//! A listener with TLS: who can talk to it, and certificates that are changed while it runs.

use hyper::Method;
use roundhouse_registry::http::{Bearer, HttpClient, HttpError, Roots};
use roundhouse_tests::{Certificates, Gateway, Job, SOON, eventually, eventually_async, programs};

/// A gateway with TLS and tokens, its certificates, and an admin's token.
struct Secured {
    gateway: Gateway,
    certificates: Certificates,
    token: String,
}

fn secured() -> Secured {
    let gateway = Gateway::prepared("embedded", "");
    let certificates = Certificates::of(&gateway.net.gateway().to_string());
    let server = certificates.server();
    let (cert, key) = (server.cert.display(), server.key.display());
    let lines = format!("require_token = true\ncert = \"{cert}\"\nkey = \"{key}\"");
    let mut gateway = gateway.with_admin(&lines);
    gateway.run();
    let file = gateway.data_dir().join("admin-token");
    let token = eventually(SOON, "the first token", || std::fs::read_to_string(&file).ok());
    Secured { gateway, certificates, token }
}

impl Secured {
    fn client(&self, roots: Roots) -> HttpClient {
        let token = Bearer::parse(&self.token, "the test").unwrap();
        HttpClient::new(self.gateway.admin().to_string()).with_tls(roots).with_token(Some(token))
    }

    fn ca(&self) -> Roots {
        Roots::File(self.certificates.ca())
    }
}

async fn get(client: &HttpClient) -> Result<u16, String> {
    let answer = client.call(Method::GET, "/v1/jobs", &[], None).await;
    answer.map(|answer| answer.status.as_u16()).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_trusts_the_signer_and_has_a_token_is_answered() {
    let secured = secured();
    assert_eq!(get(&secured.client(secured.ca())).await, Ok(200));
    let stranger = Certificates::new();
    for roots in [Roots::System, Roots::File(stranger.ca())] {
        let error = get(&secured.client(roots)).await.unwrap_err();
        assert!(error.contains("certificate") && error.contains("--ca, ROUNDHOUSE_CA"), "{error}");
    }
    let nobody = HttpClient::new(secured.gateway.admin().to_string()).with_tls(secured.ca());
    let error = nobody.call(Method::GET, "/v1/jobs", &[], None).await.err().unwrap();
    assert!(matches!(&error, HttpError::Refused { status, .. } if status.as_u16() == 401), "{error}");
    // In the clear nobody is told anything but this, whatever is asked.
    let plain = HttpClient::new(secured.gateway.admin().to_string());
    for path in ["/healthz", "/v1/jobs"] {
        let error = plain.call(Method::GET, path, &[], None).await.err().unwrap();
        assert!(
            matches!(&error, HttpError::Refused { status, .. } if status.as_u16() == 400)
                && error.to_string().contains("this port speaks TLS; write https://"),
            "{error}"
        );
    }
    // A name of its own, which a listener without tokens would not answer to.
    let answer = secured.client(secured.ca()).call(Method::GET, "/v1/jobs", &[("x-a", "b")], None).await;
    assert!(answer.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_certificate_is_no_leaf() {
    let gateway = Gateway::prepared("embedded", "");
    let certificates = Certificates::of(&gateway.net.gateway().to_string());
    let (cert, key) = (certificates.ca(), certificates.ca_key());
    let lines = format!("cert = \"{}\"\nkey = \"{}\"", cert.display(), key.display());
    let mut gateway = gateway.with_admin(&lines);
    gateway.run();
    let client = HttpClient::new(gateway.admin().to_string()).with_tls(Roots::File(cert));
    let error = get(&client).await.unwrap_err();
    assert!(error.contains("a CA certificate is served as the leaf") && !error.contains("--ca"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_were_changed_are_served() {
    let secured = secured();
    let client = secured.client(secured.ca());
    assert_eq!(get(&client).await, Ok(200));
    // What cannot be used changes nothing: half of a rotation, or nonsense.
    let cert = secured.certificates.server().cert;
    let right = std::fs::read_to_string(&cert).unwrap();
    std::fs::write(&cert, "nonsense").unwrap();
    let noticed = async || {
        let _ = get(&client).await;
        secured.gateway.process().stderr().contains("the former certificate stays")
    };
    eventually_async(SOON, "it is noticed", noticed).await;
    assert_eq!(get(&client).await, Ok(200));
    std::fs::write(&cert, right).unwrap();
    assert_eq!(get(&client).await, Ok(200));
    // Another signer, trusted by nobody who trusted the former: the client reads its file anew too.
    secured.certificates.renew();
    let former = Certificates::new();
    eventually_async(SOON, "the new ones are served", async || get(&client).await).await;
    assert!(get(&secured.client(Roots::File(former.ca()))).await.is_err());
    assert_eq!(secured.gateway.process().exit_status(), None);
}

#[test]
fn the_cli_and_job_init_speak_it() {
    let secured = secured();
    let file = secured.gateway.data_dir().join("admin-token").display().to_string();
    let ca = secured.certificates.ca().display().to_string();
    let (url, own) = (secured.gateway.url(), secured.gateway.net.app(0));
    let _job = Job::new(&url, "app2", own, 1111).option("--token-file", &file).option("--ca", &ca).start();
    let get = |with_ca: bool| {
        let mut command = programs::roundhouse();
        command.args(["--server", &url, "get", "instances"]).env("ROUNDHOUSE_TOKEN_FILE", &file);
        if with_ca {
            command.env("ROUNDHOUSE_CA", &ca);
        }
        let said = command.output().unwrap();
        [said.stdout, said.stderr].map(|said| String::from_utf8(said).unwrap()).concat()
    };
    eventually(SOON, "it is registered", || get(true).contains("app2/"));
    assert!(get(false).contains("--ca, ROUNDHOUSE_CA"));
}

#[test]
fn a_whole_registry_goes_out_and_in_over_it() {
    let secured = secured();
    let token_file = secured.gateway.data_dir().join("admin-token");
    let (file, ca) = (secured.gateway.data_dir().join("all.jsonl"), secured.certificates.ca());
    let run = |arguments: &[&str], known: bool| {
        let mut command = programs::roundhouse();
        command
            .args(["--server", &secured.gateway.url(), "registry"])
            .args(arguments)
            .env("ROUNDHOUSE_CA", &ca);
        if known {
            command.env("ROUNDHOUSE_TOKEN_FILE", &token_file);
        }
        let said = command.output().unwrap();
        (said.status.code(), [said.stdout, said.stderr].map(|said| String::from_utf8(said).unwrap()).concat())
    };
    let file = file.to_str().unwrap();
    let (code, said) = run(&["export", file], false);
    assert!(code == Some(1) && said.contains("no token was sent"), "{said}");
    for (arguments, sentence) in [
        (&["export", file][..], "records at revision"),
        (&["import", file, "--merge"], "EQUAL"),
        (&["diff", file, "--merge"], "TO CREATE"),
    ] {
        let (code, said) = run(arguments, true);
        assert!(code == Some(0) && said.contains(sentence), "{arguments:?}: {said}");
    }
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_start() {
    let gateway = Gateway::prepared("embedded", "").with_admin("cert = \"none.pem\"\nkey = \"none.pem\"");
    let said = gateway.command().output().unwrap();
    let error = String::from_utf8(said.stderr).unwrap();
    assert!(!said.status.success() && error.contains("admin.cert and admin.key cannot be used"), "{error}");
    assert!(error.contains("none.pem: "), "{error}");
}

#[test]
fn a_client_that_never_shakes_hands_is_let_go() {
    use std::io::Read;
    let secured = secured();
    let mut silent = std::net::TcpStream::connect(secured.gateway.admin()).unwrap();
    silent.set_read_timeout(Some(SOON)).unwrap();
    // The gateway drains: whoever has not even begun holds nothing up.
    secured.gateway.process().signal(roundhouse_tests::Signal::TERM);
    // An end or a reset, as it was just accepted or not yet.
    let ended = silent.read(&mut [0; 16]).map_err(|error| error.kind());
    assert!(matches!(ended, Ok(0) | Err(std::io::ErrorKind::ConnectionReset)), "{ended:?}");
    secured.gateway.process().wait_exit(SOON);
}
