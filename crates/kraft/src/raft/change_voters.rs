//! AddRaftVoter and RemoveRaftVoter as the leader serves them (KIP-853, 1186): in Kafka's order of checks, one change at a time, answered
//! when the new voters are committed. A leader that is no voter any more resigns once that is committed. Owns how voters change;
//! never who asks for it. Left as in Kafka: of two voters, a leader that removes itself and dies before the other has that record
//! leaves nobody who can be elected: it does not stand, and the other one lacks the record.

use super::control::voters_batch;
use super::quorum::Quorum;
use super::role::Role;
use super::voter_change::{Asker, NewVoter, Stage, VoterChange};
use super::voters::{Endpoints, ReplicaKey, VoterNode, VoterSet};
use super::{RaftRequest, RaftResponse, RequestToken, StorageFault};
use crate::features::{KRAFT_VERSION, KRAFT_VERSIONS, VersionRange};
use wire::messages::add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse};
use wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse, SupportedFeatureKey};
use wire::messages::remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};
use wire::{ErrorCode, Str};

/// What an asker is told. Without a message it is told what the code says in general.
pub(super) struct Outcome {
    error: ErrorCode,
    message: Option<Str>,
}

impl Outcome {
    fn plain(error: ErrorCode) -> Self {
        let general = (error != ErrorCode::None).then(|| Str::from_static(error.message()));
        Outcome { error, message: general }
    }

    fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Outcome { error, message: Some(Str::from(message.into())) }
    }
}

impl Quorum {
    // ---- A voter comes ----

    pub(super) fn add_requested(&mut self, token: RequestToken, request: &AddRaftVoterRequest, now_ms: i64) {
        let asker = Asker::Add(token);
        if let Err(refused) = self.begin_to_add(asker, request, now_ms) {
            self.tell(asker, refused);
        }
    }

    fn begin_to_add(
        &mut self,
        asker: Asker,
        request: &AddRaftVoterRequest,
        now_ms: i64,
    ) -> Result<(), Outcome> {
        self.leads_cluster(request.cluster_id.as_ref())?;
        let key = ReplicaKey::new(request.voter_id, request.voter_directory_id);
        if key.id < 0 || key.directory_id.is_none() {
            let what = "Add voter request didn't include a valid voter";
            return Err(Outcome::new(ErrorCode::InvalidRequest, what));
        }
        let endpoint =
            |l: &wire::messages::add_raft_voter::Listener| (l.name.detached(), (l.host.detached(), l.port));
        let endpoints: Endpoints = request.listeners.iter().map(endpoint).collect();
        let Some(to) = self.destination(key.id, &endpoints) else {
            let what = format!(
                "Add voter request didn't include the endpoint ({}) for the default listener ListenerName({})",
                shown_endpoints(&endpoints),
                self.options.listener_name
            );
            return Err(Outcome::new(ErrorCode::InvalidRequest, what));
        };
        let voters = self.changeable_voters("adding", now_ms)?;
        if voters.voters.contains_key(&key.id) {
            let what = format!(
                "The voter id for {key} is already part of the set of voters {}.",
                shown_keys(voters)
            );
            return Err(Outcome::new(ErrorCode::DuplicateVoter, what));
        }
        if !self.connections.is_ready(key.id, now_ms) {
            let what = format!("New voter {key} is not ready to receive requests");
            return Err(Outcome::new(ErrorCode::RequestTimedOut, what));
        }
        self.send_if_ready(to, now_ms, |quorum| RaftRequest::ApiVersions(quorum.versions_request()));
        let new = NewVoter { key, endpoints, ack_when_committed: request.ack_when_committed };
        self.begin_change(asker, Stage::AwaitsVersions(new), now_ms);
        Ok(())
    }

