//! What the command is told about itself, so that it needs no configuration to say who it is.

use roundhouse_config::JobName;

use crate::settings::Identity;

/// The variables added to the command's environment.
pub(crate) fn variables(identity: &Identity) -> Vec<(String, String)> {
    let jobname = identity.jobname.clone().unwrap_or_else(|| JobName::implicit(&identity.job));
    let own = [
        ("JOB_NAME".to_owned(), identity.job.to_string()),
        ("JOBNAME".to_owned(), jobname.to_string()),
        ("INSTANCE_ID".to_owned(), identity.id.to_string()),
        ("INSTANCE_PROOF".to_owned(), identity.proof.0.clone()),
    ];
    // A port name has no `_` of its own, so two names never become one variable.
    let ports = identity.ports.iter().map(|port| {
        let name = port.name.as_str().to_ascii_uppercase().replace('-', "_");
        (format!("PORT_{name}"), port.port.to_string())
    });
    own.into_iter().chain(ports).collect()
}

#[cfg(test)]
mod tests {
    use roundhouse_registry::InstanceId;
    use roundhouse_registry::record::Digest;

    use super::*;
    use crate::port::PortArgument;

    #[test]
    fn the_command_learns_who_it_is() {
        let id = InstanceId::random();
        let ports = ["1111", "grpc-admin=2222/grpc"].map(|text| text.parse::<PortArgument>().unwrap().0);
        let proof = ("rhp_secret".to_owned(), Digest::of(b"rhp_secret"));
        let identity =
            Identity { job: "app2".parse().unwrap(), jobname: None, id, ports: ports.to_vec(), proof };
        let expected = [
            ("JOB_NAME", "app2"),
            ("JOBNAME", "job.app2"),
            ("INSTANCE_ID", &id.to_string()),
            ("INSTANCE_PROOF", "rhp_secret"),
            ("PORT_MAIN", "1111"),
            ("PORT_GRPC_ADMIN", "2222"),
        ];
        assert_eq!(variables(&identity), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
