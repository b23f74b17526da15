//! The shape of errors: one result for the partition that was asked for.

use super::command::{ShareAnswer, ShareCommand};
use super::partition::SharePartition;
use wire::messages::delete_share_group_state::PartitionResult as Deleted;
use wire::messages::initialize_share_group_state::PartitionResult as Initialized;
use wire::messages::read_share_group_state::PartitionResult as State;
use wire::messages::read_share_group_state_summary::PartitionResult as Summary;
use wire::messages::write_share_group_state::PartitionResult as Written;
use wire::{ErrorCode, Str};

/// Why not, and what is said about it.
pub type Refusal = (ErrorCode, &'static str);

/// The error with the text that it always has.
pub fn plain(error: ErrorCode) -> Refusal {
    (error, error.message())
}

pub fn command(command: &ShareCommand, refusal: Refusal) -> ShareAnswer {
    let (error_code, error_message) = (refusal.0.code(), Some(Str::from_static(refusal.1)));
    let number = |of: &SharePartition| of.partition;
    match command {
        ShareCommand::Initialize { of, .. } => {
            ShareAnswer::Initialize(Initialized { partition: number(of), error_code, error_message })
        }
        ShareCommand::Read { of, .. } => {
            ShareAnswer::Read(State { partition: number(of), error_code, error_message, ..State::default() })
        }
        ShareCommand::Summary { of } => ShareAnswer::Summary(Summary {
            partition: number(of),
            error_code,
            error_message,
            ..Summary::default()
        }),
        ShareCommand::Write { of, .. } => {
            ShareAnswer::Write(Written { partition: number(of), error_code, error_message })
        }
        ShareCommand::Delete { of } => {
            ShareAnswer::Delete(Deleted { partition: number(of), error_code, error_message })
        }
        ShareCommand::TopicsDeleted { .. } | ShareCommand::Prune { .. } | ShareCommand::Fired(_) => {
            ShareAnswer::Done
        }
    }
}

/// Whoever asks may not.
pub fn refused(what: &ShareCommand, error: ErrorCode) -> ShareAnswer {
    command(what, plain(error))
}

/// Nobody here can say: what was meant to be done, and why it was not.
pub fn undone(what: &ShareCommand, error: ErrorCode) -> ShareAnswer {
    let doing = match what {
        ShareCommand::Initialize { .. } => "initialize share group state",
        ShareCommand::Read { .. } => "read share group state",
        ShareCommand::Summary { .. } => "read share group state summary",
        ShareCommand::Write { .. } => "write share group state",
        ShareCommand::Delete { .. } => "delete share group state",
        ShareCommand::TopicsDeleted { .. } | ShareCommand::Prune { .. } | ShareCommand::Fired(_) => "",
    };
    let text = Some(Str::from(format!("Unable to {doing}: {}", error.message())));
    let mut answer = command(what, plain(error));
    match &mut answer {
        ShareAnswer::Initialize(answer) => answer.error_message = text,
        ShareAnswer::Read(answer) => answer.error_message = text,
        ShareAnswer::Summary(answer) => answer.error_message = text,
        ShareAnswer::Write(answer) => answer.error_message = text,
        ShareAnswer::Delete(answer) => answer.error_message = text,
        ShareAnswer::Done => {}
    }
    answer
}

/// What an answer becomes whose state was not kept.
pub fn answer(answer: ShareAnswer, error: ErrorCode) -> ShareAnswer {
    let (error_code, error_message) = (error.code(), Some(Str::from_static(error.message())));
    match answer {
        ShareAnswer::Initialize(Initialized { partition, .. }) => {
            ShareAnswer::Initialize(Initialized { partition, error_code, error_message })
        }
        ShareAnswer::Read(State { partition, .. }) => {
            ShareAnswer::Read(State { partition, error_code, error_message, ..State::default() })
        }
        ShareAnswer::Summary(Summary { partition, .. }) => {
            ShareAnswer::Summary(Summary { partition, error_code, error_message, ..Summary::default() })
        }
        ShareAnswer::Write(Written { partition, .. }) => {
            ShareAnswer::Write(Written { partition, error_code, error_message })
        }
        ShareAnswer::Delete(Deleted { partition, .. }) => {
            ShareAnswer::Delete(Deleted { partition, error_code, error_message })
        }
        ShareAnswer::Done => ShareAnswer::Done,
    }
}
