//! The transaction coordinator as dialogue (`testscripts/`), against what Apache Kafka wrote and answered, and under seeded random
//! commands.

mod rig;
mod script;
mod words;

mod corners;
mod random;
mod reference;
mod scripts;
