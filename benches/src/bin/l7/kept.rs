//! Rows 1 to 4: answers of three sizes on kept connections, with a proxy that has its core for itself; and small ones
//! with a proxy that shares it with the backend and has not enough of it.

use std::time::Duration;

use roundhouse_benches::Nginx;
use roundhouse_benches::compare::{Skipped, Stage};
use roundhouse_benches::load::HOST;
use roundhouse_benches::wrk::Wrk;
use roundhouse_tests::Loopback;

use crate::contender;
use crate::measure::Requests;
use crate::way::{Answer, Asked, Spoken, Way};

pub(crate) struct Shape {
    row: u8,
    name: &'static str,
    /// Bytes; `None` is the backend's answer from memory.
    length: Option<usize>,
    connections: usize,
    saturated: bool,
    aim: Option<f64>,
}

pub(crate) const ALONE: Shape =
    Shape { row: 1, name: "30 B, alone", length: None, connections: 64, saturated: false, aim: Some(0.85) };
pub(crate) const SATURATED: Shape =
    Shape { row: 2, name: "30 B, saturated", connections: 128, saturated: true, aim: Some(0.80), ..ALONE };
pub(crate) const KILOBYTE: Shape = Shape { row: 3, name: "1 KB, alone", length: Some(1 << 10), ..ALONE };
pub(crate) const HUNDRED: Shape =
    Shape { row: 4, name: "100 KB, alone", length: Some(100 << 10), aim: None, ..ALONE };

pub(crate) fn run(stage: &mut Stage, shape: &Shape) -> Result<(), Skipped> {
    let Shape { row, name, length, connections, saturated, aim } = *shape;
    let net = Loopback::take();
    let asked = match length {
        Some(length) => Asked { path: "/of/file", body: "", answer: Answer::Length(length) },
        None => Asked::SMALL,
    };
    let way = Way::new(&net, Spoken::Http1, asked);
    let nginx = Nginx::with_files(way.backend, &[("file", &"x".repeat(length.unwrap_or(0)))]);
    if saturated {
        stage.cores.to_proxy(nginx.pid());
    }
    let contenders = contender::all(stage, row, way);
    let what = format!("HTTP/1.1, {name}, {connections} connections");
    let load = format!("wrk -t1 -c{connections}");
    Requests { row, what, aim, load: &load }.compare(stage, &contenders, |at, time: Duration| {
        Wrk { at, host: HOST, path: asked.path, tls: false, connections, script: "" }.run(time)
    });
    let beside = if saturated { ", the backend beside the proxy" } else { "" };
    let place =
        format!("{}{beside}; nobody writes an access log, and the gateway has none", stage.cores.placement());
    stage.report.note(row, place);
    Ok(())
}
