//! The way to the active controller, wherever it is: what is brought there, by whom it is waited for, when it is tried again. Pure: says
//! what to do next and is told what came of it.
//!
//! An errand ends once: answered, refused because no controller took it in time, or handed back because the controller is here. Until
//! then it follows the controller: whoever does not lead, cannot be reached or goes away is asked no more, and the next one is (KIP-590,
//! KIP-631). What a lost controller decided without saying so is decided a second time by the next one, as in Kafka.

use std::collections::BTreeMap;

use bytes::Bytes;
use kraft::controller::{ControllerAnswer, ControllerCommand};
use kraft::hosted::Token;
use wire::ErrorCode;
use wire::messages::envelope::EnvelopeResponse;

use super::errands::{Errand, command_answer, is_not_controller};
use crate::peers::{NoAnswer, PeerAnswer, Purpose};
use crate::rim::PeerAddress;
use crate::timers::NEVER;

/// Where the active controller is, as far as the quorum knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    Here,
    At(PeerAddress),
    Unknown,
}

/// What is to be done now.
#[derive(Debug)]
pub(crate) enum Step {
    /// The controller is here: it decides, and [`Way::decided`] or [`Way::moved`] hear of it.
    Decide(Token, ControllerCommand),
    /// The controller is here, so whoever wanted to forward a request has it carried out where he is.
    Here(Token),
    /// To be sent; what comes back is for [`Way::told`].
    Send { token: Token, attempt: u64, to: PeerAddress, purpose: Purpose, deadline_ms: i64, errand: Errand },
    /// Nobody took it in time.
    Late(Token, Errand),
}

/// What became of an errand.
#[derive(Debug, PartialEq)]
pub(crate) enum Brought {
    Answer(Box<ControllerAnswer>),
    /// The answer's frame without its length, in an envelope.
    Envelope(Bytes),
    Refused(Errand, ErrorCode),
}

/// What came back of an attempt.
pub(crate) struct Told {
    pub token: Token,
    pub attempt: u64,
    pub outcome: Result<PeerAnswer, NoAnswer>,
}

/// All errands of a node.
#[derive(Debug)]
pub(crate) struct Way {
    errands: BTreeMap<Token, Underway>,
    /// With the controller here: how urgent each was, should it come back.
    deciding: BTreeMap<Token, (Purpose, i64)>,
    /// As of the last look.
    whereabouts: Whereabouts,
    last_attempt: u64,
}

#[derive(Debug)]
struct Underway {
    errand: Errand,
    purpose: Purpose,
    deadline_ms: i64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// For a controller, or for its next try.
    Waiting { until_ms: i64 },
    /// Out with this attempt, at that node.
    Sent { attempt: u64, to: i32 },
}

/// Between two tries at the same controller.
const BACKOFF_MS: i64 = 50;

impl Default for Way {
    fn default() -> Way {
        let (errands, deciding) = (BTreeMap::new(), BTreeMap::new());
        Way { errands, deciding, whereabouts: Whereabouts::Unknown, last_attempt: 0 }
    }
}

impl Way {
    /// Takes an errand; it is given up at its deadline.
    pub fn add(&mut self, token: Token, errand: Errand, purpose: Purpose, deadline_ms: i64) {
        let underway =
            Underway { errand, purpose, deadline_ms, state: State::Waiting { until_ms: i64::MIN } };
        let before = self.errands.insert(token, underway);
        assert!(before.is_none(), "two errands have one token");
    }

    /// The controller here has answered a command.
    pub fn decided(&mut self, token: Token) {
        self.deciding.remove(&token);
    }

    /// The controller here gives a command back: it leads no more.
    pub fn moved(&mut self, now_ms: i64, token: Token, command: ControllerCommand) {
        let Some((purpose, deadline_ms)) = self.deciding.remove(&token) else { return };
        self.add(token, Errand::Command(Box::new(command)), purpose, deadline_ms);
        self.rest(token, now_ms);
    }

    /// When [`Way::step`] has something to do.
    pub fn next_ms(&self) -> i64 {
        let is_known = self.whereabouts != Whereabouts::Unknown;
        let of = |underway: &Underway| match underway.state {
            State::Waiting { until_ms } if is_known => until_ms.min(underway.deadline_ms),
            State::Waiting { .. } | State::Sent { .. } => underway.deadline_ms,
        };
        self.errands.values().map(of).min().unwrap_or(NEVER)
    }

    /// True if [`Way::step`] would do something with the controller there.
    pub fn is_due(&self, now_ms: i64, whereabouts: &Whereabouts) -> bool {
        !self.errands.is_empty() && (self.whereabouts != *whereabouts || self.next_ms() <= now_ms)
    }

