//! A port's `tls` block.

use super::fields::Fields;
use crate::service::{OriginateTls, ServiceError, TrustedCa};

pub(super) fn read(fields: &Fields<'_>) -> OriginateTls {
    let tls = OriginateTls {
        server_name: fields.parsed("server_name"),
        ca: fields.message("ca").and_then(|fields| ca(&fields)),
        certificate: fields.parsed("certificate"),
        verify: fields.truth("verify").unwrap_or(true),
    };
    tls.validated().unwrap_or_else(|error| {
        fields.wrong("server_name", error.to_string());
        OriginateTls::default()
    })
}

/// A record has either in one field, which a message cannot.
fn ca(fields: &Fields<'_>) -> Option<TrustedCa> {
    match (fields.has("file"), fields.has("pem")) {
        (true, true) => fields.wrong("pem", "stands beside `file`; write one of them"),
        (false, false) => {
            let hint = "write file: \"/etc/tls/ca.pem\", or leave `ca` out to trust whom the system trusts";
            fields.report.wrong_with_hint(fields.path(), "names neither a file nor a PEM", hint);
        }
        _ => {}
    }
    let file = fields.read("file", |path| {
        TrustedCa::file(path.into())
            .map_err(|_| "is no absolute path; write it as the gateway sees it, as in \"/etc/tls/ca.pem\"")
    });
    let pem = fields.read("pem", |pem| TrustedCa::pem(pem).map_err(in_the_file_s_words));
    file.or(pem)
}

fn in_the_file_s_words(error: ServiceError) -> String {
    match error {
        ServiceError::CaNoPem => {
            "is no PEM; write what stands from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, a line \
             break as \\n, or write `file` instead"
                .to_owned()
        }
        error => error.to_string(),
    }
}
