//! Reads the tour out of a Markdown text: the fenced blocks whose info string begins with `sh tour`.

/// What a block's info string says of its commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    Success,
    /// `fails`: it exits with an error.
    Failure,
    /// `background`: it is left running.
    Running,
    /// `until TEXT`: it is run again until it prints the text.
    Eventually(String),
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) expect: Expect,
}

pub(crate) fn steps(markdown: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut block: Option<Expect> = None;
    for line in markdown.lines() {
        match (&block, line.strip_prefix("```")) {
            (None, Some(info)) => block = expect(info),
            (Some(_), Some(_)) => block = None,
            (Some(expect), None) => steps.push(Step { command: line.to_owned(), expect: expect.clone() }),
            (None, None) => {}
        }
    }
    steps
}

/// `None`: the block is not of the tour.
fn expect(info: &str) -> Option<Expect> {
    Some(match info.strip_prefix("sh tour")?.trim() {
        "" => Expect::Success,
        "fails" => Expect::Failure,
        "background" => Expect::Running,
        other => Expect::Eventually(other.strip_prefix("until ")?.to_owned()),
    })
}

impl Step {
    /// The step as lines of a bash script; the command itself stands in it as it stands in the README.
    pub(crate) fn script(&self) -> String {
        let command = &self.command;
        let quoted = format!("'{}'", command.replace('\'', r"'\''"));
        let run = match &self.expect {
            Expect::Success => format!("bash -c {quoted} || fail {quoted}"),
            Expect::Failure => format!("bash -c {quoted} && fail {quoted}"),
            Expect::Running => format!("bash -c {quoted} 2>/dev/null &"),
            Expect::Eventually(text) => format!("until_contains '{text}' {quoted}"),
        };
        format!("echo; echo {quoted}\n{run}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tour_is_taken() {
        let steps = steps(
            "```\nmake run\n```\n```sh tour\na 'b'\n```\n```sh tour until 7\nc\n```\n```toml\nx = 1\n```\n",
        );
        assert_eq!(steps.len(), 2);
        assert!(steps[0].script().contains(r"bash -c 'a '\''b'\''' || fail"));
        assert_eq!(steps[1].expect, Expect::Eventually("7".into()));
    }
}
