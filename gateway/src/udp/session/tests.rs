use proptest::prelude::*;

use super::*;

fn key(client: u16) -> Key {
    Key { asked: ([127, 99, 0, 1], 1111).into(), client: ([10, 0, 0, 1], client).into() }
}

#[test]
fn a_flood_pushes_out_itself_and_not_who_is_served() {
    let mut sessions = Sessions::new(3);
    let served = sessions.insert(key(1), 10, 0, ());
    sessions.answered(served, 0);
    for client in 2..100 {
        match sessions.room(false) {
            Room::Instead(slot) => {
                assert_ne!(slot, served);
                sessions.remove(slot);
            }
            room => assert_eq!(room, Room::Free),
        }
        sessions.insert(key(client), 10, 1, ());
    }
    assert_eq!((sessions.find(&key(1)), sessions.len()), (Some(served), 3));
    for client in [98, 99] {
        let slot = sessions.find(&key(client)).unwrap();
        sessions.answered(slot, 1);
    }
    assert_eq!(sessions.room(false), Room::None);
}

/// The same by walking over everything, in the order of the last datagram.
struct Twin {
    sessions: Vec<(u16, u32, bool)>,
    capacity: usize,
    /// Of clients with even and with odd ports.
    idle: [u32; 2],
}

impl Twin {
    fn position(&self, client: u16) -> Option<usize> {
        self.sessions.iter().position(|session| session.0 == client)
    }

    fn touch(&mut self, client: u16, now: u32, answered: bool) {
        let Some(at) = self.position(client) else { return };
        let (_, last, before) = self.sessions[at];
        if last != now || answered && !before {
            self.sessions.remove(at);
            self.sessions.push((client, now, before || answered));
        }
    }

    fn open(&mut self, client: u16, now: u32) {
        if self.sessions.len() >= self.capacity {
            let Some(at) = self.sessions.iter().position(|session| !session.2) else { return };
            self.sessions.remove(at);
        }
        self.sessions.push((client, now, false));
    }

    fn expire(&mut self, now: u32) {
        self.sessions.retain(|session| now - session.1 < self.idle[usize::from(session.0 % 2)]);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask(u16),
    Answer(u16),
    Close(u16),
    Wait(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = || 0u16..12;
    let step = prop_oneof![
        4 => client().prop_map(Step::Ask),
        3 => client().prop_map(Step::Answer),
        1 => client().prop_map(Step::Close),
        2 => (1u32..4).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn it_holds_what_the_twin_holds(steps in steps(), capacity in 1usize..8, idle in [1u32..6, 1u32..6]) {
        let mut sessions = Sessions::new(capacity);
        let mut twin = Twin { sessions: Vec::new(), capacity, idle };
        let mut now = 0;
        for step in steps {
            match step {
                Step::Ask(client) => {
                    match sessions.find(&key(client)) {
                        Some(slot) => sessions.asked(slot, now),
                        None => match sessions.room(false) {
                            Room::None => {}
                            room => {
                                if let Room::Instead(slot) = room {
                                    sessions.remove(slot);
                                }
                                sessions.insert(key(client), idle[usize::from(client % 2)], now, client);
                            }
                        },
                    }
                    match twin.position(client) {
                        Some(_) => twin.touch(client, now, false),
                        None => twin.open(client, now),
                    }
                }
                Step::Answer(client) => {
                    if let Some(slot) = sessions.find(&key(client)) {
                        sessions.answered(slot, now);
                    }
                    twin.touch(client, now, true);
                }
                Step::Close(client) => {
                    if let Some(slot) = sessions.find(&key(client)) {
                        prop_assert_eq!(sessions.remove(slot), Some((key(client), client)));
                    }
                    twin.sessions.retain(|session| session.0 != client);
                }
                Step::Wait(ticks) => {
                    now += ticks;
                    for slot in sessions.expired(now, usize::MAX) {
                        sessions.remove(slot);
                    }
                    twin.expire(now);
                }
            }
            let mut held: Vec<_> = sessions
                .slots()
                .map(|slot| {
                    let (key, client) = sessions.get(slot).unwrap();
                    (*client, key.client.port(), sessions.is_answered(slot))
                })
                .collect();
            held.sort_unstable();
            let mut expected: Vec<_> = twin.sessions.iter().map(|session| (session.0, session.0, session.2)).collect();
            expected.sort_unstable();
            prop_assert_eq!(held, expected);
            prop_assert_eq!(sessions.len(), twin.sessions.len());
        }
    }
}
