//! A client: region, credentials, timeouts.

use std::path::Path;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::config::{ProvideCredentials, StalledStreamProtectionConfig};
use tokio::time::timeout;

use super::Options;
use super::error::{CallError, chain};

/// The whole chain: an instance's metadata are asked for on hosts that have none too, and a task's three times over.
const FINDING: Duration = Duration::from_secs(10);
/// Of TCP and TLS.
const CONNECTING: Duration = Duration::from_secs(3);

const HELP: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, write ~/.aws/credentials or `credentials_file`, or \
                    give the instance a role";

/// Finds region and credentials, and says what is missing.
pub(super) async fn connect(options: Options) -> Result<Client, CallError> {
    timeout(FINDING, find(&options)).await.unwrap_or_else(|_| {
        let seconds = FINDING.as_secs();
        Err(CallError::Denied(format!("no AWS credentials were found within {seconds} s; {HELP}")))
    })
}

async fn find(options: &Options) -> Result<Client, CallError> {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECTING).build())
        // Answers are small, and calls have a deadline.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(file) = &options.credentials_file {
        loader = loader.credentials_provider(from_file(file));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        let message =
            "no AWS region; write region = \"cn-north-1\" in the [[sink]] of kind aws, or set AWS_REGION";
        return Err(CallError::Denied(message.into()));
    }
    let provider = config.credentials_provider().ok_or_else(|| no_credentials(HELP))?;
    provider.provide_credentials().await.map_err(|error| {
        let place = match &options.credentials_file {
            Some(file) => format!("in {}", file.display()),
            None => "in the environment, a profile, or an instance's or task's role".to_owned(),
        };
        no_credentials(&format!("{place} ({}); {HELP}", chain(&error)))
    })?;
    Ok(Client::new(&config))
}

fn no_credentials(what: &str) -> CallError {
    CallError::Denied(format!("no AWS credentials {what}"))
}

// The name that is not deprecated is in a crate that is the SDK's own business.
#[allow(deprecated)]
fn from_file(path: &Path) -> ProfileFileCredentialsProvider {
    use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
    let files = ProfileFiles::builder().with_file(ProfileFileKind::Credentials, path).build();
    ProfileFileCredentialsProvider::builder().profile_files(files).build()
}
