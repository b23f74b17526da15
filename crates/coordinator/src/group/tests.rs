//! The group coordinator as dialogue (`testscripts/`), and under seeded random commands.

pub(crate) mod consumer;
mod rig;
mod script;
mod share;
mod streams;
mod words;

mod random;
mod reference;
mod scripts;
