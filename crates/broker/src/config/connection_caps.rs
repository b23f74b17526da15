//! How many connections there may be, and how fast they may come: `max.connections`, `max.connection.creation.rate` (KIP-402, KIP-612), both
//! also of one listener, `max.connections.per.ip` and its overrides. Owns how they are read; who counts is the rim's business.

use super::layers::BrokerLayers;
use super::listener_keys::listener_key;
use super::value::list;
// Addresses are plain values; there is no socket in `core`.
use core::net::IpAddr;
use std::collections::BTreeMap;

const OVERRIDES: &str = "max.connections.per.ip.overrides";

/// The caps in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionCaps {
    /// Of the whole node.
    pub total: usize,
    /// Of one address.
    pub per_ip: usize,
    /// Of addresses that have one of their own.
    pub per_ip_overrides: BTreeMap<IpAddr, usize>,
    /// New ones of the whole node, in a second.
    pub per_second: u32,
    /// Of listeners that have some of their own, by the name in lower case.
    pub of_listeners: BTreeMap<String, ListenerCaps>,
}

/// The caps in force of one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerCaps {
    /// By this listener.
    pub connections: usize,
    /// New ones by it, in a second.
    pub per_second: u32,
}

/// What no number is.
const UNLIMITED: ListenerCaps = ListenerCaps { connections: i32::MAX as usize, per_second: i32::MAX as u32 };

impl ConnectionCaps {
    /// The values in force. An override that does not parse caps nobody: neither a start nor a change lets one in, but the
    /// metadata of another release may hold one ([`crate::config::not_in_force`] tells it).
    pub fn resolve(layers: &BrokerLayers<'_>) -> ConnectionCaps {
        let number = |name: &str| count(layers.number(name).unwrap_or(i64::MAX));
        ConnectionCaps {
            total: number("max.connections"),
            per_ip: number("max.connections.per.ip"),
            per_ip_overrides: layers.list(OVERRIDES).iter().filter_map(|one| own_cap(one).ok()).collect(),
            per_second: rate(layers.number("max.connection.creation.rate").unwrap_or(i64::MAX)),
            of_listeners: of_listeners(layers),
        }
    }

    /// Whether each override can be obeyed.
    pub fn check_overrides(layers: &BrokerLayers<'_>) -> Result<(), String> {
        layers.list(OVERRIDES).iter().try_for_each(|entry| own_cap(entry).map(drop))
    }

    /// Whether anybody can connect at all.
    pub fn check_anybody(layers: &BrokerLayers<'_>) -> Result<(), String> {
        if layers.number("max.connections.per.ip") == Some(0) && layers.list(OVERRIDES).is_empty() {
            let what = "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.";
            return Err(what.to_owned());
        }
        Ok(())
    }
}

/// What of a value of the overrides cannot be obeyed.
pub(crate) fn unread_override(name: &str, value: &str) -> Option<String> {
    let entries = if name == OVERRIDES { list(value) } else { Vec::new() };
    entries.into_iter().filter(|entry| !entry.is_empty()).find_map(|entry| own_cap(entry).err())
}

/// `address:count`
fn own_cap(entry: &str) -> Result<(IpAddr, usize), String> {
    let Some((address, cap)) = entry.rsplit_once(':') else {
        // DIVERGES: Kafka tells indices into a string.
        return Err(format!("{OVERRIDES}: {entry} is no pair of an address and a count"));
    };
    let (address, cap) = (address.trim(), cap.trim());
    let cap: i32 = cap.parse().map_err(|_| format!("For input string: \"{cap}\""))?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
    if !address.chars().all(is_host) {
        return Err(format!("{OVERRIDES} contains invalid addresses : {address}"));
    }
    // DIVERGES: Kafka also takes a host's name, and asks for its address only afterwards: one that has none is told as in force.
    let ip = address.parse::<IpAddr>();
    let ip = ip.map_err(|_| format!("{OVERRIDES}: {address} is no address; names are not looked up"))?;
    Ok((ip.to_canonical(), count(i64::from(cap))))
}

/// What each listener's own keys say, in whatever layer.
fn of_listeners(layers: &BrokerLayers<'_>) -> BTreeMap<String, ListenerCaps> {
    let mut found: BTreeMap<String, ListenerCaps> = BTreeMap::new();
    for name in
        [layers.per_broker, layers.cluster_wide, layers.file].into_iter().flat_map(|values| values.keys())
    {
        let Some(key) = listener_key(name).filter(|key| key.mechanism.is_none()) else { continue };
        let number =
            || layers.other(name).value.and_then(|value| value.trim().parse().ok()).unwrap_or(i64::MAX);
        let change: fn(&mut ListenerCaps, i64) = match key.key.name {
            "max.connections" => |caps, number| caps.connections = count(number),
            "max.connection.creation.rate" => |caps, number| caps.per_second = rate(number),
            _ => continue,
        };
        change(found.entry(key.listener.to_owned()).or_insert(UNLIMITED), number());
    }
    found
}

/// Connections in a second; i32's largest is any number.
fn rate(number: i64) -> u32 {
    u32::try_from(number.clamp(0, i64::from(i32::MAX))).unwrap_or(i32::MAX as u32)
}

/// Fewer than none is none.
fn count(number: i64) -> usize {
    usize::try_from(number.max(0)).unwrap_or(usize::MAX)
}
