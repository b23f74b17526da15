//! Turns broker, net, files and threads into a running node. Holds no Kafka semantics.
