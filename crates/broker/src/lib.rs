//! A whole Kafka node without sockets, threads or clock: shards, replication, request handlers.
