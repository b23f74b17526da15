//! Producer, consumer and admin: what a stranger may do to a cluster, over the protocol alone.
