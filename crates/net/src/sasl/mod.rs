//! What a client and a broker need of SASL to prove who they are to each other. No sockets here: bytes in, bytes out.

pub mod scram;
