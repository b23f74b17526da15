//! Where replicas shall lie: spread over brokers and racks, moving as few as that needs. Pure.

use super::plan_file::Plan;
use client::Str;
use client::admin::ClusterNode;
use std::collections::{BTreeMap, BTreeSet};

/// A broker that may have replicas, and its rack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRack {
    /// Its id.
    pub id: i32,
    /// `broker.rack`
    pub rack: Option<String>,
}

impl BrokerRack {
    /// Of a broker as the cluster describes it.
    pub fn of(node: &ClusterNode) -> BrokerRack {
        BrokerRack { id: node.id, rack: node.rack.as_ref().map(ToString::to_string) }
    }
}

/// Puts every partition on as many of the brokers as it has replicas now (or `factor`). A replica stays where it is if its broker is
/// among them, has no more than its share, and no other replica of the partition is in its rack while a free rack is left. `None`
/// where there are fewer brokers than replicas.
pub fn place(current: &Plan, brokers: &[BrokerRack], factor: Option<usize>) -> Option<Plan> {
    let wanted = |replicas: &Vec<i32>| factor.unwrap_or(replicas.len());
    let total: usize = current.values().map(wanted).sum();
    if brokers.is_empty() || current.values().any(|replicas| wanted(replicas) > brokers.len()) {
        return None;
    }
    let mut places = Places {
        brokers,
        racks: brokers.iter().map(|broker| broker.rack.as_deref()).collect::<BTreeSet<_>>().len(),
        share: total.div_ceil(brokers.len()),
        leader_share: current.len().div_ceil(brokers.len()),
        replicas: BTreeMap::new(),
        leaders: BTreeMap::new(),
    };
    // First of all partitions what may stay, so that nobody takes its place.
    let kept: Vec<Vec<i32>> =
        current.values().map(|replicas| places.keep(replicas, wanted(replicas))).collect();
    let mut plan = Plan::new();
    for ((target, replicas), mut kept) in current.iter().zip(kept) {
        while kept.len() < wanted(replicas) {
            let id = places.choose(&kept)?;
            *places.replicas.entry(id).or_default() += 1;
            kept.push(id);
        }
        plan.insert(target.clone(), kept);
    }
    while places.even_out(&mut plan) {}
    let mut topics: Vec<Str> = plan.keys().map(|target| target.topic.clone()).collect();
    topics.dedup();
    for topic in topics {
        let of_topic = plan.iter_mut().filter(|(target, _)| target.topic == topic);
        places.lead(&mut of_topic.map(|(_, replicas)| replicas).collect::<Vec<_>>());
    }
    Some(plan)
}

/// Every partition of `all` that `leaving` has a replica of, with another broker in its place: one in a free rack if there is one, with
/// the fewest replicas. `None` where there is no other broker for one of them.
pub fn evacuate(all: &Plan, leaving: i32, brokers: &[BrokerRack]) -> Option<Plan> {
    let mut replicas: BTreeMap<i32, usize> = BTreeMap::new();
    all.values().flatten().for_each(|&id| *replicas.entry(id).or_default() += 1);
    let staying: Vec<BrokerRack> = brokers.iter().filter(|broker| broker.id != leaving).cloned().collect();
    let racks = staying.iter().map(|broker| broker.rack.as_deref()).collect::<BTreeSet<_>>().len();
    let leaders = BTreeMap::new();
    let mut places = Places { brokers: &staying, racks, share: 0, leader_share: 0, replicas, leaders };
    let mut plan = Plan::new();
    for (target, before) in all.iter().filter(|(_, replicas)| replicas.contains(&leaving)) {
        let others: Vec<i32> = before.iter().copied().filter(|&id| id != leaving).collect();
        let heir = places.choose(&others)?;
        *places.replicas.entry(heir).or_default() += 1;
        let after = before.iter().map(|&id| if id == leaving { heir } else { id });
        plan.insert(target.clone(), after.collect());
    }
    Some(plan)
}

struct Places<'a> {
    brokers: &'a [BrokerRack],
    racks: usize,
    /// Replicas that a broker should have at most, and partitions that it should lead.
    share: usize,
    leader_share: usize,
    replicas: BTreeMap<i32, usize>,
    leaders: BTreeMap<i32, usize>,
}

