//! What members say of the records that they hold (accept, release, reject, that there is none, or that they need longer; KIP-932, 1222), and
//! what becomes of all that a member holds when it goes. An acknowledgement counts as a whole or not at all.

use wire::{ErrorCode, Str};

use super::flights::{Flight, Holding, Pending, after_failure, after_release};
use super::{SharePartition, ShareSettings, StoredState, is_of};

/// Of a range: one type for all of it, or one for each offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgementBatch {
    /// First offset.
    pub first_offset: i64,
    /// Last offset, the range includes it.
    pub last_offset: i64,
    /// 0 there is no such record, 1 accept, 2 release, 3 reject, 4 renew.
    pub types: Vec<i8>,
}

/// Why nothing of it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// What the client reads.
    pub error: ErrorCode,
    /// What a person reads.
    pub why: &'static str,
}

impl Refused {
    fn state(why: &'static str) -> Refused {
        Refused { error: ErrorCode::InvalidRecordState, why }
    }

    fn request(why: &'static str) -> Refused {
        Refused { error: ErrorCode::InvalidRequest, why }
    }
}

/// What an acknowledgement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Becomes(StoredState),
    Released,
    Rejected,
    Renewed,
}

fn meaning(acknowledge_type: i8) -> Result<Meaning, Refused> {
    match acknowledge_type {
        0 => Ok(Meaning::Becomes(StoredState::Archived)),
        1 => Ok(Meaning::Becomes(StoredState::Acknowledged)),
        2 => Ok(Meaning::Released),
        3 => Ok(Meaning::Rejected),
        4 => Ok(Meaning::Renewed),
        _ => Err(Refused::request("Invalid acknowledge type.")),
    }
}

/// Neighbours of one type.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: i64,
    last: i64,
    meaning: Meaning,
}

impl SharePartition {
    /// Takes what a member says of what it holds; answers which write it has to wait for, if any.
    pub fn acknowledge(
        &mut self,
        now_ms: i64,
        settings: &ShareSettings,
        member: &Str,
        batches: &[AcknowledgementBatch],
    ) -> Result<Option<u64>, Refused> {
        let mut runs = Vec::new();
        // What came before it in this request is on its way already.
        let mut under_way = i64::MIN;
        for batch in batches {
            let parts = runs_of(batch)?;
            if batch.last_offset < self.start_offset {
                continue;
            }
            self.locate(batch)?;
            for part in parts {
                let part = Run { first: part.first.max(self.start_offset), ..part };
                if part.first > part.last {
                    continue;
                }
                if part.first <= under_way {
                    return Err(Refused::state(NOT_ACQUIRED));
                }
                self.allows(member, part, batch.types.len() > 1)?;
                if part.meaning == Meaning::Renewed {
                    if !settings.allows_renewal {
                        return Err(Refused::state("Renewing acknowledgements is disabled for the group."));
                    }
                } else {
                    under_way = part.last;
                }
                runs.push(part);
            }
        }
        let write = self.write_to_come();
        let mut is_waiting = false;
        for run in runs {
            is_waiting |= self.take_in(run, now_ms, settings, write);
        }
        self.check();
        Ok(is_waiting.then_some(write))
    }

    /// A member goes: what it holds is available again, if it was not handed out often enough. Answers which write to wait for.
    pub fn release_member(&mut self, settings: &ShareSettings, member: &Str) -> Option<u64> {
        let write = self.write_to_come();
        let mut released = Vec::new();
        for (first, flight) in self.flights.iter_mut() {
            // What it has said of some stays said.
            if flight.pending.is_none() && is_of(member, &flight.holding) {
                let delivery_count = flight.delivery_count;
                let state = after_release(delivery_count, settings);
                flight.pending = Some(Pending { write, state, delivery_count });
                released.push((first, became(flight, state)));
            }
        }
        let is_waiting = !released.is_empty();
        for (first, flight) in released {
            self.unwritten.lay_over(first, flight);
        }
        self.check();
        is_waiting.then_some(write)
    }

