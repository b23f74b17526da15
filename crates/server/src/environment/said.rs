//! What an environment says, as it is gathered: keys over those of a file, and lines for whoever starts the node.
//!
//! Owns which keys a variable has set, so that one that only implies a key goes below one that names it.

use std::collections::BTreeSet;

use crate::properties::Properties;

/// What an environment says, over what was said before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Keys of the node, those of the file below among them.
    pub properties: Properties,
    /// Lines for whoever starts it: what has no effect, what goes over what.
    pub told: Vec<String>,
    /// The keys that the variables have set.
    set: BTreeSet<String>,
}

impl Environment {
    /// Nothing yet, over what a file says.
    pub(super) fn over(below: Properties) -> Self {
        Self { properties: below, ..Self::default() }
    }

    /// Whether a variable has set a key.
    pub(super) fn has_set(&self, key: &str) -> bool {
        self.set.contains(key)
    }

    /// Sets a key.
    pub(super) fn set(&mut self, key: String, value: &str) {
        self.set.insert(key.clone());
        self.properties.set(key, value);
    }

    /// What a variable says by its own name goes over what another one implies.
    pub(super) fn set_unless_set(&mut self, key: &str, value: &str) {
        if !self.has_set(key) {
            self.set(key.to_owned(), value);
        }
    }
}
