//! One decision in the making: what it is based on, the soft state beside it, and the records that it has come to so far. What each
//! command writes stands in the nouns' files, which all lie above this one.

use super::election_terms::ElectionTerms;
use super::mutations::{Charged, MutationQuota};
use super::options::ControllerOptions;
use super::refusal::Refusal;
use super::rules::ConfigRules;
use super::soft::Soft;
use crate::features::MetadataVersion;
use crate::image::{MetadataImage, VersionedRecord};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use wire::ErrorCode;
use wire::records::metadata::MetadataRecord;

/// What a decision is based on beside the command and the soft state.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The pending image: everything appended, committed or not.
    pub image: &'a MetadataImage,
    /// At which offset each broker's registration lies in the log.
    pub registration_offsets: &'a BTreeMap<i32, i64>,
    /// The node's own time.
    pub now_ms: i64,
    /// What the wall clock makes of it.
    pub wall_ms: i64,
    /// The offset that the first record of this decision will get.
    pub next_offset: i64,
    /// The level of kraft.version in force.
    pub kraft_version: i16,
    /// The highest level of kraft.version that all voters are known to support.
    pub highest_kraft_version: i16,
    /// The ids of the voters.
    pub voter_ids: &'a [i32],
}

/// What is to be done once a decision is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowUp {
    /// The broker may go when all others have seen the metadata up to here.
    NoteControlledShutdown {
        /// The broker that leaves.
        broker_id: i32,
    },
    /// Before the append: raise kraft.version.
    UpgradeKRaftVersion(i16),
}

/// One decision in the making.
pub(super) struct Decider<'a> {
    pub options: &'a ControllerOptions,
    pub rules: &'a dyn ConfigRules,
    pub at: Situation<'a>,
    pub soft: &'a mut Soft,
    pub metadata_version: MetadataVersion,
    /// Eligible leader replicas are tracked.
    pub elr: bool,
    pub records: Vec<VersionedRecord>,
    pub atomic: bool,
    pub follow_up: Option<FollowUp>,
    /// What the client may have made and deleted; `None`: any number of partitions.
    pub quota: Option<MutationQuota>,
    /// How long it has to wait before it asks again.
    pub throttle_time_ms: i32,
    /// What topics without configurations of their own get; found out once for the hundred thousand partitions of a broker.
    pub plain_terms: OnceCell<ElectionTerms>,
}

impl<'a> Decider<'a> {
    /// Nothing written yet.
    pub(super) fn new(
        options: &'a ControllerOptions,
        rules: &'a dyn ConfigRules,
        at: Situation<'a>,
        soft: &'a mut Soft,
    ) -> Decider<'a> {
        // Before the bootstrap records nothing is asked; the newest version is only a way to say so.
        let metadata_version =
            at.image.features.metadata_version().unwrap_or(MetadataVersion::LATEST_PRODUCTION);
        let elr = at.image.features.elr_enabled();
        Decider {
            options,
            rules,
            at,
            soft,
            metadata_version,
            elr,
            records: Vec::new(),
            atomic: false,
            follow_up: None,
            quota: None,
            throttle_time_ms: 0,
            plain_terms: OnceCell::new(),
        }
    }

    pub(super) fn image(&self) -> &'a MetadataImage {
        self.at.image
    }

    pub(super) fn write(&mut self, record: impl Into<MetadataRecord>, version: i16) {
        self.records.push(VersionedRecord { record: record.into(), version });
    }

    /// So many partitions are made or deleted: refused, if the client has had more than its quota.
    pub(super) fn charge(&mut self, partitions: usize) -> Result<(), Refusal> {
        let Some(quota) = &self.quota else { return Ok(()) };
        let Charged { is_refused, wait_ms } = self.soft.buckets.charge(quota, partitions, self.at.now_ms);
        if wait_ms > 0 {
            self.throttle_time_ms = wait_ms;
        }
        if is_refused { Err(Refusal::plain(ErrorCode::ThrottlingQuotaExceeded)) } else { Ok(()) }
    }

    /// The broker says which incarnation it is; only the registered one may speak.
    pub(super) fn check_broker_epoch(&self, broker_id: i32, epoch: i64) -> Result<(), Refusal> {
        match self.image().cluster.broker(broker_id) {
            None => {
                let what = format!("No broker registration found for broker id {broker_id}");
                Err(Refusal::new(ErrorCode::StaleBrokerEpoch, what))
            }
            Some(broker) if broker.epoch != epoch => {
                let what = format!("Expected broker epoch {}, but got broker epoch {epoch}", broker.epoch);
                Err(Refusal::new(ErrorCode::StaleBrokerEpoch, what))
            }
            Some(_) => Ok(()),
        }
    }
}