    /// What to do now.
    pub fn step(&mut self, now_ms: i64, whereabouts: Whereabouts) -> Vec<Step> {
        if self.whereabouts != whereabouts {
            self.look_up(whereabouts);
        }
        let mut steps = Vec::new();
        let mut gone = Vec::new();
        for (&token, underway) in &mut self.errands {
            let is_due = matches!(underway.state, State::Waiting { until_ms } if until_ms <= now_ms);
            if underway.deadline_ms <= now_ms {
                gone.push((token, true));
                continue;
            }
            match &self.whereabouts {
                Whereabouts::Here if is_due => gone.push((token, false)),
                Whereabouts::At(to) if is_due => {
                    self.last_attempt += 1;
                    underway.state = State::Sent { attempt: self.last_attempt, to: to.node_id };
                    steps.push(Step::Send {
                        token,
                        attempt: self.last_attempt,
                        to: to.clone(),
                        purpose: underway.purpose,
                        deadline_ms: underway.deadline_ms,
                        errand: underway.errand.clone(),
                    });
                }
                Whereabouts::Here | Whereabouts::At(_) | Whereabouts::Unknown => {}
            }
        }
        for (token, is_late) in gone {
            let Some(underway) = self.errands.remove(&token) else { continue };
            steps.push(match underway.errand {
                errand if is_late => Step::Late(token, errand),
                Errand::Command(command) => {
                    self.deciding.insert(token, (underway.purpose, underway.deadline_ms));
                    Step::Decide(token, *command)
                }
                Errand::Envelope(_) => Step::Here(token),
            });
        }
        steps
    }

    /// The controller is elsewhere: what waited need not wait any more, and what is out with another is not waited for, for it may never
    /// come. While nobody is known, the last one may still answer.
    fn look_up(&mut self, whereabouts: Whereabouts) {
        for underway in self.errands.values_mut() {
            let goes_on = match (&underway.state, &whereabouts) {
                (_, Whereabouts::Unknown) => true,
                (State::Sent { to, .. }, Whereabouts::At(address)) => *to == address.node_id,
                (State::Sent { .. }, Whereabouts::Here) | (State::Waiting { .. }, _) => false,
            };
            if !goes_on {
                underway.state = State::Waiting { until_ms: i64::MIN };
            }
        }
        self.whereabouts = whereabouts;
    }

    /// What came back; `None` if the errand goes on, or nobody waits for this attempt any more.
    pub fn told(&mut self, now_ms: i64, told: Told) -> Option<(Token, Brought)> {
        let Told { token, attempt, outcome } = told;
        let underway = self.errands.get(&token)?;
        if !matches!(underway.state, State::Sent { attempt: out, .. } if out == attempt) {
            return None;
        }
        let refused = |errand: &Errand, code| Some(Brought::Refused(errand.clone(), code));
        let brought = match outcome {
            Ok(answer) => heard(&underway.errand, answer),
            Err(NoAnswer::Unsupported) => refused(&underway.errand, ErrorCode::UnsupportedVersion),
            Err(NoAnswer::Malformed) => refused(&underway.errand, ErrorCode::UnknownServerError),
            Err(NoAnswer::Unreachable | NoAnswer::Refused | NoAnswer::Lost | NoAnswer::TimedOut) => None,
        };
        match brought {
            Some(brought) => {
                self.errands.remove(&token);
                Some((token, brought))
            }
            None => {
                self.rest(token, now_ms);
                None
            }
        }
    }

    fn rest(&mut self, token: Token, now_ms: i64) {
        if let Some(underway) = self.errands.get_mut(&token) {
            underway.state = State::Waiting { until_ms: now_ms.saturating_add(BACKOFF_MS) };
        }
    }
}

/// `None`: whoever answered is not the controller.
fn heard(errand: &Errand, answer: PeerAnswer) -> Option<Brought> {
    let refused = |code| Some(Brought::Refused(errand.clone(), code));
    match errand {
        Errand::Command(command) => match command_answer(command, answer) {
            Some(answer) if is_not_controller(&answer) => None,
            Some(answer) => Some(Brought::Answer(Box::new(answer))),
            None => refused(ErrorCode::UnknownServerError),
        },
        Errand::Envelope(_) => match answer.read::<EnvelopeResponse>() {
            Ok(response) => match (ErrorCode::from_code(response.error_code), response.response_data) {
                (ErrorCode::None, Some(data)) => Some(Brought::Envelope(data)),
                (ErrorCode::NotController, _) => None,
                (ErrorCode::None, None) => refused(ErrorCode::UnknownServerError),
                // Words between nodes; to the client this broker failed (KIP-590).
                (ErrorCode::UnsupportedVersion, _) => refused(ErrorCode::UnsupportedVersion),
                (_, _) => refused(ErrorCode::UnknownServerError),
            },
            Err(_) => refused(ErrorCode::UnknownServerError),
        },
    }
}

#[cfg(test)]
mod tests;