    fn versions_request(&self) -> ApiVersionsRequest {
        ApiVersionsRequest {
            client_software_name: Str::from_static("ottla"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
            ..Default::default()
        }
    }

    /// What this build supports, for whoever asks the quorum itself. A node says more, and says it before anybody gets here.
    pub(super) fn versions_response(&self) -> ApiVersionsResponse {
        let VersionRange { min: min_version, max: max_version } = KRAFT_VERSIONS;
        let name = Str::from_static(KRAFT_VERSION);
        let supported_features = vec![SupportedFeatureKey { name, min_version, max_version }];
        ApiVersionsResponse { supported_features, ..Default::default() }
    }

    /// The new voter said what it supports, or nothing at all. True if it did well.
    pub(super) fn versions_answered(
        &mut self,
        from: i32,
        response: Option<&ApiVersionsResponse>,
        now_ms: i64,
    ) -> Result<bool, StorageFault> {
        let Role::Leader(leader) = &self.role else { return Ok(response.is_some()) };
        let awaited = leader.voter_change.as_ref().and_then(|change| change.awaits_versions_of(from));
        let Some(new) = awaited.cloned() else { return Ok(response.is_some()) };
        let error = response.map_or(ErrorCode::BrokerNotAvailable.code(), |response| response.error_code);
        let range = response.and_then(supported_kraft_versions);
        let level = self.voters.kraft_version();
        let refused = if error != 0 {
            let name = ErrorCode::from_code(error).name();
            let what = format!("Aborted add voter operation for since API_VERSIONS returned an error {name}");
            Outcome::new(ErrorCode::RequestTimedOut, what)
        } else if range.is_none_or(|range| !range.contains(level)) {
            let range = range.unwrap_or(VersionRange { min: 0, max: 0 });
            let what = format!(
                "Aborted add voter operation for {} since the {KRAFT_VERSION} range (min: {}, max: {}) doesn't \
                 support the finalized version {level}",
                new.key, range.min, range.max
            );
            Outcome::new(ErrorCode::InvalidRequest, what)
        } else if !leader.is_caught_up(&new.key, now_ms) {
            let what = format!("Aborted add voter operation for {} since it is lagging behind", new.key);
            Outcome::new(ErrorCode::RequestTimedOut, what)
        } else {
            let kraft_versions = range.unwrap_or(KRAFT_VERSIONS);
            let voter = VoterNode { key: new.key, endpoints: new.endpoints, kraft_versions };
            let voters = self.voters.latest().with(voter);
            match self.append_voters(&voters, now_ms)? {
                Ok(offset) => {
                    self.change_appended(offset, new.ack_when_committed);
                    return Ok(true);
                }
                Err(full) => full,
            }
        };
        self.end_change(refused);
        Ok(error == 0)
    }

    // ---- A voter goes ----

    pub(super) fn remove_requested(
        &mut self,
        token: RequestToken,
        request: &RemoveRaftVoterRequest,
        now_ms: i64,
    ) -> Result<(), StorageFault> {
        let asker = Asker::Remove(token);
        let appended = match self.voters_without(request, now_ms) {
            Ok(voters) => self.append_voters(&voters, now_ms)?,
            Err(refused) => Err(refused),
        };
        match appended {
            Ok(offset) => self.begin_change(asker, Stage::Appended { offset }, now_ms),
            Err(refused) => self.tell(asker, refused),
        }
        Ok(())
    }

    fn voters_without(&mut self, request: &RemoveRaftVoterRequest, now_ms: i64) -> Result<VoterSet, Outcome> {
        self.leads_cluster(request.cluster_id.as_ref())?;
        let key = ReplicaKey::new(request.voter_id, request.voter_directory_id);
        if key.id < 0 || key.directory_id.is_none() {
            let what = "Remove voter request didn't include a valid voter";
            return Err(Outcome::new(ErrorCode::InvalidRequest, what));
        }
        let voters = self.changeable_voters("removing", now_ms)?;
        voters.without(&key).ok_or_else(|| {
            let what = format!("Cannot remove voter {key} from the set of voters {}", shown_keys(voters));
            Outcome::new(ErrorCode::VoterNotFound, what)
        })
    }

    // ---- What both have in common ----

    /// This is the leader of the cluster that is meant.
    fn leads_cluster(&self, cluster_id: Option<&Str>) -> Result<(), Outcome> {
        if let Some(meant) = cluster_id.filter(|_| self.is_other_cluster(cluster_id)) {
            let ours = &self.options.cluster_id;
            let what = format!("The given id \"{meant}\" doesn't match the cluster id \"{ours}\"");
            return Err(Outcome::new(ErrorCode::InconsistentClusterId, what));
        }
        match self.refuses_leader_request(self.epoch) {
            Some(error) => Err(Outcome { error, message: None }),
            None => Ok(()),
        }
    }

    /// The voters, if they may be changed now: no other change is on its way, and none of this or an earlier leader is in the log
    /// without being committed, so that any majority of the old voters and any of the new ones have a replica in common.
    fn changeable_voters(&mut self, doing: &str, now_ms: i64) -> Result<&VoterSet, Outcome> {
        let wait = |what: &str| {
            let what = format!("Request timed out waiting for {what}");
            Err(Outcome::new(ErrorCode::RequestTimedOut, what))
        };
        self.expire_change(now_ms);
        if self.is_changing() {
            return wait("leader to handle previous voter change request");
        }
        let Some(high_watermark) = self.high_watermark_of_epoch() else {
            return wait("leader to establish HWM and fence previous voter changes");
        };
        let level = self.voters.kraft_version();
        if level < 1 {
            let what = format!(
                "Cluster doesn't support {doing} voter because the {KRAFT_VERSION} feature is {level}"
            );
            return Err(Outcome::new(ErrorCode::UnsupportedVersion, what));
        }
        if !self.voters_are_committed(high_watermark) {
            let at = self.voters.latest_offset();
            let at = at.map_or("Optional.empty".to_owned(), |offset| format!("Optional[{offset}]"));
            return wait(&format!(
                "voters to commit the latest voter change at {at} with HWM {high_watermark}"
            ));
        }
        Ok(self.voters.latest())
    }

    /// A voter is being added or removed.
    pub(super) fn is_changing(&self) -> bool {
        matches!(&self.role, Role::Leader(leader) if leader.voter_change.is_some())
    }

    /// The latest voters are written in the log below this.
    pub(super) fn voters_are_committed(&self, high_watermark: i64) -> bool {
        self.voters.latest_offset().is_some_and(|offset| offset < high_watermark)
    }

    /// Writes the next voters into the log, where they count at once; their offset. A disk that is too full for it refuses the change.
    pub(super) fn append_voters(
        &mut self,
        voters: &VoterSet,
        now_ms: i64,
    ) -> Result<Result<i64, Outcome>, StorageFault> {
        assert!(self.voters.latest().differs_by_one(voters), "voters change one at a time");
        // From now on another process may have to have what is in this log.
        self.prove()?;
        let wall_ms = self.wall_ms(now_ms);
        let offset = self.log.end_offset();
        match self.append_control(voters_batch(voters, wall_ms), wall_ms) {
            Err(fault) if fault.disk_full => Ok(Err(Outcome::plain(ErrorCode::KafkaStorageError))),
            appended => appended.map(|()| Ok(offset)),
        }
    }

    fn begin_change(&mut self, asker: Asker, stage: Stage, now_ms: i64) {
        let deadline_ms = now_ms + self.options.request_timeout_ms;
        let Role::Leader(leader) = &mut self.role else { unreachable!("only a leader changes voters") };
        assert!(leader.voter_change.is_none(), "voters change one at a time");
        leader.voter_change = Some(VoterChange { asker: Some(asker), deadline_ms, stage });
    }

    fn change_appended(&mut self, offset: i64, ack_when_committed: bool) {
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(change) = &mut leader.voter_change else { return };
        change.stage = Stage::Appended { offset };
        if let Some(asker) = change.asker.take_if(|_| !ack_when_committed) {
            self.tell(asker, Outcome::plain(ErrorCode::None));
        }
    }

    fn end_change(&mut self, outcome: Outcome) {
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(asker) = leader.voter_change.take().and_then(|change| change.asker) {
            self.tell(asker, outcome);
        }
    }

    /// The high watermark has moved: a change may be committed, and a leader that it removed is done. DIVERGES: Kafka's leader stays
    /// if the request timed out before that, and leads a quorum that it is no member of.
    pub(super) fn change_committed(&mut self) {
        let Some(high_watermark) = self.high_watermark_of_epoch() else { return };
        let removed = self.is_observer() && self.voters_are_committed(high_watermark);
        let Role::Leader(leader) = &mut self.role else { return };
        leader.resign_requested |= removed;
        if leader.voter_change.as_ref().is_some_and(|change| change.is_committed(high_watermark)) {
            self.end_change(Outcome::plain(ErrorCode::None));
        }
    }

    /// A change that takes too long is given up; whatever of it is in the log stays there, and has to be committed before the next.
    pub(super) fn expire_change(&mut self, now_ms: i64) {
        if self.change_deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms) {
            self.end_change(Outcome::plain(ErrorCode::RequestTimedOut));
        }
    }