impl Places<'_> {
    fn rack(&self, id: i32) -> Option<&str> {
        self.brokers.iter().find(|broker| broker.id == id).and_then(|broker| broker.rack.as_deref())
    }

    fn crowds(&self, id: i32, beside: &[i32]) -> bool {
        let used: BTreeSet<Option<&str>> = beside.iter().map(|&other| self.rack(other)).collect();
        used.contains(&self.rack(id)) && used.len() < self.racks
    }

    fn keep(&mut self, replicas: &[i32], most: usize) -> Vec<i32> {
        let mut kept = Vec::new();
        for &id in replicas {
            let is_known = self.brokers.iter().any(|broker| broker.id == id);
            let has = self.replicas.get(&id).copied().unwrap_or(0);
            if kept.len() < most && is_known && has < self.share && !self.crowds(id, &kept) {
                *self.replicas.entry(id).or_default() += 1;
                kept.push(id);
            }
        }
        kept
    }

    /// Of the brokers that are left, one in a free rack, with the fewest replicas.
    fn choose(&self, beside: &[i32]) -> Option<i32> {
        let left = self.brokers.iter().filter(|broker| !beside.contains(&broker.id));
        let cost = |broker: &&BrokerRack| {
            let has = self.replicas.get(&broker.id).copied().unwrap_or(0);
            (self.crowds(broker.id, beside), has, broker.id)
        };
        left.min_by_key(cost).map(|broker| broker.id)
    }

    /// Moves one replica from a broker that has more to one that has fewer by two at least. False where there is nothing to even out.
    fn even_out(&mut self, plan: &mut Plan) -> bool {
        let has = |id: i32| self.replicas.get(&id).copied().unwrap_or(0);
        let mut ids: Vec<i32> = self.brokers.iter().map(|broker| broker.id).collect();
        ids.sort_by_key(|&id| (has(id), id));
        for &fewest in &ids {
            for &most in ids.iter().rev().filter(|&&most| has(most) > has(fewest) + 1) {
                let movable = plan.values_mut().find_map(|replicas| {
                    let at = replicas.iter().position(|&id| id == most)?;
                    let others: Vec<i32> = replicas.iter().copied().filter(|&id| id != most).collect();
                    (!others.contains(&fewest) && !self.crowds(fewest, &others)).then(|| &mut replicas[at])
                });
                if let Some(place) = movable {
                    *place = fewest;
                    *self.replicas.entry(fewest).or_default() += 1;
                    self.replicas.entry(most).and_modify(|count| *count -= 1);
                    return true;
                }
            }
        }
        false
    }

    /// Spreads the leaders of one topic over its brokers: whoever stands first leads, unless it leads its share of the topic (or of all
    /// topics) already. Then as long as one leads more by two than another that has a replica of the same partition, they change.
    fn lead(&mut self, partitions: &mut [&mut Vec<i32>]) {
        let share = partitions.len().div_ceil(self.brokers.len());
        let mut here: BTreeMap<i32, usize> = BTreeMap::new();
        let count = |counts: &BTreeMap<i32, usize>, id: i32| counts.get(&id).copied().unwrap_or(0);
        for replicas in partitions.iter_mut() {
            let Some(first) = replicas.first().copied() else { continue };
            let has_its_share =
                count(&here, first) >= share || count(&self.leaders, first) >= self.leader_share;
            let cost = |at: &usize| (count(&here, replicas[*at]), count(&self.leaders, replicas[*at]), *at);
            if has_its_share && let Some(at) = (0..replicas.len()).min_by_key(cost) {
                replicas.swap(0, at);
            }
            *here.entry(replicas[0]).or_default() += 1;
            *self.leaders.entry(replicas[0]).or_default() += 1;
        }
        // Each change makes the sum of squares smaller: it comes to an end.
        while let Some((partition, at)) = partitions.iter().enumerate().find_map(|(index, replicas)| {
            let (first, others) = replicas.split_first()?;
            let fewer = others.iter().position(|&id| count(&here, id) + 1 < count(&here, *first))?;
            Some((index, fewer + 1))
        }) {
            let (from, to) = (partitions[partition][0], partitions[partition][at]);
            partitions[partition].swap(0, at);
            for counts in [&mut here, &mut self.leaders] {
                *counts.entry(from).or_default() -= 1;
                *counts.entry(to).or_default() += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::TopicPartition;

    fn brokers(racks: &[(i32, &str)]) -> Vec<BrokerRack> {
        racks
            .iter()
            .map(|&(id, rack)| BrokerRack { id, rack: (!rack.is_empty()).then(|| rack.to_owned()) })
            .collect()
    }

    fn plan(replicas: &[&[i32]]) -> Plan {
        (0..).zip(replicas).map(|(index, ids)| (TopicPartition::new("t", index), ids.to_vec())).collect()
    }

    fn counts(plan: &Plan) -> BTreeMap<i32, usize> {
        let mut counts = BTreeMap::new();
        plan.values().flatten().for_each(|&id| *counts.entry(id).or_default() += 1);
        counts
    }

    #[test]
    fn what_lies_well_stays() {
        let current = plan(&[&[1, 2], &[2, 3], &[3, 1]]);
        assert_eq!(place(&current, &brokers(&[(1, ""), (2, ""), (3, "")]), None), Some(current));
    }

    #[test]
    fn a_new_broker_gets_its_share_and_nothing_else_moves() {
        let current = plan(&[&[1, 2], &[2, 1], &[1, 2]]);
        let placed = place(&current, &brokers(&[(1, ""), (2, ""), (3, "")]), None).unwrap();
        assert_eq!(counts(&placed), BTreeMap::from([(1, 2), (2, 2), (3, 2)]));
        let moved = current
            .iter()
            .map(|(target, before)| placed[target].iter().filter(|id| !before.contains(id)).count());
        assert_eq!(moved.sum::<usize>(), 2, "{placed:?}");
    }

    #[test]
    fn a_broker_that_is_left_out_is_emptied() {
        let current = plan(&[&[1, 2], &[2, 3], &[3, 1], &[1, 3]]);
        let placed = place(&current, &brokers(&[(1, ""), (2, ""), (4, "")]), None).unwrap();
        assert!(!counts(&placed).contains_key(&3));
        assert!(placed.values().all(|replicas| replicas.len() == 2 && replicas[0] != replicas[1]));
    }

    #[test]
    fn replicas_lie_in_different_racks_where_there_are_enough() {
        let all = brokers(&[(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c"), (6, "c")]);
        let current: Plan = (0..12).map(|index| (TopicPartition::new("t", index), vec![1, 2, 3])).collect();
        let placed = place(&current, &all, None).unwrap();
        let rack = |id: &i32| (id - 1) / 2;
        for replicas in placed.values() {
            let racks: BTreeSet<i32> = replicas.iter().map(rack).collect();
            assert_eq!(racks.len(), 3, "{placed:?}");
        }
        let leads = placed.values().fold(BTreeMap::<i32, usize>::new(), |mut leads, replicas| {
            *leads.entry(replicas[0]).or_default() += 1;
            leads
        });
        assert!(leads.values().all(|&count| count <= 4), "{leads:?}");
    }

    #[test]
    fn every_topic_has_its_leaders_on_all_its_brokers() {
        let three = brokers(&[(1, ""), (2, ""), (3, "")]);
        let all_on_one = |topic: &'static str, first: i32| {
            (0..3).map(move |index| {
                let others = [1, 2, 3].into_iter().filter(|&id| id != first);
                (TopicPartition::new(topic, index), std::iter::once(first).chain(others).collect::<Vec<_>>())
            })
        };
        // Over all topics they are even as they are.
        let current: Plan = all_on_one("a", 1).chain(all_on_one("b", 2)).chain(all_on_one("c", 3)).collect();
        let placed = place(&current, &three, None).unwrap();
        for topic in ["a", "b", "c"] {
            let of_topic = placed.iter().filter(|(target, _)| target.topic == topic);
            let mut leaders: Vec<i32> = of_topic.map(|(_, replicas)| replicas[0]).collect();
            leaders.sort_unstable();
            assert_eq!(leaders, [1, 2, 3], "{topic}: {placed:?}");
        }
    }

    #[test]
    fn who_leaves_is_replaced_and_nobody_else_moves() {
        let all = plan(&[&[1, 2], &[2, 3], &[3, 1], &[3, 2]]);
        let four = brokers(&[(1, "a"), (2, "a"), (3, "b"), (4, "b")]);
        let moved = evacuate(&all, 3, &four).unwrap();
        assert_eq!(moved.into_values().collect::<Vec<_>>(), [[2, 4], [4, 1], [4, 2]]);
        assert_eq!(evacuate(&plan(&[&[1, 2, 3]]), 3, &four[..3]), None, "1 and 2 have a replica already");
        assert_eq!(evacuate(&all, 9, &four), Some(Plan::new()));
    }

    #[test]
    fn more_or_fewer_replicas_and_too_few_brokers() {
        let current = plan(&[&[1], &[2]]);
        let three = brokers(&[(1, ""), (2, ""), (3, "")]);
        let grown = place(&current, &three, Some(3)).unwrap();
        assert!(grown.values().all(|replicas| replicas.len() == 3));
        let shrunk = place(&plan(&[&[1, 2, 3]]), &three, Some(1)).unwrap();
        assert_eq!(counts(&shrunk).values().sum::<usize>(), 1);
        assert_eq!(place(&current, &three, Some(4)), None);
        assert_eq!(place(&current, &[], None), None);
    }
}
