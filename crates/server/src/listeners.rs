//! `listeners`, `advertised.listeners` and their relatives: parsing, and the rules that KafkaConfig checks.
//!
//! Owns text → endpoints, in Kafka's own sentences where it refuses. Never binds anything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use broker::QuorumVoter;

/// The protocols a listener may speak.
pub const SECURITY_PROTOCOLS: &[&str] = &["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// Listener name (upper case) → security protocol.
pub type ProtocolMap = BTreeMap<String, String>;

/// One `NAME://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Upper case.
    pub name: String,
    /// One of [`SECURITY_PROTOCOLS`].
    pub protocol: String,
    /// `None` where the text has none: every address of the machine, advertised by its name.
    pub host: Option<String>,
    /// 0: any free port.
    pub port: u16,
}

impl Endpoint {
    /// `host:port` with brackets around an IPv6 address; `*` for no host.
    pub fn authority(&self) -> String {
        match &self.host {
            Some(host) if host.contains(':') => format!("[{host}]:{}", self.port),
            Some(host) => format!("{host}:{}", self.port),
            None => format!("*:{}", self.port),
        }
    }
}

/// Parses a list of endpoints and checks that names and ports are distinct (`distinct_ports`: not for the advertised).
pub fn parse(
    entries: &[&str],
    protocols: &ProtocolMap,
    distinct_ports: bool,
) -> Result<Vec<Endpoint>, String> {
    let shown = format!("[{}]", entries.join(", "));
    let parsed = || -> Result<Vec<Endpoint>, String> {
        let endpoints: Vec<Endpoint> =
            entries.iter().map(|entry| parse_one(entry, protocols)).collect::<Result<_, _>>()?;
        let names: BTreeSet<&str> = endpoints.iter().map(|e| e.name.as_str()).collect();
        if names.len() != endpoints.len() {
            return Err(format!("Each listener must have a different name, listeners: {shown}"));
        }
        if distinct_ports {
            check_ports(&endpoints, &shown)?;
        }
        Ok(endpoints)
    };
    parsed().map_err(|why| format!("Error creating broker listeners from '{shown}': {why}"))
}

fn parse_one(entry: &str, protocols: &ProtocolMap) -> Result<Endpoint, String> {
    let unreadable = || format!("Unable to parse {entry} to a broker endpoint");
    let (name, authority) = entry.split_once("://").ok_or_else(unreadable)?;
    let (host, port) = split_authority(authority).ok_or_else(unreadable)?;
    let name = name.to_uppercase();
    let protocol = protocols
        .get(&name)
        .ok_or_else(|| format!("No security protocol defined for listener {name}"))?
        .clone();
    // DIVERGES: Kafka takes any integer here and fails at the bind.
    let port = u16::try_from(port).map_err(|_| format!("{entry}: the port must be between 0 and 65535"))?;
    Ok(Endpoint { name, protocol, host: (!host.is_empty()).then(|| host.to_owned()), port })
}

/// `host:port`, `[v6]:port`, `:port`.
fn split_authority(authority: &str) -> Option<(&str, i64)> {
    let (host, port) = authority.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
    Some((host, port.parse().ok()?)).filter(|_| host.chars().all(allowed))
}

/// Two listeners may share a port only as one IPv4 and one IPv6 address.
fn check_ports(endpoints: &[Endpoint], shown: &str) -> Result<(), String> {
    let mut by_port: BTreeMap<u16, Vec<&Endpoint>> = BTreeMap::new();
    for endpoint in endpoints.iter().filter(|e| e.port != 0) {
        by_port.entry(endpoint.port).or_default().push(endpoint);
    }
    for (port, sharing) in by_port.into_iter().filter(|(_, sharing)| sharing.len() > 1) {
        let address = |e: &&Endpoint| e.host.as_deref().and_then(|h| h.parse::<IpAddr>().ok());
        let addresses: Vec<IpAddr> = sharing.iter().filter_map(address).collect();
        let named = sharing.len() - addresses.len();
        if named > 1 {
            return Err(format!("Each listener must have a different port, listeners: {shown}"));
        }
        let pair = matches!(addresses.as_slice(), [a, b] if a.is_ipv4() != b.is_ipv4());
        if addresses.len() > 2 {
            return Err(format!(
                "Each listener must have a different port unless exactly one listener has an IPv4 address and \
                 the other IPv6 address, listeners: {shown}, port: {port}"
            ));
        }
        if (addresses.len() == 2 && !pair) || (!addresses.is_empty() && named > 0) {
            return Err(format!(
                "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, \
                 listeners: {shown}, port: {port}"
            ));
        }
    }
    Ok(())
}

