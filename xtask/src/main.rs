//! Chores: code generation, tidy, tests with foreign clients, benchmarks.

fn main() {}
