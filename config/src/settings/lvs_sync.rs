//! `lvs-sync.toml`: what a director holds, and what it programs.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use super::reader::Section;
use super::{MAX_FILE, RegistrySettings, parse, path};
use crate::names::{Label, Name};
use crate::problem::{self, Problems};
use crate::text::quoted;
use crate::units::Listen;

/// One of each kind.
const KINDS: &[&str] = &["ipvs", "nftables", "haproxy", "aws"];
const MAX_ID: usize = 128;
// A constant that is a valid name; every file with that sink parses it.
#[allow(clippy::expect_used)]
static AWS: LazyLock<Name> = LazyLock::new(|| "aws".parse().expect("`aws` is a name"));
/// A repair later than that is none.
const MAX_RESYNC: Duration = Duration::from_secs(3_600);

/// What lvs-sync was told by its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectorSettings {
    /// Its id among the directors, at most 128 of letters, digits, `-`, `_` and `.`.
    pub director: String,
    /// The lines whose VIPs come to this host. Default none, which means every line.
    pub lines: Vec<Label>,
    /// What is ours, and what drains; relative to the file. Default `lvs-sync.state`.
    pub state_file: PathBuf,
    pub registry: RegistrySettings,
    /// Where status and metrics are; orders are taken from this host alone. Default `127.0.0.1:8410`.
    pub listen: Listen,
    /// How often the sinks are looked at although nothing was heard, so that what other hands did is undone. Default 30 s.
    pub resync: Duration,
    /// The device that VIPs are given to, so that this host takes their packets. Default none: somebody else does it.
    pub bind: Option<String>,
    /// At least one, of different kinds.
    pub sinks: Vec<SinkSettings>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkSettings {
    Ipvs,
    Nftables {
        /// Ours alone. Default `roundhouse-lvs`.
        table: String,
        /// Whether instances see this host in place of the client. Default true; a host that is its instances' gateway can
        /// do without.
        masquerade: bool,
    },
    Haproxy {
        /// Its `stats socket`, with `level admin`.
        socket: PathBuf,
        /// The file that is ours, and that HAProxy reads beside its own.
        fragment: PathBuf,
        /// What makes HAProxy read its files again. Default none: a person does it.
        reload: Vec<String>,
        /// Whether HAProxy checks the instances too. Default true.
        check: bool,
        /// Directors that name the same have one HAProxy together, and one of them at a time programs it. Default none: it
        /// is this director's own.
        shared: Option<Name>,
    },
    Aws {
        /// The same of the account's groups. Default `aws`.
        shared: Name,
        region: Option<String>,
        /// Another endpoint than Amazon's, for tests.
        endpoint: Option<String>,
        /// A file as `~/.aws/credentials` is, for a service without a home. Default none: the SDK's chain of environment,
        /// profile, and the instance's or the task's role.
        credentials_file: Option<PathBuf>,
    },
}

impl DirectorSettings {
    /// Reads a file of at most 256 KiB; relative paths in it are taken from its folder.
    pub fn from_file(path: &Path) -> Result<Self, Problems> {
        let text = problem::read_file(path, MAX_FILE)?;
        Self::parse(&text, &path.display().to_string(), path.parent().unwrap_or(Path::new("")))
    }

    /// Reads `text`, called `file` in problems; relative paths in it are taken from `base`.
    pub fn parse(text: &str, file: &str, base: &Path) -> Result<Self, Problems> {
        parse(text, file, |root, _| Self::read(root, base))
    }

    fn read(root: &Section<'_>, base: &Path) -> Self {
        if root.value("registry").is_none() {
            root.wrong("registry", "is missing; write [registry] with url = \"http://127.0.0.1:8400\"");
        }
        let settings = Self {
            director: root.required("director", Id("lvs-1".to_owned())).0,
            lines: root.strings("lines", "[\"telecom\"]", Label::from_str),
            state_file: base.join(root.string("state_file", "lvs-sync.state".to_owned(), path)),
            registry: RegistrySettings::read_remote(&root.section("registry"), base),
            listen: root.parsed("listen", Listen::loopback(8410)),
            resync: root.duration("resync", Duration::from_secs(30), Duration::from_secs(1)..=MAX_RESYNC),
            bind: root.scalar("bind", "\"lo\"", device),
            sinks: SinkSettings::read_all(root, base),
        };
        root.refuse_unknown();
        settings
    }
}

