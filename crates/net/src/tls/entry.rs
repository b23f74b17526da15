//! What stores of either kind hold, and why one gives nothing.

use std::fmt;

/// What a store holds.
pub(super) enum Entry {
    /// A key with its certificate and those that vouch for it.
    Key { alias: String, encrypted: bool, key: Vec<u8>, chain: Vec<Vec<u8>> },
    /// A certificate that is trusted.
    Trusted { certificate: Vec<u8> },
}

/// Why a store gives nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreFault {
    /// It is damaged, or of another kind.
    Damaged(String),
    /// It opens by another password.
    WrongPassword,
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreFault::Damaged(why) => f.write_str(why),
            StoreFault::WrongPassword => f.write_str("the password is wrong, or the file was changed"),
        }
    }
}
