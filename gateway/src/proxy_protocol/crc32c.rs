//! CRC-32C, the Castagnoli polynomial (RFC 3720, 12.1; RFC 4960, appendix B): a byte at a time by a table. A header is
//! short and comes once a connection, so nothing faster is wanted.

/// 0x1EDC6F41 with its bits reversed, as the lowest bit goes first.
const POLYNOMIAL: u32 = 0x82F6_3B78;

const TABLE: [u32; 256] = table();

/// Of several slices, as if they were one.
pub(super) fn crc32c(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().copied().flatten();
    !bytes.fold(u32::MAX, |crc, byte| TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8))
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 3720, B.4, which lists the bytes as sent, lowest first.
    #[test]
    fn known_sums() {
        let sum = |bytes: &[u8]| crc32c(&[bytes]).to_le_bytes();
        let up: Vec<u8> = (0..32).collect();
        let down: Vec<u8> = (0..32).rev().collect();
        let mut command = [0; 48];
        (command[0], command[1], command[16], command[22]) = (0x01, 0xc0, 0x14, 0x04);
        (command[27], command[31], command[32], command[40]) = (0x14, 0x18, 0x28, 0x02);
        assert_eq!(sum(&[0; 32]), [0xaa, 0x36, 0x91, 0x8a]);
        assert_eq!(sum(&[0xff; 32]), [0x43, 0xab, 0xa8, 0x62]);
        assert_eq!(sum(&up), [0x4e, 0x79, 0xdd, 0x46]);
        assert_eq!(sum(&down), [0x5c, 0xdb, 0x3f, 0x11]);
        assert_eq!(sum(&command), [0x56, 0x3a, 0x96, 0xd9]);
        assert_eq!(crc32c(&[b"1234", b"", b"56789"]), 0xe306_9283);
        assert_eq!(crc32c(&[]), 0);
    }

    /// A bit at a time, without a table.
    fn plain(bytes: &[u8]) -> u32 {
        let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| u32::from(byte >> bit & 1)));
        !bits.fold(u32::MAX, |crc, bit| (crc >> 1) ^ if (crc & 1) ^ bit == 1 { POLYNOMIAL } else { 0 })
    }

    proptest! {
        #[test]
        fn as_bit_by_bit(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0usize..600) {
            let (one, other) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(crc32c(&[one, other]), plain(&bytes));
        }
    }
}
