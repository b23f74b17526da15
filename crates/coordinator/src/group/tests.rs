//! The group coordinator as dialogue (`testscripts/`), and under seeded random commands.

pub(super) mod consumer;
mod rig;
mod script;
mod words;

mod random;
mod reference;
mod scripts;
