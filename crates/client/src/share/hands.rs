//! What a member of a share group has been given and what it has said of it, by the node that gave it: whoever leads a partition next knows
//! nothing of the locks of the one before. Pure.

use std::collections::BTreeMap;
use wire::Uuid;
use wire::messages::share_acknowledge::AcknowledgementBatch;

/// What a member says of a record (KIP-932, 1222).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Done with.
    Accept,
    /// For another try, by whoever comes.
    Release,
    /// Nobody shall try again: into the dead-letter queue of the group, if it has one.
    Reject,
    /// Still at it: the lock begins anew, and the record has to be acknowledged again.
    Renew,
}

/// There is no record at this offset.
const GAP: i8 = 0;
const RENEW: i8 = 4;

impl Acknowledgement {
    fn code(self) -> i8 {
        match self {
            Acknowledgement::Accept => 1,
            Acknowledgement::Release => 2,
            Acknowledgement::Reject => 3,
            Acknowledgement::Renew => RENEW,
        }
    }
}

/// A partition as share sessions name it.
pub(super) type Place = (Uuid, i32);

/// Offsets of which the same is said; both ends are part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub first: i64,
    pub last: i64,
    code: i8,
}

impl Span {
    /// No records are there.
    pub fn gap(first: i64, last: i64) -> Span {
        Span { first, last, code: GAP }
    }

    /// All of it is acknowledged alike.
    pub fn of(first: i64, last: i64, acknowledgement: Acknowledgement) -> Span {
        Span { first, last, code: acknowledgement.code() }
    }

    pub fn is_renewal(self) -> bool {
        self.code == RENEW
    }
}

/// What is said of partitions in one request.
pub(super) type Words = BTreeMap<Place, Vec<Span>>;

/// As requests have it.
pub(super) fn batches(spans: &[Span]) -> Vec<AcknowledgementBatch> {
    let batch = |span: &Span| AcknowledgementBatch {
        first_offset: span.first,
        last_offset: span.last,
        acknowledge_types: vec![span.code],
    };
    spans.iter().map(batch).collect()
}

/// Of one partition.
#[derive(Debug, Default)]
struct Hand {
    /// The program has them. True: their lock was renewed, and they may stay for as long as it lasts.
    open: BTreeMap<i64, bool>,
    /// To be sent.
    said: BTreeMap<i64, Acknowledgement>,
    /// To be sent, too: what the program never saw.
    unseen: Vec<Span>,
}

/// All that a member holds.
#[derive(Debug, Default)]
pub(super) struct Hands(BTreeMap<i32, BTreeMap<Place, Hand>>);

impl Hands {
    /// The program gets these records.
    pub fn give(&mut self, node: i32, place: Place, offsets: impl IntoIterator<Item = i64>) {
        let hand = self.hand(node, place);
        hand.open.extend(offsets.into_iter().map(|offset| (offset, false)));
    }

    /// What the program never sees, and what is said of it.
    pub fn pass_over(&mut self, node: i32, place: Place, spans: Vec<Span>) {
        if !spans.is_empty() {
            self.hand(node, place).unseen.extend(spans);
        }
    }

    /// False: the member does not hold it (any more).
    pub fn say(&mut self, place: Place, offset: i64, acknowledgement: Acknowledgement) -> bool {
        let mut hands = self.0.values_mut().filter_map(|partitions| partitions.get_mut(&place));
        let Some(hand) =
            hands.find(|hand| hand.open.contains_key(&offset) || hand.said.contains_key(&offset))
        else {
            return false;
        };
        hand.open.remove(&offset);
        hand.said.insert(offset, acknowledgement);
        true
    }

    /// Says the same of all of which nothing was said yet.
    pub fn say_of_the_rest(&mut self, acknowledgement: Acknowledgement) {
        for hand in self.0.values_mut().flat_map(BTreeMap::values_mut) {
            let rest = std::mem::take(&mut hand.open);
            hand.said.extend(rest.into_keys().map(|offset| (offset, acknowledgement)));
        }
    }

    /// A record of which nothing was said since it was handed out.
    pub fn unsaid(&self) -> Option<(Place, i64)> {
        let mut hands = self.0.values().flatten();
        hands.find_map(|(place, hand)| {
            hand.open.iter().find(|(_, is_renewed)| !**is_renewed).map(|(offset, _)| (*place, *offset))
        })
    }

