//! The value of `Strict-Transport-Security` (RFC 6797, 6.1). For answers over TLS alone (7.2).

use roundhouse_registry::record::domain::Hsts;

pub fn hsts(hsts: &Hsts) -> String {
    let mut value = format!("max-age={}", hsts.max_age.as_secs());
    if hsts.include_subdomains {
        value += "; includeSubDomains";
    }
    if hsts.preload {
        value += "; preload";
    }
    value
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_value_is_in_seconds() {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        let short = Hsts { max_age: days(180), include_subdomains: false, preload: false };
        assert_eq!(hsts(&short), "max-age=15552000");
        let long = Hsts { max_age: days(365), include_subdomains: true, preload: true };
        assert_eq!(hsts(&long), "max-age=31536000; includeSubDomains; preload");
    }
}
