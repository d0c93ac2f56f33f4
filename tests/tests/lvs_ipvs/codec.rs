//! What we tell the kernel is what ipvsadm reads, and what ipvsadm tells the kernel is what we read.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use lvs_sync::ipvsadm;
use lvs_sync::model::{
    Checksum, Destination, Encapsulation, Flags, Forwarding, Op, Persistence, Scheduler, Service, ServiceKey,
    Services, Settings,
};
use lvs_sync::sink::ipvs::Ipvs;
use lvs_sync::sink::{OpError, Sink};
use roundhouse_tests::uml::in_uml;

use crate::shell::{saved, sh, sorted};

const SCHEDULERS: &[&str] =
    &["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh"];

/// Everything that a pool can ask for.
fn everything() -> Services {
    let mut services = Services::new();
    for (n, scheduler) in SCHEDULERS.iter().enumerate() {
        let key = format!("tcp/203.0.113.{}:80", n + 1).parse().unwrap();
        let mut settings = Settings { scheduler: Scheduler::new(scheduler), ..Settings::default() };
        if matches!(*scheduler, "sh" | "mh") {
            settings.flags = Flags::SCHEDULER_1.with(Flags::SCHEDULER_2);
        }
        services
            .insert(key, Service { settings, destinations: destinations("10.0.0", Forwarding::Masquerade) });
    }
    let with = |persistence, flags| Settings {
        persistence: Some(persistence),
        flags,
        ..Settings { scheduler: Scheduler::new("wrr"), ..Settings::default() }
    };
    let v4 = destinations("10.0.0", Forwarding::DirectRouting);
    let whole = with(Persistence { timeout: 300, prefix: 32 }, Flags::default());
    let part = with(Persistence { timeout: 360, prefix: 24 }, Flags::default());
    let v6 = with(Persistence { timeout: 300, prefix: 64 }, Flags::default());
    let one_packet =
        Settings { flags: Flags::ONE_PACKET, scheduler: Scheduler::new("rr"), ..Settings::default() };
    let mut put = |key: &str, settings: Settings, destinations| {
        services.insert(key.parse().unwrap(), Service { settings, destinations });
    };
    put("tcp/203.0.113.100:80", whole, v4.clone());
    put("tcp/203.0.113.101:80", part, v4);
    put("tcp/[2001:db8::10]:443", v6, destinations("2001:db8:1:", Forwarding::Masquerade));
    put("udp/203.0.113.100:53", one_packet, destinations("10.0.1", Forwarding::Masquerade));
    put("udp/[2001:db8::10]:80", Settings::default(), destinations("2001:db8:1:", Forwarding::DirectRouting));
    put("fwmark/7/v4", Settings::default(), destinations("10.0.0", Forwarding::Masquerade));
    put("fwmark/7/v6", Settings::default(), destinations("2001:db8:2:", Forwarding::Masquerade));
    let tunnels = [
        Encapsulation::Ipip,
        Encapsulation::Gue(6080, Checksum::None),
        Encapsulation::Gue(6081, Checksum::Full),
        Encapsulation::Gue(6082, Checksum::Remote),
        Encapsulation::Gre(Checksum::None),
        Encapsulation::Gre(Checksum::Full),
    ];
    for (n, tunnel) in tunnels.into_iter().enumerate() {
        let key = format!("tcp/203.0.113.{}:80", n + 110);
        put(&key, Settings::default(), destinations("10.0.2", Forwarding::Tunnel(tunnel)));
    }
    // A tunnel carries either family.
    put("tcp/203.0.113.120:80", Settings::default(), {
        destinations("2001:db8:3:", Forwarding::Tunnel(Encapsulation::Ipip))
    });
    services
}

fn destinations(net: &str, forwarding: Forwarding) -> BTreeMap<SocketAddr, Destination> {
    let at = |host: u32| match net.contains(':') {
        true => format!("[{net}:{host}]:80").parse().unwrap(),
        false => format!("{net}.{host}:80").parse().unwrap(),
    };
    [(1, 100), (2, 0), (3, 65_535)]
        .map(|(host, weight)| (at(host), Destination::new(weight, forwarding)))
        .into()
}

fn adds(services: &Services) -> Vec<Op> {
    let one = |(key, service): (&ServiceKey, &Service)| {
        let add = Op::AddService(key.clone(), service.settings.clone());
        let destinations =
            service.destinations.iter().map(|(at, to)| Op::AddDestination(key.clone(), *at, *to));
        std::iter::once(add).chain(destinations).collect::<Vec<_>>()
    };
    services.iter().flat_map(one).collect()
}

#[track_caller]
fn apply(sink: &mut Ipvs, ops: &[Op]) {
    for (op, result) in ops.iter().zip(sink.apply(ops, None).unwrap()) {
        assert_eq!(result, Ok(()), "{op}");
    }
}

#[test]
fn what_is_told_is_what_ipvsadm_reads() {
    in_uml("codec::what_is_told_is_what_ipvsadm_reads", SCHEDULERS, |_| {
        let mut sink = Ipvs::new();
        let services = everything();
        apply(&mut sink, &adds(&services));
        assert_eq!(saved(), sorted(&ipvsadm::table(&services)));
        let dumped = sink.dump().unwrap();
        assert_eq!(dumped.services, services);

        // And back: ipvsadm tells the same, and it reads as the same.
        let text = sh("ipvsadm -Sn");
        sh("ipvsadm -C");
        assert!(sink.dump().unwrap().services.is_empty());
        std::fs::write("/run/saved", text).unwrap();
        sh("ipvsadm -R </run/saved");
        let restored = sink.dump().unwrap().services;
        for (key, service) in &services {
            assert_eq!(&restored[key], service, "{key}");
        }
        assert_eq!(restored.len(), services.len());
    });
}

