//! A port as the command line writes it: `main=1111/tcp`, or `1111` alone.

use std::str::FromStr;

use roundhouse_config::{NameError, Port, PortName, Protocol, ServiceError};
use thiserror::Error;

/// `[name=]number[/protocol]`; the name is `main` and the protocol `tcp` where left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortArgument(pub(crate) Port);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PortError {
    #[error("write a number from 1 to 65535, as in `main=1111/tcp`")]
    Number,
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Protocol(#[from] ServiceError),
}

impl FromStr for PortArgument {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let (name, rest) = match text.split_once('=') {
            Some((name, rest)) => (name.parse()?, rest),
            None => (PortName::main(), text),
        };
        let (number, protocol) = match rest.split_once('/') {
            Some((number, protocol)) => (number, protocol.parse()?),
            None => (rest, Protocol::default()),
        };
        match number.parse() {
            Ok(port) if port > 0 => Ok(Self(Port::new(name, port, protocol))),
            _ => Err(PortError::Number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_a_default() {
        let main = Port::new(PortName::main(), 1111, Protocol::Tcp);
        for text in ["1111", "main=1111", "1111/tcp", "main=1111/tcp"] {
            assert_eq!(text.parse(), Ok(PortArgument(main.clone())), "{text}");
        }
        let dns = Port::new("dns".parse().unwrap(), 53, Protocol::Udp);
        assert_eq!("dns=53/udp".parse(), Ok(PortArgument(dns)));
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for text in ["", "0", "65536", "main", "main=", "=1", "Main=1", "1/x", "1/tcp/udp", "-1"] {
            assert!(text.parse::<PortArgument>().is_err(), "{text}");
        }
    }
}
