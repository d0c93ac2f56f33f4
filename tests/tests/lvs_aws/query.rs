//! The Query API, as far as the tests speak it: a form goes in, XML comes out.

use std::net::SocketAddr;

use roundhouse_tests::http::{Connection, Reply};

/// The fields of a request's body, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn of(fields: &[(&str, &str)]) -> Form {
        Form(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub(crate) fn parse(body: &str) -> Form {
        let fields = body.split('&').filter_map(|field| field.split_once('='));
        Form(fields.map(|(name, value)| (decoded(name), decoded(value))).collect())
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// Of `Targets.member.<n>`.
    pub(crate) fn targets(&self) -> Vec<SocketAddr> {
        let target = |n: usize| {
            let field = |name| self.get(&format!("Targets.member.{n}.{name}"));
            Some(SocketAddr::new(field("Id").parse().ok()?, field("Port").parse().ok()?))
        };
        (1..).map_while(target).collect()
    }

    pub(crate) fn with_targets(mut self, targets: &[SocketAddr]) -> Form {
        for (n, target) in (1..).zip(targets) {
            self.0.push((format!("Targets.member.{n}.Id"), target.ip().to_string()));
            self.0.push((format!("Targets.member.{n}.Port"), target.port().to_string()));
        }
        self
    }

    fn text(&self) -> String {
        // What is written here needs no escapes but those of addresses and ARNs, which servers take as they are.
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        decoded.push(char::from(u8::from_str_radix(code, 16).unwrap()));
        decoded += rest;
    }
    decoded
}

/// As nobody in particular: moto reads region and service in it and checks nothing.
pub(crate) fn credential(region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=00"
    )
}

pub(crate) fn send(server: SocketAddr, credential: &str, form: &Form) -> Reply {
    send_body(server, credential, &form.text())
}

pub(crate) fn send_body(server: SocketAddr, credential: &str, body: &str) -> Reply {
    let host = server.to_string();
    let headers = [
        ("host", host.as_str()),
        ("authorization", credential),
        ("content-type", "application/x-www-form-urlencoded"),
        ("connection", "close"),
    ];
    Connection::open(server).unwrap().request_with("POST", "/", &headers, body).unwrap()
}

/// What is in the first element of this name.
pub(crate) fn text<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let rest = xml.split_once(&open)?.1;
    Some(rest.split_once(&close)?.0)
}

/// The Query API's form of an error.
pub(crate) fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )
}
