//! What anybody may send to a TLS passthrough port.
//!
//! Whatever it is: nothing panics, how it was cut into segments changes nothing, the outcome that comes first stays, and
//! a name that is routed on has the one form in which names are looked up.

#![no_main]

use libfuzzer_sys::fuzz_target;
use roundhouse::tls::hello::{MAX_ALPN, MAX_BYTES, Outcome, Reader, ServerName, read};

fuzz_target!(|input: &[u8]| {
    let whole = read(input);
    assert_eq!(feed(input, std::iter::repeat(1)), whole);
    // Sizes that the input itself chooses, so that a seed is a hello and nothing else.
    assert_eq!(feed(input, input.iter().rev().map(|byte| usize::from(*byte) + 1).cycle()), whole);

    match whole {
        Outcome::Incomplete => assert!(input.len() < MAX_BYTES),
        Outcome::NotTls => assert!(!input.starts_with(&[22, 3])),
        Outcome::Invalid(error) => {
            assert!([10, 22, 47, 50, 70, 112].contains(&error.alert()));
            assert!(!error.reason().is_empty() && error.to_string().len() < 200);
        }
        Outcome::Hello(hello) => {
            assert!(
                hello.alpn.len() <= MAX_ALPN && hello.alpn.iter().all(|name| (1..256).contains(&name.len()))
            );
            assert_eq!(hello.version.0 >> 8, 3);
            if let Some(name) = hello.server_name {
                assert_eq!(ServerName::parse(name.as_str().as_bytes()), Ok(name));
            }
        }
    }
});

fn feed(input: &[u8], sizes: impl Iterator<Item = usize>) -> Outcome {
    let (mut reader, mut here) = (Reader::default(), 0);
    let mut outcome = reader.feed(&[]);
    for size in sizes {
        if here == input.len() {
            break;
        }
        here = input.len().min(here + size);
        let next = reader.feed(&input[..here]);
        assert!(outcome == Outcome::Incomplete || next == outcome, "an outcome is final");
        outcome = next;
    }
    outcome
}
