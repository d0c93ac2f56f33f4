//! A queue whose members can leave from the middle: a doubly linked list over indices.

/// No index.
const NONE: u32 = u32::MAX;

/// One member's neighbours; all members of all lists share one slice of these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    previous: u32,
    next: u32,
}

#[derive(Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
}

impl Link {
    pub(super) const ALONE: Link = Link { previous: NONE, next: NONE };
}

impl List {
    pub(super) const EMPTY: List = List { first: NONE, last: NONE };

    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// From the first on.
    pub(super) fn iter<'a>(&self, links: &'a [Link]) -> impl Iterator<Item = u32> + use<'a> {
        std::iter::successors(self.first(), |at| {
            let next = links[*at as usize].next;
            (next != NONE).then_some(next)
        })
    }

    /// `index` must be in no list.
    pub(super) fn push_back(&mut self, links: &mut [Link], index: u32) {
        links[index as usize] = Link { previous: self.last, next: NONE };
        match self.last {
            NONE => self.first = index,
            last => links[last as usize].next = index,
        }
        self.last = index;
    }

    /// `index` must be in this list.
    pub(super) fn remove(&mut self, links: &mut [Link], index: u32) {
        let Link { previous, next } = links[index as usize];
        match previous {
            NONE => self.first = next,
            previous => links[previous as usize].next = next,
        }
        match next {
            NONE => self.last = previous,
            next => links[next as usize].previous = previous,
        }
        links[index as usize] = Link::ALONE;
    }
}
