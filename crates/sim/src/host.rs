//! What a computer is in its cluster: node id, roles, where it listens, who votes; and what its node is told of that at the start.
//! Plain data.

use std::path::PathBuf;
use std::sync::Arc;

use broker::config::{BrokerFile, StaticConfig, Values};
use broker::loggers::Loggers;
use broker::rim::{Bells, PeerAddress};
use broker::{Listener, NodeOptions, QuorumVoter, Rim, Roles};
use wire::wall::Wall;

use crate::shape::Shape;

/// The one log directory.
pub const DIRECTORY: &str = "/data";

/// Ports are the same everywhere: hosts differ.
const BROKER_PORT: u16 = 9092;
const CONTROLLER_PORT: u16 = 9093;

/// A door that a node may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The listener of brokers and clients.
    Broker,
    /// The listener of the controller role.
    Controller,
}

impl Door {
    /// Its name.
    pub fn listener(self) -> &'static str {
        match self {
            Door::Broker => "PLAINTEXT",
            Door::Controller => "CONTROLLER",
        }
    }

    fn port(self) -> u16 {
        match self {
            Door::Broker => BROKER_PORT,
            Door::Controller => CONTROLLER_PORT,
        }
    }

    fn at(self, host: &str) -> Listener {
        Listener {
            name: self.listener().to_owned(),
            host: host.to_owned(),
            port: self.port(),
            security_protocol: "PLAINTEXT".to_owned(),
        }
    }
}

/// One computer's place.
#[derive(Debug, Clone)]
pub struct Host {
    pub node_id: i32,
    /// By which it is reached.
    pub name: String,
    pub roles: Roles,
    pub rack: Option<String>,
    /// `controller.quorum.voters`; empty on a node that is alone.
    pub voters: Vec<QuorumVoter>,
}

impl Host {
    /// A node on its own, its own and only voter.
    pub fn alone() -> Host {
        Host {
            node_id: 1,
            name: "broker.sim".to_owned(),
            roles: Roles::COMBINED,
            rack: None,
            voters: Vec::new(),
        }
    }

    /// One of several.
    pub fn of_cluster(node_id: i32, roles: Roles, rack: Option<String>, voters: &[i32]) -> Host {
        let voter = |&id: &i32| QuorumVoter { id, host: host_name(id), port: CONTROLLER_PORT };
        Host { node_id, name: host_name(node_id), roles, rack, voters: voters.iter().map(voter).collect() }
    }

    /// The door behind an address, if it is this computer's.
    pub fn door(&self, address: &PeerAddress) -> Option<Door> {
        let doors = [(Door::Broker, self.roles.broker), (Door::Controller, self.roles.controller)];
        let open = doors.into_iter().filter(|(_, open)| *open && *address.host == *self.name);
        open.map(|(door, _)| door).find(|door| door.port() == address.port)
    }

    /// What its node is opened with.
    pub fn options(&self, shape: &Shape, boots: u64, bells: &Arc<Bells>, wall: &Wall) -> NodeOptions {
        let mut values: Values =
            shape.settings(boots).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        values.extend(self.rack.iter().map(|rack| ("broker.rack".to_owned(), rack.clone())));
        // A key that the table refuses is a bug of the shape, seen at the first run.
        let file = match BrokerFile::new(values) {
            Ok((file, _)) => file,
            Err(refused) => unreachable!("the shape's own settings: {refused}"),
        };
        let serves = self.roles.controller && !self.voters.is_empty();
        NodeOptions {
            node_id: self.node_id,
            roles: self.roles,
            inter_broker_listener: Door::Broker.listener().to_owned(),
            controller_listener_names: vec![Door::Controller.listener().to_owned()],
            voters: self.voters.clone(),
            bootstrap_servers: Vec::new(),
            listeners: self.roles.broker.then(|| Door::Broker.at(&self.name)).into_iter().collect(),
            controller_listeners: serves.then(|| Door::Controller.at(&self.name)).into_iter().collect(),
            directories: vec![PathBuf::from(DIRECTORY)],
            metadata_directory: PathBuf::from(DIRECTORY),
            config: StaticConfig { shards: shape.shards, ..StaticConfig::from_file(file) },
            rim: Arc::clone(bells) as Arc<dyn Rim>,
            wall: wall.clone(),
            loggers: Arc::new(Loggers::silent()),
            values_door: Arc::new(|_| {}),
        }
    }
}

fn host_name(node_id: i32) -> String {
    format!("machine{node_id}.sim")
}
