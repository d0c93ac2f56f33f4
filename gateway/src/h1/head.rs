//! A head: its text, and where its fields stand in it.

use super::Name;

/// A piece of a head's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// A field line. Where one ends the next begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: Name,
    /// Where its name, and with it its line, begins.
    pub(crate) at: u32,
    pub(crate) name_end: u32,
    pub(crate) value: Span,
}

/// Reused from message to message: neither of the two allocates once it has grown to what is usual.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) text: Vec<u8>,
    pub(crate) fields: Vec<Field>,
    /// Which known names are among them, a bit each: most that are asked for are not.
    names: u64,
    /// `Connection` names fields that are to be removed (RFC 9110, 7.6.1).
    pub(crate) nominates: bool,
}

impl Span {
    /// Of a slice of `text`. A head is never longer than `u32` counts: the settings allow a mebibyte.
    pub(crate) fn of(text: &[u8], part: &[u8]) -> Span {
        let from = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
        Span { from: from as u32, to: (from + part.len()) as u32 }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.from == self.to
    }
}

impl Head {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        self.names = 0;
        self.nominates = false;
    }

    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        self.text.get(span.from as usize..span.to as usize).unwrap_or_default()
    }

    /// Text that was checked to be ASCII when it was read.
    pub(crate) fn str(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).unwrap_or_default()
    }

    pub(crate) fn value(&self, field: &Field) -> &[u8] {
        self.bytes(field.value)
    }

    pub(crate) fn name(&self, field: &Field) -> &[u8] {
        self.bytes(Span { from: field.at, to: field.name_end })
    }

    /// Takes the text of a whole head, and where a parser has found its fields in it.
    pub(super) fn read(&mut self, text: &[u8], fields: &[httparse::Header<'_>]) {
        self.clear();
        self.text.extend_from_slice(text);
        self.fields.reserve(fields.len());
        for field in fields {
            let name = Span::of(text, field.name.as_bytes());
            let value = Span::of(text, field.value);
            let known = Name::of(field.name.as_bytes());
            self.add(Field { name: known, at: name.from, name_end: name.to, value });
        }
    }

    fn add(&mut self, field: Field) {
        self.names |= field.name.bit();
        self.fields.push(field);
    }

    pub(crate) fn has(&self, name: Name) -> bool {
        self.names & name.bit() != 0
    }

    /// Every value of a known field, in order.
    pub(crate) fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        let fields = if self.has(name) { &self.fields[..] } else { &[] };
        fields.iter().filter(move |field| field.name == name).map(|field| self.value(field))
    }

    pub(crate) fn first(&self, name: Name) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// Every value of any field.
    pub(crate) fn named<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let fields = self.fields.iter();
        fields
            .filter(|field| self.name(field).eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| self.value(field))
    }

    /// Appends text that no field line has, such as a path that came apart from them.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Span {
        let from = self.text.len() as u32;
        self.text.extend_from_slice(bytes);
        Span { from, to: self.text.len() as u32 }
    }

    pub(crate) fn push_field(&mut self, name: &[u8], value: &[u8]) {
        let kind = Name::of(name);
        let at = self.push(name);
        self.push(b": ");
        let value = self.push(value);
        self.push(b"\r\n");
        self.add(Field { name: kind, at: at.from, name_end: at.to, value });
    }

    /// The field's whole line, with its end, given that the lines follow each other without a gap.
    pub(crate) fn line(&self, i: usize) -> Span {
        let from = self.fields[i].at;
        let to = match self.fields.get(i + 1) {
            Some(next) => next.at,
            // What stands behind the value of the last is white space and the line's end.
            None => self.fields[i].value.to + self.line_end(self.fields[i].value.to),
        };
        Span { from, to }
    }

    fn line_end(&self, from: u32) -> u32 {
        let rest = self.text.get(from as usize..).unwrap_or_default();
        memchr::memchr(b'\n', rest).map_or(0, |at| at as u32 + 1)
    }
}

/// The members of a comma-separated list (RFC 9110, 5.6.1), empty ones left out.
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}
