use std::os::unix::fs::symlink;

use roundhouse_tests::{SOON, programs};

use crate::{applied, error, file, has_port, job, prepared, started, status, write};

#[test]
fn what_is_written_to_the_file_is_applied() {
    let gateway = started(&job(1111));
    assert_eq!(gateway.job("app")["ports"][0]["port"], 1111);
    let first = status(&gateway);
    assert_eq!(first["file"], file(&gateway).display().to_string());
    assert!(first["at"].as_u64().unwrap() > 1_700_000_000, "{first}");
    write(&gateway, &job(2222));
    has_port(&gateway, 2222);
    applied(&gateway);
    assert!(status(&gateway)["applied_revision"].as_u64() > first["applied_revision"].as_u64());
    // A job that the file lets go of stays, as with `apply`.
    write(&gateway, "jobs: < name: \"other\" port: \"1\" >");
    gateway.vip("other");
    assert_eq!(gateway.job("app")["ports"][0]["port"], 2222);
}

#[test]
fn a_broken_edit_is_shown_with_its_place_and_the_old_state_stays() {
    let gateway = started(&job(1111));
    write(&gateway, &format!("{}jobs: <\n  name: \"app2\"\n  port: \"99999\"\n>\n", job(2222)));
    let wrong = error(&gateway, "99999");
    assert_eq!((&wrong["line"], &wrong["column"]), (&4.into(), &3.into()), "{wrong}");
    assert_eq!(wrong["path"], "jobs[1].port");
    gateway.process().wait_line(SOON, "stack.jobs:4:3");
    assert_eq!(gateway.job("app")["ports"][0]["port"], 1111);
    // Every editor that writes in place empties the file first.
    write(&gateway, "");
    error(&gateway, "has no job");
    assert_eq!(gateway.job("app")["ports"][0]["port"], 1111);
    write(&gateway, &job(3333));
    has_port(&gateway, 3333);
    applied(&gateway);
}

#[test]
fn a_file_that_is_gone_takes_nothing_with_it() {
    let mut gateway = prepared("embedded");
    gateway.run();
    error(&gateway, "is missing");
    write(&gateway, &job(1111));
    has_port(&gateway, 1111);
    applied(&gateway);
    std::fs::remove_file(file(&gateway)).unwrap();
    error(&gateway, "is missing");
    assert_eq!(gateway.job("app")["ports"][0]["port"], 1111);
}

#[test]
fn a_rename_over_it_and_a_swapped_link_are_seen() {
    let mut gateway = prepared("embedded");
    let folder = gateway.config().parent().unwrap().to_owned();
    // As Kubernetes mounts a ConfigMap: the file is a link into a folder that is a link.
    for (version, port) in [("v1", 1111), ("v2", 2222)] {
        std::fs::create_dir(folder.join(version)).unwrap();
        std::fs::write(folder.join(version).join("stack.jobs"), job(port)).unwrap();
    }
    symlink("v1", folder.join("..data")).unwrap();
    symlink("..data/stack.jobs", file(&gateway)).unwrap();
    gateway.run();
    has_port(&gateway, 1111);
    symlink("v2", folder.join("..new")).unwrap();
    std::fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    has_port(&gateway, 2222);

    std::fs::write(folder.join("new.jobs"), job(3333)).unwrap();
    std::fs::rename(folder.join("new.jobs"), file(&gateway)).unwrap();
    has_port(&gateway, 3333);
}

#[test]
fn check_reads_the_files_of_the_settings_too() {
    let gateway = prepared("embedded");
    let check = || {
        let mut command = programs::roundhouse();
        let output = command.arg("check").arg(gateway.config()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, said) = check();
    assert!(code == Some(1) && said.contains("stack.jobs: cannot be read"), "{said}");
    write(&gateway, "jobs: < name: \"app\" port: \"0\" >");
    let (code, said) = check();
    assert!(code == Some(1) && said.contains("stack.jobs:1:"), "{said}");
    write(&gateway, &job(1111));
    let (code, said) = check();
    assert!(code == Some(0) && said.contains("1 job of 1 watched file"), "{said}");
}
