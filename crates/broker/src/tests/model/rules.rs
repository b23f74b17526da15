//! What must hold.
//!
//! - **Committed** records are the same everywhere: what one leader has called committed no other calls something else, and whoever is in sync or
//!   eligible has all of it, unless it has lost its disk or what was on it.
//! - **Lost** is a committed record only if all that were in sync or eligible and had it have lost it, and no fewer than
//!   `min.insync.replicas` of them; or if somebody asked for an unclean election. Who has lost something before, and was not in sync again by the books, is
//!   one of them even if its leader has not heard and counts it: as in KIP-966.
//! - **Elected** is who was in sync or eligible, or it is marked (KIP-704): there is no other way to lose anything.
//! - **One** leader of each epoch.
//! - **Healing**: any one of those in sync that has lost nothing suffices to have a leader again; so does one that is eligible, or where nobody is the last
//!   known leader, if it has the disk that the books say.

use kraft::image::{LeaderRecoveryState, PartitionImage};

use super::books::{Event, directory};
use super::state::{BROKERS, Committed, Machine, Role, State, bit, id, is_member, place};
use super::steps::{Around, Step, having};

/// Which rule, and how.
pub(super) type Broken = String;

/// A disk is lost, or what was on it: nobody can know how much.
pub(super) fn loses(state: &mut State, at: usize) {
    state.machines[at].is_suspect = true;
    for record in &mut state.committed {
        if record.holders & bit(at) != 0 {
            record.holders &= !bit(at);
            record.lost_by |= bit(at);
        }
    }
}

/// A broker begins to lead by what the newest image says, or is to, and was neither in sync nor eligible.
pub(super) fn leads(
    state: &mut State,
    at: usize,
    partition: &PartitionImage,
    min_isr: usize,
) -> Result<(), Broken> {
    if state.excused {
        return Ok(());
    }
    let log = &state.machines[at].log.records;
    let lacks = |(offset, record): &(usize, &Committed)| log.get(*offset) != Some(&record.epoch);
    let Some((offset, record)) = state.committed.iter().enumerate().find(lacks) else { return Ok(()) };
    let promised = min_isr.min(partition.replicas.len());
    let may_be_lost = record.holders == 0 && record.lost_by.count_ones() as usize >= promised;
    let is_marked = partition.leader_recovery_state == LeaderRecoveryState::Recovering;
    if may_be_lost && is_marked {
        state.excused = true;
        return Ok(());
    }
    Err(format!("lost: {} leads and lacks what is committed at {offset}: {record:?}", id(at)))
}

/// After a step.
pub(super) fn judge(
    before: &State,
    state: &mut State,
    around: &mut Around<'_>,
    step: Step,
) -> Result<(), Broken> {
    let (was, partition) = (around.library.partition(before.books), around.library.partition(state.books));
    if before.books != state.books {
        elected(before, state, (was, partition), (step, around.bounds.min_isr))?;
        members_changed(state, was, partition);
    }
    commits(before, state, partition)?;
    one_leader(state)?;
    if !state.excused {
        complete(state, partition)?;
    }
    let alike = |(one, other): (&Machine, &Machine)| {
        let of = |it: &Machine| (it.is_up, it.is_suspect, it.previous, it.disk);
        of(one) == of(other)
    };
    let healed_before = before.books == state.books && before.machines.iter().zip(&state.machines).all(alike);
    if healed_before { Ok(()) } else { heals(state, around) }
}

fn elected(
    before: &State,
    state: &mut State,
    (was, partition): (&PartitionImage, &PartitionImage),
    (step, min_isr): (Step, usize),
) -> Result<(), Broken> {
    if partition.leader < 0 || partition.leader == was.leader {
        return Ok(());
    }
    let at = place(partition.leader);
    let proposed = |machine: &Machine| {
        let of = machine.asks.as_ref().filter(|_| matches!(step, Step::Decides(_)));
        of.is_some_and(|asks| asks.proposal.isr.iter().any(|(id, _)| *id == partition.leader))
    };
    if is_member(was, at) || before.machines.iter().any(proposed) {
        return Ok(());
    }
    if partition.leader_recovery_state != LeaderRecoveryState::Recovering {
        return Err(format!("elected: {} was neither in sync nor eligible", partition.leader));
    }
    // Asked for, whatever comes of it is right.
    state.excused |= matches!(step, Step::Elected { unclean: true });
    leads(state, at, partition, min_isr)
}

/// Who joins has what it has; who leaves does not count any more.
fn members_changed(state: &mut State, was: &PartitionImage, partition: &PartitionImage) {
    for at in 0..BROKERS {
        match (is_member(was, at), is_member(partition, at)) {
            (false, true) => {
                // Who is away, and lost something since it was proposed, is only thought to be in sync.
                state.machines[at].is_suspect &= !state.machines[at].is_up;
                if state.machines[at].is_suspect {
                    continue;
                }
                let log = &state.machines[at].log.records;
                for (offset, record) in state.committed.iter_mut().enumerate() {
                    if log.get(offset) == Some(&record.epoch) {
                        record.holders |= bit(at);
                        record.lost_by &= !bit(at);
                    }
                }
            }
            (true, false) => state.committed.iter_mut().for_each(|record| record.holders &= !bit(at)),
            (true, true) | (false, false) => {}
        }
    }
}

