//! `entrypoints/<name>`: a listener added at run time, on every gateway.

use roundhouse_config::Entrypoint;
use roundhouse_config::units::is_absolute_file;

use super::{Record, ValueError};

/// A record means the same on every gateway, and there is no folder that it is in: besides what any entrypoint keeps,
/// it names its port, and a file from the root.
impl Record for Entrypoint {
    fn check(&self) -> Result<(), ValueError> {
        if self.listen.socket_addr().port() == 0 {
            let message = "port 0 would be another one on each gateway; write 1 to 65535, as in \":443\"";
            return Err(ValueError::field("listen", message));
        }
        if let Some((field, message)) = self.contradictions().into_iter().next() {
            return Err(ValueError::field(field, message));
        }
        if self.client_ca.as_deref().is_some_and(|file| !is_absolute_file(file)) {
            let message =
                "is no absolute path; write it as the gateway sees it, as in \"/etc/tls/clients-ca.pem\"";
            return Err(ValueError::field("client_ca", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{encode, read};

    #[test]
    fn the_shapes_read() {
        for text in [
            r#"{"listen":":80","protocol":"http"}"#,
            r#"{"listen":"10.0.0.1:443","protocol":"https"}"#,
            r#"{"listen":":8080","protocol":"http","trust_forwarded":["10.0.0.0/8","2001:db8::/32"]}"#,
            r#"{"listen":":3306","protocol":"tcp","job":"mysql","port":"main"}"#,
            r#"{"listen":":53","protocol":"udp","job":"dns","connections":1000}"#,
            r#"{"listen":":8443","protocol":"tls"}"#,
            r#"{"listen":":8443","protocol":"tls","terminate":true,"trust_proxy":["10.0.0.0/8"],"connections":1000000,"connections_per_client":1,"client_ca":"/etc/tls/ca.pem","fast_open":true,"defer_accept":true}"#,
        ] {
            let entrypoint: Entrypoint = read(text.as_bytes()).unwrap();
            assert_eq!(encode(&entrypoint), text.as_bytes());
        }
        let short: Entrypoint = read(br#"{"listen":":80","colour":"red"}"#).unwrap();
        assert_eq!(encode(&short), br#"{"listen":":80","protocol":"http"}"#.as_slice());
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refused = |text: &str| read::<Entrypoint>(text.as_bytes()).unwrap_err().to_string();
        assert!(refused(r#"{"listen":":0"}"#).contains("write 1 to 65535"));
        assert!(refused(r#"{"listen":"80"}"#).starts_with("listen: "));
        assert!(refused(r#"{"listen":":80","protocol":"tcp"}"#).contains("write its label, such as `redis`"));
        assert!(refused(r#"{"listen":":80","job":"a"}"#).contains("write a domain"));
        assert!(refused(r#"{"listen":":80","protocol":"tls","port":"main"}"#).contains("write `job` too"));
        let quic = refused(r#"{"listen":":80","protocol":"quic"}"#);
        assert!(
            quic.starts_with("protocol: `quic` is unknown; write `http`, `https`, `tls`, `tcp` or `udp`")
        );
        let https = |field: &str| refused(&format!(r#"{{"listen":":443","protocol":"https",{field}}}"#));
        assert!(https(r#""client_ca":"ca.pem""#).starts_with("client_ca: is no absolute path"));
        assert!(https(r#""terminate":true"#).starts_with("terminate: https always ends TLS"));
        assert!(https(r#""connections":0"#).starts_with("connections: 0 is out of bounds"));
        assert!(https(r#""connections_per_client":1000001"#).contains("write 1 to 1000000"));
        assert!(https(r#""trust_proxy":["10.0.0.7/8"]"#).contains("write `10.0.0.0/8`"));
        let udp =
            |field: &str| refused(&format!(r#"{{"listen":":53","protocol":"udp","job":"dns",{field}}}"#));
        assert!(udp(r#""trust_proxy":["10.0.0.0/8"]"#).starts_with("trust_proxy: "));
        assert!(udp(r#""fast_open":true"#).starts_with("fast_open: is TCP's"));
        assert!(udp(r#""defer_accept":true"#).starts_with("defer_accept: is TCP's"));
        assert!(udp(r#""client_ca":"/ca.pem""#).contains("only where TLS ends"));
    }
}
