//! Which settings of a file differ from those in force and cannot be taken over by a gateway that runs.

use roundhouse_config::{
    AccessLogSettings, AccessSettings, AdminSettings, DnsSettings, HoldSettings, JobsSettings, Limits,
    NameSettings, RegistrySettings, Settings, TcpSettings,
};

/// Compares two of a type, field by field. All fields are named here: one that is forgotten does not compile.
macro_rules! fields {
    ($names:ident, $before:expr, $after:expr, $type:ident { $($field:ident: $key:literal),+ $(,)? }) => {{
        let $type { $($field),+ } = &$before;
        $(if *$field != $after.$field {
            $names.push($key.to_owned());
        })+
    }};
}

/// As the file calls them, in its order.
pub(super) fn differing(running: &Settings, file: &Settings) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    // Taken over at run time.
    let Settings {
        data_dir,
        registry,
        hold,
        admin,
        dns,
        names: naming,
        workers,
        entrypoints: _,
        certificates: _,
        limits,
        tcp,
        jobs,
        access,
        access_log,
    } = running;
    if *data_dir != file.data_dir {
        names.push("data_dir".into());
    }
    fields!(
        names,
        *registry,
        file.registry,
        RegistrySettings {
            url: "registry.url",
            prefix: "registry.prefix",
            access: "registry's ca, cert, key, user or password_file",
            record: "registry.record",
        }
    );
    fields!(
        names,
        *hold,
        file.hold,
        HoldSettings {
            share: "hold.share",
            least: "hold.least",
            window: "hold.window",
            deadline: "hold.deadline",
        }
    );
    fields!(
        names,
        *admin,
        file.admin,
        AdminSettings {
            listen: "admin.listen",
            require_token: "admin.require_token",
            tls: "admin.cert or admin.key",
        }
    );
    fields!(names, *dns, file.dns, DnsSettings { listen: "dns.listen", ttl: "dns.ttl" });
    fields!(
        names,
        *naming,
        file.names,
        NameSettings {
            zone: "names.zone",
            vips: "names.vips",
            answer: "names.answer",
            hub_addresses: "names.hub_addresses",
            catch: "names.catch",
        }
    );
    if *workers != file.workers {
        names.push("workers.count".into());
    }
    fields!(
        names,
        *limits,
        file.limits,
        Limits {
            head: "limits.head",
            header_timeout: "limits.header_timeout",
            keep_alive: "limits.keep_alive",
            body_idle: "limits.body_idle",
            connect_timeout: "limits.connect_timeout",
            idle_timeout: "limits.idle_timeout",
            lifetime: "limits.lifetime",
            hello_timeout: "limits.hello_timeout",
            drain: "limits.drain",
            connections: "limits.connections",
            connections_per_client: "limits.connections_per_client",
            client_prefix_v4: "limits.client_prefix_v4",
            client_prefix_v6: "limits.client_prefix_v6",
            udp_idle: "limits.udp_idle",
            udp_sessions: "limits.udp_sessions",
            handshakes: "limits.handshakes",
        }
    );
    fields!(names, *tcp, file.tcp, TcpSettings { fast_open: "tcp.fast_open" });
    fields!(names, *jobs, file.jobs, JobsSettings { files: "jobs.files" });
    fields!(names, *access, file.access, AccessSettings { bootstrap: "access.bootstrap" });
    fields!(
        names,
        *access_log,
        file.access_log,
        AccessLogSettings {
            path: "access_log.path",
            sample: "access_log.sample",
            query: "access_log.query",
            headers: "access_log.headers",
        }
    );
    names
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::parse(text, "gateway.toml", Path::new("")).unwrap()
    }

    #[test]
    fn what_needs_a_restart_is_named_as_in_the_file() {
        let running = settings("");
        assert_eq!(differing(&running, &running), [""; 0]);
        let applied = settings("[[entrypoint]]\nname = \"web\"\nlisten = \":81\"\n");
        assert_eq!(differing(&running, &applied), [""; 0], "entrypoints are taken over");
        let text = "data_dir = \"/var/lib/x\"\n[names]\nvips = \"127.98.0.0/16\"\n[limits]\nconnections = 5\n\
            [workers]\ncount = 3\n[dns]\nttl = \"1s\"\n";
        let expected = ["data_dir", "dns.ttl", "names.vips", "workers.count", "limits.connections"];
        assert_eq!(differing(&running, &settings(text)), expected);
    }
}
