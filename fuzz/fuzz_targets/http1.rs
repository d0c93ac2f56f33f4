//! The first request on a connection.
//!
//! Whatever it is: nothing panics, how it was cut changes nothing, a request is decided by its own bytes and by no fewer,
//! and nothing that is forwarded of it has a byte that ends a line somewhere.

#![no_main]

use libfuzzer_sys::fuzz_target;
use roundhouse::http1::{Outcome, Whole, read};

fuzz_target!(|input: &[u8]| {
    let whole = read(input, std::iter::empty());
    is_same(&read(input, std::iter::repeat(1)), &whole);
    // Sizes that the input itself chooses.
    is_same(&read(input, input.iter().rev().map(|byte| usize::from(*byte))), &whole);
    match whole {
        Outcome::More => {}
        Outcome::Refused(why) => assert!(!why.is_empty()),
        Outcome::Request(request) => {
            assert_eq!(read(&input[..request.taken], std::iter::empty()), Outcome::Request(request.clone()));
            assert_eq!(read(&input[..request.taken - 1], std::iter::empty()), Outcome::More);
            is_plain(&request);
        }
    }
});

/// Of several things that are wrong, another may be seen first.
fn is_same(one: &Outcome, other: &Outcome) {
    assert!(one == other || matches!((one, other), (Outcome::Refused(_), Outcome::Refused(_))));
}

fn is_plain(request: &Whole) {
    let all = |bytes: &[u8], may: fn(u8) -> bool| bytes.iter().all(|byte| may(*byte));
    let visible = |byte: u8| byte.is_ascii_graphic();
    assert!(all(&request.method, visible) && all(&request.path, visible));
    assert!(request.path.starts_with(b"/") || request.path == b"*");
    assert!(request.authority.iter().all(|authority| all(authority, visible)));
    let hosts = request.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"host"));
    assert!(hosts.count() <= 1);
    for (name, value) in &request.fields {
        assert!(!name.is_empty() && all(name, visible) && !name.contains(&b':'));
        assert!(all(value, |byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)));
    }
    assert!(!request.trailers.contains(&0) && (request.trailers.is_empty() || request.trailers.ends_with(b"\r\n")));
}
