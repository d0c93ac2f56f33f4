//! Active checks: the probe itself, and how many answers make a verdict. Shared by the gateway and lvs-sync.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

/// Whether the address takes a connection within the timeout. A reset after the handshake counts as taken: this check
/// asks whether somebody listens.
pub async fn tcp(address: SocketAddr, timeout: Duration) -> Result<(), String> {
    match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
        Ok(Ok(stream)) if is_self_connect(&stream) => Err("connected to itself: nobody listens there".into()),
        // Closed in order: a reset would spare us the TIME_WAIT and fill the logs of servers that report it.
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {timeout:?}")),
    }
}

/// Linux connects a loopback client to itself when its ephemeral port happens to be the wanted one (TCP simultaneous
/// open, RFC 9293, 3.5).
pub fn is_self_connect(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not yet asked: no traffic.
    Unknown,
    Healthy,
    Unhealthy,
}

/// Counts answers in a row. The first pass of an unknown instance suffices; `rise` is for recovery.
#[derive(Clone, Copy, Debug)]
pub struct Streak {
    verdict: Verdict,
    against: u32,
}

impl Streak {
    pub fn new(verdict: Verdict) -> Streak {
        Streak { verdict, against: 0 }
    }

    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The new verdict, if this answer changes it.
    pub fn answer(&mut self, passed: bool, rise: u32, fall: u32) -> Option<Verdict> {
        let (next, needed) = match (self.verdict, passed) {
            (Verdict::Unknown, true) => (Verdict::Healthy, 1),
            (Verdict::Unhealthy, true) => (Verdict::Healthy, rise),
            (Verdict::Unknown | Verdict::Healthy, false) => (Verdict::Unhealthy, fall),
            (Verdict::Healthy, true) | (Verdict::Unhealthy, false) => {
                self.against = 0;
                return None;
            }
        };
        self.against += 1;
        if self.against < needed {
            return None;
        }
        *self = Streak::new(next);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: Verdict, answers: &str) -> Verdict {
        let mut streak = Streak::new(start);
        for answer in answers.chars() {
            streak.answer(answer == '+', 2, 3);
        }
        streak.verdict()
    }

    #[test]
    fn the_first_pass_suffices_and_recovery_takes_rise() {
        assert_eq!(run(Verdict::Unknown, "+"), Verdict::Healthy);
        assert_eq!(run(Verdict::Unhealthy, "+"), Verdict::Unhealthy);
        assert_eq!(run(Verdict::Unhealthy, "++"), Verdict::Healthy);
        assert_eq!(run(Verdict::Unhealthy, "+-+"), Verdict::Unhealthy);
    }

    #[test]
    fn it_takes_fall_failures_in_a_row() {
        assert_eq!(run(Verdict::Healthy, "--+--"), Verdict::Healthy);
        assert_eq!(run(Verdict::Healthy, "---"), Verdict::Unhealthy);
        assert_eq!(run(Verdict::Unknown, "--"), Verdict::Unknown);
        assert_eq!(run(Verdict::Unknown, "---"), Verdict::Unhealthy);
    }

    #[tokio::test]
    async fn a_socket_that_meets_itself_is_noticed() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        assert!(is_self_connect(&socket.connect(own).await.unwrap()));
    }

    #[tokio::test]
    async fn a_listener_passes_and_a_closed_port_does_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(tcp(address, Duration::from_secs(5)).await, Ok(()));
        drop(listener);
        assert!(tcp(address, Duration::from_secs(5)).await.unwrap_err().contains("refused"));
    }
}
