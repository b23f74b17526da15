//! The metadata quorum (raft), the image it agrees on, and the controller that decides records. Never sees files, sockets or clocks.
