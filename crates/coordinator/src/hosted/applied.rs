//! What an offset of a coordinator's log holds, as data: a record, or the end of a transaction.

use crate::machine::{Machine, Origin, TransactionMarker};

/// What the committed twin still has to see.
pub(super) struct Applied<M: Machine> {
    pub offset: i64,
    pub change: Change<M>,
}

/// What an offset of the log does to a machine.
pub(super) enum Change<M: Machine> {
    Record(Origin, M::Record),
    Marker(TransactionMarker),
}
