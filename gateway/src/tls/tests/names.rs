//! Which certificate a client gets.

use super::*;

#[tokio::test]
async fn the_name_selects() {
    let authority = Authority::new("a");
    let certificates = swappable(&[
        authority.source(&["app2.example.com"]),
        authority.source(&["*.example.com"]),
        authority.source(&["blog.example.org"]),
    ]);
    let server = server(&certificates);
    for (name, expected) in [
        ("app2.example.com", "app2.example.com"),
        ("APP2.example.com", "app2.example.com"),
        ("other.example.com", "*.example.com"),
        ("blog.example.org", "blog.example.org"),
    ] {
        let (accepted, connected) = shake(&server, &client(name, &authority)).await;
        assert_eq!(&*shown(&connected), expected, "{name}");
        let asked = accepted.get_ref().1.server_name().map(str::to_owned);
        assert_eq!(asked, Some(name.to_ascii_lowercase()));
    }
}

#[tokio::test]
async fn who_names_none_gets_the_first() {
    let authority = Authority::new("a");
    let address = "127.0.0.1".parse().unwrap();
    let first = authority.issue(&Leaf { addresses: &[address], ..Leaf::of(&["first.example.com"]) });
    let certificates = swappable(&[first.source("z-first"), authority.source(&["a-second.example.com"])]);
    // An address is never sent as SNI.
    let (_, connected) = shake(&server(&certificates), &client("127.0.0.1", &authority)).await;
    assert_eq!(&*shown(&connected), "first.example.com");
}

#[tokio::test]
async fn a_swap_leaves_open_connections_alone() {
    let authority = Authority::new("a");
    let names = ["app2.example.com"];
    let certificates = swappable(&[authority.source(&names)]);
    let server = server(&certificates);
    let (mut accepted, mut connected) = shake(&server, &client(names[0], &authority)).await;
    let fingerprint = |connected: &Connected| {
        Facts::of(&connected.get_ref().1.peer_certificates().unwrap()[0]).unwrap().fingerprint
    };

    let (renewed, refused) = Certificates::build(&[authority.source(&names)], &certificates.load());
    assert!(refused.is_empty());
    certificates.store(Arc::new(renewed));

    assert_open(&mut accepted, &mut connected).await;
    let (_, newer) = shake(&server, &client(names[0], &authority)).await;
    assert_ne!(fingerprint(&connected), fingerprint(&newer));
    assert_eq!(fingerprint(&newer), certificates.load().by_name(names[0]).unwrap().facts.fingerprint);
    assert_open(&mut accepted, &mut connected).await;
}

#[tokio::test]
async fn a_caller_sees_the_hello_first() {
    let authority = Authority::new("a");
    let tls =
        ServerTls::new(swappable(&[authority.source(&["app2.example.com"])]), None, &[b"h2", b"http/1.1"])
            .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let offers = vec![Box::from(*b"http/1.1"), Box::from(*b"h2")];
    let asks = Originate { alpn: offers.clone(), ..to("app2.example.com", &authority) };
    let asking = tokio::spawn(async move { greeted(address, &ClientTls::new(&asks).unwrap()).await });

    let (stream, _) = listener.accept().await.unwrap();
    let hello = hello(stream, DEADLINE).await.unwrap();
    assert_eq!(hello.server_name(), Some("app2.example.com"));
    assert_eq!(hello.alpn(), offers);
    let mut accepted = hello.finish(&tls).await.unwrap();
    // Ours decides.
    assert_eq!(accepted.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    accepted.write_all(b"!").await.unwrap();
    accepted.flush().await.unwrap();
    let connected = asking.await.unwrap().unwrap();
    assert_eq!(connected.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn a_hello_may_come_in_single_bytes() {
    let authority = Authority::new("a");
    let (ours, theirs) = tokio::io::duplex(1);
    let asks = client("app2.example.com", &authority);
    let asking = tokio::spawn(async move { connect(theirs, &asks, DEADLINE).await.map(|_| ()) });
    let hello = hello(ours, DEADLINE).await.unwrap();
    assert_eq!(hello.server_name(), Some("app2.example.com"));
    drop(hello);
    assert_eq!(asking.await.unwrap().unwrap_err().reason(), "closed");
}

/// Smaller pieces of a flight than this, tokio-rustls itself does not take.
#[tokio::test]
async fn a_handshake_may_come_in_small_pieces() {
    let authority = Authority::new("a");
    let server = server(&swappable(&[authority.source(&["app2.example.com"])]));
    let client = client("app2.example.com", &authority);
    let (ours, theirs) = tokio::io::duplex(16);
    let accepting = async {
        let mut accepted = accept(ours, &server, DEADLINE).await.unwrap();
        accepted.write_all(b"!").await.unwrap();
        accepted.flush().await.unwrap();
    };
    // It must read on after its own end of the handshake: the server's ends with tickets, and nothing buffers them.
    let connecting = async { connect(theirs, &client, DEADLINE).await.unwrap().read_u8().await.unwrap() };
    let ((), greeting) = tokio::join!(accepting, connecting);
    assert_eq!(greeting, b'!');
}
