//! One member of the cluster: its connection, made and logged in when it is needed, and made anew when it failed.
//!
//! A new connection is the one cure for everything: a token that etcd forgot (it keeps them in memory, for 300 s after
//! their last use), a password or certificate that was rotated, a peer that was replaced.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, Error, Identity, TlsOptions};
use roundhouse_config::Access;
use roundhouse_config::access::{Login, Tls};
use tokio::sync::Mutex;

use super::fault::{Fault, reason};
use crate::kv::KvError;

const CONNECT_DEADLINE: Duration = Duration::from_secs(1);
/// Certificates and passwords are far smaller; what is larger is another file by mistake.
const MAX_FILE: u64 = 1 << 20;

/// What members have in common.
pub(super) struct Site {
    /// For messages: the URL as the operator wrote it.
    pub(super) name: String,
    /// With its slash.
    pub(super) prefix: String,
    pub(super) access: Access,
}

pub(super) struct Member {
    site: Arc<Site>,
    /// What is dialled.
    url: String,
    /// Held while the connection is made, so that many calls make one.
    connection: Mutex<Option<Arc<Connection>>>,
}

struct Connection {
    client: Arc<Client>,
    /// A call has been answered, in whatever way.
    proven: AtomicBool,
}

impl Member {
    pub(super) fn new(site: Arc<Site>, url: String) -> Member {
        Member { site, url, connection: Mutex::new(None) }
    }

    /// Its host and port, for messages.
    pub(super) fn host(&self) -> &str {
        self.url.split_once("://").map_or(&self.url, |(_, host)| host)
    }

