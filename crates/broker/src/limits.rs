//! Every bound of the node that no configuration key sets, in one place, with the arithmetic behind it.

/// Handlings a connection may have outstanding; the rim begins no further one beyond. Java producers keep 5 in flight,
/// librdkafka up to 1,000 (of which more than this few wait in the socket).
pub const REQUESTS_IN_FLIGHT: usize = 64;

/// Reads of cold data that wait for a platter at once. Four keep a solid-state disk busy with reads of a megabyte; the rim's pool has so
/// many threads more than flushes and deletions need.
pub const COLD_READS_AT_ONCE: usize = 4;

/// Syncs of one log directory under way at once. The kernel makes one request of the flushes that wait for the device together: the
/// more there are, the less each costs.
pub const SYNCS_AT_ONCE: usize = 12;
/// And those of logs that owe much, while others that owe little come again and again: these wait for them at the device.
pub(crate) const HEAVY_SYNCS_BESIDE_LIGHT: usize = 3;

/// Bytes of records that were read for fetches and that no socket has taken yet. Each fetch gets at most a fourth of what is free, so
/// a thousand consumers that ask for 16 MB each and never read come to this together, and [`FETCH_BYTES_MIN`] or one batch each
/// beyond: some 200 MB. A hundred busy ones still get more than a megabyte each.
pub(crate) const FETCH_MEMORY_BYTES: usize = 128 << 20;

/// Bytes that a fetch checks on its connection's thread, some 50 µs of it: a reader of cold data, for whom more is done in the pool,
/// several partitions side by side.
pub(crate) const CHECKED_BYTES_AT_ONCE: i64 = 512 << 10;

/// What a fetch may have however little memory is free: less would cost more requests than it saves memory.
pub(crate) const FETCH_BYTES_MIN: usize = 64 << 10;

/// Commands that one turn of a shard takes from its mailbox. A produce command costs 2 to 20 µs, so a turn stays near 1 ms.
pub(crate) const COMMANDS_PER_TURN: usize = 128;

/// Turns that one caller runs for others before it leaves the rest to the timer thread: at most about 10 ms of somebody
/// else's work on a connection's thread.
pub(crate) const TURNS_PER_CALLER: usize = 8;

/// Bytes of a coordinator's log replayed per turn while it loads (at 200 MB/s: 5 ms).
pub(crate) const LOAD_BYTES_PER_TURN: u32 = 1 << 20;

/// Fetch sessions that one connection may go on with at once; Kafka's clients need one.
pub(crate) const FETCH_SESSIONS_PER_CONNECTION: usize = 2;

/// Partitions that one fetch session may remember: 100,000 of them are some 10 MB; a larger fetch is served without one.
pub(crate) const PARTITIONS_PER_FETCH_SESSION: usize = 100_000;

/// Replicas that the janitor looks at per turn: 10,000 idle ones are then passed in 20 turns.
pub(crate) const REPLICAS_PER_JANITOR_STEP: usize = 512;

/// Topics that the metadata of one request may create (KIP-4 auto-creation): more is a mistake or an attack.
pub(crate) const AUTO_CREATIONS_PER_REQUEST: usize = 1_000;

/// Appends are refused when less than this is free on a log directory's file system (or less than one part in
/// [`DISK_RESERVE_SHARE`], if that is smaller): retention, metadata and checkpoints must still find room.
pub(crate) const DISK_RESERVE_BYTES: u64 = 1 << 30;
pub(crate) const DISK_RESERVE_SHARE: u64 = 20;
/// Bytes appended to a directory at most between two looks at the room that is left.
pub(crate) const DISK_UNCHECKED_BYTES: u64 = 64 << 20;
/// And the longest time between them: a disk that others fill at 1 GB/s loses 100 MB meanwhile, a tenth of the reserve.
pub(crate) const DISK_UNCHECKED_MS: i64 = 100;

/// Bytes that one slice of a cleaning reads: 10 to 40 ms of work, after which the pool may take up something else.
pub(crate) const CLEAN_SLICE_BYTES: u64 = 4 << 20;

/// When a shard begins to open the logs that were found at the start and that nobody asked for yet: the node gets ready first.
pub(crate) const FOUND_LOGS_PAUSE_MS: i64 = 250;
/// Logs it opens in one turn, while commands wait: half a millisecond if there is no tail to check.
pub(crate) const FOUND_LOGS_PER_STEP: usize = 16;

/// Bytes that one slice of a move between log directories copies, and how many are copied before they are flushed: 4 MiB take the
/// pool 5 to 20 ms, and the flush at the end of a move finds little to do.
pub(crate) const MOVE_SLICE_BYTES: u64 = 4 << 20;
pub(crate) const MOVE_FLUSH_BYTES: u64 = 64 << 20;
/// Bytes that the exchange at the end of a move may still copy within the shard's turn, out of the page cache: less than 1 ms.
pub(crate) const MOVE_TAIL_BYTES: u32 = 256 << 10;

// What depends on each other.
const _: () = {
    assert!(HEAVY_SYNCS_BESIDE_LIGHT < SYNCS_AT_ONCE, "logs that owe little need syncs of their own");
    assert!(
        FETCH_BYTES_MIN <= FETCH_MEMORY_BYTES / 4,
        "the first fetch may have at least what the last one may"
    );
    assert!(
        FETCH_BYTES_MIN as i64 <= CHECKED_BYTES_AT_ONCE,
        "the least of fetches must not have to go to the pool"
    );
    assert!(COMMANDS_PER_TURN >= REQUESTS_IN_FLIGHT, "what one connection has in flight fits into one turn");
    assert!(
        DISK_UNCHECKED_BYTES <= DISK_RESERVE_BYTES / 10,
        "what comes between two looks must not use up the reserve"
    );
    assert!(MOVE_SLICE_BYTES <= MOVE_FLUSH_BYTES, "a flush is due after slices, not within one");
    assert!((MOVE_TAIL_BYTES as u64) < MOVE_SLICE_BYTES, "a turn copies less than a slice of the pool");
    assert!(FOUND_LOGS_PER_STEP < REPLICAS_PER_JANITOR_STEP, "opening a log costs more than a look at it");
};
