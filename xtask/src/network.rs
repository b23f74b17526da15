//! A network of a few hosts within this machine, whose links can be cut: each host is a network namespace on one bridge, and packets are
//! lost, refused or slowed down by the kernel as a broken network would lose them.
//!
//! Owns the namespaces, the bridge and the rules in them; all of it is gone with this value. Needs root. Knows nothing of who lives there.

use crate::provision;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What the names of everything made here begin with; the maker's process id follows.
const PREFIX: &str = "ottla";

/// Networks `10.213.0.0/24` to `10.213.254.0/24` are looked at for one that is free.
const SECOND: u8 = 213;

/// Where this machine itself is in the network: clients live there.
const OURSELVES: u8 = 254;

/// A queue that lets through so little that requests wait for each other, and drops nothing.
const SLOW: &[&str] = &["tbf", "rate", "8mbit", "burst", "32kb", "latency", "2s"];

/// Hosts that know each other.
pub struct Network {
    /// Of namespaces and devices: `ottla-PID`, 15 bytes at most with what follows.
    name: String,
    /// `10.213.N`.
    subnet: String,
    hosts: Vec<i32>,
}

impl Network {
    /// Hosts with these numbers, 1 to 99, all links whole.
    pub fn make(workspace: &Workspace, hosts: &[i32]) -> Result<Network> {
        provision::debian(workspace, "ip", "iproute2")?;
        provision::debian(workspace, "nft", "nftables")?;
        remove_left_behind();
        let name = format!("{PREFIX}{}", std::process::id());
        let network = Network { subnet: free_subnet()?, name, hosts: hosts.to_vec() };
        network.build().context("a network of namespaces")?;
        Ok(network)
    }

    fn build(&self) -> Result<()> {
        let bridge = &self.name;
        ip(&["link", "add", bridge, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{}.{OURSELVES}/24", self.subnet), "dev", bridge])?;
        ip(&["link", "set", bridge, "up"])?;
        for id in &self.hosts {
            let (host, cable) = (self.host(*id), self.cable(*id));
            ip(&["netns", "add", &host])?;
            ip(&["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &host])?;
            ip(&["link", "set", &cable, "master", bridge, "up"])?;
            self.call_on(*id, &["ip", "link", "set", "lo", "up"])?;
            let address = format!("{}/24", self.address(*id));
            self.call_on(*id, &["ip", "addr", "add", &address, "dev", "eth0"])?;
            self.call_on(*id, &["ip", "link", "set", "eth0", "up"])?;
            self.nft(*id, "add table ip faults")?;
            self.nft(*id, "add chain ip faults input { type filter hook input priority 0; }")?;
        }
        Ok(())
    }

    /// A host's address.
    pub fn address(&self, id: i32) -> String {
        format!("{}.{id}", self.subnet)
    }

    /// The program, and its arguments, below which another one runs on that host.
    pub fn on(&self, id: i32) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/run/netns/{}", self.host(id))]
    }

    /// What one host sends to another is lost from now on; the other way goes on.
    pub fn cut(&self, from: i32, to: i32) -> Result<()> {
        self.nft(to, &format!("add rule ip faults input ip saddr {} drop", self.address(from)))
    }

    /// Both ways.
    pub fn cut_both(&self, one: i32, other: i32) -> Result<()> {
        self.cut(one, other)?;
        self.cut(other, one)
    }

    /// Whatever one host sends to another is answered with a reset; the other keeps its end of the connection and knows nothing.
    pub fn reset(&self, from: i32, to: i32) -> Result<()> {
        let rule = format!(
            "add rule ip faults input ip saddr {} meta l4proto tcp reject with tcp reset",
            self.address(from)
        );
        self.nft(to, &rule)
    }

    /// A host forgets its connections with another; where the link is cut, that one keeps them half open.
    pub fn forget(&self, id: i32, other: i32) -> Result<()> {
        self.call_on(id, &["ss", "-K", "dst", &self.address(other)])
    }

    /// Whatever a host sends, to clients too, waits in a narrow queue.
    pub fn slow(&self, id: i32) -> Result<()> {
        self.call_on(id, &[&["tc", "qdisc", "replace", "dev", "eth0", "root"], SLOW].concat())
    }

    /// All links are whole again.
    pub fn heal(&self) -> Result<()> {
        for id in &self.hosts {
            self.nft(*id, "flush chain ip faults input")?;
            // There is none where nobody was slowed down.
            let _ = self.call_on(*id, &["tc", "qdisc", "del", "dev", "eth0", "root"]);
        }
        Ok(())
    }

    fn host(&self, id: i32) -> String {
        format!("{}-{id}", self.name)
    }

    /// The end of a host's cable that is plugged into the bridge.
    fn cable(&self, id: i32) -> String {
        format!("{}v{id}", self.name)
    }

    fn nft(&self, id: i32, rule: &str) -> Result<()> {
        self.call_on(id, &["nft", rule])
    }

    /// By its network alone: `ip -n` would take a copy of all mounts for a moment, and a disk that is unmounted meanwhile would live on in it.
    fn call_on(&self, id: i32, command: &[&str]) -> Result<()> {
        let on = self.on(id);
        let whole: Vec<&str> = on.iter().map(String::as_str).chain(command.iter().copied()).collect();
        call(&whole)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// The namespaces and the bridge of one maker; cables go with their namespaces.
fn remove(name: &str) {
    for host in
        namespaces().iter().filter(|host| host.strip_prefix(name).is_some_and(|id| id.starts_with('-')))
    {
        let _ = ip(&["netns", "del", host]);
    }
    let _ = ip(&["link", "del", name]);
}

/// What a run that was killed has left.
fn remove_left_behind() {
    let makers: BTreeSet<String> =
        namespaces().iter().filter_map(|host| Some(host.rsplit_once('-')?.0.to_owned())).collect();
    for name in makers {
        let maker = name.strip_prefix(PREFIX).and_then(|id| id.parse::<u32>().ok());
        if maker.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            remove(&name);
        }
    }
}

fn namespaces() -> Vec<String> {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The first one that no device of this machine has an address in.
fn free_subnet() -> Result<String> {
    let listed = Command::new("ip").args(["-4", "addr", "show"]).output().context("ip")?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let start = std::process::id() % 255;
    for step in 0..255 {
        let subnet = format!("10.{SECOND}.{}", (start + step) % 255);
        if !listed.contains(&format!("{subnet}.")) {
            return Ok(subnet);
        }
    }
    bail!("no network below 10.{SECOND} is free")
}

fn ip(arguments: &[&str]) -> Result<()> {
    call(&[&["ip"], arguments].concat())
}

fn call(command: &[&str]) -> Result<()> {
    let [program, arguments @ ..] = command else { bail!("nothing to call") };
    let output = Command::new(program).args(arguments).output().with_context(|| (*program).to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{}: {}", command.join(" "), said.trim());
    Ok(())
}