    /// One call. If this member has forgotten who we are, it is told once more and asked again: it has done nothing.
    pub(super) async fn run<T, C, F>(&self, call: &C) -> Result<T, Fault>
    where
        C: Fn(Arc<Client>) -> F,
        F: Future<Output = Result<T, Fault>>,
    {
        let mut stranger = None;
        loop {
            let connection = self.connection().await?;
            let outcome = call(connection.client.clone()).await;
            let proven = match &outcome {
                Err(Fault::Unreachable(_) | Fault::Lost(_)) => connection.proven.load(Ordering::Relaxed),
                _ => {
                    connection.proven.store(true, Ordering::Relaxed);
                    true
                }
            };
            let fault = match outcome {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            match fault {
                Fault::Stranger(reason) if stranger.is_none() && self.site.access.login.is_some() => {
                    self.forget(&connection).await;
                    stranger = Some(reason);
                }
                // What a watch says; see there.
                Fault::Stranger(reason) if reason.contains("permission denied") => {
                    return Err(self.site.forbidden());
                }
                Fault::Stranger(reason) => return Err(self.site.stranger(&reason)),
                Fault::Forbidden => return Err(self.site.forbidden()),
                Fault::Unreachable(_) => {
                    self.forget(&connection).await;
                    return Err(fault);
                }
                Fault::Lost(reason) => {
                    self.forget(&connection).await;
                    let advice = if proven { "" } else { self.site.advice() };
                    return Err(Fault::Lost(format!("{reason}{advice}")));
                }
                Fault::Unready(_) | Fault::Answer(_) => return Err(fault),
            }
        }
    }

    async fn connection(&self) -> Result<Arc<Connection>, Fault> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        let client = Arc::new(self.connect().await?);
        let connection = Arc::new(Connection { client, proven: AtomicBool::new(false) });
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// The next call makes a new connection; calls and watches on this one go on as long as they can.
    async fn forget(&self, failed: &Arc<Connection>) {
        let mut slot = self.connection.lock().await;
        // Others that failed with it may have come first.
        if slot.as_ref().is_some_and(|connection| Arc::ptr_eq(connection, failed)) {
            *slot = None;
        }
    }

    /// [`Member::forget`] for a connection on which nothing comes back. One that is just being made stays.
    pub(super) fn reset(&self) {
        if let Ok(mut slot) = self.connection.try_lock() {
            *slot = None;
        }
    }

    /// Without a user nothing is dialled before the first call.
    async fn connect(&self) -> Result<Client, Fault> {
        let mut options = ConnectOptions::new()
            .with_connect_timeout(CONNECT_DEADLINE)
            .with_keep_alive(Duration::from_secs(5), Duration::from_secs(3))
            // etcd closes a connection that is pinged while it has no stream (PermitWithoutStream is false there).
            .with_keep_alive_while_idle(false)
            .with_require_leader(true);
        if let Some(tls) = &self.site.access.tls {
            options = options.with_tls(self.site.tls_options(tls)?);
        }
        let Some(login) = &self.site.access.login else { return self.dial(options).await };
        let with_user = options.clone().with_user(&login.user, self.site.password(login)?);
        match self.dial(with_user).await {
            // Users are switched off, or not switched on yet: everybody may come in, so we do.
            Err(Fault::Lost(reason)) if reason.contains("authentication is not enabled") => {
                self.dial(options).await
            }
            Err(Fault::Answer(KvError::Invalid(reason))) if reason.contains("authentication failed") => {
                let Login { user, password_file } = login;
                let file = password_file.display();
                let reason =
                    format!("user `{user}` or the password in {file} is wrong; correct `user` or the file");
                Err(self.site.denied(reason))
            }
            dialled => dialled,
        }
    }

    async fn dial(&self, options: ConnectOptions) -> Result<Client, Fault> {
        match Client::connect([&self.url], Some(options)).await {
            Ok(client) => Ok(client),
            // Nothing was dialled: the files that were read are not what they should be.
            Err(Error::TransportError(error)) => {
                let reason = reason("they do not make a connection", Some(&error));
                Err(self.site.denied(format!("its `ca`, `cert` or `key` cannot be used: {reason}")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Site {
    fn tls_options(&self, tls: &Tls) -> Result<TlsOptions, Fault> {
        let ca = self.read("ca", &tls.ca)?;
        let mut options =
            TlsOptions::new().ca_certificate(Certificate::from_pem(ca)).timeout(CONNECT_DEADLINE);
        if let Some(identity) = &tls.identity {
            let (cert, key) = (self.read("cert", &identity.cert)?, self.read("key", &identity.key)?);
            options = options.identity(Identity::from_pem(cert, key));
        }
        Ok(options)
    }

    fn password(&self, login: &Login) -> Result<String, Fault> {
        let bytes = self.read("password_file", &login.password_file)?;
        let text = String::from_utf8(bytes).map_err(|_| {
            let file = login.password_file.display();
            self.denied(format!("password_file {file} is not UTF-8 text; write the password alone"))
        })?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn read(&self, key: &str, path: &Path) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let read = fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(bytes),
            Err(error) => Err(self.denied(format!("{key} {} cannot be read: {error}", path.display()))),
        }
    }

    fn stranger(&self, reason: &str) -> Fault {
        self.denied(match &self.access.login {
            Some(Login { user, .. }) => {
                format!("user `{user}` logged in and is not known all the same: {reason}")
            }
            None => format!("it asks for a user ({reason}); write `user` and `password_file`"),
        })
    }

    fn forbidden(&self) -> Fault {
        let user = match &self.access.login {
            Some(Login { user, .. }) => user.as_str(),
            // The common name of a client certificate is a user too.
            None => "USER",
        };
        self.denied(format!(
            "user `{user}` may not do this under `{}`; grant it a role of docs/etcd.md: \
             `etcdctl user grant-role {user} roundhouse-hub` for a gateway, `roundhouse-registrar` for job-init, \
             `roundhouse-reader` for who only follows",
            self.prefix
        ))
    }

    /// On a connection that ended before its first answer. In TLS 1.3 a server refuses a client's certificate after the
    /// handshake, and the transport drops what it said.
    fn advice(&self) -> &'static str {
        match &self.access.tls {
            Some(Tls { identity: None, .. }) => {
                "; if it asks for a client certificate (--client-cert-auth), write `cert` and `key`"
            }
            Some(Tls { identity: Some(_), .. }) => {
                "; does it trust the signer of the certificate in `cert` (--trusted-ca-file)?"
            }
            None => "; if it speaks TLS, write `etcds://` and `ca`",
        }
    }

    fn denied(&self, reason: String) -> Fault {
        Fault::Answer(KvError::Denied { store: self.name.clone(), reason })
    }
}
