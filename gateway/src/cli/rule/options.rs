//! What `roundhouse rule` takes.

use clap::{ArgGroup, Args, Subcommand};
use roundhouse_config::{Label, Network, Selector};
use roundhouse_registry::record::{
    Action, Name, Peers, Proof, Record as _, Rule, RulePort, Target, Timestamp,
};
use serde_json::json;

use crate::cli::moment::Expiry;
use crate::cli::said::{read, word};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RuleCommand {
    /// Add a rule. Any deny that matches wins over every allow, in whatever order they are written.
    ///
    /// The first allow that is enforced makes the jobs it is for default-deny: from then on only whom a rule lets in gets
    /// in. `guard rm` ends that; removing rules does not.
    Add(AddRule),
    /// Take out a rule. That opens nothing but what a deny kept closed.
    Rm { id: Name },
}

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("target").required(true),
    group = ArgGroup::new("peers").required(true).multiple(true),
    group = ArgGroup::new("verdict").required(true),
)]
pub(in crate::cli) struct AddRule {
    /// What the rule is called, in logs too.
    pub(in crate::cli) id: Name,
    /// The job that the rule defends.
    #[arg(long, value_name = "JOB", group = "target")]
    to: Option<Label>,
    /// The jobs that the rule defends, also later ones, such as service.redis_cop.coding.
    #[arg(long, value_name = "SELECTOR", group = "target")]
    to_jobname: Option<Selector>,
    /// The jobs that the rule speaks of, such as pdl.im_cop.coding.
    #[arg(long, value_name = "SELECTOR", group = "peers")]
    from_jobname: Option<Selector>,
    /// The addresses that the rule speaks of; with --from-jobname both must hold. May be repeated.
    #[arg(long, value_delimiter = ',', value_name = "RANGE", group = "peers")]
    cidr: Vec<Network>,
    /// Let them in.
    #[arg(long, group = "verdict")]
    allow: bool,
    /// Keep them out.
    #[arg(long, group = "verdict")]
    deny: bool,
    /// A port of the job, by number or by name, that the rule is for alone. May be repeated.
    #[arg(long, value_delimiter = ',', value_parser = port)]
    port: Vec<RulePort>,
    /// HTTP: a method that the rule is for alone, in upper case. May be repeated.
    #[arg(long, value_delimiter = ',')]
    method: Vec<Box<str>>,
    /// HTTP: a path that the rule is for alone, with all below it. May be repeated.
    #[arg(long)]
    path: Vec<Box<str>>,
    /// What the peer must show besides: none, token (that of its instance's lease) or mtls (a certificate with its JOBNAME).
    #[arg(long, value_parser = word::<Proof>, default_value = "none")]
    proof: Proof,
    /// A rule that is evaluated and logged, and not enforced.
    #[arg(long)]
    dry_run: bool,
    /// When the rule ends: a duration such as 2h, a moment such as 2027-01-31T18:00:00Z, or seconds since the epoch
    /// [default: when it is removed].
    #[arg(long, value_name = "WHEN")]
    expires: Option<Expiry>,
    /// What it is for.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: Box<str>,
    /// Put it in the place of the rule that has this id.
    #[arg(long)]
    pub(in crate::cli) replace: bool,
}

impl AddRule {
    /// What the gateway would refuse is said without asking it.
    pub(super) fn rule(&self, now: Timestamp) -> anyhow::Result<Rule> {
        let target = self.to.clone().map(Target::Job).or(self.to_jobname.clone().map(Target::JobName));
        let peers = Peers::new(self.from_jobname.clone(), self.cidr.clone());
        let (Some(to), Some(from)) = (target, peers) else {
            anyhow::bail!(
                "a rule says what it defends and of whom it speaks; write as in --to redis --cidr 10.0.0.0/8"
            );
        };
        let rule = Rule {
            to,
            from,
            action: if self.allow { Action::Allow } else { Action::Deny },
            ports: self.port.clone(),
            methods: self.method.clone(),
            paths: self.path.clone(),
            proof: self.proof,
            dry_run: self.dry_run,
            expires: self.expires.map(|end| end.from(now)).transpose().map_err(anyhow::Error::msg)?,
            note: self.note.clone(),
        };
        rule.check()?;
        Ok(rule)
    }
}

/// A port's number or its name, as records have it.
pub(in crate::cli) fn port(text: &str) -> Result<RulePort, String> {
    read(text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::Value;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        add: AddRule,
    }

    fn parsed(words: &str) -> Result<AddRule, String> {
        let line = Line::try_parse_from(std::iter::once("add").chain(words.split(' ')));
        line.map(|line| line.add).map_err(|error| error.to_string())
    }

    fn rule(words: &str) -> Result<Value, String> {
        let rule = parsed(words)?.rule(Timestamp::from_seconds(100));
        rule.map(|rule| json!(rule)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_rule_is_what_was_said() {
        let short = json!({"to": {"job": "redis"}, "from": {"cidr": ["10.0.0.0/8"]}, "action": "deny", "ports": [],
            "proof": "none", "dry_run": false, "expires": null, "note": ""});
        assert_eq!(rule("r --to redis --cidr 10.0.0.0/8 --deny").unwrap(), short);
        let long = json!({"to": {"jobname": "service.redis_cop.coding"},
            "from": {"jobname": "cop.coding", "cidr": ["10.0.0.0/8", "::/0"]}, "action": "allow", "ports": [6379, "main"],
            "methods": ["GET", "PUT"], "paths": ["/x"], "proof": "mtls", "dry_run": true, "expires": 7300, "note": "n"});
        let words = "r --to-jobname cop.coding_service.redis --from-jobname cop.coding --cidr 10.0.0.0/8 --cidr ::/0 \
                     --allow --port 6379 --port main --method GET,PUT --path /x --proof mtls --dry-run --expires 2h \
                     --note n";
        assert_eq!(rule(words).unwrap(), long);
    }

    #[test]
    fn refusals_say_what_to_write() {
        for (words, wrong) in [
            ("r --to a --cidr ::/0", "<--allow|--deny>"),
            ("r --to a --allow", "--from-jobname <SELECTOR>|--cidr <RANGE>"),
            ("r --cidr ::/0 --allow", "--to <JOB>|--to-jobname <SELECTOR>"),
            ("r --to a --to-jobname job.b --cidr ::/0 --allow", "cannot be used with"),
            ("r --to a --cidr ::/0 --allow --deny", "cannot be used with"),
            ("r --to a --cidr 10.0.0.7/8 --deny", "write `10.0.0.0/8`"),
            ("r --to a --cidr ::/0 --deny --port 0", "1 to 65535"),
            ("r --to a --cidr ::/0 --deny --proof x", "expected one of `none`, `token`, `mtls`"),
            ("r --to a --cidr ::/0 --deny --expires 2", "is no time to come"),
            ("r --to a --cidr ::/0 --deny --expires soon", "is no duration"),
            ("r --to a --cidr ::/0 --deny --method get", "methods[0]: a method is written in upper case"),
            ("r --to a --cidr ::/0 --deny --path x", "paths[0]: a path prefix starts with `/`"),
            ("R --to a --cidr ::/0 --deny", "is no name; write"),
        ] {
            let error = rule(words).unwrap_err();
            assert!(error.contains(wrong), "{words}: {error}");
        }
    }
}
