//! Reading a value as the record of its kind: decoded and validated, in one step.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::value::decode_up_to;
use super::{
    Cert, Director, Domain, Gateway, Guard, Health, Held, Instance, Job, Leader, Line, MAX_VALUE, Pool,
    PoolVip, Rule, Token, ValueError, Vip, VipOwner,
};

/// Bytes of a certificate's value: chains and RSA keys are long.
const MAX_CERT: usize = 256 << 10;

/// One kind of record.
pub trait Record: Serialize + DeserializeOwned + PartialEq + Sync {
    /// Bytes of one value.
    const MAX: usize = MAX_VALUE;
    /// Whether a value may hold a secret, so that an error must not repeat it.
    const SECRET: bool = false;

    /// What a type alone cannot say: bounds, and fields that must fit each other.
    fn check(&self) -> Result<(), ValueError>;
}

/// The record that a value holds.
pub fn read<T: Record>(value: &[u8]) -> Result<T, ValueError> {
    let record: T =
        decode_up_to(T::MAX, value).map_err(|error| if T::SECRET { without_echo(error) } else { error })?;
    record.check()?;
    Ok(record)
}

/// The parser repeats what it did not expect; what it did expect, which comes last, is ours.
fn without_echo(error: ValueError) -> ValueError {
    let quiet = |message: &str| match message.rsplit_once("expected ") {
        Some((_, expected)) => format!("expected {expected}; what was written is not shown"),
        None => message.to_owned(),
    };
    match error {
        ValueError::Json(message) => ValueError::Json(quiet(&message)),
        // No field has a longer name, so it is something else that was pasted.
        ValueError::Field { path, .. } if path.len() > 32 => {
            ValueError::Json("is no JSON object of this kind; what was written is not shown".to_owned())
        }
        ValueError::Field { path, message } => ValueError::Field { path, message: quiet(&message) },
        error => error,
    }
}

macro_rules! records {
    ($($type:ident $({ $($name:ident: $kind:ty = $value:expr;)+ })?),+ $(,)?) => {$(
        impl Record for $type {
            $($(const $name: $kind = $value;)+)?

            fn check(&self) -> Result<(), ValueError> {
                self.validate()
            }
        }
    )+};
}

records!(
    Cert { MAX: usize = MAX_CERT; SECRET: bool = true; },
    Director { MAX: usize = MAX_CERT; },
    Domain,
    Gateway,
    Guard,
    Health,
    Held,
    Instance,
    Job,
    Leader,
    Line,
    Pool,
    PoolVip,
    Rule,
    Token { SECRET: bool = true; },
    Vip,
    VipOwner,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_no_error() {
        let secret = format!("rh_ci_{}", "5ec7e7".repeat(11));
        for text in [
            format!("\"{secret}\""),
            format!(r#"{{"role":"{secret}"}}"#),
            format!(r#"{{"role":"read","hash":"{secret}"}}"#),
            format!(r#"{{"role":"read","cidr":"{secret}"}}"#),
            format!(r#"{{"role":"read","expires":"{secret}"}}"#),
            format!(r#"{{"{secret}":tru}}"#),
            format!(r#"{{"{secret}":{{"a":}}}}"#),
        ] {
            for error in
                [read::<Token>(text.as_bytes()).unwrap_err(), read::<Cert>(text.as_bytes()).unwrap_err()]
            {
                assert!(!error.to_string().contains("5ec7e7"), "{error}");
            }
        }
    }

    #[test]
    fn each_kind_has_its_limit() {
        let spaces = vec![b' '; 1 << 20];
        let most = |error: ValueError| error.to_string().rsplit(' ').next().map(str::to_owned);
        assert_eq!(most(read::<Job>(&spaces).unwrap_err()).unwrap(), "65536");
        assert_eq!(most(read::<Cert>(&spaces).unwrap_err()).unwrap(), "262144");
    }
}
