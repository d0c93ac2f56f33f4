//! What a pool answers to the clients of each line.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use roundhouse_config::Label;
use roundhouse_registry::record::{Director, Pool, default_line};

use super::space::{Class, Space};
use super::{Line, Lines};

/// Where an equal division of the space is taken from, or made.
pub(super) type Spaces<'a> = dyn FnMut(&[Class]) -> Arc<Space> + 'a;

/// The VIPs of one pool, for the clients of every line. Empty: it has none.
#[derive(Debug, Default)]
pub struct PoolEntry {
    v4: Tailored,
    v6: Tailored,
}

/// Which VIPs, and whether better ones are missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub addresses: Box<[IpAddr]>,
    /// They are not those of the client's own line, or none is known to work.
    pub stands_in: bool,
}

/// One family's answers.
#[derive(Debug)]
struct Tailored {
    /// Which answer each line gets.
    classes: Box<[Class]>,
    space: Arc<Space>,
    answers: Box<[Answer]>,
}

/// The VIPs of the pool that live directors have applied.
pub(super) struct Applied(HashSet<IpAddr>);

impl PoolEntry {
    pub(super) fn new(lines: &Lines, pool: &Pool, applied: &Applied, spaces: &mut Spaces<'_>) -> PoolEntry {
        let mut tailored = |is_of: fn(&IpAddr) -> bool| {
            let vips = pool.lines.iter().map(|(line, vips)| {
                (line, vips.iter().map(IpAddr::to_canonical).filter(is_of).collect::<Vec<IpAddr>>())
            });
            let vips = vips.filter(|(_, vips)| !vips.is_empty()).collect();
            Tailored::new(lines, &Vips { pool, vips, applied }, spaces)
        };
        PoolEntry { v4: tailored(IpAddr::is_ipv4), v6: tailored(IpAddr::is_ipv6) }
    }

    /// VIPs of one family for a client, whose own family is another matter; `None`: for one that does not say where it is.
    /// And for how much of the address, in bits, this is the answer (RFC 7871, 7.2.1).
    pub fn answer(&self, v6: bool, client: Option<IpAddr>) -> (&Answer, u8) {
        let tailored = if v6 { &self.v6 } else { &self.v4 };
        let (class, scope) = match client {
            Some(client) => (tailored.space.class(client), tailored.space.scope(client)),
            None => (tailored.classes.first().copied().unwrap_or_default(), 0),
        };
        (&tailored.answers[class as usize], scope)
    }

    /// A space that is divided so.
    pub(super) fn divided_alike(&self, classes: &[Class]) -> Option<Arc<Space>> {
        let alike = [&self.v4, &self.v6].into_iter().find(|tailored| *tailored.classes == *classes);
        alike.map(|tailored| tailored.space.clone())
    }
}

impl Tailored {
    fn new(lines: &Lines, vips: &Vips<'_>, spaces: &mut Spaces<'_>) -> Tailored {
        let mut preferences: Vec<Preference> = Vec::new();
        let classes = lines.all.iter().map(|line| {
            let preference = vips.preference(line);
            let class = preferences.iter().position(|known| *known == preference).unwrap_or_else(|| {
                preferences.push(preference);
                preferences.len() - 1
            });
            Class::try_from(class).unwrap_or(Class::MAX)
        });
        let classes: Box<[Class]> = classes.collect();
        let answers = preferences.iter().map(|preference| vips.answer(preference)).collect();
        Tailored { space: spaces(&classes), classes, answers }
    }
}

/// The lines of a pool in the order in which they answer somebody: by places in [`Vips`]. Whoever has the same is
/// answered alike, whatever is applied.
#[derive(PartialEq, Eq)]
struct Preference {
    lines: Vec<usize>,
    /// Whether the first is the client's own line.
    own: bool,
}

/// Those of one family, line by line.
struct Vips<'a> {
    vips: Vec<(&'a Label, Vec<IpAddr>)>,
    /// Of both families.
    applied: &'a Applied,
    pool: &'a Pool,
}

impl Vips<'_> {
    fn preference(&self, line: &Line) -> Preference {
        let place = |label: &Label| self.vips.iter().position(|(of, _)| *of == label);
        let default = default_line();
        let own = place(&line.label);
        let mut lines = Vec::new();
        for place in own.into_iter().chain(line.fallback.iter().chain([&default]).filter_map(place)) {
            if !lines.contains(&place) {
                lines.push(place);
            }
        }
        // Where one line alone is not among them, all lines are that one.
        if lines.len() + 1 == self.vips.len() {
            lines.extend((0..self.vips.len()).find(|place| !lines.contains(place)));
        }
        Preference { lines, own: own.is_some() }
    }

    fn answer(&self, preference: &Preference) -> Answer {
        for (place, line) in preference.lines.iter().enumerate() {
            let addresses = self.applied(&self.vips[*line].1);
            if !addresses.is_empty() {
                return Answer { addresses, stands_in: place > 0 || !preference.own };
            }
        }
        let all: Vec<IpAddr> = self.vips.iter().flat_map(|(_, vips)| vips).copied().collect();
        let mut addresses = self.applied(&all);
        // What works by the other family is not to be spoilt by what does not by this one.
        if addresses.is_empty() && !self.any_applied() {
            addresses = match preference.lines.first().filter(|_| preference.own) {
                Some(own) => self.vips[*own].1.clone().into(),
                None => all.into(),
            };
        }
        Answer { addresses, stands_in: true }
    }

    fn applied(&self, vips: &[IpAddr]) -> Box<[IpAddr]> {
        vips.iter().filter(|vip| self.applied.0.contains(vip)).copied().collect()
    }

    fn any_applied(&self) -> bool {
        self.pool.lines.values().flatten().any(|vip| self.applied.0.contains(&vip.to_canonical()))
    }
}

impl Applied {
    pub(super) fn of<'a>(pool: &Label, directors: impl Iterator<Item = &'a Director>) -> Applied {
        let vips = directors.filter_map(|director| director.applied.get(pool)).flatten();
        Applied(vips.map(IpAddr::to_canonical).collect())
    }
}

/// One answer for everybody: nothing.
impl Default for Tailored {
    fn default() -> Tailored {
        Tailored { classes: [0].into(), space: Arc::default(), answers: [Answer::default()].into() }
    }
}