/// `listener.security.protocol.map`; where the file does not set it, controller listeners speak PLAINTEXT as long as nothing
/// in sight is encrypted or authenticated.
pub fn protocol_map(
    explicit: Option<&str>,
    controller_names: &[&str],
    listeners: &[&str],
) -> Result<ProtocolMap, String> {
    const KEY: &str = "listener.security.protocol.map";
    let Some(text) = explicit else {
        let mut map: ProtocolMap =
            SECURITY_PROTOCOLS.iter().map(|p| ((*p).to_owned(), (*p).to_owned())).collect();
        let secured = |name: &str| SECURITY_PROTOCOLS.contains(&name) && name != "PLAINTEXT";
        let listener_name = |entry: &&str| entry.split(':').next().unwrap_or("").to_uppercase();
        let any_secured = controller_names.iter().any(|n| secured(n))
            || listeners.iter().any(|entry| secured(&listener_name(entry)));
        if !any_secured {
            map.extend(controller_names.iter().map(|n| ((*n).to_owned(), "PLAINTEXT".to_owned())));
        }
        return Ok(map);
    };
    let mut map = ProtocolMap::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (name, protocol) = entry.rsplit_once(':').ok_or_else(|| {
            format!("Error parsing configuration property '{KEY}': {entry} has no protocol")
        })?;
        let protocol = protocol.trim().to_uppercase();
        if !SECURITY_PROTOCOLS.contains(&protocol.as_str()) {
            return Err(format!("Invalid security protocol `{protocol}` defined in {KEY}"));
        }
        map.insert(name.trim().to_uppercase(), protocol);
    }
    Ok(map)
}

/// `controller.quorum.voters`: `{id}@{host}:{port}`, separated by commas.
pub fn parse_voters(entries: &[&str]) -> Result<Vec<QuorumVoter>, String> {
    const FORM: &str = "Each entry should be in the form `{id}@{host}:{port}`.";
    let mut voters: Vec<QuorumVoter> = Vec::new();
    for entry in entries {
        let (id, authority) = entry
            .split_once('@')
            .ok_or_else(|| format!("Invalid configuration value for controller.quorum.voters. {FORM}"))?;
        let id = id.parse().map_err(|_| format!("Failed to parse voter ID as an integer from {id}"))?;
        let (host, port) = split_authority(authority)
            .and_then(|(host, port)| Some((host.to_owned(), u16::try_from(port).ok()?)))
            .ok_or_else(|| {
                format!(
                    "Failed to parse host name from entry {entry} for the configuration controller.quorum.voters. {FORM}"
                )
            })?;
        voters.retain(|v| v.id != id);
        voters.push(QuorumVoter { id, host, port });
    }
    Ok(voters)
}

/// `controller.quorum.bootstrap.servers`: `{host}:{port}`, separated by commas.
pub fn parse_bootstrap(entries: &[&str]) -> Result<Vec<(String, u16)>, String> {
    let one = |entry: &&str| {
        split_authority(entry).and_then(|(host, port)| Some((host.to_owned(), u16::try_from(port).ok()?))).ok_or_else(
            || {
                format!(
                    "Failed to parse host name from {entry} for the configuration controller.quorum.bootstrap.servers. \
                     Each entry should be in the form \"{{host}}:{{port}}\""
                )
            },
        )
    };
    entries.iter().map(one).collect()
}
