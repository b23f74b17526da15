//! What the three requests about access control entries share: which of their numbers are none at all, and what version 0 means.

use kraft::image::{AclFilter, LITERAL};

/// Kafka hangs up on a request that says UNKNOWN where it must say something.
pub(crate) fn are_known(numbers: &[i8]) -> bool {
    numbers.iter().all(|number| *number != 0)
}

/// The type of pattern that a filter of a version means; `None` where version 0 cannot mean it. It knew names alone, and any pattern of its
/// is a name.
pub(crate) fn before_patterns(version: i16, pattern_type: i8) -> Option<i8> {
    match (version, pattern_type) {
        (0, AclFilter::ANY | LITERAL) => Some(LITERAL),
        (0, _) => None,
        (_, pattern_type) => Some(pattern_type),
    }
}
