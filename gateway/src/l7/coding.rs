//! An answer's content coded on its way (RFC 9110, 8.4). What there is goes out with each piece: nobody waits for more of
//! it to come.

use std::io::{self, Write};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use roundhouse_registry::record::domain::Coding;

use super::body::Filter;

/// A proxy's share of the work is small: most of the gain comes with the quick levels (nginx has gzip 1 too).
const GZIP: u32 = 4;
const BROTLI: u32 = 4;
const ZSTD: i32 = 3;
/// Bytes of history that Brotli looks back at, as a power of two: 256 KiB for each answer under way.
const BROTLI_WINDOW: u32 = 18;
/// Of its output, before it is handed on.
const BROTLI_BUFFER: usize = 4 << 10;

enum Coder {
    Gzip(GzEncoder<Vec<u8>>),
    Br(Box<CompressorWriter<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
    Finished,
}

/// `None`: it cannot be set up, and the answer goes as it is.
pub(super) fn coder(coding: Coding) -> Option<Box<dyn Filter>> {
    let coder = match coding {
        Coding::Gzip => Coder::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP))),
        Coding::Br => {
            Coder::Br(Box::new(CompressorWriter::new(Vec::new(), BROTLI_BUFFER, BROTLI, BROTLI_WINDOW)))
        }
        Coding::Zstd => Coder::Zstd(Box::new(zstd::stream::write::Encoder::new(Vec::new(), ZSTD).ok()?)),
    };
    Some(Box::new(coder))
}

impl Filter for Coder {
    fn push(&mut self, bytes: &[u8], last: bool) -> io::Result<Bytes> {
        match self {
            Coder::Gzip(coder) => {
                coder.write_all(bytes)?;
                coder.flush()?;
            }
            Coder::Br(coder) => {
                coder.write_all(bytes)?;
                coder.flush()?;
            }
            Coder::Zstd(coder) => {
                coder.write_all(bytes)?;
                coder.flush()?;
            }
            Coder::Finished => return Ok(Bytes::new()),
        }
        if last {
            return match std::mem::replace(self, Coder::Finished) {
                Coder::Gzip(coder) => coder.finish().map(Bytes::from),
                Coder::Br(coder) => Ok(coder.into_inner().into()),
                Coder::Zstd(coder) => coder.finish().map(Bytes::from),
                Coder::Finished => Ok(Bytes::new()),
            };
        }
        let coded = match self {
            Coder::Gzip(coder) => std::mem::take(coder.get_mut()),
            Coder::Br(coder) => std::mem::take(coder.get_mut()),
            Coder::Zstd(coder) => std::mem::take(coder.get_mut()),
            Coder::Finished => Vec::new(),
        };
        Ok(coded.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn decoded(coding: Coding, coded: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        match coding {
            Coding::Gzip => flate2::read::GzDecoder::new(coded).read_to_end(&mut plain).unwrap(),
            Coding::Br => brotli::Decompressor::new(coded, 4096).read_to_end(&mut plain).unwrap(),
            Coding::Zstd => zstd::stream::read::Decoder::new(coded).unwrap().read_to_end(&mut plain).unwrap(),
        };
        plain
    }

    #[test]
    fn what_was_sent_can_be_read_before_the_rest_comes() {
        for coding in [Coding::Gzip, Coding::Br, Coding::Zstd] {
            let mut coder = coder(coding).unwrap();
            let first = coder.push(b"an event of its own\n\n", false).unwrap();
            assert!(!first.is_empty(), "{coding:?}");
            let last = coder.push(b"", true).unwrap();
            let whole = [&*first, &*last].concat();
            assert_eq!(decoded(coding, &whole), b"an event of its own\n\n", "{coding:?}");
            assert!(coder.push(b"more", true).unwrap().is_empty());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn content_comes_out_as_it_went_in(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3_000), 1..6)) {
            for coding in [Coding::Gzip, Coding::Br, Coding::Zstd] {
                let mut coder = coder(coding).unwrap();
                let mut coded = Vec::new();
                for (i, piece) in pieces.iter().enumerate() {
                    coded.extend(coder.push(piece, i + 1 == pieces.len()).unwrap());
                }
                prop_assert_eq!(decoded(coding, &coded), pieces.concat());
            }
        }
    }
}