    /// Whether all of it lies within what was handed out.
    fn locate(&self, batch: &AcknowledgementBatch) -> Result<(), Refused> {
        let start = self.start_offset;
        let is_across = batch.first_offset < start && start <= batch.last_offset;
        let from = if is_across { start } else { batch.first_offset };
        if self.flights.floor(from).is_none() {
            return Err(Refused::state(
                "Batch record not found. The request batch offsets are not found in the cache.",
            ));
        }
        let last = self.flights.floor(batch.last_offset).map(|(_, flight)| flight.last);
        match last {
            Some(last) if last < batch.first_offset => Err(Refused::request(
                "Batch record not found. The first offset in request is past acquired records.",
            )),
            Some(last) if last < batch.last_offset => Err(Refused::request(
                "Batch record not found. The last offset in request is past acquired records.",
            )),
            Some(_) => Ok(()),
            None => Err(Refused::state(
                "Batch record not found. The request batch offsets are not found in the cache.",
            )),
        }
    }

    /// Whether the member holds all of it, and none of it is on its way.
    fn allows(&self, member: &Str, run: Run, by_offset: bool) -> Result<(), Refused> {
        let mut at = run.first;
        while let Some((first, flight)) = self.flights.from(at).filter(|(first, _)| *first <= run.last) {
            let is_whole = !by_offset
                && (first, flight.last) == flight.batch
                && first >= run.first
                && flight.last <= run.last;
            match &flight.holding {
                Holding::Held { member: holder, .. } if flight.pending.is_none() => {
                    if holder != member {
                        return Err(Refused::state(match is_whole {
                            true => "Member is not the owner of batch record",
                            false => "Member is not the owner of offset",
                        }));
                    }
                }
                // What is on its way to another state is nobody's any more.
                Holding::Held { .. } | Holding::Nobody(_) => {
                    return Err(Refused::state(if is_whole { BATCH_NOT_ACQUIRED } else { NOT_ACQUIRED }));
                }
            }
            at = flight.last.saturating_add(1);
        }
        Ok(())
    }

    /// True if a write has to be waited for.
    fn take_in(&mut self, run: Run, now_ms: i64, settings: &ShareSettings, write: u64) -> bool {
        let mut said = Vec::new();
        for first in self.flights.cut_out(run.first, run.last) {
            let Some(flight) = self.flights.get_mut(first) else { continue };
            let state = match run.meaning {
                Meaning::Becomes(state) => state,
                Meaning::Released => after_release(flight.delivery_count, settings),
                Meaning::Rejected => after_failure(settings),
                Meaning::Renewed => {
                    if let Holding::Held { until_ms, .. } = &mut flight.holding {
                        *until_ms = now_ms.saturating_add(settings.lock_duration_ms);
                    }
                    continue;
                }
            };
            flight.pending = Some(Pending { write, state, delivery_count: flight.delivery_count });
            said.push((first, became(flight, state)));
        }
        let is_waiting = !said.is_empty();
        for (first, flight) in said {
            self.unwritten.lay_over(first, flight);
        }
        is_waiting
    }
}

const NOT_ACQUIRED: &str = "The offset cannot be acknowledged. The offset is not acquired.";
const BATCH_NOT_ACQUIRED: &str = "The batch cannot be acknowledged. The batch is not in the acquired state.";

/// What is stored of it.
fn became(flight: &Flight, state: StoredState) -> Flight {
    Flight { holding: Holding::Nobody(state), pending: None, ..flight.clone() }
}

/// By neighbours of one type.
fn runs_of(batch: &AcknowledgementBatch) -> Result<Vec<Run>, Refused> {
    let (mut first, last) = (batch.first_offset, batch.last_offset);
    let records = last.checked_sub(first).and_then(|span| span.checked_add(1)).filter(|records| *records > 0);
    let types = i64::try_from(batch.types.len()).unwrap_or(i64::MAX);
    match batch.types[..] {
        [one] if records.is_some() => Ok(vec![Run { first, last, meaning: meaning(one)? }]),
        _ if records != Some(types) => Err(Refused::request("Acknowledge types do not fit their offsets.")),
        _ => {
            let mut runs = Vec::new();
            for run in batch.types.chunk_by(|one, next| one == next) {
                let Some(&acknowledge_type) = run.first() else { continue };
                let end = first + i64::try_from(run.len()).unwrap_or(i64::MAX) - 1;
                runs.push(Run { first, last: end, meaning: meaning(acknowledge_type)? });
                first = end + 1;
            }
            Ok(runs)
        }
    }
}
