//! What can be said to job-init, by option, environment variable or file: one struct, so that the three cannot
//! say different things.
//!
//! clap fills it from options and environment (an option wins), serde from `job-init.toml`, whose keys are the
//! options' names in snake case. [`Options::or`] lays one over the other; [`settings`](crate::settings) resolves
//! the result and knows the defaults.

use std::ffi::OsString;
use std::fmt::Display;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use roundhouse_config::{JobName, Label, RegistryUrl, duration};
use roundhouse_registry::InstanceId;
use serde::{Deserialize, Deserializer, de};

use crate::exit::MapExit;
use crate::pool::PoolArgument;
use crate::port::PortArgument;
use crate::ready::CheckKind;
use crate::rewrite::Rewrite;

/// PID 1 that runs one command, registers it and takes it out again.
#[derive(Debug, Parser)]
#[command(name = "job-init", version, max_term_width = 110)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) options: Options,

    /// Read a file with these options as its keys, in snake case; options and environment win over it
    #[arg(long, env = "JOB_INIT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The command to run, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    /// Send signals to the command alone, and give it no session of its own
    #[arg(long, env = "JOB_INIT_SINGLE_CHILD", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) single_child: Option<bool>,

    /// Send another signal in place of the one that arrived (`TERM:QUIT`); 0 drops it. May be repeated
    #[arg(long, env = "JOB_INIT_REWRITE", value_delimiter = ',', value_name = "FROM:TO")]
    #[serde(deserialize_with = "texts")]
    pub(crate) rewrite: Option<Vec<Rewrite>>,

    /// Exit with another status than the command's (`143:0`). May be repeated
    #[arg(long, env = "JOB_INIT_MAP_EXIT", value_delimiter = ',', value_name = "FROM:TO")]
    #[serde(deserialize_with = "texts")]
    pub(crate) map_exit: Option<Vec<MapExit>>,

    /// How long what the command left behind may take to end after TERM before it is killed [default: 10s]
    #[arg(long, env = "JOB_INIT_GRACE", value_parser = duration::parse, value_name = "DURATION")]
    #[serde(with = "duration::optional")]
    pub(crate) grace: Option<Duration>,

    /// Where to register: `etcd://host:2379,…`, by TLS `etcds://…`, or `http://hub:8400`, by TLS `https://…`; without
    /// it nothing is registered
    #[arg(long, env = "JOB_INIT_REGISTRY", value_name = "URL")]
    pub(crate) registry: Option<RegistryUrl>,

    /// The keys' prefix in etcd [default: /roundhouse/v1]
    #[arg(long, env = "JOB_INIT_PREFIX", value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,

    /// Who signs the certificates of an `etcds://` or `https://` registry, in PEM [default for `https://`: whom the system
    /// trusts]
    #[arg(long, env = "JOB_INIT_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// The certificate to show to an `etcds://` registry, in PEM
    #[arg(long, env = "JOB_INIT_CERT", value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// The certificate's private key, in PEM
    #[arg(long, env = "JOB_INIT_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,

    /// The user to log in to etcd as
    #[arg(long, env = "JOB_INIT_USER", value_name = "USER")]
    pub(crate) user: Option<String>,

    /// The file that holds the user's password
    #[arg(long, env = "JOB_INIT_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// The file that holds the token for an `http://` or `https://` registry [default: ROUNDHOUSE_TOKEN, or the file that
    /// ROUNDHOUSE_TOKEN_FILE names]
    #[arg(long, env = "JOB_INIT_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// The job's label, such as `app2` [default: the JOBNAME's `job` tag]
    #[arg(long, env = "JOB_INIT_JOB", value_name = "LABEL")]
    pub(crate) job: Option<Label>,

    /// The job's place in the service tree, such as `job.app2_service.app_cop.coding` [default: job.<label>]
    #[arg(long, env = "JOB_INIT_JOBNAME", value_name = "JOBNAME")]
    pub(crate) jobname: Option<JobName>,

    /// A port the command serves: `main=1111/tcp`; `1111` alone means the same. May be repeated
    #[arg(long, env = "JOB_INIT_PORTS", value_delimiter = ',', value_name = "PORT")]
    #[serde(deserialize_with = "texts")]
    pub(crate) port: Option<Vec<PortArgument>>,

    /// The address others reach the command at [default: the one the way to the registry starts from]
    #[arg(long, env = "JOB_INIT_ADDRESS", value_name = "IP")]
    pub(crate) address: Option<IpAddr>,

    /// Other jobs live at the address too, as with the host's own network: the address alone names nobody then
    #[arg(long, env = "JOB_INIT_SHARED_IP", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) shared_ip: Option<bool>,

    /// The instance's UUID [default: a random one at each start]
    #[arg(long, env = "JOB_INIT_ID", value_name = "UUID")]
    #[serde(deserialize_with = "text")]
    pub(crate) id: Option<InstanceId>,

    /// The carrier line the instance is on
    #[arg(long, env = "JOB_INIT_LINE", value_name = "LINE")]
    pub(crate) line: Option<Label>,

    /// The pool that publishes the job: `blog`, or `blog:80` with the port of its VIPs. It is made, with VIPs of all lines,
    /// if there is none, and never changed [default port: that of the first port]
    #[arg(long, env = "JOB_INIT_POOL", value_name = "NAME[:PORT]")]
    #[serde(deserialize_with = "text")]
    pub(crate) pool: Option<PoolArgument>,

    /// The instance's share of its job's traffic, relative to the others' [default: 100]
    #[arg(long, env = "JOB_INIT_WEIGHT", value_name = "WEIGHT")]
    pub(crate) weight: Option<u32>,

    /// The version of the command, as routes by version name it
    #[arg(long, env = "JOB_INIT_APP_VERSION", value_name = "VERSION")]
    pub(crate) app_version: Option<String>,

    /// How long the registration outlives a job-init that vanished [default: 10s]
    #[arg(long, env = "JOB_INIT_TTL", value_parser = duration::parse, value_name = "DURATION")]
    #[serde(with = "duration::optional")]
    pub(crate) ttl: Option<Duration>,

    /// How long the command still serves after its state became `draining` [default: 5s]
    #[arg(long, env = "JOB_INIT_DRAIN_WAIT", value_parser = duration::parse, value_name = "DURATION")]
    #[serde(with = "duration::optional")]
    pub(crate) drain_wait: Option<Duration>,

    /// What must succeed before traffic comes: a connect to the first port that is not UDP (`tcp`), or nothing
    /// (`none`) [default: tcp]
    #[arg(long, env = "JOB_INIT_CHECK", value_name = "CHECK")]
    #[serde(deserialize_with = "text")]
    pub(crate) check: Option<CheckKind>,

    /// Leave the command's environment alone: no JOB_NAME, JOBNAME, INSTANCE_ID and PORT_<NAME>
    #[arg(long, env = "JOB_INIT_NO_ENV", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) no_env: Option<bool>,
}