impl SinkSettings {
    /// The name under which one director at a time programs it.
    pub fn shared(&self) -> Option<&Name> {
        match self {
            SinkSettings::Ipvs | SinkSettings::Nftables { .. } => None,
            SinkSettings::Haproxy { shared, .. } => shared.as_ref(),
            SinkSettings::Aws { shared, .. } => Some(shared),
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            SinkSettings::Ipvs => "ipvs",
            SinkSettings::Nftables { .. } => "nftables",
            SinkSettings::Haproxy { .. } => "haproxy",
            SinkSettings::Aws { .. } => "aws",
        }
    }

    fn read_all(root: &Section<'_>, base: &Path) -> Vec<Self> {
        let sections = root.sections("sink");
        if sections.as_ref().is_none_or(Vec::is_empty) && !root.is_wrong_at("sink") {
            root.wrong(
                "sink",
                "is missing: nothing would be programmed; write [[sink]] with kind = \"ipvs\"",
            );
        }
        let mut sinks: Vec<Self> = Vec::new();
        for section in sections.unwrap_or_default() {
            let sink = Self::read(&section, base);
            section.refuse_unknown();
            if sinks.iter().any(|other| other.kind() == sink.kind()) && !section.is_wrong() {
                section.wrong("kind", format!("`{}` is there twice; write one of each kind", sink.kind()));
            }
            sinks.push(sink);
        }
        sinks
    }

    fn read(section: &Section<'_>, base: &Path) -> Self {
        match section.required("kind", Kind("ipvs")).0 {
            "nftables" => SinkSettings::Nftables {
                table: section.string("table", "roundhouse-lvs".to_owned(), table),
                masquerade: section.truth("masquerade", true).unwrap_or(true),
            },
            "haproxy" => {
                let file = |key, example| section.required_file(key, example).unwrap_or_default();
                SinkSettings::Haproxy {
                    socket: base.join(file("socket", "\"/run/haproxy/admin.sock\"")),
                    fragment: base.join(file("fragment", "\"/etc/haproxy/conf.d/roundhouse.cfg\"")),
                    reload: section.strings("reload", "[\"systemctl\", \"reload\", \"haproxy\"]", word),
                    check: section.truth("check", true).unwrap_or(true),
                    shared: section.scalar("shared", "\"edge-haproxy\"", Name::from_str),
                }
            }
            "aws" => SinkSettings::Aws {
                shared: section.parsed("shared", AWS.clone()),
                region: section.scalar("region", "\"cn-north-1\"", word),
                endpoint: section.scalar("endpoint", "\"http://127.0.0.1:5000\"", word),
                credentials_file: section
                    .scalar("credentials_file", "\"/etc/roundhouse/aws-credentials\"", word)
                    .map(|file| base.join(file)),
            },
            _ => SinkSettings::Ipvs,
        }
    }
}