    pub(super) fn change_deadline_ms(&self) -> Option<i64> {
        let Role::Leader(leader) = &self.role else { return None };
        leader.voter_change.as_ref().map(|change| change.deadline_ms)
    }

    /// This replica stops leading: what becomes of the change is the next leader's business.
    pub(super) fn abandon_change(&mut self) {
        self.end_change(Outcome::plain(ErrorCode::NotLeaderOrFollower));
    }

    fn tell(&mut self, asker: Asker, Outcome { error, message }: Outcome) {
        let (error_code, throttle_time_ms) = (error.code(), 0);
        match asker {
            Asker::Add(token) => {
                let response = AddRaftVoterResponse { throttle_time_ms, error_code, error_message: message };
                self.answer(token, RaftResponse::AddRaftVoter(response));
            }
            Asker::Remove(token) => {
                let response =
                    RemoveRaftVoterResponse { throttle_time_ms, error_code, error_message: message };
                self.answer(token, RaftResponse::RemoveRaftVoter(response));
            }
        }
    }
}

fn supported_kraft_versions(response: &ApiVersionsResponse) -> Option<VersionRange> {
    let feature = response.supported_features.iter().find(|feature| feature.name == KRAFT_VERSION)?;
    Some(VersionRange { min: feature.min_version, max: feature.max_version })
}

/// As Kafka writes them, in the order of their ids.
fn shown_keys(voters: &VoterSet) -> String {
    let keys: Vec<String> = voters.voters.values().map(|voter| voter.key.to_string()).collect();
    format!("[{}]", keys.join(", "))
}

fn shown_endpoints(endpoints: &Endpoints) -> String {
    let shown = |(name, (host, port)): (&Str, &(Str, u16))| {
        format!("ListenerName({name})={host}/<unresolved>:{port}")
    };
    let all: Vec<String> = endpoints.iter().map(shown).collect();
    format!("Endpoints(endpoints={{{}}})", all.join(", "))
}
