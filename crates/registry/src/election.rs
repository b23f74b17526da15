//! Who writes: one of the registries of a group, elected by Kafka's classic group protocol as Confluent's registries elect theirs (protocol
//! type `sr`, subprotocol `v0`), so that both can stand in one group. A member that leads goes on leading while it lives.

use crate::json::{Json, Object};
use bytes::Bytes;
use client::{Candidate, Client, Membership, MembershipOptions, Str};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Between two heartbeats: a leader that ends in order is followed within it.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// A member that is silent for so long is dead; brokers allow no less (`group.min.session.timeout.ms`).
const SESSION: Duration = Duration::from_secs(6);

/// A rebalance waits for nobody longer than this.
const REBALANCE: Duration = Duration::from_secs(6);

/// Between two tries to reach a leader whose connection ended; so many refusals one after another say that it is gone.
const PROBE: Duration = Duration::from_millis(150);
const REFUSALS: u32 = 3;

/// After a failure.
const PAUSE: Duration = Duration::from_millis(300);

/// Where a registry is reached by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A name or an address.
    pub host: String,
    /// Of its HTTP listener.
    pub port: u16,
    /// `leader.eligibility`.
    pub eligible: bool,
    /// It is spoken to by https.
    pub is_tls: bool,
}

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leader {
    /// Not known, or nobody.
    Nobody,
    /// This registry.
    Myself,
    /// Another one.
    Other(Identity),
}

impl Identity {
    fn json(&self, leads: bool) -> Json {
        let mut object = Object::new();
        object.push("version", 1);
        object.push("host", self.host.as_str());
        object.push("port", i32::from(self.port));
        object.push("master_eligibility", self.eligible);
        object.push("scheme", self.scheme());
        object.push("leader", leads);
        object.into()
    }

    fn read(json: &Json) -> Option<(Identity, bool)> {
        let host = json.get("host").and_then(Json::as_str)?.to_owned();
        let port = u16::try_from(json.get("port").and_then(Json::as_i64)?).ok()?;
        let eligible = json.get("master_eligibility").and_then(Json::as_bool).unwrap_or(false);
        let leads = json.get("leader").and_then(Json::as_bool).unwrap_or(false);
        let is_tls = json.get("scheme").and_then(Json::as_str) == Some("https");
        Some((Identity { host, port, eligible, is_tls }, leads))
    }

    fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// HOST:PORT.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.address())
    }
}

