//! What text-shaped values share: their traits, and how foreign text is quoted in an error.

/// How much of a wrong text an error repeats. Enough to recognise it, too little to flood a log.
const QUOTED: usize = 48;

/// `text` as an error may repeat it: control characters escaped, long texts cut.
pub(crate) fn quoted(text: &str) -> String {
    cut(text, QUOTED)
}

/// The first `most` characters of `text`, control characters escaped.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == most {
            shown.push('…');
            break;
        }
        if c.is_control() { shown.extend(c.escape_debug()) } else { shown.push(c) }
    }
    shown
}

/// Serialises through `Display` and deserialises through `FromStr`, so that JSON and files obey one parser. For the crates
/// behind this one too; they bring serde themselves.
#[macro_export]
macro_rules! serde_as_text {
    ($($type:ty),+ $(,)?) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text: std::borrow::Cow<'de, str> = serde::Deserialize::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

/// The traits of a newtype over `Arc<str>` whose `check` turns text into its one canonical spelling.
macro_rules! name_traits {
    ($($type:ident),+ $(,)?) => {$(
        impl $type {
            /// The name in its canonical spelling.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::names::NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::check(text).map(|canonical| Self(canonical.into()))
            }
        }

        impl TryFrom<&str> for $type {
            type Error = $crate::names::NameError;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        $crate::serde_as_text!($type);
    )+};
}

pub(crate) use name_traits;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_cut_and_escaped() {
        assert_eq!(quoted("a\nb"), "a\\nb");
        assert_eq!(quoted(&"x".repeat(64)), format!("{}…", "x".repeat(48)));
        assert_eq!(quoted("größe"), "größe");
    }
}
