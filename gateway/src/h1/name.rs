//! The few field names that a proxy has to know.

/// Longer than any of them.
const LONGEST: usize = 32;

macro_rules! names {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// A field's name, if it is one that decides something here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Name {
            $($variant,)+
            /// One that decides something for whoever takes `_` for `-`, as CGI does (RFC 3875, 4.1.18): nobody means it well.
            Disguised,
            /// Another of `X-Forwarded-*`: what somebody reads it for is nothing that a client may say.
            ForwardedOther,
            Other,
        }

        impl Name {
            /// Names are compared without case (RFC 9110, 5.1).
            pub(crate) fn of(name: &[u8]) -> Name {
                let mut lower = [0; LONGEST];
                let Some(lower) = lower.get_mut(..name.len()) else { return Name::Other };
                for (to, from) in lower.iter_mut().zip(name) {
                    // Among the bytes that a name may have, this changes capitals alone into another such byte.
                    *to = from | 0x20;
                }
                match Name::spelled(lower) {
                    Name::Other => Name::disguised(lower),
                    name => name,
                }
            }

            fn spelled(lower: &[u8]) -> Name {
                match lower {
                    $($text => Name::$variant,)+
                    name if name.starts_with(b"x-forwarded-") => Name::ForwardedOther,
                    _ => Name::Other,
                }
            }

            #[cfg(test)]
            pub(crate) const ALL: &[(&'static [u8], Name)] = &[$(($text, Name::$variant)),+];
        }
    };
}

names! {
    AcceptEncoding = b"accept-encoding",
    Connection = b"connection",
    ContentEncoding = b"content-encoding",
    ContentLength = b"content-length",
    ContentType = b"content-type",
    Cookie = b"cookie",
    Expect = b"expect",
    Forwarded = b"forwarded",
    ForwardedFor = b"x-forwarded-for",
    ForwardedHost = b"x-forwarded-host",
    ForwardedProto = b"x-forwarded-proto",
    GrpcTimeout = b"grpc-timeout",
    Host = b"host",
    Http2Settings = b"http2-settings",
    Jobname = b"x-jobname",
    JobnameProof = b"x-jobname-proof",
    KeepAlive = b"keep-alive",
    ProxyAuthenticate = b"proxy-authenticate",
    ProxyAuthorization = b"proxy-authorization",
    ProxyConnection = b"proxy-connection",
    RealIp = b"x-real-ip",
    Te = b"te",
    TraceParent = b"traceparent",
    TraceState = b"tracestate",
    Trailer = b"trailer",
    TransferEncoding = b"transfer-encoding",
    Upgrade = b"upgrade",
    WebSocketAccept = b"sec-websocket-accept",
    WebSocketKey = b"sec-websocket-key",
}

impl Name {
    /// One of its own: there are fewer than 64 names.
    pub(super) fn bit(self) -> u64 {
        1 << self as u8
    }

    fn disguised(lower: &mut [u8]) -> Name {
        // What `_` has become.
        const FOLDED: u8 = b'_' | 0x20;
        if !lower.contains(&FOLDED) {
            return Name::Other;
        }
        lower.iter_mut().filter(|byte| **byte == FOLDED).for_each(|byte| *byte = b'-');
        match Name::spelled(lower) {
            name if name.is_hop_by_hop() || name.is_provenance() => Name::Disguised,
            Name::ContentLength | Name::Host => Name::Disguised,
            _ => Name::Other,
        }
    }

    /// What a field of this name says is for the next hop alone (RFC 9110, 7.6.1), or is written anew for it.
    pub(crate) fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Name::Connection
                | Name::KeepAlive
                | Name::ProxyConnection
                | Name::ProxyAuthenticate
                | Name::ProxyAuthorization
                | Name::Te
                | Name::Trailer
                | Name::TransferEncoding
                | Name::Upgrade
                | Name::Http2Settings
                | Name::Disguised
        )
    }

    /// What a client says of where it comes from; the gateway says it itself.
    pub(crate) fn is_provenance(self) -> bool {
        matches!(
            self,
            Name::Forwarded
                | Name::ForwardedFor
                | Name::ForwardedHost
                | Name::ForwardedOther
                | Name::ForwardedProto
                | Name::RealIp
                | Name::Jobname
                | Name::JobnameProof
        )
    }

    /// Whether `Connection` may nominate it for removal. What the gateway adds or checks it may not: a client could take
    /// away what tells the instance who it is.
    pub(crate) fn may_be_nominated(self) -> bool {
        let ours = matches!(self, Name::Host | Name::ContentLength | Name::TraceParent | Name::Cookie);
        !ours && !self.is_provenance()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_in_any_case_and_nothing_else_is() {
        for (text, name) in Name::ALL {
            assert!(text.len() <= LONGEST && (*name as u8) < 64);
            assert_eq!(Name::of(text), *name);
            assert_eq!(Name::of(&text.to_ascii_uppercase()), *name);
            assert_eq!(Name::of(&text[1..]), Name::Other);
        }
        for name in
            ["X_Forwarded_For", "transfer_encoding", "content_length", "x_forwarded_anything", "host_"]
        {
            let expected = if name == "host_" { Name::Other } else { Name::Disguised };
            assert_eq!(Name::of(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(Name::of(b"x_mine"), Name::Other);
        assert_eq!(Name::of(b""), Name::Other);
        assert_eq!(Name::of(&[b'a'; 100]), Name::Other);
    }

    /// Every byte of a token (RFC 9110, 5.6.2) that is no capital stays apart from every other.
    #[test]
    fn folding_makes_no_two_tokens_one() {
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let mut seen = std::collections::HashMap::new();
        for byte in (0..=127).filter(token) {
            if let Some(other) = seen.insert(byte | 0x20, byte) {
                let both = [byte, other];
                let known = Name::ALL.iter().any(|(name, _)| name.contains(&(byte | 0x20)));
                assert!(both[0].eq_ignore_ascii_case(&both[1]) || !known, "{both:?}");
            }
        }
    }
}