#[test]
fn what_is_set_is_set_and_what_is_removed_is_gone() {
    in_uml("codec::what_is_set_is_set_and_what_is_removed_is_gone", SCHEDULERS, |_| {
        let mut sink = Ipvs::new();
        let key: ServiceKey = "tcp/203.0.113.1:80".parse().unwrap();
        let mut services: Services = everything().into_iter().filter(|(of, _)| *of == key).collect();
        apply(&mut sink, &adds(&services));
        let service = services.get_mut(&key).unwrap();
        service.settings = Settings {
            scheduler: Scheduler::new("sh"),
            flags: Flags::SCHEDULER_2,
            persistence: Some(Persistence { timeout: 60, prefix: 24 }),
            ..Settings::default()
        };
        let at = *service.destinations.keys().next().unwrap();
        let to = Destination { upper: 200, lower: 100, ..Destination::new(7, Forwarding::DirectRouting) };
        service.destinations.insert(at, to);
        let set =
            [Op::SetService(key.clone(), service.settings.clone()), Op::SetDestination(key.clone(), at, to)];
        apply(&mut sink, &set);
        assert_eq!(saved(), sorted(&ipvsadm::table(&services)));
        // Which ipvsadm does not print.
        assert_eq!(sink.dump().unwrap().services[&key].destinations[&at], to);
        // Persistence off again.
        let plain = Settings { scheduler: Scheduler::new("rr"), ..Settings::default() };
        apply(&mut sink, &[Op::SetService(key.clone(), plain.clone())]);
        assert_eq!(sink.dump().unwrap().services[&key].settings, plain);
        apply(&mut sink, &[Op::RemoveDestination(key.clone(), at), Op::RemoveService(key.clone())]);
        assert_eq!(saved(), Vec::<String>::new());
        // Gone twice is gone.
        apply(&mut sink, &[Op::RemoveDestination(key.clone(), at), Op::RemoveService(key)]);
    });
}

#[test]
fn what_the_kernel_refuses_is_said_for_each() {
    in_uml("codec::what_the_kernel_refuses_is_said_for_each", &["wrr"], |uml| {
        let mut sink = Ipvs::new();
        let (here, other): (ServiceKey, ServiceKey) =
            ("tcp/203.0.113.1:80".parse().unwrap(), "tcp/203.0.113.2:80".parse().unwrap());
        let at = "10.0.0.1:80".parse().unwrap();
        let to = Destination::new(1, Forwarding::Masquerade);
        let mh = Settings { scheduler: Scheduler::new("mh"), ..Settings::default() };
        let v6 = "[2001:db8::1]:80".parse().unwrap();
        let ops = [
            Op::AddService(here.clone(), Settings::default()),
            Op::AddService(here.clone(), Settings::default()),
            Op::AddService(other.clone(), mh.clone()),
            Op::AddDestination(other.clone(), at, to),
            Op::AddDestination(here.clone(), at, to),
            Op::AddDestination(here.clone(), at, to),
            Op::AddDestination(here.clone(), v6, to),
            Op::SetDestination(here.clone(), "10.0.0.9:80".parse().unwrap(), to),
            Op::SetService(other.clone(), Settings::default()),
        ];
        let results = sink.apply(&ops, None).unwrap();
        assert_eq!((&results[0], &results[4]), (&Ok(()), &Ok(())));
        assert_eq!((&results[1], &results[5]), (&Err(OpError::Exists), &Err(OpError::Exists)));
        let refused = |result: &Result<(), OpError>| match result {
            Err(OpError::Refused(said)) => said.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            refused(&results[2]),
            "the kernel has no scheduler `mh`; load it with `modprobe ip_vs_mh`, or write another `scheduler`"
        );
        assert!(refused(&results[6]).contains("Invalid argument"), "{results:?}");
        for n in [3, 7, 8] {
            assert_eq!(results[n], Err(OpError::Gone), "{}", ops[n]);
        }
        assert_eq!(saved(), ["-A -t 203.0.113.1:80 -s wrr", "-a -t 203.0.113.1:80 -r 10.0.0.1:80 -m -w 1"]);
        // With the module the same goes well.
        uml.load("ip_vs_mh");
        apply(&mut sink, &[Op::AddService(other.clone(), mh), Op::AddDestination(other, at, to)]);
    });
}

#[test]
fn a_service_that_no_pool_can_ask_for_is_read_as_it_is() {
    in_uml("codec::a_service_that_no_pool_can_ask_for_is_read_as_it_is", SCHEDULERS, |uml| {
        uml.load("ip_vs_pe_sip");
        sh(
            "ipvsadm -A -u 203.0.113.5:5060 -s rr -p 60 --pe sip; ipvsadm -A --sctp-service 203.0.113.5:80 -s rr",
        );
        let services = Ipvs::new().dump().unwrap().services;
        assert_eq!(services.len(), 1, "{services:?}");
        assert_eq!(services.values().next().unwrap().settings.engine.as_deref(), Some("sip"));
    });
}
