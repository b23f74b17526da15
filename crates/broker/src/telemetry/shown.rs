//! What clients have pushed, as it is shown: the newest of each gauge, the sum of each counter, by client. Bounded in clients and in series;
//! who has not pushed for three of its intervals is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::Uuid;

use super::otlp::{Kind, Pushed};

/// Clients whose figures are kept: beyond, whoever has not pushed for longest goes.
pub(crate) const CLIENTS_MAX: usize = 2_000;
/// Series of one client: a Java producer has 20 and four for each broker.
pub(crate) const SERIES_PER_CLIENT: usize = 500;
/// Of all of them: at some 200 bytes each, 20 MB.
const SERIES_MAX: usize = 100_000;
/// Who has not pushed for so long is forgotten, however short its interval is.
pub(crate) const KEPT_MS: i64 = 60_000;
/// A name, a label or a value beyond this is cut: Prometheus keeps each of them.
const TEXT_MAX: usize = 256;

const _: () = assert!(SERIES_PER_CLIENT < SERIES_MAX, "one client has room");

/// Whose figures they are: the labels in front of all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whose {
    pub client_instance_id: Uuid,
    pub client_id: String,
    pub software_name: String,
    pub software_version: String,
}

/// Name, and labels as they are written.
type Key = (String, Vec<(String, String)>);

/// One figure of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub is_counter: bool,
    pub value: f64,
}

/// All figures of one client.
#[derive(Clone, Default)]
pub(crate) struct OfClient {
    pub whose: Whose,
    pub figures: BTreeMap<Key, Figure>,
    expires_ms: i64,
    pushed_ms: i64,
}

/// Those of all clients.
#[derive(Default)]
pub(crate) struct Shown {
    clients: BTreeMap<Uuid, Arc<OfClient>>,
    series: usize,
    left_out: u64,
}

impl Shown {
    /// A client has pushed, and is to push again after its interval.
    pub fn push(&mut self, now_ms: i64, interval_ms: i64, whose: Whose, pushed: Pushed) {
        let id = whose.client_instance_id;
        let mut client = self.take(id).unwrap_or_default();
        client.whose = whose;
        client.pushed_ms = now_ms;
        client.expires_ms = now_ms.saturating_add(interval_ms.saturating_mul(3).max(KEPT_MS));
        // A gauge of what is gone (a partition, a broker) is told no more; what was counted stays counted.
        client.figures.retain(|_, figure| figure.is_counter);
        self.left_out += pushed.left_out as u64;
        for point in pushed.points {
            let key = (name(&point.name, point.kind != Kind::Gauge), labels(point.attributes));
            let is_new = !client.figures.contains_key(&key);
            if is_new && client.figures.len() >= SERIES_PER_CLIENT {
                self.left_out += 1;
                continue;
            }
            let is_counter = point.kind != Kind::Gauge;
            let figure = client.figures.entry(key).or_insert(Figure { is_counter, value: 0.0 });
            figure.value = if point.kind == Kind::Delta { figure.value + point.value } else { point.value };
        }
        self.make_room(now_ms, client.figures.len());
        self.series += client.figures.len();
        self.clients.insert(id, Arc::new(client));
    }

    /// Those that are to be told now, in the order of their ids.
    pub fn now(&mut self, now_ms: i64) -> Vec<Arc<OfClient>> {
        self.forget(now_ms);
        self.clients.values().cloned().collect()
    }

    /// Figures that were left out since the start.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn take(&mut self, id: Uuid) -> Option<OfClient> {
        let client = self.clients.remove(&id)?;
        self.series -= client.figures.len();
        Some(Arc::unwrap_or_clone(client))
    }

    fn forget(&mut self, now_ms: i64) {
        self.clients.retain(|_, client| client.expires_ms > now_ms);
        self.series = self.clients.values().map(|client| client.figures.len()).sum();
    }

    fn make_room(&mut self, now_ms: i64, wanted: usize) {
        let is_full = |all: &Shown| all.clients.len() >= CLIENTS_MAX || all.series + wanted > SERIES_MAX;
        if is_full(self) {
            self.forget(now_ms);
        }
        while is_full(self) {
            let oldest = self.clients.iter().min_by_key(|(_, client)| client.pushed_ms);
            let Some(id) = oldest.map(|(id, _)| *id) else { return };
            self.take(id);
        }
    }
}

