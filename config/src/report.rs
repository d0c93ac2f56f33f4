//! Where the parts of one file stand, and what is wrong with them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::problem::{Place, Problem, Problems};

/// Collects the problems of one file while it is read. Readers say where each path stands, and then speak of
/// paths only.
pub(crate) struct Report<'a> {
    file: &'a str,
    places: RefCell<BTreeMap<String, Place>>,
    problems: RefCell<Vec<Problem>>,
    wrong: RefCell<BTreeSet<String>>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str) -> Self {
        Self { file, places: RefCell::default(), problems: RefCell::default(), wrong: RefCell::default() }
    }

    /// Remembers where `path` stands; the first time counts.
    pub(crate) fn locate(&self, path: &str, place: Place) {
        self.places.borrow_mut().entry(path.to_owned()).or_insert(place);
    }

    /// Where `path` stands, if the file has it.
    pub(crate) fn place(&self, path: &str) -> Option<Place> {
        self.places.borrow().get(path).copied()
    }

    /// `file:line:column` of `path`, or of the nearest part around it that the file has.
    pub(crate) fn reference(&self, path: &str) -> String {
        let Place { line, column } = self.nearest(path);
        format!("{}:{line}:{column}", self.file)
    }

    /// Where `path` stands, or the nearest part around it that the file has.
    pub(crate) fn nearest(&self, path: &str) -> Place {
        outwards(path).find_map(|path| self.place(path)).unwrap_or(Place { line: 1, column: 1 })
    }

    pub(crate) fn wrong(&self, path: &str, message: impl Into<String>) {
        self.add(Problem::at(self.file, self.nearest(path), path, message));
    }

    pub(crate) fn wrong_with_hint(&self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Problem::at(self.file, self.nearest(path), path, message).with_hint(hint));
    }

    /// Whether something is wrong with `path` or a part around it: its value is then a stand-in, and no
    /// ground for more problems.
    pub(crate) fn is_wrong(&self, path: &str) -> bool {
        let wrong = self.wrong.borrow();
        outwards(path).any(|path| wrong.contains(path))
    }

    /// Whether something is wrong with a part of `path`: what was read of it is then not the whole.
    pub(crate) fn is_wrong_within(&self, path: &str) -> bool {
        let wrong = self.wrong.borrow();
        let from = (Bound::Included(path), Bound::Unbounded);
        let mut behind = wrong.range::<str, _>(from).map_while(|other| other.strip_prefix(path));
        behind.any(|rest| rest.starts_with(['.', '[']))
    }

    fn add(&self, problem: Problem) {
        self.wrong.borrow_mut().insert(problem.path.clone());
        self.problems.borrow_mut().push(problem);
    }

    /// `value` if nothing was wrong.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Problems> {
        Problems::unless(self.problems.into_inner(), value)
    }
}

/// `jobs[3].port`, then `jobs[3]`, then `jobs`.
fn outwards(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rfind(['.', '[']).map(|end| &path[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_part_is_placed_where_its_surroundings_are() {
        let report = Report::new("f");
        report.locate("jobs[3]", Place { line: 7, column: 2 });
        assert_eq!(report.reference("jobs[3].ports[0].name"), "f:7:2");
        assert_eq!(report.reference("hosts[0]"), "f:1:1");
        report.wrong("jobs[3].port", "is missing");
        assert!(report.is_wrong("jobs[3].port[1]") && !report.is_wrong("jobs[3]"));
        assert!(report.is_wrong_within("jobs[3]") && report.is_wrong_within("jobs"));
        assert!(!report.is_wrong_within("jobs[3].port") && !report.is_wrong_within("job"));
        assert_eq!(report.finish(()).unwrap_err().to_string(), "f:7:2: jobs[3].port: is missing");
    }
}
