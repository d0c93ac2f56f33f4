//! Addresses that somebody is to connect to.

use std::net::IpAddr;

use thiserror::Error;

/// What is wrong with an address, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DialledError {
    #[error("`{address}` is IPv4 in IPv6's clothes; write `{canonical}`")]
    Mapped { address: IpAddr, canonical: IpAddr },

    #[error("nobody can connect to {address}; write the address that clients dial")]
    Nobody { address: IpAddr },
}

/// The address itself if a client can connect to it and it has no second spelling.
pub fn dialled(address: IpAddr) -> Result<IpAddr, DialledError> {
    let canonical = address.to_canonical();
    if canonical != address {
        return Err(DialledError::Mapped { address, canonical });
    }
    if address.is_unspecified() || address.is_multicast() {
        return Err(DialledError::Nobody { address });
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_client_can_dial_is_refused() {
        let read = |text: &str| dialled(text.parse().unwrap());
        for text in ["10.0.0.5", "127.0.0.1", "2001:db8::5"] {
            assert_eq!(read(text), Ok(text.parse().unwrap()));
        }
        for text in ["0.0.0.0", "::", "224.0.0.1", "ff02::1"] {
            assert!(read(text).unwrap_err().to_string().starts_with("nobody can connect"), "{text}");
        }
        assert!(read("::ffff:10.0.0.5").unwrap_err().to_string().ends_with("write `10.0.0.5`"));
    }
}
