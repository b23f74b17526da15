//! A checked configuration: what the process needs to know of its file before anything is opened.
//!
//! Owns the rules that span several keys (roles, listeners, quorum, directories), as KafkaConfig checks them and
//! mostly in its sentences. Single keys are the business of `broker::config`. Never touches a disk or a socket.

mod addresses;
mod embedded;
mod metrics;
mod openness;

pub use metrics::MetricsSettings;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use broker::ConnectionCaps;
use broker::config::{BrokerFile, BrokerLayers, Values, Warning, check_together, list};
use broker::loggers::Loggers;
use broker::{QuorumVoter, Roles};

use crate::guard::Patience;
use crate::listeners::{self, Endpoint, ProtocolMap};
use crate::properties::Properties;

/// Everything read from the configuration, checked against each other.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The checked file; keys of the node are read from it by the node.
    pub file: BrokerFile,
    /// `process.roles`
    pub roles: Roles,
    /// `node.id`
    pub node_id: i32,
    /// What each listener speaks, here and elsewhere.
    pub protocols: ProtocolMap,
    /// What to bind, controller listeners included.
    pub listeners: Vec<Endpoint>,
    /// What clients are told.
    pub advertised: Vec<Endpoint>,
    /// What controllers and brokers are told about our controller role.
    pub controller_advertised: Vec<Endpoint>,
    /// `controller.listener.names`
    pub controller_names: Vec<String>,
    /// `inter.broker.listener.name`, resolved.
    pub inter_broker_name: String,
    /// `controller.quorum.voters`
    pub voters: Vec<QuorumVoter>,
    /// `controller.quorum.bootstrap.servers`
    pub bootstrap_servers: Vec<(String, u16)>,
    /// `log.dirs`, or `log.dir`.
    pub directories: Vec<PathBuf>,
    /// `metadata.log.dir`, or the first of the above.
    pub metadata_directory: PathBuf,
    /// Limits of the sockets.
    pub sockets: SocketSettings,
    /// What is told to those who watch.
    pub metrics: MetricsSettings,
    /// The process's loggers; whoever writes its lines puts in those that obey.
    pub loggers: Arc<Loggers>,
}

/// Limits of the sockets.
#[derive(Debug, Clone)]
pub struct SocketSettings {
    /// `socket.request.max.bytes`
    pub request_max_bytes: usize,
    /// `queued.max.request.bytes`; `None`: a share of the machine's memory.
    pub queued_max_bytes: Option<usize>,
    /// Idle and slow connections.
    pub patience: Patience,
}

/// Why a configuration is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// One sentence; Kafka's, where Kafka refuses, too.
    pub why: String,
    /// What to try, where it is not plain from the sentence.
    pub hint: Option<&'static str>,
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self { why, hint: None }
    }
}

/// For what would be served without the protection that the configuration asks for.
const UNPROTECTED: &str =
    "take it out only if nobody needs what it promises; docs/configuration.md says what is served";

impl Settings {
    /// Checks everything.
    pub fn new(properties: Properties) -> Result<(Self, Vec<Warning>), Refused> {
        Self::read(properties, true)
    }

    /// A node on embedded defaults, changed by `overrides`. It talks to its own controller without a socket, so it needs no
    /// controller listener.
    pub fn embedded(
        listen: &str,
        data_dir: &str,
        overrides: Properties,
    ) -> Result<(Self, Vec<Warning>), Refused> {
        let mut properties = Properties::default();
        embedded::EMBEDDED.iter().for_each(|(key, value)| properties.set(*key, *value));
        properties.set("listeners", format!("PLAINTEXT://{listen}"));
        // `log.dirs` goes before it, and would hide it.
        if overrides.get("log.dir").is_none() {
            properties.set("log.dirs", data_dir);
        }
        let keys = embedded::EMBEDDED.iter().map(|(key, _)| *key);
        let ours: Vec<&str> = keys.filter(|key| overrides.get(key).is_none()).collect();
        properties.extend(overrides);
        let (settings, mut warnings) = Self::read(properties, false)?;
        // Nobody configured what only these defaults say.
        warnings
            .retain(|one| !matches!(one, Warning::WithoutEffect { name } if ours.contains(&name.as_str())));
        Ok((settings, warnings))
    }