/// As records name directors.
struct Id(String);

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        let right = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match !text.is_empty() && text.len() <= MAX_ID && text.bytes().all(right) {
            true => Ok(Id(text.to_owned())),
            false => Err(format!(
                "`{}` is no id; write 1 to {MAX_ID} letters, digits, `-`, `_` and `.`",
                quoted(text)
            )),
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

struct Kind(&'static str);

impl FromStr for Kind {
    type Err = crate::WordError;

    fn from_str(text: &str) -> Result<Kind, crate::WordError> {
        let found = KINDS.iter().find(|kind| **kind == text);
        found.map(|kind| Kind(kind)).ok_or_else(|| crate::WordError::unknown(text, KINDS))
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// IFNAMSIZ is 16 with its end.
fn device(text: &str) -> Result<String, String> {
    match (1..16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/') {
        true => Ok(text.to_owned()),
        false => Err(format!("`{}` is no network device; write one such as `lo`", quoted(text))),
    }
}

/// A name that nft(8) takes without quotes.
fn table(text: &str) -> Result<String, String> {
    let right = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    match text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.len() <= 64
        && text.bytes().all(right)
    {
        true => Ok(text.to_owned()),
        false => Err(format!("`{}` is no table's name; write one such as `roundhouse-lvs`", quoted(text))),
    }
}

fn word(text: &str) -> Result<String, &'static str> {
    match text.is_empty() || text.contains('\0') {
        true => Err("is empty"),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DirectorSettings, String> {
        DirectorSettings::parse(text, "lvs-sync.toml", Path::new("/etc/lvs"))
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn the_shape_of_the_documentation_reads() {
        let example = include_str!("../../examples/lvs-sync.toml");
        let settings = read(example).unwrap();
        assert_eq!(settings.director, "lvs-1");
        assert_eq!(settings.lines, ["telecom".parse().unwrap(), "unicom".parse().unwrap()]);
        assert_eq!(settings.state_file, Path::new("/etc/lvs/lvs-sync.state"));
        assert_eq!(settings.sinks, [SinkSettings::Ipvs]);
    }

    #[test]
    fn every_sink_reads() {
        let settings = read(
            "director = \"a\"\nbind = \"lo\"\nregistry.url = \"etcd://10.0.0.1:2379\"\n[[sink]]\nkind = \"nftables\"\n\
             masquerade = false\n[[sink]]\nkind = \"haproxy\"\nsocket = \"/run/h.sock\"\nfragment = \"f.cfg\"\n\
             reload = [\"true\"]\n[[sink]]\nkind = \"aws\"\nregion = \"cn-north-1\"\n\
             credentials_file = \"aws-credentials\"\n",
        );
        let sinks = settings.unwrap().sinks;
        assert_eq!(
            sinks,
            [
                SinkSettings::Nftables { table: "roundhouse-lvs".into(), masquerade: false },
                SinkSettings::Haproxy {
                    socket: "/run/h.sock".into(),
                    fragment: "/etc/lvs/f.cfg".into(),
                    reload: vec!["true".into()],
                    check: true,
                    shared: None
                },
                SinkSettings::Aws {
                    shared: AWS.clone(),
                    region: Some("cn-north-1".into()),
                    endpoint: None,
                    credentials_file: Some("/etc/lvs/aws-credentials".into())
                },
            ]
        );
    }

    #[test]
    fn refusals_say_where_and_what_to_write() {
        let refused = |text: &str| read(text).unwrap_err();
        let nothing = refused("");
        for said in ["director: is missing", "registry: is missing", "sink: is missing"] {
            assert!(nothing.contains(said), "{nothing}");
        }
        let wrong = refused(
            "director = \"a b\"\nresync = \"1ms\"\nlisten = \":80x\"\nbind = \"a/b\"\nlines = [\"A\"]\n[registry]\n\
             url = \"embedded\"\n[[sink]]\nkind = \"ipvs\"\n[[sink]]\nkind = \"ipvs\"\n[[sink]]\nkind = \"f5\"\n\
             [[sink]]\nkind = \"haproxy\"\n",
        );
        for said in [
            "lvs-sync.toml:1:12: director: `a b` is no id",
            "resync: \"1ms\" is out of bounds",
            "listen: ",
            "bind: `a/b` is no network device",
            "lines[0]: ",
            "registry.url: `embedded` is inside a gateway",
            "sink[1].kind: `ipvs` is there twice",
            "sink[2].kind: `f5` is unknown; write `ipvs`, `nftables`, `haproxy` or `aws`",
            "sink[3].socket: is missing",
        ] {
            assert!(wrong.contains(said), "{said}: {wrong}");
        }
    }
}
