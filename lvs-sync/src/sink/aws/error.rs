//! What can go wrong with a call, by what is done next.

use std::error::Error;
use std::io;

use aws_sdk_elasticloadbalancingv2::config::http::HttpResponse;
use aws_sdk_elasticloadbalancingv2::error::{ProvideErrorMetadata, SdkError};

use crate::sink::{OpError, SinkError};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// Too many calls, or AWS is busy: again, a little later.
    #[error("AWS takes no more calls just now ({0})")]
    Throttled(String),
    /// Was there a moment ago.
    #[error("the target group is gone")]
    NoGroup,
    /// There is a place only if somebody leaves.
    #[error(
        "{0}; that is a quota of AWS: raise it (Service Quotas, Elastic Load Balancing, Targets per …), or give the pool \
         fewer instances"
    )]
    Full(String),
    /// One of the targets, and the others of the call may do.
    #[error(
        "{0}; a target has to be an address of the target group's VPC and family, within what a balancer takes"
    )]
    BadTarget(String),
    /// Nothing will do before a person has helped.
    #[error("{0}")]
    Denied(String),
    /// No answer: it was done, or will be, or not.
    #[error("{0}")]
    Unreached(String),
    /// It is there and speaks another language.
    #[error("{0}")]
    Strange(String),
    #[error("this director's lease might have run out")]
    Late,
}

impl CallError {
    /// `at`: whom it was said to.
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>, at: &str) -> CallError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        match error {
            SdkError::ServiceError(refused) => {
                let (error, status) = (refused.err(), refused.raw().status().as_u16());
                match error.code() {
                    Some(code) => CallError::said(code, error.message().unwrap_or_default(), status),
                    None if is_busy(status) => CallError::Throttled(format!("status {status}")),
                    None => CallError::Strange(strange(at, &format!("status {status}"))),
                }
            }
            SdkError::ConstructionFailure(_) => CallError::Denied(format!(
                "no call to {at} can be made: {}; look at `endpoint`, `region` and the credentials",
                chain(error)
            )),
            SdkError::ResponseError(answer) => match is_busy(answer.raw().status().as_u16()) {
                true => CallError::Throttled(format!("status {}", answer.raw().status())),
                false => CallError::Strange(strange(at, &chain(error))),
            },
            error => CallError::Unreached(format!("{at} cannot be reached: {}", chain(error))),
        }
    }

    /// By the codes of the API Reference, Common Errors and those of the actions.
    fn said(code: &str, message: &str, status: u16) -> CallError {
        let said = match message.is_empty() {
            true => code.to_owned(),
            false => format!("{code}: {message}"),
        };
        match code {
            "TargetGroupNotFound" => CallError::NoGroup,
            "TooManyTargets" => CallError::Full(said),
            "InvalidTarget" | "TooManyRegistrationsForTargetId" | "ValidationError" => {
                CallError::BadTarget(said)
            }
            "AccessDenied" | "AccessDeniedException" | "NotAuthorized" | "UnauthorizedOperation" => {
                CallError::Denied(format!(
                    "{said}; allow elasticloadbalancing:DescribeTargetGroups, :DescribeTags, :DescribeTargetHealth, \
                     :RegisterTargets and :DeregisterTargets"
                ))
            }
            "InvalidClientTokenId"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "MissingAuthenticationToken"
            | "OptInRequired"
            | "AuthFailure"
            | "RequestExpired" => CallError::Denied(format!("{said}; look at the credentials and the clock")),
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "PriorRequestNotComplete"
            | "SlowDown" => CallError::Throttled(said),
            _ if is_busy(status) => CallError::Throttled(said),
            _ => CallError::Strange(said),
        }
    }

    /// Whether the call may have been done all the same.
    pub(super) fn is_unsure(&self) -> bool {
        matches!(self, CallError::Unreached(_) | CallError::Strange(_))
    }

    /// Whether another call would fare no better just now.
    pub(super) fn ends_all(&self) -> bool {
        match self {
            CallError::Throttled(_) | CallError::Unreached(_) | CallError::Denied(_) | CallError::Late => {
                true
            }
            CallError::NoGroup | CallError::Full(_) | CallError::BadTarget(_) | CallError::Strange(_) => {
                false
            }
        }
    }
}

impl From<CallError> for SinkError {
    fn from(error: CallError) -> SinkError {
        let told = error.to_string();
        match error {
            CallError::Throttled(_) | CallError::Unreached(_) | CallError::Late => {
                SinkError::Io { what: "AWS".into(), source: io::Error::other(told) }
            }
            CallError::Denied(_) | CallError::Full(_) => SinkError::Refused(told),
            CallError::NoGroup | CallError::BadTarget(_) | CallError::Strange(_) => SinkError::Strange(told),
        }
    }
}

impl From<&CallError> for OpError {
    fn from(error: &CallError) -> OpError {
        match error {
            CallError::Throttled(_) | CallError::Unreached(_) => OpError::Later(error.to_string()),
            CallError::NoGroup => OpError::Gone,
            CallError::Late => OpError::Late,
            CallError::Full(_) | CallError::BadTarget(_) | CallError::Denied(_) | CallError::Strange(_) => {
                OpError::Refused(error.to_string())
            }
        }
    }
}

/// 429, and what the SDKs take for transient.
fn is_busy(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}

fn strange(at: &str, what: &str) -> String {
    format!(
        "{at} does not answer as Elastic Load Balancing does ({what}); write its address as `endpoint`, or leave it out"
    )
}

/// With all that is behind it, on one line: the SDK says on top only that something failed.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: &str, status: u16) -> OpError {
        (&CallError::said(code, "said so", status)).into()
    }

    #[test]
    fn a_code_says_what_is_done_next() {
        for (code, status) in [("Throttling", 400), ("RequestLimitExceeded", 400), ("InternalFailure", 500)] {
            assert!(matches!(told(code, status), OpError::Later(text) if text.contains(code)), "{code}");
        }
        assert_eq!(told("TargetGroupNotFound", 400), OpError::Gone);
        for (code, help) in [
            ("TooManyTargets", "Service Quotas"),
            ("InvalidTarget", "VPC"),
            ("AccessDenied", ":RegisterTargets"),
            ("ExpiredToken", "credentials"),
            ("Something", "said so"),
        ] {
            let told = told(code, 400);
            assert!(matches!(&told, OpError::Refused(text) if text.contains(help)), "{told}");
        }
    }
}
