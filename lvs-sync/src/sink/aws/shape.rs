//! What of a service a target group can hold.

use crate::model::{Destination, Forwarding, Service, ServiceKey, Settings};
use crate::sink::Unfit;

/// The service as its pool's group holds it: [`Sink::fit`](crate::sink::Sink::fit).
pub(super) fn fit(key: &ServiceKey, wanted: Service) -> Result<Service, Unfit> {
    let ServiceKey::Group(_) = key else {
        return Err(Unfit("AWS's balancers have addresses of their own; write another sink".into()));
    };
    check(&wanted.settings)?;
    let mut destinations = wanted.destinations;
    destinations.retain(|_, one| one.weight > 0);
    for one in destinations.values_mut() {
        *one = plain(*one)?;
    }
    Ok(Service { settings: Settings::default(), destinations })
}

/// How a group balances is among its attributes, which are the operator's.
fn check(settings: &Settings) -> Result<(), Unfit> {
    let Settings { scheduler, flags, persistence, engine, send_proxy } = settings;
    let fixed = Settings::default();
    let wrong = if *scheduler != fixed.scheduler {
        let name = scheduler.as_str();
        format!("no scheduler `{name}`; leave `scheduler` out, and set load_balancing.algorithm.type")
    } else if persistence.is_some() {
        "no `persistence` of a pool's; leave it out, and set stickiness.enabled".into()
    } else if *send_proxy != fixed.send_proxy {
        "no `send_proxy` of a pool's; leave it out, and set proxy_protocol_v2.enabled".into()
    } else if *flags != fixed.flags || engine.is_some() {
        return Err(Unfit("AWS has none of the kernel's flags; leave `flags` out".into()));
    } else {
        return Ok(());
    };
    Err(Unfit(format!("AWS has {wrong} among the target group's attributes")))
}

/// A target is in or out.
fn plain(destination: Destination) -> Result<Destination, Unfit> {
    if destination.forwarding != Forwarding::Masquerade {
        return Err(Unfit("AWS dials its targets; leave `forwarding` out, or write the sink ipvs".into()));
    }
    Ok(Destination::new(destination.weight.min(1), Forwarding::Masquerade))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Flags, Persistence, Scheduler};

    fn group() -> ServiceKey {
        "group/blog".parse().unwrap()
    }

    #[test]
    fn weights_are_one_and_without_any_it_is_left_out() {
        let destinations = [(1, 100), (2, 1), (3, 0)].map(|(n, weight)| {
            let address = format!("10.0.0.{n}:80").parse().unwrap();
            (address, Destination::new(weight, Forwarding::Masquerade))
        });
        let wanted = Service { destinations: destinations.into(), ..Service::default() };
        let service = fit(&group(), wanted).unwrap();
        assert_eq!(service.settings, Settings::default());
        let weights: Vec<(String, u32)> =
            service.destinations.iter().map(|(at, one)| (at.to_string(), one.weight)).collect();
        assert_eq!(weights, [("10.0.0.1:80".into(), 1), ("10.0.0.2:80".into(), 1)]);
    }

    #[test]
    fn what_is_no_choice_says_what_to_write() {
        let refused = |settings: Settings| {
            fit(&group(), Service { settings, ..Service::default() }).unwrap_err().to_string()
        };
        let with = Settings::default;
        for (settings, said) in [
            (Settings { scheduler: Scheduler::new("sh"), ..with() }, "leave `scheduler` out"),
            (Settings { persistence: Some(Persistence { timeout: 60, prefix: 32 }), ..with() }, "stickiness"),
            (Settings { send_proxy: Some(2), ..with() }, "proxy_protocol_v2.enabled"),
            (Settings { flags: Flags::ONE_PACKET, ..with() }, "leave `flags` out"),
        ] {
            let error = refused(settings);
            assert!(error.contains(said), "{error}");
        }
        let error = fit(&"tcp/203.0.113.10:80".parse().unwrap(), Service::default()).unwrap_err();
        assert!(error.to_string().contains("write another sink"), "{error}");
        let destinations =
            [("10.0.0.1:80".parse().unwrap(), Destination::new(1, Forwarding::DirectRouting))].into();
        let error = fit(&group(), Service { destinations, ..Service::default() }).unwrap_err();
        assert!(error.to_string().contains("leave `forwarding` out"), "{error}");
    }
}
