//! What is stored of records, in the codes of the share coordinator's messages and records.

/// What stored state says of a range of records, in the codes of the share coordinator's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBatch {
    /// First offset.
    pub first_offset: i64,
    /// Last offset, the range includes it.
    pub last_offset: i64,
    /// Whether it waits, or how it is done with.
    pub state: StoredState,
    /// How often it was handed out.
    pub delivery_count: i16,
}

/// What can be stored of a record: who holds it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredState {
    /// To be handed out (again).
    Available,
    /// Accepted.
    Acknowledged,
    /// Nobody gets it any more, and it is on its way to the dead-letter queue of the group (KIP-1191).
    Archiving,
    /// Rejected, handed out too often, or not there.
    Archived,
}

impl StoredState {
    /// The code in messages and records.
    pub fn code(self) -> i8 {
        match self {
            StoredState::Available => 0,
            StoredState::Acknowledged => 2,
            StoredState::Archiving => 3,
            StoredState::Archived => 4,
        }
    }

    /// A code as it was stored; `None` for what is no state.
    pub fn of_code(code: i8) -> Option<StoredState> {
        match code {
            0 => Some(StoredState::Available),
            2 => Some(StoredState::Acknowledged),
            3 => Some(StoredState::Archiving),
            4 => Some(StoredState::Archived),
            _ => None,
        }
    }

    pub(crate) fn is_terminal(self) -> bool {
        match self {
            StoredState::Acknowledged | StoredState::Archived => true,
            StoredState::Available | StoredState::Archiving => false,
        }
    }
}
