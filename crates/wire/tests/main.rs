//! Tests over every message at once: all APIs, all versions, all persisted records.

/// Declares the walk over all messages; `catalog.rs` lists them.
macro_rules! catalog {
    ($($message:ty;)*) => {
        /// Calls the visitor with every message type.
        pub fn every(visitor: &mut impl super::Visitor) {
            $(visitor.visit::<$message>();)*
        }
    };
}

mod catalog;
mod defaults;
mod hostile;

use wire::codec::Message;

/// Something to do with every message type.
pub trait Visitor {
    /// Called once per message type.
    fn visit<M: Message + std::fmt::Debug + Clone + PartialEq>(&mut self);
}
