//! Topics of streams applications on their way into being (KIP-1071): which are asked for at the moment, and which the controller has refused,
//! and why. A member asks with every heartbeat; the controller is asked once, and not again before a refusal has grown old.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use wire::messages::create_topics::{CreatableTopic, CreateTopicsResponse};
use wire::{ErrorCode, Str};

/// So many refusals are remembered: Kafka's number. Names are anybody's to choose.
const REFUSALS_REMEMBERED: usize = 1_000;

/// So many refusals are told with one heartbeat.
const REFUSALS_TOLD: usize = 3;

/// Of one node.
#[derive(Default)]
pub(crate) struct StreamsTopics(Mutex<State>);

#[derive(Default)]
struct State {
    under_way: BTreeSet<Str>,
    /// Why, and until when that is remembered.
    refused: BTreeMap<Str, (Str, i64)>,
}

impl StreamsTopics {
    /// Those that are to be asked for now: nobody does at the moment, and no refusal is remembered.
    pub fn begin(&self, now_ms: i64, topics: &[CreatableTopic]) -> Vec<CreatableTopic> {
        let mut state = self.0.lock().expect("a lock that nothing panics under");
        state.refused.retain(|_, (_, until_ms)| now_ms < *until_ms);
        let wanted = topics.iter().filter(|topic| !state.refused.contains_key(&topic.name));
        let wanted: Vec<CreatableTopic> =
            wanted.filter(|topic| !state.under_way.contains(&topic.name)).cloned().collect();
        state.under_way.extend(wanted.iter().map(|topic| topic.name.detached()));
        wanted
    }

    /// What the controller said; `None` if nobody answered.
    pub fn ended(&self, topics: &[CreatableTopic], answer: Option<&CreateTopicsResponse>, until_ms: i64) {
        let mut state = self.0.lock().expect("a lock that nothing panics under");
        for topic in topics {
            state.under_way.remove(&topic.name);
        }
        let mut refuse = |name: &Str, why: Str| {
            if state.refused.len() < REFUSALS_REMEMBERED || state.refused.contains_key(name) {
                state.refused.insert(name.detached(), (why, until_ms));
            }
        };
        let Some(answer) = answer else {
            let why = Str::from_static("The controller did not answer.");
            return topics.iter().for_each(|topic| refuse(&topic.name, why.clone()));
        };
        for topic in &answer.topics {
            let error = ErrorCode::from_code(topic.error_code);
            if error != ErrorCode::None {
                let why = topic.error_message.as_ref().filter(|why| !why.is_empty()).map(Str::detached);
                refuse(&topic.name, why.unwrap_or_else(|| Str::from_static(error.message())));
            }
        }
    }

    /// What is remembered of these, in a sentence.
    pub fn refusals(&self, now_ms: i64, topics: &[CreatableTopic]) -> Option<String> {
        let state = self.0.lock().expect("a lock that nothing panics under");
        let of = |topic: &CreatableTopic| {
            let (why, until_ms) = state.refused.get(&topic.name)?;
            (now_ms < *until_ms).then(|| format!("{} ({why})", topic.name))
        };
        let refused: Vec<String> = topics.iter().filter_map(of).collect();
        let told = refused.iter().take(REFUSALS_TOLD).cloned().collect::<Vec<String>>().join(", ");
        match refused.len() {
            0 => None,
            all if all > REFUSALS_TOLD => {
                Some(format!("; Creation failed: {told} and {} more.", all - REFUSALS_TOLD))
            }
            _ => Some(format!("; Creation failed: {told}.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::messages::create_topics::CreatableTopicResult;

    fn topic(name: &str) -> CreatableTopic {
        CreatableTopic { name: Str::from(name), ..CreatableTopic::default() }
    }

    fn refused(name: &str, error: ErrorCode) -> CreatableTopicResult {
        CreatableTopicResult { name: Str::from(name), error_code: error.code(), ..Default::default() }
    }

    #[test]
    fn a_topic_is_asked_for_once_and_again_when_its_refusal_has_grown_old() {
        let (all, topics) = (StreamsTopics::default(), [topic("a"), topic("b")]);
        assert_eq!(all.begin(0, &topics).len(), 2);
        assert_eq!(all.begin(0, &topics).len(), 0, "both are under way");
        let answer = CreateTopicsResponse {
            topics: vec![refused("a", ErrorCode::None), refused("b", ErrorCode::PolicyViolation)],
            ..CreateTopicsResponse::default()
        };
        all.ended(&topics, Some(&answer), 100);
        assert_eq!(
            all.refusals(50, &topics).as_deref(),
            Some("; Creation failed: b (Request parameters do not satisfy the configured policy.).")
        );
        assert_eq!(all.begin(50, &topics), [topic("a")]);
        assert_eq!(all.begin(100, &topics), [topic("b")]);
        assert_eq!(all.refusals(100, &topics), None);
    }

    #[test]
    fn names_that_strangers_choose_are_not_remembered_without_bound() {
        let all = StreamsTopics::default();
        for number in 0..5_000 {
            let topics = [topic(&format!("t-{number}"))];
            all.ended(&all.begin(0, &topics), None, 100);
        }
        assert_eq!(all.0.lock().unwrap().refused.len(), REFUSALS_REMEMBERED);
        assert!(all.0.lock().unwrap().under_way.is_empty());
    }
}