/// Takes part until it is dropped; tells who leads.
pub(crate) async fn run(
    client: Client,
    group_id: String,
    identity: Identity,
    told: watch::Sender<Leader>,
    mut stop: watch::Receiver<bool>,
) {
    let options = MembershipOptions {
        group_id: Str::from(group_id.as_str()),
        protocol_type: Str::from("sr"),
        protocol: Str::from("v0"),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
    };
    let mut membership = client.membership(options);
    tokio::select! {
        () = live(&mut membership, &identity, &told) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    told.send_replace(Leader::Nobody);
    membership.leave().await;
}

async fn live(membership: &mut Membership, identity: &Identity, told: &watch::Sender<Leader>) {
    let mut leads = false;
    loop {
        let metadata = Bytes::from(identity.json(leads).to_string());
        match membership.join(metadata, |all| elect(&all)).await {
            Ok(joined) => {
                let (leader, leaders_id) = leader_of(&joined.assignment, &joined.member_id);
                leads = leader == Leader::Myself;
                if *told.borrow() != leader {
                    match &leader {
                        Leader::Myself => tracing::info!("this schema registry leads: it writes"),
                        Leader::Other(other) => {
                            tracing::info!("the schema registry at {} leads", other.url())
                        }
                        Leader::Nobody => tracing::warn!(
                            "no schema registry leads; is any eligible, are their addresses different?"
                        ),
                    }
                }
                let followed = if let Leader::Other(other) = &leader { Some(other.address()) } else { None };
                told.send_replace(leader);
                tokio::select! {
                    () = stay(membership) => {}
                    () = gone(followed.as_deref()) => expel(membership, &leaders_id).await,
                }
            }
            Err(error) => tracing::debug!(%error, "could not join the group of registries"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Until a heartbeat is refused, or none was answered for a session: then somebody else may lead.
async fn stay(membership: &mut Membership) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        if let Err(error) = membership.heartbeat().await {
            tracing::debug!(%error, "the group of registries goes on to another round");
            return;
        }
    }
}

/// Comes to its end when the leader's process has: its connection was closed and nobody listens where it listened. A machine that is
/// silent says nothing of the kind, and its session has to run out.
async fn gone(leader: Option<&str>) {
    let Some(leader) = leader else { return std::future::pending().await };
    let mut refusals = 0;
    while refusals < REFUSALS {
        match TcpStream::connect(leader).await {
            Ok(mut socket) => {
                refusals = 0;
                // Nothing is asked, so nothing is answered: what comes is its end.
                let _end = socket.read(&mut [0; 64]).await;
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => refusals += 1,
            Err(_) => refusals = 0,
        }
        tokio::time::sleep(PROBE).await;
    }
}

/// Another leader need not wait for the session of one that is gone.
async fn expel(membership: &mut Membership, leaders_id: &str) {
    tracing::info!("the schema registry that led is gone: nobody listens at its address");
    if let Err(error) = membership.expel(&Str::from(leaders_id)).await {
        tracing::debug!(%error, "the leader's session will have to run out");
    }
}

/// As the group's leader: whoever leads already, else the smallest address of those that may.
fn elect(all: &[Candidate]) -> Vec<(Str, Bytes)> {
    let read = |one: &Candidate| {
        let (identity, leads) = Identity::read(&Json::parse_bytes(&one.metadata).ok()?)?;
        Some((identity, leads, one.member_id.clone()))
    };
    let known: Vec<(Identity, bool, Str)> = all.iter().filter_map(read).collect();
    let eligible = || known.iter().filter(|(identity, ..)| identity.eligible);
    let leading: Vec<_> = eligible().filter(|(_, leads, _)| *leads).collect();
    let smallest = eligible().min_by_key(|(identity, ..)| identity.url());
    let chosen = if let [one] = leading.as_slice() { Some(*one) } else { smallest };
    let mut urls: Vec<String> = known.iter().map(|(identity, ..)| identity.url()).collect();
    let members = urls.len();
    urls.sort();
    urls.dedup();
    let mut assignment = Object::new();
    // Two registries of one address: an error that Confluent's knows as DUPLICATE_URLS.
    assignment.push("version", 1);
    assignment.push("error", i32::from(urls.len() != members));
    if let Some((identity, leads, member_id)) = chosen {
        assignment.push("master", member_id.as_str());
        assignment.push("master_identity", identity.json(*leads));
    }
    let bytes = Bytes::from(Json::from(assignment).to_string());
    all.iter().map(|one| (one.member_id.clone(), bytes.clone())).collect()
}

/// Who leads, and its member's id.
fn leader_of(assignment: &[u8], member_id: &str) -> (Leader, String) {
    let known = || {
        let json = Json::parse_bytes(assignment).ok()?;
        if json.get("error").and_then(Json::as_i64).is_some_and(|error| error != 0) {
            return None;
        }
        let master = json.get("master").and_then(Json::as_str)?.to_owned();
        if master == member_id {
            return Some((Leader::Myself, master));
        }
        let (identity, _) = json.get("master_identity").and_then(Identity::read)?;
        Some((Leader::Other(identity), master))
    };
    known().unwrap_or((Leader::Nobody, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: &str, port: u16, eligible: bool, leads: bool) -> Candidate {
        let identity = Identity { host: "h".to_owned(), port, eligible, is_tls: false };
        Candidate { member_id: Str::from(id), metadata: Bytes::from(identity.json(leads).to_string()) }
    }

    #[test]
    fn whoever_leads_goes_on_and_else_the_smallest_address_leads() {
        let cases = [
            (vec![candidate("b", 2, true, false), candidate("a", 1, true, false)], Some("a")),
            (vec![candidate("b", 2, true, true), candidate("a", 1, true, false)], Some("b")),
            (vec![candidate("b", 2, true, true), candidate("a", 1, true, true)], Some("a")),
            (vec![candidate("b", 2, true, false), candidate("a", 1, false, false)], Some("b")),
            (vec![candidate("a", 1, false, false)], None),
            (vec![candidate("a", 1, true, false), candidate("b", 1, true, false)], None),
        ];
        for (all, expected) in cases {
            let assigned = elect(&all);
            assert_eq!(assigned.len(), all.len());
            for (member, assignment) in &assigned {
                let (leader, _) = leader_of(assignment, member);
                match expected {
                    None => assert_eq!(leader, Leader::Nobody),
                    Some(expected) if expected == member.as_str() => assert_eq!(leader, Leader::Myself),
                    Some(_) => assert!(matches!(leader, Leader::Other(_)), "{leader:?}"),
                }
            }
        }
        assert_eq!(leader_of(b"nonsense", "a").0, Leader::Nobody);
    }
}
