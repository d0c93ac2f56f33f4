//! As much of RFC 1035 as a test needs, written down apart from the code it checks.

pub(super) const A: u16 = 1;
pub(super) const SOA: u16 = 6;
pub(super) const AAAA: u16 = 28;
pub(super) const SRV: u16 = 33;

pub(super) const NOERROR: u8 = 0;
pub(super) const FORMERR: u8 = 1;
pub(super) const NXDOMAIN: u8 = 3;
pub(super) const NOTIMP: u8 = 4;
pub(super) const REFUSED: u8 = 5;

/// A question of class IN without EDNS. Its type and class are its last four bytes.
pub(super) fn question(id: u16, name: &str, of: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(of.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) id: u16,
    pub(super) code: u8,
    pub(super) authoritative: bool,
    pub(super) recursion_available: bool,
    /// Type and data of each record.
    pub(super) answers: Vec<(u16, Vec<u8>)>,
    pub(super) authorities: Vec<(u16, Vec<u8>)>,
}

impl Answer {
    /// # Panics
    /// When the bytes are no answer.
    #[track_caller]
    pub(super) fn read(bytes: &[u8]) -> Answer {
        let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        assert!(bytes[2] & 0x80 != 0, "no response: {bytes:?}");
        let mut at = 12;
        for _ in 0..number(4) {
            at = behind_name(bytes, at) + 4;
        }
        let mut section = |count: u16| -> Vec<(u16, Vec<u8>)> {
            (0..count)
                .map(|_| {
                    at = behind_name(bytes, at);
                    let (of, length) = (number(at), usize::from(number(at + 8)));
                    at += 10 + length;
                    (of, bytes[at - length..at].to_vec())
                })
                .collect()
        };
        let (answers, authorities) = (section(number(6)), section(number(8)));
        Answer {
            id: number(0),
            code: bytes[3] & 0x0f,
            authoritative: bytes[2] & 0x04 != 0,
            recursion_available: bytes[3] & 0x80 != 0,
            answers,
            authorities,
        }
    }
}

fn behind_name(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes[at] {
            0 => return at + 1,
            length if length & 0xc0 == 0xc0 => return at + 2,
            length => at += 1 + usize::from(length),
        }
    }
}
