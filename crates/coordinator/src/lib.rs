//! Group coordinators as replicated state machines: commands decide records, only records change state.
