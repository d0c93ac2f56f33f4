//! What a client's certificate proves: that it is a job.

use tokio_rustls::rustls::pki_types::CertificateDer;

const SCHEME: &str = "jobname:";

/// The JOBNAME in the leaf's URI names, as in `jobname:job.app2_cop.coding` (RFC 5280, 4.2.1.6; the scheme in any case
/// of letters, RFC 3986, 3.1). Two different ones prove neither.
///
/// `certificates` are those of a finished handshake that checked them; the text is not parsed.
pub fn peer_jobname(certificates: &[CertificateDer<'_>]) -> Option<String> {
    let leaf = webpki::EndEntityCert::try_from(certificates.first()?).ok()?;
    let mut names = leaf.valid_uri_names().filter_map(jobname);
    let name = names.next()?;
    names.all(|other| other == name).then(|| name.to_owned())
}

fn jobname(uri: &str) -> Option<&str> {
    let (scheme, name) = uri.split_at_checked(SCHEME.len())?;
    (scheme.eq_ignore_ascii_case(SCHEME) && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::{Authority, Leaf};

    fn proved(uris: &[&str]) -> Option<String> {
        let leaf = Authority::new("jobs").issue(&Leaf { uris, ..Leaf::of(&["app2.example.com"]) });
        peer_jobname(&[leaf.der()])
    }

    #[test]
    fn a_jobname_is_read_from_the_uri_names() {
        let expected = Some("job.app2_cop.coding".to_owned());
        assert_eq!(proved(&["jobname:job.app2_cop.coding"]), expected);
        assert_eq!(proved(&["https://example.com/", "JobName:job.app2_cop.coding"]), expected);
        assert_eq!(proved(&["jobname:job.app2_cop.coding"; 2]), expected);
    }

    #[test]
    fn what_is_none_or_two_proves_nothing() {
        assert_eq!(proved(&[]), None);
        assert_eq!(proved(&["jobname:"]), None);
        assert_eq!(proved(&["job"]), None);
        assert_eq!(proved(&["x-jobname:job.app2_cop.coding"]), None);
        assert_eq!(proved(&["jobname:job.app2_cop.coding", "jobname:job.app3_cop.coding"]), None);
        assert_eq!(peer_jobname(&[]), None);
        assert_eq!(peer_jobname(&[CertificateDer::from(vec![0x30, 0])]), None);
    }
}
