//! The schema registry within a node: `schema.registry.listeners` in the node's own configuration starts one in its process, which speaks to
//! the cluster by the node's listener as any client does. Owns which keys are its, and its thread; the node knows nothing of it but
//! that it ends first.

use crate::args::ConnectArgs;
use crate::connect::Cluster;
use crate::failure::Failure;
use crate::schema_registry::{failed, set};
use ::server::main_loop::Running;
use ::server::properties::Properties;
use ::server::settings::Settings;
use client::ClientOptions;
use registry::{Doors, Options};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;

/// Every key of the registry in a node's configuration begins so; what follows is Confluent's key.
pub const PREFIX: &str = "schema.registry.";

/// The one key that Confluent spells with the prefix itself.
const GROUP_ID: &str = "schema.registry.group.id";

/// Between two tries to start beside a cluster that does not do yet what it is asked; doubled up to the second one.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What the configuration asks for.
pub struct Plan {
    options: Options,
    connection: ConnectArgs,
}

/// A registry whose addresses are taken.
pub struct Opened {
    options: Options,
    client: ClientOptions,
    /// The node's listener by which it speaks; `None` where the configuration names brokers.
    listener: Option<String>,
    doors: Doors,
}

/// Takes the registry's keys out of a node's configuration. `None`: none is asked for.
pub fn take(all: &mut Properties) -> Result<Option<Plan>, Failure> {
    let keys: Vec<String> = all.0.keys().filter(|key| key.starts_with(PREFIX)).cloned().collect();
    let (mut options, mut connection) = (Options::default(), nobody());
    let listeners = all.get("schema.registry.listeners").map(|value| value.trim().to_owned());
    // Who may everything in the node may everything in its registry, unless its own key says otherwise.
    set(&mut options, &mut connection, "super.users", all.get("super.users").unwrap_or_default())?;
    for key in &keys {
        let value = all.0.remove(key).unwrap_or_default();
        let inner = if key == GROUP_ID { key } else { &key[PREFIX.len()..] };
        if listeners.as_deref() == Some("") {
            continue;
        }
        set(&mut options, &mut connection, inner, &value)?;
    }
    match (keys.first(), listeners.as_deref()) {
        (Some(first), None) => Err(Failure::usage(
            "the configuration cannot be used",
            format!("{first} is set, and no schema registry: {PREFIX}listeners is missing"),
        )
        .try_this(format!("{PREFIX}listeners=http://127.0.0.1:8081"))),
        (None, _) | (Some(_), Some("")) => Ok(None),
        (Some(_), Some(_)) => Ok(Some(Plan { options, connection })),
    }
}

fn nobody() -> ConnectArgs {
    ConnectArgs { bootstrap_server: None, properties: Vec::new(), command_config: None, timeout: None }
}

impl Plan {
    /// Takes its addresses, and finds the listener of the node by which it will speak: before the node is touched.
    pub fn open(mut self, settings: &Settings) -> Result<Opened, Failure> {
        let named = self.connection.bootstrap_server.is_some();
        // The port of the node's listener may not be known yet.
        self.connection.bootstrap_server.get_or_insert_with(|| "localhost:9092".to_owned());
        let client = Cluster::new(&self.connection)?.client_options()?;
        let listener = if named { None } else { Some(own_listener(settings, &client)?) };
        let doors = Doors::bind(&self.options).map_err(failed)?;
        Ok(Opened { options: self.options, client, listener, doors })
    }
}

/// The first listener for clients of the protocol that the registry speaks.
fn own_listener(settings: &Settings, client: &ClientOptions) -> Result<String, Failure> {
    let protocol = match (client.security.sasl, client.security.ssl) {
        (false, false) => "PLAINTEXT",
        (false, true) => "SSL",
        (true, false) => "SASL_PLAINTEXT",
        (true, true) => "SASL_SSL",
    };
    let fits = |name: &str| {
        !settings.is_controller_listener(name) && settings.protocol_of(name).eq_ignore_ascii_case(protocol)
    };
    let found = settings.listeners.iter().find(|listener| fits(&listener.name));
    found.map(|listener| listener.name.clone()).ok_or_else(|| {
        Failure::usage(
            "the schema registry cannot speak to this node",
            format!("it would speak {protocol}, and no listener for clients does"),
        )
        .try_this(format!("{PREFIX}kafkastore.security.protocol, or {PREFIX}kafkastore.bootstrap.servers"))
    })
}

impl Opened {
    /// Starts it on a thread of its own, to be ended before the node.
    pub fn start(mut self, running: &mut Running) -> Result<(), Failure> {
        let own = self.listener.as_deref().and_then(|listener| running.bound(listener));
        if let Some(bound) = own {
            self.client.bootstrap = vec![reachable(bound).to_string()];
        }
        let cannot = |error| Failure::new("cannot start the schema registry", error);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new()
            .name("schema-registry".to_owned())
            .spawn(move || runtime.block_on(self.live(stopped)))
            .map_err(cannot)?;
        running.accompany(Box::new(move || {
            stop.send_replace(true);
            // Its panic has been told.
            let _ended = thread.join();
        }));
        Ok(())
    }

    /// Until it is stopped. A cluster that does not do yet what it is asked is asked again; the node lives without it.
    async fn live(self, mut stop: watch::Receiver<bool>) {
        let mut pause = PAUSE;
        loop {
            let started = tokio::select! {
                started = registry::start(self.client.clone(), self.options.clone(), &self.doors) => started,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match started {
                Ok(running) => {
                    tracing::info!("the schema registry is ready: {}", running.urls());
                    let _asked = stop.wait_for(|stop| *stop).await;
                    running.stop().await;
                    return;
                }
                Err(fault) => tracing::warn!(
                    "the schema registry does not start: {}: {}; try {}; next try in {} s",
                    fault.what,
                    fault.why,
                    fault.hint,
                    pause.as_secs()
                ),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}

/// Every address of the machine is no address to connect to.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let host = match bound.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, bound.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pairs: &[(&str, &str)]) -> Result<(Option<Vec<String>>, usize), String> {
        let mut all = Properties::default();
        pairs.iter().for_each(|(key, value)| all.set(*key, *value));
        let plan = take(&mut all).map_err(|why| format!("{why:?}"))?;
        let places = |plan: Plan| plan.options.listeners.into_iter().map(|address| address.place).collect();
        Ok((plan.map(places), all.0.len()))
    }

    #[test]
    fn the_registrys_keys_are_taken_out_of_the_nodes() {
        assert_eq!(taken(&[("node.id", "1")]), Ok((None, 1)));
        assert_eq!(taken(&[("schema.registry.listeners", "")]), Ok((None, 0)));
        let asked = [("node.id", "1"), ("schema.registry.listeners", "http://127.0.0.1:8081")];
        assert_eq!(taken(&asked), Ok((Some(vec!["127.0.0.1:8081".to_owned()]), 1)));
        assert_eq!(
            taken(&[("schema.registry.listeners", "http://:1"), (GROUP_ID, "g")]).map(|all| all.1),
            Ok(0)
        );
        for wrong in [
            &[("schema.registry.listeners", "ftp://x:1")][..],
            &[("schema.registry.kafkastore.topic", "t")],
            &[("schema.registry.listeners", "http://:1"), ("schema.registry.leader.eligibility", "x")],
        ] {
            assert!(taken(wrong).is_err(), "{wrong:?}");
        }
    }
}
