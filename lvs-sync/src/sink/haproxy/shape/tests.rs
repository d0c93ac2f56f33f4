use proptest::prelude::*;

use super::*;
use crate::model::Persistence;

fn address(n: u16) -> SocketAddr {
    SocketAddr::new([10, 0, (n >> 8) as u8, n as u8].into(), 80)
}

fn service(scheduler: &str, weights: &[u32]) -> Service {
    let weigh = |(n, weight): (u16, &u32)| (address(n), Destination::new(*weight, Forwarding::Masquerade));
    Service {
        settings: Settings { scheduler: Scheduler::new(scheduler), ..Settings::default() },
        destinations: (0u16..).zip(weights).map(weigh).collect(),
    }
}

fn key() -> ServiceKey {
    "tcp/203.0.113.10:80".parse().unwrap()
}

fn weights(service: &Service) -> Vec<u32> {
    service.destinations.values().map(|one| one.weight).collect()
}

fn refused(key: &ServiceKey, service: Service) -> String {
    fit(key, service).unwrap_err().0
}

proptest! {
    #[test]
    fn weights_keep_their_order_and_their_share(
        given in proptest::collection::vec(prop_oneof![0u32..300, any::<u32>()], 0..20)
    ) {
        let fitted = fit(&key(), service("wrr", &given)).unwrap();
        let got = weights(&fitted);
        let most = given.iter().copied().max().unwrap_or(0);
        for (weight, fitted) in given.iter().zip(&got) {
            prop_assert!(*fitted <= 256);
            prop_assert_eq!(*weight == 0, *fitted == 0);
            // The plain twin: an exact share, half a step off at most, but for those that would be nothing.
            let exact = f64::from(*weight) * 256.0 / f64::from(most.max(256));
            prop_assert!((f64::from(*fitted) - exact.max(f64::from((*weight).min(1)))).abs() <= 0.5, "{}", fitted);
        }
        for i in 0..given.len() {
            for j in 0..given.len() {
                prop_assert!(given[i] > given[j] || got[i] <= got[j]);
            }
        }
        // What fits stays as it is, so that a second look changes nothing.
        prop_assert_eq!(fit(&key(), fitted.clone()).unwrap(), fitted);
    }
}

#[test]
fn schedulers_are_said_in_one_word_each() {
    let of = |scheduler: &str| {
        let fitted = fit(&key(), service(scheduler, &[7, 0, 300])).unwrap();
        (fitted.settings.scheduler.as_str().to_owned(), weights(&fitted))
    };
    for (asked, said) in [("wrr", "wrr"), ("wlc", "wlc"), ("sh", "sh"), ("mh", "sh"), ("dh", "sh")] {
        assert_eq!(of(asked), (said.to_owned(), vec![6, 0, 256]), "{asked}");
    }
    // Which do not weigh.
    for (asked, said) in [("rr", "wrr"), ("lc", "wlc")] {
        assert_eq!(of(asked), (said.to_owned(), vec![1, 0, 1]), "{asked}");
    }
    for asked in ["lblc", "lblcr", "sed", "nq", "fo", "ovf", "wrrr"] {
        let error = refused(&key(), service(asked, &[1]));
        assert!(error.contains(asked) && error.contains("write wrr"), "{error}");
    }
}

#[test]
fn a_hash_needs_no_flag_to_pass_over_and_has_no_other() {
    let flagged = |scheduler: &str, flags| {
        let mut service = service(scheduler, &[1]);
        service.settings.flags = flags;
        service
    };
    for scheduler in ["sh", "mh"] {
        let fitted = fit(&key(), flagged(scheduler, Flags::SCHEDULER_1)).unwrap();
        assert_eq!(fitted.settings.flags, Flags::default());
    }
    for (scheduler, flags) in
        [("sh", Flags::SCHEDULER_2), ("wrr", Flags::SCHEDULER_1), ("wrr", Flags::ONE_PACKET)]
    {
        assert!(refused(&key(), flagged(scheduler, flags)).contains("leave `flags` out"));
    }
}

#[test]
fn what_it_cannot_hold_is_refused_with_what_to_write() {
    let refused_key = |text: &str| refused(&text.parse().unwrap(), service("wrr", &[1]));
    assert!(refused_key("udp/203.0.113.10:53").contains("\"protocol\": \"tcp\""));
    assert!(refused_key("fwmark/7/v4").contains("leave `fwmark` out"));
    assert!(refused_key("group/blog").contains("write `lines`"));

    let refused_with = |change: fn(&mut Service)| {
        let mut service = service("wrr", &[1]);
        change(&mut service);
        refused(&key(), service)
    };
    let persistence = |service: &mut Service| {
        service.settings.persistence = Some(Persistence { timeout: 300, prefix: 32 });
    };
    assert!(refused_with(persistence).contains("\"scheduler\": \"sh\""));
    assert!(refused_with(|service| service.settings.engine = Some("sip".into())).contains("`sip`"));
    assert!(refused_with(|service| service.settings.send_proxy = Some(3)).contains("1 or 2"));
    let direct = |service: &mut Service| {
        let one = Destination::new(1, Forwarding::DirectRouting);
        service.destinations.insert(address(9), one);
    };
    assert!(refused_with(direct).contains("leave `forwarding` out"));
    let bounded = |service: &mut Service| {
        let one = Destination::new(1, Forwarding::Masquerade);
        service.destinations.insert(address(9), Destination { upper: 5, ..one });
    };
    assert!(refused_with(bounded).contains("10.0.0.9:80"));
    let many = refused(&key(), service("wrr", &[1; 4_096]));
    assert!(many.contains("\"scheduler\": \"wlc\""), "{many}");
    assert!(fit(&key(), service("wlc", &[1; 4_096])).is_ok());
}

#[test]
fn families_may_be_mixed() {
    let mut mixed = service("wrr", &[1]);
    mixed
        .destinations
        .insert("[2001:db8::1]:80".parse().unwrap(), Destination::new(2, Forwarding::Masquerade));
    assert_eq!(fit(&key(), mixed.clone()).unwrap(), mixed);
}
