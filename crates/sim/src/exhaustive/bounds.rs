//! How far the model of one partition goes, and which fault is planted in it. Decides nothing.

/// How far the model goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// `min.insync.replicas` of the topic.
    pub min_insync_replicas: usize,
    /// Unclean elections: by the topic's configuration, and asked for.
    pub unclean: bool,
    /// Records that are produced, to whoever believes to lead.
    pub records: u8,
    /// Processes that end: killed, without power, or in order.
    pub crashes: u8,
    /// So many of them lose what was not flushed, all or a part of their log.
    pub lossy: u8,
    /// Living brokers that are fenced.
    pub suspicions: u8,
    /// Times that a leader calls slow whoever is behind.
    pub shrinks: u8,
    /// AlterPartition requests and answers that are lost, or decided after the leader has given them up.
    pub lost: u8,
    /// Elections that are asked for: of the preferred leader, or unclean.
    pub elections: u8,
    /// A fault in the model that some rule has to see.
    pub plant: Plant,
}

/// A fault for the rules to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// The real thing.
    Nothing,
    /// Who registers after an unclean stop stays eligible.
    UncleanMemberStaysEligible,
    /// The high watermark moves with fewer than `min.insync.replicas`.
    CommitsBelowMinIsr,
    /// A fetch of an incarnation before counts as the present one's (KIP-903).
    EarlierIncarnationCounts,
    /// A follower keeps what its leader never had.
    SkipsTruncation,
    /// A leader counts on what it proposed as soon as it has proposed it.
    ForgetsTheCommittedIsr,
    /// An answer to AlterPartition that was lost is not asked for again.
    NeverAsksAgain,
}

impl Bounds {
    /// What ends within seconds without optimisation: one record, one process that ends, with all of its page cache or a part of it.
    pub const SMALL: Bounds = Bounds {
        min_insync_replicas: 2,
        unclean: false,
        records: 1,
        crashes: 1,
        lossy: 1,
        suspicions: 0,
        shrinks: 0,
        lost: 0,
        elections: 0,
        plant: Plant::Nothing,
    };

    /// What is explored where there is time. With one in-sync replica that is enough, nothing may be lost; unclean elections lose what
    /// they lose, and everything else has to hold.
    pub const IN_FULL: [Bounds; 4] = [
        Bounds { shrinks: 1, lost: 1, ..Bounds::SMALL },
        Bounds { records: 2, suspicions: 1, ..Bounds::SMALL },
        Bounds { min_insync_replicas: 1, lossy: 0, shrinks: 1, ..Bounds::SMALL },
        Bounds { crashes: 2, unclean: true, elections: 1, ..Bounds::SMALL },
    ];
}
