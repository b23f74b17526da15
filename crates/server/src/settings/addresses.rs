//! Addresses that others are told, held against where those others are: what cannot work is said at the start, in the words of the keys.
//! Pure, and a warning at most: a name may mean something else on another machine.

use std::net::IpAddr;

use super::Settings;
use crate::listeners::Endpoint;
use crate::machine;

impl Settings {
    /// What of the advertised addresses cannot work.
    pub fn doubtful_addresses(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if let Some(elsewhere) = self.somebody_elsewhere() {
            for endpoint in self.advertised.iter().chain(&self.controller_advertised) {
                let host = endpoint.host.clone().unwrap_or_else(machine::host_name);
                if is_loopback(&host) {
                    let (name, port) = (&endpoint.name, endpoint.port);
                    doubts.push(format!(
                        "{name} is advertised as {host}:{port}, and other nodes of this cluster are elsewhere ({elsewhere}): who \
                         is told that address there reaches his own machine; advertised.listeners={name}://HOST:{port} says where \
                         this one is"
                    ));
                }
            }
        }
        doubts.extend(self.voter_elsewhere_than_bound());
        doubts.extend(self.advertised.iter().filter_map(|endpoint| self.cannot_be_reached(endpoint)));
        doubts
    }

    /// An address that no client can use, or that leads to the controller.
    fn cannot_be_reached(&self, endpoint: &Endpoint) -> Option<String> {
        let host = endpoint.host.as_deref()?;
        let (name, port) = (&endpoint.name, endpoint.port);
        if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
            return Some(format!(
                "{name} is advertised as {host}:{port}, which is every address and nobody's: clients cannot connect to it; \
                 advertised.listeners={name}://HOST:{port} says where they reach this node"
            ));
        }
        let controllers = self.listeners.iter().filter(|bound| self.is_controller_listener(&bound.name));
        let controller = controllers.into_iter().find(|bound| port != 0 && bound.port == port)?;
        let bound = self.listeners.iter().find(|bound| bound.name == *name)?;
        (bound.port != port).then(|| {
            format!(
                "{name} is advertised on port {port}, which is that of the controller listener {}: clients would ask the controller \
                 for records; advertised.listeners={name}://{host}:{} is where {name} listens",
                controller.name, bound.port
            )
        })
    }

    /// A member of the quorum that is on another machine for certain.
    fn somebody_elsewhere(&self) -> Option<String> {
        let voters = self.voters.iter().filter(|voter| voter.id != self.node_id && !is_loopback(&voter.host));
        let servers = self.bootstrap_servers.iter();
        let servers =
            servers.filter(|(host, port)| !is_loopback(host) && !self.is_own_controller(host, *port));
        let voter = voters.map(|voter| format!("{}@{}:{}", voter.id, voter.host, voter.port)).next();
        voter.or_else(|| servers.map(|(host, port)| format!("{host}:{port}")).next())
    }

    /// The static voters are told where this node is by `controller.quorum.voters` alone.
    fn voter_elsewhere_than_bound(&self) -> Option<String> {
        let me = self.voters.iter().find(|voter| voter.id == self.node_id)?;
        let name = self.controller_names.first()?;
        let bound = self.listeners.iter().find(|endpoint| endpoint.name == *name && endpoint.port != 0)?;
        (bound.port != me.port).then(|| {
            format!(
                "controller.quorum.voters says that this node's controller is at {}:{}, and its listener {name} is on port {}: \
                 unless something forwards the one to the other, no other voter reaches it",
                me.host, me.port, bound.port
            )
        })
    }

    /// Whether this is where this node's own controller listens.
    pub(super) fn is_own_controller(&self, host: &str, port: u16) -> bool {
        let mut bound = self.listeners.iter().filter(|endpoint| self.is_controller_listener(&endpoint.name));
        let here = |endpoint: &Endpoint| {
            endpoint.port == port && (endpoint.host.as_deref() == Some(host) || is_loopback(host))
        };
        let told = |endpoint: &Endpoint| endpoint.port == port && endpoint.host.as_deref() == Some(host);
        let anywhere = |endpoint: &Endpoint| {
            let unspecified = |host: &str| host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
            endpoint.host.as_deref().is_none_or(unspecified)
                && endpoint.port == port
                && host == machine::host_name()
        };
        bound.any(|endpoint| here(endpoint) || anywhere(endpoint))
            || self.controller_advertised.iter().any(told)
    }
}

/// An address of this machine that no other reaches.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}
