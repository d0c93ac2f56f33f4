//! Server-sent events, as text comes in: the WHATWG's event stream format (HTML Living Standard, 9.2.6), bounded.
//!
//! Lines end with LF, CR or CRLF, wherever the network cuts them. A blank line ends an event; comments, `retry` and
//! unknown fields mean nothing here, and an event without data is none. Unlike a browser, [`Event::id`] is the one that
//! the event itself carries.

/// Bytes of one line, and of one event's data. The largest is an entry of 2 MiB in base64.
pub const MAX_EVENT: usize = 4 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `message` where the stream names none.
    pub name: String,
    /// Its lines, joined by LF.
    pub data: String,
    pub id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {MAX_EVENT} bytes")]
pub struct TooLarge;

/// Everything between two pieces of the stream.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// The last piece ended with CR; an LF now would be the same line end.
    after_cr: bool,
    begun: bool,
    name: Vec<u8>,
    data: Vec<u8>,
    /// Apart from `data`: an empty data line is one too.
    has_data: bool,
    id: Option<Vec<u8>>,
}

impl Parser {
    /// The events that end in this piece, in order. After an error the stream has no meaning any more.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_cr) && piece[0] == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &piece[..end.unwrap_or(piece.len())];
            if self.line.len() + part.len() > MAX_EVENT {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_cr = piece[end] == b'\r';
            piece = &piece[end + 1..];
            let mut line = std::mem::take(&mut self.line);
            events.extend(self.end_line(&line)?);
            // Its memory serves the next line too, unless it was a giant.
            line.clear();
            if line.capacity() <= 64 << 10 {
                self.line = line;
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &[u8]) -> Result<Option<Event>, TooLarge> {
        let line = match line.strip_prefix("\u{feff}".as_bytes()) {
            Some(rest) if !self.begun => rest,
            _ => line,
        };
        self.begun = true;
        if line.is_empty() {
            return Ok(self.end_event());
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"event" => self.name = value.to_vec(),
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                if self.data.len() + value.len() > MAX_EVENT {
                    return Err(TooLarge);
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"id" if !value.contains(&0) => self.id = Some(value.to_vec()),
            // A comment has an empty name.
            _ => {}
        }
        Ok(None)
    }

    fn end_event(&mut self) -> Option<Event> {
        let (name, data, id) =
            (std::mem::take(&mut self.name), std::mem::take(&mut self.data), self.id.take());
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        let name = if name.is_empty() { "message".to_owned() } else { text(name) };
        Some(Event { name, data: text(data), id: id.map(text) })
    }
}

/// UTF-8 by the standard; what is none becomes U+FFFD.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(stream: &str) -> Vec<Event> {
        Parser::default().feed(stream.as_bytes()).unwrap()
    }

    fn event(name: &str, data: &str, id: Option<&str>) -> Event {
        Event { name: name.into(), data: data.into(), id: id.map(str::to_owned) }
    }

    #[test]
    fn the_standards_own_rules() {
        assert_eq!(parse("data: a\n\n"), [event("message", "a", None)]);
        assert_eq!(parse("\u{feff}data: a\n\n"), [event("message", "a", None)]);
        assert_eq!(
            parse("id: 1\nevent: put\ndata: a\ndata:b\ndata:  c\n\n"),
            [event("put", "a\nb\n c", Some("1"))]
        );
        assert_eq!(
            parse("data\n\ndata\ndata\n\ndata:"),
            [event("message", "", None), event("message", "\n", None)]
        );
        assert_eq!(
            parse(": comment\n\nevent: x\n\nretry: 7\nunknown\nid: 1\0\ndata: a\n\n"),
            [event("message", "a", None)]
        );
        assert_eq!(parse("data: a\r\rdata: b\r\n\r\ndata: c\n\n").len(), 3);
        assert_eq!(parse("data: cut off"), []);
        assert_eq!(parse("id: 1\ndata: a\n\ndata: b\n\n")[1].id, None, "an id is its own event's");
    }

    #[test]
    fn what_never_ends_is_bounded() {
        let mut line = Parser::default();
        let piece = vec![b'x'; 1 << 20];
        assert_eq!((0..10).find_map(|_| line.feed(&piece).err()), Some(TooLarge));
        let mut data = Parser::default();
        let piece = format!("data: {}\n", "x".repeat(1 << 20));
        assert_eq!((0..10).find_map(|_| data.feed(piece.as_bytes()).err()), Some(TooLarge));
        let mut empty = Parser::default();
        let piece = "data\n".repeat(1 << 20);
        assert_eq!((0..10).find_map(|_| empty.feed(piece.as_bytes()).err()), Some(TooLarge));
    }

    /// The standard's text, word by word, over the whole stream at once.
    fn twin(stream: &str) -> Vec<Event> {
        let stream =
            stream.strip_prefix('\u{feff}').unwrap_or(stream).replace("\r\n", "\n").replace('\r', "\n");
        let (mut events, mut next, mut data) = (Vec::new(), Event::default(), Vec::new());
        // What follows the last line end is no line.
        for line in stream.split('\n').collect::<Vec<_>>().split_last().unwrap().1 {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => {
                    next.data = data.join("\n");
                    let mut event = std::mem::take(&mut next);
                    if !std::mem::take(&mut data).is_empty() {
                        if event.name.is_empty() {
                            event.name = "message".into();
                        }
                        events.push(event);
                    }
                }
                "event" => next.name = value.into(),
                "data" => data.push(value.to_owned()),
                "id" if !value.contains('\0') => next.id = Some(value.into()),
                _ => {}
            }
        }
        events
    }

    fn stream() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            Just("data"),
            Just("event"),
            Just("id"),
            Just("retry"),
            Just(":"),
            Just(": "),
            Just(" "),
            Just("\n"),
            Just("\r"),
            Just("\r\n"),
            Just("\n\n"),
            Just("\r\n\r\n"),
            Just("{\"key\":1}"),
            Just("é"),
            Just("\0"),
            Just("\u{feff}"),
            Just("data: x\n"),
            Just("data: y\r\n\r\n"),
        ];
        prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn wherever_it_is_cut_it_says_the_same(stream in stream()) {
            let expected = twin(&stream);
            prop_assert_eq!(parse(&stream), expected.clone());
            for at in 0..=stream.len() {
                let mut parser = Parser::default();
                let mut events = parser.feed(&stream.as_bytes()[..at]).unwrap();
                events.extend(parser.feed(&stream.as_bytes()[at..]).unwrap());
                prop_assert_eq!(&events, &expected);
            }
            let mut parser = Parser::default();
            let bytes = stream.as_bytes().chunks(1).flat_map(|byte| parser.feed(byte).unwrap());
            prop_assert_eq!(bytes.collect::<Vec<_>>(), expected);
        }
    }
}
