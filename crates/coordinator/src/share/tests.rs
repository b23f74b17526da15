//! The share coordinator as dialogue (`testscripts/`), and its combiner against Kafka's.

mod combine;
mod script;
