//! Peers that get no connection, and what they are told.

use std::process::{Command, Stdio};

use tokio_rustls::rustls::AlertDescription;

use super::*;

/// What is on the wire for a fatal alert.
fn fatal(alert: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, alert]
}

/// Sends bytes, and gives all that comes back until the other side ends.
async fn answer(server: &ServerTls, sent: &[u8]) -> (TlsError, Vec<u8>) {
    let (address, accepted) = serve_once(server).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    drop(stream);
    (accepted.await.unwrap().unwrap_err(), answer)
}

/// A ClientHello of TLS 1.1 (RFC 4346, 7.4.1.2), without extensions.
fn hello_of_tls11() -> Vec<u8> {
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let mut hello = vec![22, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8];
    hello.extend(body);
    hello
}

#[tokio::test]
async fn an_unknown_name_gets_unrecognized_name() {
    let authority = Authority::new("a");
    let server = server(&swappable(&[authority.source(&["app2.example.com"])]));
    let (accepted, connected) = try_shake(&server, &client("app3.example.com", &authority)).await;
    let error = accepted.unwrap_err();
    assert_eq!(error.reason(), "unrecognized_name");
    assert!(error.to_string().contains("no certificate has the name `app3.example.com`"), "{error}");
    assert!(matches!(connected.unwrap_err(), TlsError::Alert(AlertDescription::UnrecognisedName)));
}

#[tokio::test]
async fn a_caller_may_know_no_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let authority = Authority::new("a");
    let asking = tokio::spawn(async move { greeted(address, &client("app3.example.com", &authority)).await });
    let (stream, _) = listener.accept().await.unwrap();
    let error = hello(stream, DEADLINE).await.unwrap().unrecognized().await;
    assert_eq!(error.reason(), "unrecognized_name");
    let error = asking.await.unwrap().unwrap_err();
    assert!(matches!(error, TlsError::Alert(AlertDescription::UnrecognisedName)), "{error}");
}

#[tokio::test]
async fn without_certificates_there_is_no_handshake() {
    let authority = Authority::new("a");
    let (accepted, connected) =
        try_shake(&server(&swappable(&[])), &client("app2.example.com", &authority)).await;
    assert_eq!(accepted.unwrap_err().reason(), "no_certificate");
    assert!(matches!(connected.unwrap_err(), TlsError::Alert(AlertDescription::HandshakeFailure)));
}

#[tokio::test]
async fn tls_1_1_gets_protocol_version() {
    let authority = Authority::new("a");
    let server = server(&swappable(&[authority.source(&["app2.example.com"])]));
    let (error, answer) = answer(&server, &hello_of_tls11()).await;
    assert_eq!(error.reason(), "version");
    assert!(error.to_string().contains("speak TLS 1.2 or 1.3"), "{error}");
    assert_eq!(answer, fatal(70));
}

/// The version is found also when it comes by itself.
#[tokio::test]
async fn tls_1_1_is_seen_in_single_bytes() {
    let (mut ours, mut theirs) = tokio::io::duplex(1);
    let (refusal, sent) =
        tokio::join!(first::words(&mut ours), async { theirs.write_all(&hello_of_tls11()).await });
    let (error, alert) = refusal.unwrap_err();
    assert_eq!((error.reason(), alert), ("version", fatal(70)));
    sent.unwrap();
}

#[tokio::test]
async fn another_protocol_is_no_tls() {
    let authority = Authority::new("a");
    let server = server(&swappable(&[authority.source(&["app2.example.com"])]));
    for sent in ["GET / HTTP/1.1\r\nHost: app2.example.com\r\n\r\n".to_owned(), "x".repeat(40_000)] {
        let (error, answer) = answer(&server, sent.as_bytes()).await;
        assert_eq!(error.reason(), "not_tls", "{error}");
        assert_eq!(answer[..2], [21, 3], "an alert: {answer:?}");
    }
}

/// Neither what it had sent before the refusal nor what it sends after meets a reset.
#[tokio::test]
async fn a_refused_peer_is_heard_out() {
    let (address, accepted) = serve_once(&server(&swappable(&[]))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    // More than one read takes.
    stream.write_all(&[b'x'; 40_000]).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer[..2], [21, 3]);
    assert!(!accepted.is_finished(), "our half is closed, the other is still read");
    stream.write_all(&[b'x'; 10_000]).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(accepted.await.unwrap().unwrap_err().reason(), "not_tls");
    // A reset would be here by now.
    assert!(stream.take_error().unwrap().is_none());
}