    /// Which nodes something is to be sent to.
    pub fn addressees(&self) -> Vec<i32> {
        let has_words = |hand: &Hand| !hand.said.is_empty() || !hand.unseen.is_empty();
        self.0.iter().filter(|(_, hands)| hands.values().any(has_words)).map(|(node, _)| *node).collect()
    }

    /// All that is to be sent to a node; neighbours of which the same is said are one span.
    pub fn take_words(&mut self, node: i32) -> Words {
        let mut words = Words::new();
        let Some(hands) = self.0.get_mut(&node) else { return words };
        for (place, hand) in hands.iter_mut() {
            let said = std::mem::take(&mut hand.said).into_iter();
            let mut spans = std::mem::take(&mut hand.unseen);
            spans.extend(said.map(|(offset, word)| Span::of(offset, offset, word)));
            spans.sort_unstable_by_key(|span| span.first);
            spans.dedup_by(|next, span| {
                let continues = span.code == next.code && span.last.checked_add(1) == Some(next.first);
                if continues {
                    span.last = next.last;
                }
                continues
            });
            if !spans.is_empty() {
                words.insert(*place, spans);
            }
        }
        hands.retain(|_, hand| !hand.open.is_empty());
        words
    }

    /// Locks that were renewed: the program still has these records.
    pub fn renewed(&mut self, node: i32, place: Place, spans: &[Span]) {
        for span in spans.iter().filter(|span| span.is_renewal()) {
            self.hand(node, place).open.extend((span.first..=span.last).map(|offset| (offset, true)));
        }
    }

    /// The node knows this member no more: what it gave is for others. Answers of which partitions something was still to be said.
    pub fn lose(&mut self, node: i32) -> Vec<Place> {
        let hands = self.0.remove(&node).unwrap_or_default();
        hands.into_iter().filter(|(_, hand)| !hand.said.is_empty()).map(|(place, _)| place).collect()
    }

    fn hand(&mut self, node: i32, place: Place) -> &mut Hand {
        self.0.entry(node).or_default().entry(place).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = (Uuid::ZERO, 0);

    fn spelled(words: &Words) -> Vec<(i64, i64, i8)> {
        words.values().flatten().map(|span| (span.first, span.last, span.code)).collect()
    }

    #[test]
    fn neighbours_of_one_word_go_together_and_gaps_go_along() {
        let mut hands = Hands::default();
        hands.give(1, PLACE, [0, 1, 3, 4]);
        hands.pass_over(1, PLACE, vec![Span::gap(2, 2)]);
        assert_eq!(hands.unsaid(), Some((PLACE, 0)));
        assert!(hands.say(PLACE, 3, Acknowledgement::Reject));
        assert!(!hands.say(PLACE, 7, Acknowledgement::Accept), "it was never given");
        hands.say_of_the_rest(Acknowledgement::Accept);
        assert_eq!(hands.unsaid(), None);
        assert_eq!(hands.addressees(), [1]);
        assert_eq!(spelled(&hands.take_words(1)), [(0, 1, 1), (2, 2, 0), (3, 3, 3), (4, 4, 1)]);
        assert_eq!(hands.addressees(), Vec::<i32>::new());
        assert!(!hands.say(PLACE, 0, Acknowledgement::Accept), "it was sent");
    }

    #[test]
    fn what_is_renewed_stays_and_may_wait() {
        let mut hands = Hands::default();
        hands.give(1, PLACE, [5]);
        assert!(hands.say(PLACE, 5, Acknowledgement::Renew));
        let words = hands.take_words(1);
        assert!(words[&PLACE][0].is_renewal());
        hands.renewed(1, PLACE, &words[&PLACE]);
        assert_eq!(hands.unsaid(), None, "nobody is urged");
        assert!(hands.say(PLACE, 5, Acknowledgement::Accept), "and it is still there");
    }

    #[test]
    fn with_its_session_a_node_loses_what_it_gave() {
        let mut hands = Hands::default();
        hands.give(1, PLACE, [5, 6]);
        hands.give(2, (Uuid::ZERO, 1), [5]);
        assert!(hands.say(PLACE, 5, Acknowledgement::Accept));
        assert_eq!(hands.lose(1), [PLACE]);
        assert!(!hands.say(PLACE, 6, Acknowledgement::Accept));
        assert!(hands.say((Uuid::ZERO, 1), 5, Acknowledgement::Accept));
    }
}
