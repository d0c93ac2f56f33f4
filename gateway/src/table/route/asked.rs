//! What a route is chosen by: of a request of whatever engine, or of a question about one.

/// A request's head, as far as routes look at it.
pub trait Asked {
    fn method(&self) -> &str;

    /// As received; it may have its query.
    fn path(&self) -> &str;

    /// The values of a field, each of its lines; `name` is in lower case.
    fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;
}

/// A GET of this path that says nothing else: what a server name alone leads to, and what a person asks about.
#[derive(Clone, Copy, Debug)]
pub struct PlainGet<'p>(pub &'p str);

impl Asked for PlainGet<'_> {
    fn method(&self) -> &'static str {
        "GET"
    }

    fn path(&self) -> &str {
        self.0
    }

    fn headers<'a>(&'a self, _: &'a str) -> impl Iterator<Item = &'a [u8]> {
        std::iter::empty()
    }
}

/// The request that a preflight announces: its method is another, and its own fields are not known yet.
pub(super) struct Announced<'r, R> {
    pub(super) preflight: &'r R,
    pub(super) method: &'r str,
}

impl<R: Asked> Asked for Announced<'_, R> {
    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &str {
        self.preflight.path()
    }

    fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.preflight.headers(name)
    }
}