    fn read(properties: Properties, controller_listener: bool) -> Result<(Self, Vec<Warning>), Refused> {
        let mut values = properties.0;
        require(&values)?;
        // `broker.id` is the old name.
        if let Some(id) = values.get("broker.id").cloned() {
            values.entry("node.id".to_owned()).or_insert(id);
        } else if let Some(id) = values.get("node.id").cloned() {
            values.insert("broker.id".to_owned(), id);
        }
        let (file, warnings) = BrokerFile::new(values)?;
        check_together(&file)?;
        let roles = roles(&file)?;
        let node_id = node_id(&file)?;
        let controller_names: Vec<String> =
            file.list("controller.listener.names").iter().map(|n| (*n).to_owned()).collect();
        let names: Vec<&str> = controller_names.iter().map(String::as_str).collect();
        let explicit_map = file.values().get("listener.security.protocol.map").map(String::as_str);
        let protocols = listeners::protocol_map(explicit_map, &names, &file.list("listeners"))?;
        let bound = listeners::parse(&file.list("listeners"), &protocols, true)?;
        let told = match file.text("advertised.listeners") {
            Some(text) => listeners::parse(&list(text), &protocols, false)?,
            None => bound.clone(),
        };
        let is_controller = |e: &Endpoint| names.contains(&e.name.as_str());
        let voters = listeners::parse_voters(&file.list("controller.quorum.voters"))?;
        let controller_advertised = controller_advertised(&names, &told, &bound, &voters, node_id);
        let directories = directories(&file);
        broker::check_cordoned(file.values(), file.text("cordoned.log.dirs").unwrap_or_default())?;
        let settings = Self {
            roles,
            node_id,
            advertised: told.into_iter().filter(|e| !is_controller(e)).collect(),
            controller_advertised,
            inter_broker_name: inter_broker_name(&file, &protocols)?,
            voters,
            bootstrap_servers: listeners::parse_bootstrap(&file.list("controller.quorum.bootstrap.servers"))?,
            metadata_directory: file
                .text("metadata.log.dir")
                .map(PathBuf::from)
                .or_else(|| directories.first().cloned())
                .ok_or_else(|| {
                    "At least one log directory must be defined via log.dirs or log.dir.".to_owned()
                })?,
            directories,
            sockets: sockets(&file)?,
            metrics: MetricsSettings::of(&file)?,
            loggers: Arc::new(Loggers::silent()),
            listeners: bound,
            controller_names,
            file,
            protocols: protocols.clone(),
        };
        settings.check_quorum()?;
        settings.check_listeners(&protocols, controller_listener)?;
        settings.check_advertised()?;
        settings.check_promises()?;
        settings.check_strict()?;
        Ok((settings, warnings))
    }

    fn check_quorum(&self) -> Result<(), String> {
        if self.voters.is_empty() && self.bootstrap_servers.is_empty() {
            return Err("If using process.roles, either controller.quorum.bootstrap.servers must contain the set of \
                        bootstrap controllers or controller.quorum.voters must contain a parseable set of controllers."
                .to_owned());
        }
        let id = self.node_id;
        let votes = self.voters.iter().any(|v| v.id == id);
        let ids: Vec<String> = self.voters.iter().map(|v| v.id.to_string()).collect();
        let ids = ids.join(", ");
        if self.roles.controller && !votes && !self.voters.is_empty() {
            return Err(format!(
                "If process.roles contains the 'controller' role, the node id {id} must be included in the set of \
                 voters controller.quorum.voters=Set({ids})"
            ));
        }
        if !self.roles.controller && votes {
            return Err(format!(
                "If process.roles contains just the 'broker' role, the node id {id} must not be included in the set \
                 of voters controller.quorum.voters=Set({ids})"
            ));
        }
        Ok(())
    }