/// High watermarks of leaders that have moved.
fn commits(before: &State, state: &mut State, partition: &PartitionImage) -> Result<(), Broken> {
    for at in 0..BROKERS {
        let machine = &state.machines[at];
        let from = match matches!(machine.role, Role::Leader(_)) {
            true if !state.excused => before.machines[at].log.high_watermark as usize,
            _ => continue,
        };
        for offset in from..machine.log.high_watermark as usize {
            let epoch = state.machines[at].log.records[offset];
            match state.committed.get(offset) {
                Some(known) if known.epoch == epoch => {}
                Some(known) => {
                    return Err(format!(
                        "committed: {} has another record at {offset} than {known:?}",
                        id(at)
                    ));
                }
                None => {
                    let counts = |at: &usize| is_member(partition, *at) && !state.machines[*at].is_suspect;
                    let members: u8 = (0..BROKERS).filter(counts).map(bit).sum();
                    let holders = having(state, offset, epoch) & members;
                    // Whoever has lost something and is not in sync again counts as one that has lost this, too: the leader may not have heard.
                    let suspects = (0..BROKERS).filter(|at| state.machines[*at].is_suspect);
                    let lost_by = suspects.map(bit).sum();
                    state.committed.push(Committed { epoch, holders, lost_by });
                }
            }
        }
    }
    Ok(())
}

fn one_leader(state: &State) -> Result<(), Broken> {
    let epoch = |at: usize| match &state.machines[at].role {
        Role::Leader(leader) => Some(leader.leader_epoch),
        Role::Absent | Role::Follower { .. } => None,
    };
    for at in 0..BROKERS {
        let same = |other: &usize| *other != at && epoch(at).is_some() && epoch(*other) == epoch(at);
        if let Some(other) = (0..BROKERS).find(same) {
            return Err(format!("one: {} and {} lead in epoch {:?}", id(at), id(other), epoch(at)));
        }
    }
    Ok(())
}

/// Whoever may be elected has what is committed.
fn complete(state: &State, partition: &PartitionImage) -> Result<(), Broken> {
    for (offset, record) in state.committed.iter().enumerate() {
        let has = having(state, offset, record.epoch);
        let lacks =
            |at: &usize| is_member(partition, *at) && !state.machines[*at].is_suspect && has & bit(*at) == 0;
        if let Some(at) = (0..BROKERS).find(lacks) {
            return Err(format!("committed: {} may lead and lacks what is committed at {offset}", id(at)));
        }
    }
    Ok(())
}

/// One comes back, or is there, and all others that are down stay so. Whoever is there says where its replica lies.
fn heals(state: &State, around: &mut Around<'_>) -> Result<(), Broken> {
    let partition = around.library.partition(state.books);
    let members = (0..BROKERS).filter(|at| is_member(partition, *at));
    let sound: Vec<usize> = members.clone().filter(|at| !state.machines[*at].is_suspect).collect();
    let last = partition.last_known_elr.first().map(|id| place(*id));
    let has_its_disk =
        |at: &usize| partition.directory(id(*at)) == Some(directory(id(*at), state.machines[*at].disk));
    let is_in_sync = |at: &usize| partition.isr.contains(&id(*at));
    let last = last.filter(|_| members.count() == 0);
    let suffices = sound.into_iter().filter(|at| is_in_sync(at) || has_its_disk(at));
    let suffices: Vec<usize> = suffices.chain(last.filter(has_its_disk)).collect();
    for at in suffices {
        if !leads_with(state, around, at) {
            return Err(format!("healing: {} is there, and nobody leads", id(at)));
        }
    }
    Ok(())
}

fn leads_with(state: &State, around: &mut Around<'_>, at: usize) -> bool {
    let mut books = state.books;
    let library = &mut *around.library;
    for (other, machine) in state.machines.iter().enumerate() {
        let is_fenced = library.cluster(books).broker(id(other)).is_none_or(|broker| broker.fenced);
        if other != at && !machine.is_up && !is_fenced {
            books = library.turn(books, Event::Fence(id(other))).books;
        }
    }
    let machine = &state.machines[at];
    let broker = id(at);
    // Who has asked to go is not elected until it has gone and come back.
    let leaves = library.cluster(books).broker(broker).is_some_and(|it| it.in_controlled_shutdown);
    if !machine.is_up || leaves {
        let Machine { previous, disk, .. } = *machine;
        books = library.turn(books, Event::Register { broker, previous, disk }).books;
    }
    for (other, Machine { is_up, disk, .. }) in state.machines.iter().enumerate() {
        let known = library.partition(books).directory(id(other));
        if (other == at || *is_up) && known.is_some_and(|known| known != directory(id(other), *disk)) {
            books = library.turn(books, Event::Assign { broker: id(other), disk: *disk }).books;
        }
    }
    books = library.turn(books, Event::Unfence(broker)).books;
    let leader = library.partition(books).leader;
    library.cluster(books).is_active(leader)
}
