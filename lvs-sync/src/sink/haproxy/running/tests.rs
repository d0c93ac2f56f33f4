use super::*;

/// Captured from Debian's 2.6.12, of one proxy with names of ours that fits and one that does not.
const V2_6: &str = include_str!("../testdata/2.6.txt");
/// Written after the manual of 3.x: more columns, titles in another order, a proxy of somebody else.
const V3: &str = include_str!("../testdata/3.x.txt");

fn server(name: &str, id: u32, weight: u32, check: Check) -> Server {
    Server { name: name.into(), id, weight, rests: false, check, sessions: 0 }
}

fn of(running: &Running, key: &str) -> Backend {
    running.backends[&key.parse::<ServiceKey>().unwrap()].clone()
}

fn servers(backend: &Backend) -> Vec<(String, Server)> {
    backend.servers.iter().map(|(address, server)| (address.to_string(), server.clone())).collect()
}

#[test]
fn what_2_6_says() {
    let running = read(V2_6).unwrap();
    assert_eq!((running.process.as_str(), running.waits), ("26167", false));
    assert_eq!(running.backends.len(), 2, "a backend `rh-tcp-empty` is of no VIP");

    let plain = of(&running, "tcp/127.0.0.77:18080");
    assert_eq!((plain.algorithm.as_str(), plain.header), ("roundrobin", None));
    let rests = |server: Server| Server { rests: true, ..server };
    let want = [
        ("127.0.0.1:19001", server("127.0.0.1_19001", 1, 3, Check::On)),
        ("127.0.0.1:19002", server("127.0.0.1_19002", 2, 0, Check::On)),
        ("127.0.0.1:19009", rests(server("127.0.0.1_19009", 3, 9, Check::On))),
        ("127.0.0.1:19010", rests(server("127.0.0.1_19010", 4, 9, Check::Off))),
    ];
    assert_eq!(servers(&plain), want.map(|(address, server)| (address.to_owned(), server)));
    // Drained by hand; added and not enabled yet.
    assert_eq!(plain.servers.values().map(Server::takes).collect::<Vec<_>>(), [3, 0, 0, 0]);

    let hashed = of(&running, "tcp/[::1]:18081");
    assert_eq!((hashed.algorithm.as_str(), hashed.header), ("source", ProxyHeader::of(2)));
    let want = Server { sessions: 2, ..server("::1_19003", 77_777, 256, Check::None) };
    assert_eq!(servers(&hashed), [("[::1]:19003".to_owned(), want)]);
}

#[test]
fn what_3_says() {
    let running = read(V3).unwrap();
    assert!(running.waits);
    assert_eq!(running.backends.len(), 2);
    let backend = of(&running, "tcp/203.0.113.10:80");
    assert_eq!((backend.algorithm.as_str(), backend.header), ("leastconn", None));
    let want = Server { sessions: 7, ..server("10.0.0.1_80", 1, 100, Check::On) };
    assert_eq!(servers(&backend), [("10.0.0.1:80".to_owned(), want)]);
    let empty = of(&running, "tcp/203.0.113.10:443");
    assert_eq!((empty.algorithm.as_str(), empty.shape(), empty.servers.len()), ("random", None, 0));
}

#[test]
fn an_older_one_is_refused_and_what_is_none_is_strange() {
    let old = V2_6.replace("Version: 2.6.12", "Version: 2.4.22");
    assert!(matches!(read(&old), Err(SinkError::Refused(text)) if text.contains("2.4.22")));
    let dev = V2_6.replace("Version: 2.6.12-1+deb12u4", "Version: 3.1-dev3");
    assert!(read(&dev).unwrap().waits);

    let strange = |answer: &str, command: &str| {
        let error = read(answer).unwrap_err();
        assert!(matches!(&error, SinkError::Strange(text) if text.contains(command)), "{error}");
    };
    strange("Unknown command.\n\n", "`show info`");
    strange(&V2_6.replace("\n1\n#", "\n2\n#"), "`show servers state`");
    strange(&V2_6.replace(" srv_uweight ", " srv_vweight "), "`show servers state`");
    strange(&V2_6.replace(",algo,", ",logo,"), "`show stat`");
    // Cut off in the middle, wherever.
    for end in 0..V2_6.len() {
        assert!(matches!(read(&V2_6[..end]), Err(SinkError::Strange(_))), "{}", &V2_6[..end]);
    }
}
