//! A deterministic node under a seed: simulated clock, network and disk, workloads and checkers.
