//! Sockets for both sides: framing, connections, outbound requests. Knows no Kafka semantics.
