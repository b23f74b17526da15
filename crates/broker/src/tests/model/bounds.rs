//! How far the model goes, and what may be wrong with it. Decides nothing.

/// What is explored: nothing beyond this, and all of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Where the partition lies at first; the first leads.
    pub replicas: &'static [i32],
    /// `min.insync.replicas`
    pub min_isr: usize,
    /// Records that a leader takes with acks=all.
    pub records: u8,
    /// Processes that are killed: their page caches stay.
    pub kills: u8,
    /// Machines that lose their power: any end of the log goes.
    pub power_cuts: u8,
    /// Disks that are lost; a new one comes.
    pub lost_disks: u8,
    /// Who has a new disk says that its last stop was a clean one: a directory was taken out of `log.dirs`.
    pub disks_leave_cleanly: bool,
    /// Live brokers that are fenced, as if they had been cut off.
    pub suspicions: u8,
    /// Brokers that ask to go.
    pub departures: u8,
    /// Times that a leader takes those that are behind out of the ISR.
    pub shrinks: u8,
    /// Answers that are lost: to fetches and to proposals.
    pub lost_answers: u8,
    /// Reassignments begun, to one of the targets, or called off.
    pub reassignments: u8,
    /// Where to.
    pub targets: &'static [&'static [i32]],
    /// Elections of the preferred leader that are asked for.
    pub elections: u8,
    /// Elections of any leader that are asked for.
    pub unclean: u8,
    /// No state farther from the first than this is looked at.
    pub depth: usize,
    /// What is wrong.
    pub mutation: Mutation,
}

/// A fault of the model, for its rules to find. Faults of the product itself are planted by `wire::planted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutation {
    /// Nothing.
    None,
    /// A replica that a reassignment has removed stays in the ELR (as in Kafka).
    RemovedStaysEligible,
    /// A follower keeps what its leader never had.
    KeepsWhatDiverged,
    /// A leader takes what it has proposed for decided.
    TrustsItsProposal,
}

impl Bounds {
    /// Nothing happens but that brokers see what there is to see.
    pub const STILL: Bounds = Bounds {
        replicas: &[1, 2, 3],
        min_isr: 2,
        records: 0,
        kills: 0,
        power_cuts: 0,
        lost_disks: 0,
        disks_leave_cleanly: false,
        suspicions: 0,
        departures: 0,
        shrinks: 0,
        lost_answers: 0,
        reassignments: 0,
        targets: &[],
        elections: 0,
        unclean: 0,
        depth: usize::MAX,
        mutation: Mutation::None,
    };
}
