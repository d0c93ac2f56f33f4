//! moto's server.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use roundhouse_tests::{Background, programs};

use crate::query::{Form, credential, send, text};

/// It imports half of Amazon first.
const STARTING: Duration = Duration::from_secs(30);

/// One for all tests that run now: it keeps regions apart, and each test has its own.
pub(crate) struct Moto {
    pub(crate) address: SocketAddr,
    _server: Background,
}

impl Moto {
    pub(crate) fn shared() -> Arc<Moto> {
        static RUNNING: Mutex<Weak<Moto>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let moto = Arc::new(Moto::start());
            *running = Arc::downgrade(&moto);
            moto
        })
    }

    fn start() -> Moto {
        let target = programs::profile_folder();
        let python = target.parent().expect("target/<profile>").join("peers/bin/python");
        assert!(python.exists(), "{} is not there; run `make tools-test`", python.display());
        let mut command = Command::new(python);
        command.args(["-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]);
        let server = Background::spawn(command);
        let line = server.wait_line(STARTING, "Running on http://");
        let address = line.rsplit('/').next().unwrap().trim().parse().unwrap();
        Moto { address, _server: server }
    }
}

/// Who owns the groups of a region.
pub(crate) struct Operator {
    moto: SocketAddr,
    region: &'static str,
    network: String,
}

impl Operator {
    pub(crate) fn of(moto: SocketAddr, region: &'static str) -> Operator {
        let mut operator = Operator { moto, region, network: String::new() };
        let fields = [("Action", "CreateVpc"), ("Version", "2016-11-15"), ("CidrBlock", "10.0.0.0/16")];
        let made = send(moto, &credential(region, "ec2"), &Form::of(&fields)).body;
        operator.network = text(&made, "vpcId").unwrap_or_else(|| panic!("{made}")).to_owned();
        operator
    }

    /// Its ARN.
    pub(crate) fn create(&self, name: &str, kind: &str, tag: Option<&str>) -> String {
        let mut fields = vec![
            ("Name", name),
            ("Protocol", "TCP"),
            ("Port", "80"),
            ("TargetType", kind),
            ("VpcId", &self.network),
        ];
        if let Some(pool) = tag {
            fields.extend([("Tags.member.1.Key", "roundhouse-pool"), ("Tags.member.1.Value", pool)]);
        }
        let made = self.ask("CreateTargetGroup", &fields, &[]);
        text(&made, "TargetGroupArn").unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    pub(crate) fn delete(&self, group: &str) {
        self.ask("DeleteTargetGroup", &[("TargetGroupArn", group)], &[]);
    }

    pub(crate) fn register(&self, group: &str, targets: &[SocketAddr]) {
        self.ask("RegisterTargets", &[("TargetGroupArn", group)], targets);
    }

    /// What is registered.
    pub(crate) fn registered(&self, group: &str) -> Vec<SocketAddr> {
        let told = self.ask("DescribeTargetHealth", &[("TargetGroupArn", group)], &[]);
        let target = |member: &str| {
            Some(SocketAddr::new(text(member, "Id")?.parse().ok()?, text(member, "Port")?.parse().ok()?))
        };
        let mut targets: Vec<SocketAddr> = told.split("<member>").filter_map(target).collect();
        targets.sort_unstable();
        targets
    }

    fn ask(&self, action: &str, fields: &[(&str, &str)], targets: &[SocketAddr]) -> String {
        let fields = [&[("Action", action), ("Version", "2015-12-01")], fields].concat();
        let form = Form::of(&fields).with_targets(targets);
        let reply = send(self.moto, &credential(self.region, "elasticloadbalancing"), &form);
        assert_eq!(reply.status, 200, "{action}: {}", reply.body);
        reply.body
    }
}
