//! SASL as Kafka speaks it: mechanisms, their exchanges from both ends, the lines of JAAS that name credentials. Bytes in, bytes and
//! verdicts out; never a socket, never a stored password.

pub mod bearer;
pub mod client;
pub mod delegation;
pub mod jaas;
pub mod plain;
pub mod scram;
mod scram_text;
pub mod server;