#[tokio::test]
async fn who_says_nothing_or_half_is_closed() {
    let server = server(&swappable(&[]));
    for sent in [&[][..], &hello_of_tls11()[..20]] {
        let (address, accepted) = serve_once(&server).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        drop(stream);
        assert_eq!(accepted.await.unwrap().unwrap_err().reason(), "closed");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_is_not_waited_for() {
    let server = server(&swappable(&[]));
    let (stream, _silent) = tokio::io::duplex(1 << 10);
    let error = accept(stream, &server, DEADLINE).await.unwrap_err();
    assert_eq!((error.reason(), error.to_string().contains("20s")), ("timeout", true), "{error}");

    let (stream, _silent) = tokio::io::duplex(1 << 10);
    let error = connect(stream, &client("app2.example.com", &Authority::new("a")), DEADLINE).await;
    assert_eq!(error.unwrap_err().reason(), "timeout");
}

/// The hello is in time, the rest is not, and the deadline is one.
#[tokio::test(start_paused = true)]
async fn the_deadline_is_for_all_of_it() {
    let authority = Authority::new("a");
    let server = server(&swappable(&[authority.source(&["app2.example.com"])]));
    let (stream, mut other) = tokio::io::duplex(1 << 16);
    let config = client("app2.example.com", &authority).config().clone();
    let mut client =
        tokio_rustls::rustls::ClientConnection::new(config, "app2.example.com".try_into().unwrap()).unwrap();
    let mut sent = Vec::new();
    client.write_tls(&mut sent).unwrap();
    other.write_all(&sent).await.unwrap();
    let began = tokio::time::Instant::now();
    let hello = hello(stream, DEADLINE).await.unwrap();
    tokio::time::advance(DEADLINE / 2).await;
    assert_eq!(hello.finish(&server).await.unwrap_err().reason(), "timeout");
    assert!(began.elapsed() < DEADLINE + DEADLINE / 4, "{:?}", began.elapsed());
}

#[tokio::test]
async fn no_protocol_in_common_is_refused() {
    let authority = Authority::new("a");
    let certificates = swappable(&[authority.source(&["app2.example.com"])]);
    let server = ServerTls::new(certificates, None, &[b"http/1.1"]).unwrap();
    let offers = |protocol: &[u8]| {
        let alpn = vec![Box::from(protocol)];
        ClientTls::new(&Originate { alpn, ..to("app2.example.com", &authority) }).unwrap()
    };
    let (accepted, connected) = try_shake(&server, &offers(b"h2")).await;
    assert_eq!(accepted.unwrap_err().reason(), "handshake");
    let error = connected.unwrap_err();
    assert!(matches!(error, TlsError::Alert(AlertDescription::NoApplicationProtocol)), "{error}");
    shake(&server, &offers(b"http/1.1")).await;
    shake(&server, &client("app2.example.com", &authority)).await;
}

/// Another implementation's view of versions and names.
#[tokio::test]
async fn openssl_agrees() {
    let authority = Authority::new("a");
    let server = server(&swappable(&[authority.source(&["app2.example.com"])]));
    for (arguments, said, reason) in [
        ("-servername app2.example.com -tls1_2", "Cipher is ECDHE-ECDSA-", None),
        ("-servername app2.example.com -tls1_3", "New, TLSv1.3", None),
        ("-noservername -tls1_3", "New, TLSv1.3", None),
        ("-servername app3.example.com", "alert number 112", Some("unrecognized_name")),
        ("-servername app2.example.com -tls1_1 -cipher ALL:@SECLEVEL=0", "alert number 70", Some("version")),
    ] {
        let (address, accepted) = serve_once(&server).await;
        let output = tokio::task::spawn_blocking(move || {
            let mut command = Command::new("openssl");
            command.args(["s_client", "-connect", &address.to_string()]).args(arguments.split(' '));
            command.stdin(Stdio::null()).output().unwrap()
        });
        let output = tokio::time::timeout(DEADLINE, output).await.unwrap().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains(said), "{arguments}: {text}");
        let accepted = accepted.await.unwrap();
        assert_eq!(accepted.err().map(|error| error.reason()), reason, "{arguments}");
    }
}
