//! Whole programs on an etcd that wants TLS, a certificate and a user.

use roundhouse_tests::{Etcd, Gateway, Job, SOON, Signal, Users, ZONE, eventually, http};

#[test]
fn a_gateway_and_a_job_come_in_by_tls_and_as_users() {
    let etcd = Etcd::with_tls();
    let users = Users::of(&etcd);
    let tls = etcd.certificates().unwrap();
    let (ca, client) = (tls.ca(), tls.client());
    let registry = format!(
        "url = \"{}\"\nca = \"{}\"\ncert = \"{}\"\nkey = \"{}\"\nuser = \"hub\"\npassword_file = \"{}\"",
        etcd.url(),
        ca.display(),
        client.cert.display(),
        client.key.display(),
        users.login("hub").password_file.display(),
    );
    let mut gateway = Gateway::configured(&registry, "");
    gateway.run();
    let text = |path: &std::path::Path| path.display().to_string();
    let web = Job::new(&etcd.url(), "web", gateway.net.app(0), 9090)
        .http()
        .option("--ca", &text(&ca))
        .option("--cert", &text(&client.cert))
        .option("--key", &text(&client.key))
        .option("--user", "registrar")
        .option("--password-file", &text(&users.login("registrar").password_file))
        .start();
    gateway.wait_healthy("web", 1);
    let host = format!("web.{ZONE}");
    let reply = http::get(gateway.http(), &host, "/").unwrap();
    assert!(reply.body.starts_with("web "), "{reply:?}");
    web.signal(Signal::TERM);
    web.wait_exit(SOON);
    gateway.wait_healthy("web", 0);
    for (program, user) in [(gateway.process(), "hub"), (&web, "registrar")] {
        let said = [program.stdout(), program.stderr()].concat();
        assert!(!said.contains(&users.password(user)), "{said}");
    }
}

#[test]
fn a_gateway_with_a_wrong_password_ends_with_what_to_correct() {
    let etcd = Etcd::running();
    let users = Users::of(&etcd);
    users.set_password("hub", "guessed-secret");
    let file = users.login("hub").password_file;
    let registry =
        format!("url = \"{}\"\nuser = \"hub\"\npassword_file = \"{}\"", etcd.url(), file.display());
    let gateway = Gateway::configured(&registry, "");
    let output = gateway.command().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("user `hub` or the password in ") && said.contains(&etcd.url()), "{said}");
    assert!(!said.contains("guessed"), "{said}");
}

#[test]
fn a_job_that_is_kept_out_says_so_and_its_command_runs() {
    let etcd = Etcd::running();
    let users = Users::of(&etcd);
    let job = Job::new(&etcd.url(), "web", [127, 0, 0, 1].into(), 9090)
        .option("--check", "none")
        .option("--user", "reader")
        .option("--password-file", &users.login("reader").password_file.display().to_string())
        .run(&["sleep", "100"]);
    let line = job.wait_line(SOON, "not registered, trying again");
    assert!(line.contains("`/roundhouse/v1/`") && line.contains("roundhouse-registrar"), "{line}");
    eventually(SOON, "the command runs", || job.exit_status().is_none());
}
