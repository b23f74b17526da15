//! A second kind of coordinator, as small as one can be, to prove that nothing in the host is for groups alone: sums by name, in a topic
//! of its own, with a timer that takes a sum back to nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use coordinator::group::DeletedTopic;
use coordinator::machine::EncodedRecord;
use coordinator::{Decision, Machine, Origin, Reply, ReplyToken, TransactionMarker};
use wire::ErrorCode;

use super::kinds::{Answers, Asked, Kind, Leaving, Opening, Question};
use crate::tests::planted::{Fault, strikes};

/// Sums by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TallyMachine(BTreeMap<String, i64>);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TallyCommand {
    Add {
        name: String,
        number: i64,
    },
    /// Answered from what is committed.
    Read {
        name: String,
    },
    /// So long nothing was added.
    Expire {
        name: String,
    },
}

pub(crate) type TallyAnswer = Result<i64, ErrorCode>;

/// A name and its sum from now on; zero is a tombstone.
pub(crate) type Sum = (String, i64);

/// After so long without an addition a sum is forgotten.
pub(crate) const FORGOTTEN_AFTER_MS: i64 = 60_000;

impl Machine for TallyMachine {
    /// Names that were added to, for the lines.
    type Soft = Vec<String>;
    type Command = TallyCommand;
    type Answer = TallyAnswer;
    type Record = Sum;
    type Timer = String;

    fn decide(
        &self,
        soft: &mut Vec<String>,
        now_ms: i64,
        command: TallyCommand,
        token: Option<ReplyToken>,
    ) -> Decision<TallyMachine> {
        let mut decision = Decision::default();
        let sum = |name: &str| self.0.get(name).copied().unwrap_or(0);
        match command {
            TallyCommand::Add { name, number } => {
                let sum = sum(&name).saturating_add(number);
                decision.set_timer(name.clone(), now_ms.saturating_add(FORGOTTEN_AFTER_MS));
                if let Some(token) = token {
                    decision.answer(token, Ok(sum));
                }
                soft.push(name.clone());
                decision.records.push((name, sum));
            }
            TallyCommand::Expire { name } => decision.records.push((name, 0)),
            TallyCommand::Read { name } => {
                if let Some(token) = token {
                    decision.answer(token, Ok(sum(&name)));
                }
            }
        }
        decision
    }

    fn query(&self, _: &Vec<String>, _: i64, command: &TallyCommand) -> Option<TallyAnswer> {
        match command {
            TallyCommand::Read { name } => Some(Ok(self.0.get(name).copied().unwrap_or(0))),
            TallyCommand::Add { .. } | TallyCommand::Expire { .. } => None,
        }
    }

    fn apply(&mut self, _: Origin, (name, sum): &Sum) {
        if strikes(Fault::TwinsApart) {
            return;
        }
        match sum {
            0 => drop(self.0.remove(name)),
            sum => drop(self.0.insert(name.clone(), *sum)),
        }
    }

    fn apply_marker(&mut self, _: i64, _: &TransactionMarker) {}

    fn resembles(&self, twin: &TallyMachine) -> bool {
        self == twin
    }

    fn fired(name: String) -> TallyCommand {
        TallyCommand::Expire { name }
    }

    fn opened(&self, _: &mut Vec<String>, now_ms: i64) -> Decision<TallyMachine> {
        let mut decision = Decision::default();
        for name in self.0.keys() {
            decision.set_timer(name.clone(), now_ms.saturating_add(FORGOTTEN_AFTER_MS));
        }
        decision
    }

    fn closed(_: Vec<String>, _: ErrorCode) -> Vec<Reply<TallyAnswer>> {
        Vec::new()
    }

    fn refuse(_: &TallyCommand, error: ErrorCode) -> TallyAnswer {
        Err(error)
    }

    fn retract(_: TallyAnswer, error: ErrorCode) -> TallyAnswer {
        Err(error)
    }

    fn marker_answer(result: Result<(), ErrorCode>) -> TallyAnswer {
        result.map(|()| 0)
    }

    fn encode((name, sum): &Sum) -> EncodedRecord {
        let value = (*sum != 0).then(|| Bytes::copy_from_slice(&sum.to_be_bytes()));
        EncodedRecord { key: Bytes::copy_from_slice(name.as_bytes()), value }
    }

    fn decode(key: Option<Bytes>, value: Option<Bytes>) -> Result<Option<Sum>, String> {
        let key = key.ok_or("no key")?;
        let name = std::str::from_utf8(&key).map_err(|error| error.to_string())?.to_owned();
        let Some(value) = value else { return Ok(Some((name, 0))) };
        let sum = value.as_ref().try_into().map_err(|_| "a sum has eight bytes")?;
        Ok(Some((name, i64::from_be_bytes(sum))))
    }
}

impl Kind for TallyMachine {
    const TOPIC: &'static str = "__tally";

    fn empty() -> TallyMachine {
        TallyMachine::default()
    }

    fn soft(_: &Opening<'_>) -> Vec<String> {
        Vec::new()
    }

    fn take_lines(soft: &mut Vec<String>, lines: &mut Vec<String>) {
        lines.extend(soft.drain(..).map(|name| format!("added to {name}")));
    }

    fn topics_deleted(_: &[DeletedTopic]) -> Option<TallyCommand> {
        None
    }

    fn question(asked: Asked<TallyMachine>) -> Question {
        Question::Tally(asked)
    }

    fn answers(answers: &mut Answers) -> &mut Leaving<TallyAnswer> {
        &mut answers.tallies
    }
}
