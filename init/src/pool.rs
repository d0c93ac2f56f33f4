//! A pool as the command line writes it: `blog:80`, or `blog` alone.

use std::str::FromStr;

use roundhouse_config::{Label, NameError};
use thiserror::Error;

/// `name[:port]`; without a port its VIPs have the instance's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolArgument {
    pub(crate) name: Label,
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PoolError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("write a port from 1 to 65535 behind the name, as in `blog:80`")]
    Port,
}

impl FromStr for PoolArgument {
    type Err = PoolError;

    fn from_str(text: &str) -> Result<Self, PoolError> {
        let Some((name, port)) = text.split_once(':') else {
            return Ok(Self { name: text.parse()?, port: None });
        };
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self { name: name.parse()?, port: Some(port) }),
            _ => Err(PoolError::Port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_has_a_name_and_perhaps_a_port() {
        let name: Label = "blog".parse().unwrap();
        assert_eq!("blog".parse(), Ok(PoolArgument { name: name.clone(), port: None }));
        assert_eq!("blog:80".parse(), Ok(PoolArgument { name, port: Some(80) }));
        for wrong in ["", ":80", "blog:", "blog:0", "blog:65536", "blog:http", "Blog"] {
            assert!(wrong.parse::<PoolArgument>().is_err(), "{wrong}");
        }
    }
}
