//! One scrape: gathers what there is, then writes family by family. Remembers between scrapes only what makes quantiles and shares those
//! of the last minutes, and what keeps sums from going back.

use std::collections::VecDeque;

use super::families::{self, Sight};
use super::groups::{self, GroupsFound, KnownTimes};
use super::partitions::Inventory;
use super::process::RimFigures;
use super::requests::RequestTotals;
use super::text::{Text, Wanted};
use super::traffic::Passed;
use crate::node::Node;

/// Names in which the figures are told (`metrics.dialects`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Those that Kafka's MBeans get from the JMX exporter with the rules in common use.
    JmxExporter,
    /// Those of kafka_exporter.
    KafkaExporter,
    /// Those of kafka-lag-exporter.
    LagExporter,
}

impl Dialect {
    /// By its name in the configuration.
    pub fn of_name(name: &str) -> Option<Dialect> {
        match name {
            "jmx_exporter" => Some(Dialect::JmxExporter),
            "kafka_exporter" => Some(Dialect::KafkaExporter),
            "lag_exporter" => Some(Dialect::LagExporter),
            _ => None,
        }
    }
}

/// What a scrape is asked for.
pub struct Asked<'a> {
    /// The node's own time.
    pub now_ms: i64,
    /// Families.
    pub wanted: Wanted,
    /// What the rim knows.
    pub rim: &'a RimFigures,
}

/// How the figures of one node are told.
pub struct Scraper {
    dialects: Vec<Dialect>,
    /// Partitions, and positions of groups, that are told one by one (`metrics.partition.limit`).
    most: usize,
    /// Oldest first: what the lanes had measured at earlier scrapes.
    earlier: VecDeque<(i64, RequestTotals)>,
    known_times: KnownTimes,
    passed: Passed,
}

/// Quantiles and shares are those of so long at least, once the node has been scraped for so long.
const WINDOW_MS: i64 = 300_000;
/// Between two of the scrapes that are remembered: ten of them.
const KEPT_EVERY_MS: i64 = 30_000;
/// And the share of idle time is that of so long.
const IDLE_WINDOW_MS: i64 = 60_000;

impl Scraper {
    /// `most`: partitions, and positions of groups, that are told one by one.
    pub fn new(dialects: Vec<Dialect>, most: usize) -> Scraper {
        Scraper {
            dialects,
            most,
            earlier: VecDeque::new(),
            known_times: KnownTimes::default(),
            passed: Passed::default(),
        }
    }

    /// Everything that is wanted, as text.
    pub async fn scrape(&mut self, node: &Node, asked: Asked<'_>) -> Vec<u8> {
        let Asked { now_ms, wanted, rim } = asked;
        let groups = groups::ask(node, now_ms).await;
        let inventory = Inventory::of(node);
        let totals = RequestTotals::of(&node.figures().lanes());
        let through_all = inventory.passed.plus(&node.figures().through_the_gone());
        self.passed = self.passed.or_more(&through_all);
        let wall_ms = node.wall_ms(now_ms);
        let groups = GroupsFound::of(node, wall_ms, groups, self.most, &mut self.known_times);
        let of_window = self.since(&totals, now_ms, WINDOW_MS);
        let of_idle_window = self.since(&totals, now_ms, IDLE_WINDOW_MS);
        let sight = Sight {
            node,
            rim,
            inventory: &inventory,
            groups: &groups,
            passed: &self.passed,
            totals: &totals,
            recent: &of_window,
            idle_share: of_idle_window.idle_share(),
            wall_ms,
            most: self.most,
        };
        let mut text = Text::new(wanted);
        for dialect in &self.dialects {
            match dialect {
                Dialect::JmxExporter => families::jmx::write(&mut text, &sight),
                Dialect::KafkaExporter => families::exporter::write(&mut text, &sight),
                Dialect::LagExporter => families::exporter::write_lag(&mut text, &sight),
            }
        }
        families::own::write(&mut text, &sight);
        self.remember(now_ms, totals);
        text.into_bytes()
    }

    /// What came within about this time: since the newest scrape that is as old, or since the oldest that is remembered.
    fn since(&self, totals: &RequestTotals, now_ms: i64, window_ms: i64) -> RequestTotals {
        let is_old = |(at_ms, _): &&(i64, RequestTotals)| now_ms - at_ms >= window_ms;
        let older = self.earlier.iter().rev().find(is_old).or_else(|| self.earlier.front());
        older.map_or_else(|| totals.clone(), |(_, older)| totals.since(older))
    }

    fn remember(&mut self, now_ms: i64, totals: RequestTotals) {
        if self.earlier.back().is_none_or(|(at_ms, _)| now_ms - at_ms >= KEPT_EVERY_MS) {
            self.earlier.push_back((now_ms, totals));
        }
        while self.earlier.get(1).is_some_and(|(at_ms, _)| now_ms - at_ms >= WINDOW_MS) {
            self.earlier.pop_front();
        }
    }
}