    fn check_listeners(&self, protocols: &ProtocolMap, controller_listener: bool) -> Result<(), String> {
        let bound: BTreeSet<&str> = self.listeners.iter().map(|e| e.name.as_str()).collect();
        let told: BTreeSet<&str> = self.advertised.iter().map(|e| e.name.as_str()).collect();
        let controllers_bound = self.controller_names.iter().filter(|n| bound.contains(n.as_str())).count();
        if self.roles.controller {
            if controller_listener {
                self.check_controller_listeners(controllers_bound)?;
            }
        } else {
            if controllers_bound > 0 {
                return Err(
                    "controller.listener.names must not contain a value appearing in the 'listeners' \
                            configuration when running KRaft with just the broker role"
                        .to_owned(),
                );
            }
            if let Some(name) = self.controller_names.iter().find(|n| !protocols.contains_key(*n)) {
                return Err(format!(
                    "Controller listener with name {name} defined in controller.listener.names not found in \
                     listener.security.protocol.map  (an explicit security mapping for each controller listener is \
                     required if listener.security.protocol.map is non-empty, or if there are security protocols \
                     other than PLAINTEXT in use)"
                ));
            }
        }
        if self.roles.broker {
            if told.is_empty() {
                return Err(
                    "There must be at least one broker advertised listener. Perhaps all listeners appear in \
                            controller.listener.names?"
                        .to_owned(),
                );
            }
            let told_names: Vec<&str> = self.advertised.iter().map(|e| e.name.as_str()).collect();
            if !told.contains(self.inter_broker_name.as_str()) {
                return Err(format!(
                    "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid \
                     options based on currently configured listeners are {}",
                    told_names.join(",")
                ));
            }
            if !told.is_subset(&bound) {
                let bound_names: Vec<&str> = self.listeners.iter().map(|e| e.name.as_str()).collect();
                return Err(format!(
                    "advertised.listeners listener names must be equal to or a subset of the ones defined in \
                     listeners. Found {}. The valid options based on the current configuration are {}",
                    told_names.join(","),
                    bound_names.join(",")
                ));
            }
        }
        Ok(())
    }

    fn check_advertised(&self) -> Result<(), Refused> {
        let everywhere = |e: &Endpoint| e.host.as_deref() == Some("0.0.0.0");
        if self.advertised.iter().chain(&self.controller_advertised).any(everywhere) {
            return Err(Refused {
                why:
                    "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP \
                      address."
                        .to_owned(),
                hint: Some(
                    "--set advertised.listeners=PLAINTEXT://HOST:PORT, as clients reach this machine; or \
                     listeners=PLAINTEXT://:PORT, which is every address, too",
                ),
            });
        }
        Ok(())
    }

    fn check_controller_listeners(&self, bound: usize) -> Result<(), String> {
        if bound == 0 {
            return Err(
                "controller.listener.names must contain at least one value appearing in the 'listeners' \
                        configuration when running the KRaft controller role"
                    .to_owned(),
            );
        }
        if bound < self.controller_names.len() {
            return Err("controller.listener.names must only contain values appearing in the 'listeners' \
                        configuration when running the KRaft controller role"
                .to_owned());
        }
        if !self.roles.broker && bound != self.listeners.len() {
            return Err("The listeners config must only contain KRaft controller listeners from \
                        controller.listener.names when process.roles=controller"
                .to_owned());
        }
        Ok(())
    }

    /// Fails closed: what is configured to protect somebody is in force, or the node does not start.
    fn check_promises(&self) -> Result<(), Refused> {
        let broken = self.file.refusals();
        if broken.is_empty() {
            return Ok(());
        }
        Err(Refused { why: broken.join("; "), hint: Some(UNPROTECTED) })
    }

    /// What a listener speaks.
    pub fn protocol_of(&self, name: &str) -> &str {
        self.protocols.get(name).map_or("PLAINTEXT", String::as_str)
    }

    /// Whether a listener is one of the controller role.
    pub fn is_controller_listener(&self, name: &str) -> bool {
        self.controller_names.iter().any(|n| n == name)
    }

    /// One node that is the whole cluster: it may format its own empty directories.
    pub fn is_single_node(&self) -> bool {
        let alone = match (self.voters.as_slice(), self.bootstrap_servers.as_slice()) {
            // One server that is another node: this one is to join its cluster, and must not begin another.
            ([], [(host, port)]) => self.is_own_controller(host, *port),
            ([only], _) => only.id == self.node_id,
            _ => false,
        };
        self.roles.broker && self.roles.controller && alone
    }
}

fn require(values: &BTreeMap<String, String>) -> Result<(), String> {
    let missing =
        |name: &str| Err(format!("Missing required configuration \"{name}\" which has no default value."));
    for name in ["process.roles", "controller.listener.names"] {
        if !values.contains_key(name) {
            return missing(name);
        }
    }
    if !values.contains_key("node.id") && !values.contains_key("broker.id") {
        return missing("node.id");
    }
    Ok(())
}

