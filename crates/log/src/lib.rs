//! One partition's log on disk: append, read, truncate, index, recover. The only crate that touches files, and only in `disk.rs`.