impl Options {
    /// These options, and `other`'s where these say nothing.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            single_child: self.single_child.or(other.single_child),
            rewrite: self.rewrite.or(other.rewrite),
            map_exit: self.map_exit.or(other.map_exit),
            grace: self.grace.or(other.grace),
            registry: self.registry.or(other.registry),
            prefix: self.prefix.or(other.prefix),
            ca: self.ca.or(other.ca),
            cert: self.cert.or(other.cert),
            key: self.key.or(other.key),
            user: self.user.or(other.user),
            password_file: self.password_file.or(other.password_file),
            token_file: self.token_file.or(other.token_file),
            job: self.job.or(other.job),
            jobname: self.jobname.or(other.jobname),
            port: self.port.or(other.port),
            address: self.address.or(other.address),
            shared_ip: self.shared_ip.or(other.shared_ip),
            id: self.id.or(other.id),
            line: self.line.or(other.line),
            pool: self.pool.or(other.pool),
            weight: self.weight.or(other.weight),
            app_version: self.app_version.or(other.app_version),
            ttl: self.ttl.or(other.ttl),
            drain_wait: self.drain_wait.or(other.drain_wait),
            check: self.check.or(other.check),
            no_env: self.no_env.or(other.no_env),
        }
    }

    /// These options of a file, the files that they name taken from its folder.
    pub(crate) fn relative_to(self, folder: &Path) -> Self {
        let place = |file: Option<PathBuf>| file.map(|file| folder.join(file));
        Self {
            ca: place(self.ca),
            cert: place(self.cert),
            key: place(self.key),
            password_file: place(self.password_file),
            token_file: place(self.token_file),
            ..self
        }
    }
}

/// Reads a value of the file by the parser of its option.
fn text<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map(Some).map_err(de::Error::custom)
}

fn texts<'de, T, D>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_agrees_with_its_own_rules() {
        <CommandLine as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_commands_own_options_are_left_to_it() {
        let line = CommandLine::try_parse_from(["job-init", "--grace", "1s", "ls", "-l", "--grace"]).unwrap();
        assert_eq!(line.command, ["ls", "-l", "--grace"]);
        assert_eq!(line.options.grace, Some(Duration::from_secs(1)));
    }

    #[test]
    fn lists_may_be_repeated_or_separated_by_commas() {
        let arguments = ["job-init", "--port", "1,dns=2/udp", "--port", "web=3/http", "--", "app"];
        let line = CommandLine::try_parse_from(arguments).unwrap();
        assert_eq!(line.options.port.unwrap().len(), 3);
    }

    #[test]
    fn a_switch_can_be_switched_off_again() {
        let line =
            CommandLine::try_parse_from(["job-init", "--no-env=false", "--single-child", "app"]).unwrap();
        assert_eq!((line.options.no_env, line.options.single_child), (Some(false), Some(true)));
    }
}
