//! The first bytes of a connection from somebody who may send a PROXY header.
//!
//! Whatever they are: nothing panics, nothing is read past what came, a decision stands however the bytes are cut, a full
//! buffer is decided, and the addresses of a header pass through the headers that we write.

#![no_main]

use libfuzzer_sys::fuzz_target;
use roundhouse::proxy_protocol::{Header, MAX_HEADER, Out, Parsed, encode_v1, encode_v2, parse};

fuzz_target!(|input: &[u8]| {
    let parsed = parse(input);
    match &parsed {
        Parsed::Incomplete => assert!(input.len() < MAX_HEADER),
        Parsed::NotProxy => {}
        Parsed::Invalid(error) => assert!(!error.to_string().is_empty() && !error.reason().is_empty()),
        Parsed::Header { header, consumed } => {
            assert!(0 < *consumed && *consumed <= input.len().min(MAX_HEADER));
            assert_eq!(parse(&input[..*consumed]), parsed);
            assert_eq!(parse(&input[..*consumed - 1]), Parsed::Incomplete);
            passes_through(header);
        }
    }
    // A cut that the input chooses: what is decided there is what is decided in the end.
    let cut = input.last().map_or(0, |byte| usize::from(*byte) % (input.len() + 1));
    let early = parse(&input[..cut]);
    assert!(early == Parsed::Incomplete || early == parsed);
});

fn passes_through(header: &Header) {
    let Some(addresses) = header.addresses else { return };
    let (source, destination) = (addresses.source, addresses.destination);
    assert_eq!(again(&encode_v1(source, destination)).addresses, header.addresses);

    let (jobname, unique_id) = (header.tlvs.jobname.as_deref(), header.tlvs.unique_id.as_deref());
    let out = Out { source, destination, transport: header.transport, jobname, unique_id, checksum: true };
    let sent = again(&encode_v2(&out));
    assert_eq!((sent.addresses, sent.transport), (header.addresses, header.transport));
    assert_eq!((sent.tlvs.jobname.as_deref(), sent.tlvs.unique_id.as_deref()), (jobname, unique_id));
    assert!(sent.tlvs.checksum.is_some());
}

fn again(bytes: &[u8]) -> Header {
    match parse(bytes) {
        Parsed::Header { header, consumed } if consumed == bytes.len() => header,
        other => panic!("our own header is read as {other:?}"),
    }
}