fn roles(file: &BrokerFile) -> Result<Roles, String> {
    let named = file.list("process.roles");
    if let Some(other) = named.iter().find(|role| !matches!(**role, "broker" | "controller")) {
        return Err(format!(
            "Invalid value {other} for configuration process.roles: String must be one of: broker, controller"
        ));
    }
    let roles = Roles { broker: named.contains(&"broker"), controller: named.contains(&"controller") };
    if !roles.broker && !roles.controller {
        return Err(
            "Configuration 'process.roles' must not be empty. Valid values include: broker, controller"
                .into(),
        );
    }
    Ok(roles)
}

fn node_id(file: &BrokerFile) -> Result<i32, String> {
    let id = file.optional_number("node.id").unwrap_or(-1);
    if file.values().contains_key("broker.id") && file.optional_number("broker.id") != Some(id) {
        return Err(
            "`node.id` and `broker.id` must be set to the same value. `broker.id` is deprecated, please use \
                    `node.id` instead."
                .to_owned(),
        );
    }
    i32::try_from(id)
        .ok()
        .filter(|id| *id >= 0)
        .ok_or_else(|| format!("Invalid value {id} for configuration node.id: Value must be at least 0"))
}

/// The advertised endpoint of each controller listener, else the voter set's, else the bound one.
fn controller_advertised(
    names: &[&str],
    told: &[Endpoint],
    bound: &[Endpoint],
    voters: &[QuorumVoter],
    node_id: i32,
) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let by_name = |all: &[Endpoint]| all.iter().find(|e| e.name == **name).cloned();
        let Some(own) = by_name(bound) else { continue };
        let mut endpoint = by_name(told).unwrap_or_else(|| own.clone());
        let me = voters.iter().find(|v| v.id == node_id).filter(|_| index == 0 && endpoint == own);
        if let Some(voter) = me {
            endpoint.host = Some(voter.host.clone());
            endpoint.port = voter.port;
        }
        found.push(endpoint);
    }
    found
}

fn inter_broker_name(file: &BrokerFile, protocols: &ProtocolMap) -> Result<String, String> {
    let by_protocol = file.values().contains_key("security.inter.broker.protocol");
    match file.text("inter.broker.listener.name") {
        Some(_) if by_protocol => {
            Err("Only one of inter.broker.listener.name and security.inter.broker.protocol \
                                       should be set."
                .to_owned())
        }
        Some(name) if protocols.contains_key(&name.to_uppercase()) => Ok(name.to_uppercase()),
        Some(name) => Err(format!(
            "Listener with name {} defined in inter.broker.listener.name not found in listener.security.protocol.map.",
            name.to_uppercase()
        )),
        None => Ok(file.text("security.inter.broker.protocol").unwrap_or("PLAINTEXT").to_uppercase()),
    }
}

fn directories(file: &BrokerFile) -> Vec<PathBuf> {
    let named =
        if file.values().contains_key("log.dirs") { file.list("log.dirs") } else { file.list("log.dir") };
    let mut all: Vec<PathBuf> = Vec::new();
    for directory in named.into_iter().filter(|d| !d.is_empty()).map(PathBuf::from) {
        // Named twice is meant once, as Kafka has it.
        // DIVERGES: names are compared as paths, so `X,X/` is one directory and starts. Kafka compares their text and refuses what
        // it formatted itself ("Duplicate directory ID"); one directory is meant, and we neither format, lock nor write it twice.
        if !all.contains(&directory) {
            all.push(directory);
        }
    }
    all
}

fn sockets(file: &BrokerFile) -> Result<SocketSettings, String> {
    let number = |name: &str| usize::try_from(file.number(name)).unwrap_or(0);
    let queued = file.number("queued.max.request.bytes");
    let request_max_bytes = number("socket.request.max.bytes");
    if queued > 0 && (queued as usize) < request_max_bytes {
        return Err("queued.max.request.bytes must be larger or equal to socket.request.max.bytes".to_owned());
    }
    let none = Values::new();
    let layers = BrokerLayers { per_broker: &none, cluster_wide: &none, file: file.values() };
    ConnectionCaps::check_overrides(&layers)?;
    ConnectionCaps::check_anybody(&layers)?;
    Ok(SocketSettings {
        request_max_bytes,
        queued_max_bytes: (queued > 0).then_some(queued as usize),
        patience: Patience { idle_ms: file.number("connections.max.idle.ms"), ..Patience::default() },
    })
}

#[cfg(test)]
mod tests;
