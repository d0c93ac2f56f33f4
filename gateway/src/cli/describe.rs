//! `roundhouse describe`.

use std::io::{self, Write};

use anyhow::bail;
use roundhouse_config::Label;
use serde_json::Value;

use super::get::{INSTANCE_HEADS, instance, ports, text};
use super::server::Server;
use super::{Outcome, Output, columns, print_json};

pub(super) async fn describe(
    words: &[String],
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let name = match words {
        [name] => name,
        [kind, name] if kind == "job" => name,
        [kind, _] => bail!("`{kind}` cannot be described; write `describe job app2`, or use get"),
        _ => bail!("write `describe job app2`"),
    };
    let label: Label = name.parse()?;
    let job: Value = server.get(&format!("/v1/jobs/{label}")).await?;
    match output {
        Output::Json => print_json(&job, out)?,
        Output::Table => print(&job, out)?,
    }
    Ok(Outcome::Ok)
}

fn print(job: &Value, out: &mut impl Write) -> io::Result<()> {
    let check = &job["check"];
    let check = match check.is_null() {
        true => "none".to_owned(),
        false => {
            let [kind, interval, timeout] = ["kind", "interval", "timeout"].map(|field| text(&check[field]));
            format!(
                "{kind} every {interval}, timeout {timeout}, rise {}, fall {}",
                check["rise"], check["fall"]
            )
        }
    };
    let origin = match job["implicit"].as_bool() {
        Some(true) => "made by a registration; the first `apply` or PUT takes it over",
        _ => "written",
    };
    let lines = [
        ("Job", text(&job["label"])),
        ("JOBNAME", text(&job["jobname"])),
        ("VIP", text(&job["vip"])),
        ("Ports", ports(job)),
        ("Check", check),
        ("Balance", text(&job["balance"]["policy"])),
        ("Drain", text(&job["drain"])),
        ("Record", format!("revision {}, {origin}", job["revision"])),
    ];
    for (head, value) in lines {
        writeln!(out, "{head:<9} {}", columns::clean(&value))?;
    }
    for port in job["not_caught"].as_array().into_iter().flatten() {
        let [port, address, reason] =
            ["port", "address", "reason"].map(|field| columns::clean(&text(&port[field])));
        writeln!(out, "{:<9} port {port} at {address}: {reason}", "Not heard")?;
    }
    writeln!(out)?;
    let instances: Vec<&Value> = job["instances"].as_array().into_iter().flatten().collect();
    if instances.is_empty() {
        return writeln!(out, "no instances");
    }
    columns::print(&INSTANCE_HEADS, &instances.iter().map(|item| instance(item)).collect::<Vec<_>>(), out)?;
    for item in instances.iter().filter(|item| item["refused"].is_string()) {
        writeln!(out, "refused: {}: {}", text(&item["id"]), columns::clean(&text(&item["refused"])))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_shown_with_what_is_wrong() {
        let job = json!({"label": "app2", "jobname": "job.app2", "vip": "127.99.0.7", "revision": 3, "drain": "30s",
            "ports": [{"name": "main", "port": 1111, "protocol": "tcp"}], "balance": {"policy": "round_robin"},
            "check": {"kind": "tcp", "interval": "2s", "timeout": "1s", "rise": 2, "fall": 3},
            "not_caught": [{"port": "main", "address": "127.99.0.7:1111", "reason": "held by nginx"}],
            "instances": [{"id": "i", "job": "app2", "address": "10.0.0.7", "ports": {"main": 1}, "refused": "own"}]});
        let mut out = Vec::new();
        print(&job, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in [
            "VIP       127.99.0.7\n",
            "Check     tcp every 2s, timeout 1s, rise 2, fall 3\n",
            "Not heard port main at 127.99.0.7:1111: held by nginx\n",
            "app2/i",
            "refused: i: own\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
