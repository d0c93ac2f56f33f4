//! The real parser, by the schema in `jobs.proto`.

use std::sync::LazyLock;

use miette::Diagnostic;
use prost_reflect::text_format::ParseError;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor};

use super::lex;
use super::locate::{self, MAX_DEPTH, TooDeep};
use crate::problem::{Place, Problem, Problems};
use crate::{suggest, text};

static SCHEMA: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let descriptors = include_bytes!(concat!(env!("OUT_DIR"), "/jobs.desc")).as_slice();
    let pool = DescriptorPool::decode(descriptors).ok();
    #[expect(clippy::expect_used, reason = "the build compiled this schema into the program")]
    pool.and_then(|pool| pool.get_message_by_name("roundhouse.JobsFile"))
        .expect("the schema of the jobs file")
});

/// The message that `text` spells, or its first syntax error.
pub(super) fn parse(text: &str, file: &str) -> Result<DynamicMessage, Problems> {
    let open = locate::open_bracket(text).map_err(|TooDeep(offset)| {
        let message = format!("brackets nest deeper than {MAX_DEPTH} levels; a job needs 5");
        Problem::at(file, Place::of(text, offset), "", message)
    })?;
    let bare = lex::without_comments(text);
    DynamicMessage::parse_text_format(SCHEMA.clone(), &bare)
        .map_err(|error| explain(&error, text, file, open).into())
}

/// The parser's error with its place, in the words of the file instead of the schema.
fn explain(error: &ParseError, text: &str, file: &str, open: Option<usize>) -> Problem {
    let label = error.labels().and_then(|mut labels| labels.next());
    // It may repeat a string of any length.
    let message = text::cut(&error.to_string().replace('\'', "`"), 200);
    let Some(label) = label else {
        // Only an unexpected end has no place of its own.
        let problem = Problem::at(file, Place::of(text, text.trim_end().len()), "", message);
        return match open.map(|offset| Place::of(text, offset)) {
            Some(Place { line, column }) => {
                problem.with_hint(format!("the bracket opened at {file}:{line}:{column} is not closed"))
            }
            None => problem,
        };
    };
    let place = Place::of(text, label.offset());
    let found = text.get(label.offset()..label.offset() + label.len()).unwrap_or_default();
    if let Some(hint) = unknown_field(&message, found) {
        return Problem::at(file, place, "", format!("unknown field `{}`", text::quoted(found)))
            .with_hint(hint);
    }
    let problem = Problem::at(file, place, "", &message);
    if message.starts_with("expected a string") && !found.is_empty() && found.len() < 64 {
        return problem.with_hint(format!("put it in quotes: \"{found}\""));
    }
    problem
}

/// What to write instead of the field `found`, if that is what `message` is about.
fn unknown_field(message: &str, found: &str) -> Option<String> {
    let (_, owner) = message.split_once("not found for message `")?;
    let owner = SCHEMA.parent_pool().get_message_by_name(owner.trim_end_matches('`'))?;
    if owner != *SCHEMA && SCHEMA.get_field_by_name(found).is_some() {
        return Some(format!("`{found}` stands at the top of the file: is a `>` missing before it?"));
    }
    let fields: Vec<_> = owner.fields().collect();
    let names: Vec<_> = fields.iter().map(FieldDescriptor::name).collect();
    Some(suggest::hint(found, &names))
}
