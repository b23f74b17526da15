//! Keys that promise somebody something that is not kept here yet: a lock, a check, a limit, a class that is to look after it.
//! Set to a value that promises, they refuse: the start before anything is touched, and a change of a running node.
//!
//! Owns the one table of them, which shrinks by a row when a promise is kept; what is refused for its protocol is the business
//! of whoever binds listeners. Keys that merely do nothing are not here: they have `KeyState::Accepted`.

use super::connection_caps::unread_override;
use super::key::KeyState;
use super::{ListenerKey, ValueType, broker_key, list, listener_key};

/// Which values promise nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Harmless {
    /// These; of a list, these entries.
    Only(&'static [&'static str]),
    /// Classes of Apache Kafka itself: they look after protocols that are refused themselves where they are not served. Kafka
    /// refuses any other that it cannot load, and here none can be.
    KafkasOwn,
}
use Harmless::{KafkasOwn, Only};

/// One row: a key, in a file or as a dynamic value, and with a listener's prefix; with `*` for the listener's name only with one.
pub(super) struct Refusal {
    pub(super) key: &'static str,
    pub(super) harmless: Harmless,
    pub(super) why: &'static str,
}

const fn row(key: &'static str, harmless: Harmless, why: &'static str) -> Refusal {
    Refusal { key, harmless, why }
}

const NOT_LOADED: &str = "classes are not loaded here, and what this one is to do would not be done";

/// One row per key: name, harmless values, why the others are refused.
#[rustfmt::skip]
pub(super) static REFUSALS: &[Refusal] = &[
    row("alter.config.policy.class.name", Only(&[]), "policies are not in force: changes that this one forbids would be made"),
    row("authorizer.class.name", Only(&["", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"]), "classes are not loaded here, only org.apache.kafka.metadata.authorizer.StandardAuthorizer is known: nobody would be refused what this one forbids"),
    row("client.quota.callback.class", Only(&[]), NOT_LOADED),
    row("create.topic.policy.class.name", Only(&[]), "policies are not in force: topics that this one forbids would be made"),
    row("group.consumer.assignors", Only(&["uniform", "range", "org.apache.kafka.coordinator.group.assignor.UniformAssignor", "org.apache.kafka.coordinator.group.assignor.RangeAssignor"]), NOT_LOADED),
    row("group.share.assignors", Only(&["simple", "org.apache.kafka.coordinator.group.assignor.SimpleAssignor"]), NOT_LOADED),
    row("group.share.dlq.manager.class.name", Only(&["org.apache.kafka.server.share.dlq.DefaultShareGroupDLQManager"]), NOT_LOADED),
    row("group.share.persister.class.name", KafkasOwn, NOT_LOADED),
    row("group.streams.assignors", Only(&["sticky", "org.apache.kafka.coordinator.group.streams.assignor.StickyTaskAssignor"]), NOT_LOADED),
    row("group.streams.topology.description.plugin.class", Only(&[]), NOT_LOADED),
    row("kafka.metrics.reporters", Only(&[]), "metrics are not reported: whoever watches this node by them would see nothing"),
    row("metric.reporters", Only(&["org.apache.kafka.common.metrics.JmxReporter"]), "metrics are not reported: whoever watches this node by them would see nothing"),
    row("principal.builder.class", Only(&["org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"]), "principals are not built by classes here: everybody would be User:ANONYMOUS"),
    row("remote.log.storage.system.enable", Only(&["false"]), "remote storage is not served: data that should outlive this node's disks would lie nowhere else"),
    row("replica.selector.class", Only(&["org.apache.kafka.common.replica.RackAwareReplicaSelector", "org.apache.kafka.common.replica.LeaderSelector"]), NOT_LOADED),
    row("sasl.client.callback.handler.class", KafkasOwn, NOT_LOADED),
    row("sasl.login.callback.handler.class", KafkasOwn, NOT_LOADED),
    row("sasl.login.class", KafkasOwn, NOT_LOADED),
    row("sasl.oauthbearer.jwt.retriever.class", KafkasOwn, NOT_LOADED),
    row("sasl.oauthbearer.jwt.validator.class", KafkasOwn, NOT_LOADED),
    row("sasl.server.callback.handler.class", KafkasOwn, NOT_LOADED),
    row("ssl.engine.factory.class", KafkasOwn, NOT_LOADED),
];

/// Keys that Kafka changes while it runs and that are read here at the start only: with another value they refuse the change, for
/// what is described must be in force.
// DIVERGES: each of them.
const ONLY_AT_THE_START: &[(&str, &str)] = &[
    ("config.providers", "providers are asked when the file is read"),
    ("listeners", "the listeners of this node are opened at its start"),
];

/// The same of listeners that speak SASL, bare or below their prefix: Kafka takes such a change, shows it, and lets in whoever it let in
/// before.
const OF_SASL: &[&str] = &[
    "connections.max.reauth.ms",
    "sasl.enabled.mechanisms",
    "sasl.jaas.config",
    "sasl.mechanism.inter.broker.protocol",
    "sasl.server.max.receive.size",
];

/// Whether only the opening of a listener that speaks SASL reads this key, bare or below its prefix.
pub(super) fn is_of_sasl(name: &str) -> bool {
    OF_SASL.contains(&listener_key(name).map_or(name, |found| found.key.name))
}

/// Why the broker key `name` cannot change while the node runs, though Kafka's can.
pub(super) fn only_at_the_start(name: &str) -> Option<String> {
    let of_sasl = || is_of_sasl(name).then_some("who comes in by a listener is settled when it is opened");
    let bare = ONLY_AT_THE_START.iter().find(|(key, _)| *key == name).map(|(_, why)| *why);
    let why = bare.or_else(of_sasl)?;
    Some(format!("{name} cannot change while the node runs, {why}: set {name} in the file and restart"))
}

/// Why a dynamic value that the metadata holds already (of another release, of Kafka) is not obeyed.
pub fn not_in_force(name: &str, value: &str) -> Option<String> {
    refusal(name, value).or_else(|| only_at_the_start(name)).or_else(|| unread_override(name, value))
}

/// Why the broker key `name` (bare, or below a listener's prefix) may not have `value`, as one sentence. For whoever starts a node and
/// for whoever changes one that runs.
pub fn refusal(name: &str, value: &str) -> Option<String> {
    let prefixed = listener_key(name);
    let key = prefixed.as_ref().map(|found| found.key).or_else(|| broker_key(name))?;
    let row = REFUSALS.iter().find(|row| row.is_of(key.name, prefixed.as_ref()))?;
    let entries = if key.value_type == ValueType::List { list(value) } else { vec![value.trim()] };
    let promise = entries.iter().find(|entry| !row.harmless.holds(entry))?;
    debug_assert!(prefixed.is_some() || key.state != KeyState::Accepted);
    Some(format!("{name}={promise}: {}", row.why))
}

impl Refusal {
    fn is_of(&self, key: &str, prefixed: Option<&ListenerKey<'_>>) -> bool {
        match self.key.strip_prefix("listener.name.*.") {
            Some(only) => prefixed.is_some() && only == key,
            None => self.key == key,
        }
    }
}

impl Harmless {
    fn holds(self, value: &str) -> bool {
        match self {
            Only(values) => values.iter().any(|one| one.eq_ignore_ascii_case(value)),
            KafkasOwn => value.starts_with("org.apache.kafka."),
        }
    }
}