/// OpenTelemetry's name in Prometheus' spelling. What is not Kafka's own gets a beginning of its own: a client cannot name what a broker tells.
fn name(of_client: &str, is_counter: bool) -> String {
    let mut name =
        if of_client.starts_with("org.apache.kafka.") { String::new() } else { "client_".to_owned() };
    name.extend(word(of_client));
    if is_counter && !name.ends_with("_total") {
        name.push_str("_total");
    }
    name
}

fn word(text: &str) -> impl Iterator<Item = char> {
    let letter = |it: char| if it.is_ascii_alphanumeric() { it } else { '_' };
    text.chars().take(TEXT_MAX).map(letter)
}

/// In order and each once; the labels that say whose they are are not a client's to give.
fn labels(attributes: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut labels = BTreeMap::new();
    for (key, value) in attributes {
        let mut label: String = word(&key).collect();
        if !label.starts_with(|it: char| it.is_ascii_alphabetic()) {
            label.insert_str(0, "label_");
        }
        if !WHOSE.contains(&label.as_str()) {
            labels.entry(label).or_insert_with(|| value.chars().take(TEXT_MAX).collect());
        }
    }
    labels.into_iter().collect()
}

/// The labels of [`Whose`].
pub(crate) const WHOSE: [&str; 4] =
    ["client_instance_id", "client_id", "client_software_name", "client_software_version"];

#[cfg(test)]
mod tests {
    use super::super::otlp::Point;
    use super::*;

    fn point(name: &str, kind: Kind, value: f64) -> Point {
        let attributes =
            vec![("node.id".to_owned(), "1".to_owned()), ("client_id".to_owned(), "x".to_owned())];
        Point { name: name.to_owned(), kind, attributes, value }
    }

    fn push(shown: &mut Shown, now_ms: i64, id: u64, points: Vec<Point>) {
        let whose = Whose { client_instance_id: Uuid::from_halves(1, id), ..Whose::default() };
        shown.push(now_ms, 100, whose, Pushed { points, left_out: 0 });
    }

    #[test]
    fn sums_add_up_gauges_are_the_newest_and_who_is_silent_is_forgotten() {
        let mut shown = Shown::default();
        let sum = |value| point("org.apache.kafka.sent", Kind::Delta, value);
        push(&mut shown, 0, 1, vec![sum(2.0), point("up.to", Kind::Gauge, 5.0)]);
        push(&mut shown, 100, 1, vec![sum(3.0), point("other", Kind::Gauge, 6.0)]);
        let told = shown.now(200);
        let node = vec![("node_id".to_owned(), "1".to_owned())];
        let found: Vec<_> =
            told[0].figures.iter().map(|(key, figure)| (key.0.as_str(), figure.value)).collect();
        assert_eq!(found, [("client_other", 6.0), ("org_apache_kafka_sent_total", 5.0)]);
        assert!(told[0].figures.keys().all(|(_, labels)| *labels == node), "a client says not who it is");
        assert_eq!(shown.now(100 + KEPT_MS - 1).len(), 1);
        assert!(shown.now(100 + KEPT_MS).is_empty());
        assert_eq!(shown.series, 0);
    }

    #[test]
    fn clients_and_series_are_bounded_and_the_oldest_goes() {
        let mut shown = Shown::default();
        let many = |count: usize| (0..count).map(|at| point(&format!("m{at}"), Kind::Gauge, 1.0)).collect();
        for id in 0..CLIENTS_MAX as u64 + 10 {
            push(&mut shown, id as i64, id, many(1));
        }
        let told = shown.now(3_000);
        assert_eq!(told.len(), CLIENTS_MAX);
        assert_eq!(told[0].whose.client_instance_id, Uuid::from_halves(1, 10));
        for id in 10_000..10_300 {
            push(&mut shown, 4_000, id, many(SERIES_PER_CLIENT + 1));
        }
        assert_eq!(shown.left_out(), 300);
        assert!(shown.series <= SERIES_MAX);
        let told: usize = shown.now(4_001).iter().map(|it| it.figures.len()).sum();
        assert_eq!(shown.series, told);
    }
}
