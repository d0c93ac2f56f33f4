//! The server's first packet.

use super::{CONNECT_ATTRS, ERR, HEADER, Parsed, SSL, packet};
use crate::app::fields::Fields;

/// Of the greeting, since MySQL 3.21.
const PROTOCOL_VERSION: u8 = 10;

/// What a server says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// HandshakeV10.
    Offer(Offer),
    /// It has an error for whoever connects, which is to be passed on: it is overloaded, or does not like us.
    Refusal,
}

/// What a server can do, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Whether it takes connection attributes: from one that does not, no client claims anything.
    pub(crate) has_attributes: bool,
    pub(crate) has_tls: bool,
    /// Where the lower half of its capabilities stands in the packet.
    capabilities: usize,
}

impl Greeting {
    /// Takes the offer of TLS out of the packet that this was read from. A client that only prefers TLS then stays
    /// readable; one that requires it says so and leaves. Nothing signs a greeting.
    pub(crate) fn without_tls(&self, packet: &mut [u8]) {
        let Greeting::Offer(offer) = self else { return };
        if let Some(lower) = packet.get_mut(offer.capabilities..).and_then(<[u8]>::first_chunk_mut::<2>) {
            *lower = (u16::from_le_bytes(*lower) & !(SSL as u16)).to_le_bytes();
        }
    }
}

/// Reads a server's first packet.
pub(crate) fn greeting(bytes: &[u8]) -> Parsed<Greeting> {
    packet(bytes).and_then(|packet| match packet.payload.first() {
        Some(&ERR) => Ok(Greeting::Refusal),
        Some(&PROTOCOL_VERSION) => {
            offer(packet.payload).map(Greeting::Offer).ok_or("the server's greeting is cut")
        }
        _ => Err("the server's first packet is no greeting of protocol 10"),
    })
}

fn offer(payload: &[u8]) -> Option<Offer> {
    let mut fields = Fields::new(payload);
    fields.byte()?;
    let _version = fields.until_zero()?;
    let _connection_and_salt_and_filler = fields.take(4 + 8 + 1)?;
    let capabilities = HEADER + fields.at();
    let [low, high] = fields.array()?;
    let _charset_and_status = fields.take(1 + 2);
    // Servers before 4.1 end before their upper half.
    let [upper_low, upper_high] = fields.array().unwrap_or_default();
    let offered = u32::from_le_bytes([low, high, upper_low, upper_high]);
    Some(Offer { has_attributes: offered & CONNECT_ATTRS != 0, has_tls: offered & SSL != 0, capabilities })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::app::tests::does_not_matter_how_it_is_cut;

    /// MariaDB 10.11's.
    const MARIADB: &[u8] = b"\x64\0\0\0\x0a5.5.5-10.11.19-MariaDB-0+deb12u1\0\x05\0\0\0gP:qLhD\\\0\
        \xfe\xff\x08\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0\"1nZX)c7)fHr\0mysql_native_password\0";

    fn with_capabilities(capabilities: u32, version: &[u8]) -> Vec<u8> {
        let [a, b, c, d] = capabilities.to_le_bytes();
        let rest =
            [&[a, b, 45, 2, 0, c, d, 21][..], &[0; 10], b"saltsaltsalt\0caching_sha2_password\0"].concat();
        let payload = [&[10], version, b"\0\x01\0\0\0saltsalt\0", &rest].concat();
        [&[payload.len() as u8, 0, 0, 0], payload.as_slice()].concat()
    }

    fn read_offer(bytes: &[u8]) -> Offer {
        does_not_matter_how_it_is_cut(bytes, greeting);
        match greeting(bytes) {
            Parsed::Whole { value: Greeting::Offer(offer), length } if length == bytes.len() => offer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tls_is_taken_out_and_nothing_else() {
        let offer = read_offer(MARIADB);
        assert!(offer.has_tls && offer.has_attributes);
        let mut plain = MARIADB.to_vec();
        Greeting::Offer(offer).without_tls(&mut plain);
        let changed: Vec<_> = (0..plain.len()).filter(|at| plain[*at] != MARIADB[*at]).collect();
        assert_eq!((changed, plain[52]), (vec![52], !0x08));
        assert_eq!(read_offer(&plain), Offer { has_tls: false, ..offer });
        let once = plain.clone();
        Greeting::Offer(offer).without_tls(&mut plain);
        assert_eq!(plain, once);
        Greeting::Offer(offer).without_tls(&mut plain[..52]);
        Greeting::Refusal.without_tls(&mut plain);
        assert_eq!(plain, once);
    }

    #[test]
    fn a_server_before_4_1_ends_early() {
        let bytes = b"\x17\0\0\0\x0a3.23.58\0\x01\0\0\0saltsalt\0\x2c\x08";
        let bytes = [&[(bytes.len() - 4) as u8], &bytes[1..]].concat();
        assert_eq!(read_offer(&bytes), Offer { has_attributes: false, has_tls: true, capabilities: 26 });
    }

    /// As MariaDB refuses a host that no account is for.
    #[test]
    fn a_servers_own_refusal_is_known() {
        let text = b"\x44\0\0\0\xff\x6a\x04Host '127.0.0.5' is not allowed to connect to this MariaDB server";
        assert_eq!(greeting(text), Parsed::Whole { value: Greeting::Refusal, length: text.len() });
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |bytes: &[u8]| matches!(greeting(bytes), Parsed::Wrong(_));
        assert!(wrong(b"\0\0\0"));
        assert!(wrong(b"\x01\0\x01"), "64 KiB and one byte");
        assert!(wrong(b"\x02\0\0\0\x09x"));
        for length in 1..MARIADB[4..].len().min(48) as u8 {
            let cut = [&[length, 0, 0, 0], &MARIADB[4..4 + usize::from(length)]].concat();
            assert!(wrong(&cut), "{length}");
        }
        assert!(wrong(b"SSH-2.0-OpenSSH_9.2\r\n"));
    }

    proptest! {
        #[test]
        fn any_capabilities_are_read(capabilities: u32, version in "[0-9a-z.-]{0,60}") {
            let mut bytes = with_capabilities(capabilities, version.as_bytes());
            let offer = read_offer(&bytes);
            prop_assert_eq!(offer.has_tls, capabilities & SSL != 0);
            prop_assert_eq!(offer.has_attributes, capabilities & CONNECT_ATTRS != 0);
            Greeting::Offer(offer).without_tls(&mut bytes);
            prop_assert_eq!(bytes, with_capabilities(capabilities & !SSL, version.as_bytes()));
        }

        #[test]
        fn any_bytes_are_read(mut bytes in vec(any::<u8>(), 0..120)) {
            does_not_matter_how_it_is_cut(&bytes, greeting);
            if let Parsed::Whole { value, .. } = greeting(&bytes) {
                value.without_tls(&mut bytes);
            }
        }

        #[test]
        fn any_payload_is_read(payload in vec(any::<u8>(), 1..120)) {
            let bytes = [&[payload.len() as u8 + 1, 0, 0, 0, 10], payload.as_slice()].concat();
            does_not_matter_how_it_is_cut(&bytes, greeting);
        }
    }
}
