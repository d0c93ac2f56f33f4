//! The registrar: whatever happens to etcd, to the lease or to the key, the instance is registered again, by itself.
//!
//! ```text
//! keeping   it registers, keeps alive and leaves; what somebody else takes away comes back
//! pool      the pool that it wants to be in
//! away      etcd is not there yet, goes, comes back, forgets, is somebody else
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod away;
mod keeping;
mod pool;

use std::time::Duration;

use roundhouse_config::RegistrySettings;
use roundhouse_registry::kv::Kv;
use roundhouse_registry::record::{Key, decode};
use roundhouse_registry::registrar::Progress;
use roundhouse_registry::{Instance, KvError, Registrar, Registration, State};
use roundhouse_tests::{eventually_async, seen};

const PREFIX: &str = "/roundhouse/v1";
const TTL: Duration = Duration::from_secs(2);
/// The registrar's own back-off goes up to 5 s, and a call to etcd up to 2.5 s.
const RECOVERY: Duration = Duration::from_secs(15);

fn start(url: &str, registration: &Registration) -> Registrar {
    let registry =
        RegistrySettings { url: url.parse().unwrap(), prefix: PREFIX.into(), ..RegistrySettings::default() };
    Registrar::start(&registry, registration.clone(), State::Up).unwrap()
}

async fn progress(registrar: &Registrar, wanted: impl Fn(&Progress) -> bool) -> Progress {
    let look = async || seen(registrar.progress().borrow().clone(), &wanted);
    eventually_async(RECOVERY, "the registrar's progress", look).await
}

async fn registered(registrar: &Registrar) {
    progress(registrar, |progress| *progress == Progress::Registered).await;
}

fn instance_key(registration: &Registration) -> String {
    Key::Instance(registration.job.clone(), registration.id).to_string()
}

/// Everything but the job: the instance and its address.
async fn leased_keys(kv: &dyn Kv) -> Result<Vec<String>, KvError> {
    let entries = kv.range("").await?;
    Ok(entries.into_iter().filter(|entry| entry.lease.is_some()).map(|entry| entry.key).collect())
}

/// Waits until exactly this instance and its address are there, and in this state.
async fn is_there(kv: &dyn Kv, want: &Registration, state: State) {
    let address = Key::address(want.address, want.ports[0].port).to_string();
    let look = async || -> Result<(), String> {
        let keys = leased_keys(kv).await.map_err(|error| error.to_string())?;
        if keys != [address.clone(), instance_key(want)] {
            return Err(format!("{keys:?}"));
        }
        let entry = kv.get(&instance_key(want)).await.map_err(|error| error.to_string())?.ok_or("gone")?;
        let instance: Instance = decode(&entry.value).map_err(|error| error.to_string())?;
        if instance.state == state { Ok(()) } else { Err(instance.state.to_string()) }
    };
    eventually_async(RECOVERY, "the instance is there", look).await;
}
