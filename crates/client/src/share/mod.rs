//! The share consumer (KIP-932): records that several members work through side by side, each of them acknowledged by itself. Fetches only
//! while the program polls: what is fetched is locked, and a lock runs. Nobody is told of a record twice by this member unless it gave it back.
//!
//! `member.rs` heartbeats · `session.rs` what requests say · `unpack.rs` answers become records · `hands.rs` who holds what.

mod hands;
mod member;
mod options;
mod session;
mod unpack;

pub use hands::Acknowledgement;
pub use options::{AcknowledgementMode, AcquireMode, ShareConsumerOptions};
pub use unpack::ShareRecord;

use crate::admin::Each;
use crate::cluster::Cluster;
use crate::cluster::call::Call;
use crate::cluster::pool::Pool;
use crate::error::{Error, Result};
use crate::standstill::Standstill;
use crate::task;
use hands::{Hands, Place, Words};
use member::Membership;
use session::{Session, Speaker};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use wire::messages::share_acknowledge::ShareAcknowledgeResponse;
use wire::messages::share_fetch::ShareFetchResponse;
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode, Str};

/// The first version of ShareAcknowledge that renews (KIP-1222).
const RENEWS_FROM: i16 = 2;

/// What an answer is about, and the answer.
enum Report {
    Fetched { node: i32, words: Words, answer: Result<ShareFetchResponse> },
    Acknowledged { node: i32, words: Words, answer: Result<ShareAcknowledgeResponse> },
    Metadata,
}

/// A member of a share group. Dropping it leaves the group, and gives back what was not acknowledged; `close` acknowledges first.
pub struct ShareConsumer {
    membership: Arc<Membership>,
    options: ShareConsumerOptions,
    /// Of its own: fetches wait.
    pool: Arc<Pool>,
    sessions: BTreeMap<i32, Session>,
    hands: Hands,
    reports: mpsc::UnboundedSender<Report>,
    inbox: mpsc::UnboundedReceiver<Report>,
    /// Fetched, and not handed out: with the node that gave it.
    ready: VecDeque<(i32, Place, ShareRecord)>,
    troubles: VecDeque<Error>,
    outcomes: Each<TopicPartition, ()>,
    asking_for_metadata: bool,
    leave: Option<oneshot::Sender<oneshot::Sender<()>>>,
}

impl std::fmt::Debug for ShareConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShareConsumer").field("group", &self.options.group_id).finish_non_exhaustive()
    }
}

impl ShareConsumer {
    /// Starts the membership, in the current tokio runtime.
    pub(crate) fn start(
        cluster: Cluster,
        options: ShareConsumerOptions,
        topics: Vec<Str>,
    ) -> Result<ShareConsumer> {
        options.check()?;
        if topics.is_empty() {
            return Err(Error::configuration("topics", "a share consumer subscribes to one topic at least"));
        }
        cluster.add_interest(&topics, false);
        let membership = Arc::new(Membership::new(cluster, options.group_id.clone(), topics));
        let (leave, leaving) = oneshot::channel();
        task::spawn(member::run(membership.clone(), leaving));
        let (reports, inbox) = mpsc::unbounded_channel();
        Ok(ShareConsumer {
            membership,
            options,
            pool: Arc::default(),
            sessions: BTreeMap::new(),
            hands: Hands::default(),
            reports,
            inbox,
            ready: VecDeque::new(),
            troubles: VecDeque::new(),
            outcomes: Each::new(),
            asking_for_metadata: false,
            leave: Some(leave),
        })
    }

    /// Its id in the group.
    pub fn member_id(&self) -> &Str {
        &self.membership.member_id
    }

    /// The partitions that it may read, as far as their topics' names are known.
    pub fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.membership.assigned().into_iter().filter_map(|place| self.name(place)).collect()
    }

    /// Why nothing goes on, if nothing does.
    pub fn standstill(&self) -> Option<Standstill> {
        self.membership.progress.standstill()
    }

    /// What has come within `timeout`, as soon as there is anything: all that one answer or several brought. With implicit
    /// acknowledgement all that was handed out before is accepted by this; with explicit acknowledgement it is an error
    /// (`INVALID_RECORD_STATE`) while anything of that is neither acknowledged nor renewed. An error is told once, and polling goes on
    /// behind it: the group's refusal, or bytes that do not decode (`Malformed`; their records are rejected). Cancel-safe.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ShareRecord>> {
        let deadline = tokio::time::Instant::now() + timeout;
        self.settle()?;
        let membership = self.membership.clone();
        loop {
            while let Ok(report) = self.inbox.try_recv() {
                self.hear(report);
            }
            let error = self.membership.take_refusal().or_else(|| self.troubles.pop_front());
            match error {
                Some(error) => return Err(error),
                None if !self.ready.is_empty() => return Ok(self.hand_out()),
                None => {}
            }
            self.send(true);
            let rested = self.sessions.values().filter_map(|session| session.rests_until).min();
            let wake = rested.map_or(deadline, |rested| deadline.min(rested.into()));
            tokio::select! {
                report = self.inbox.recv() => if let Some(report) = report { self.hear(report) },
                () = membership.changed.notified() => {}
                () = tokio::time::sleep_until(wake) => {
                    if tokio::time::Instant::now() >= deadline && self.ready.is_empty() {
                        return Ok(Vec::new());
                    }
                }
            }
        }
    }

    /// Says something of a record that `poll` handed out; it is sent by the next `poll` or `commit`, and until then may be said otherwise.
    /// `INVALID_RECORD_STATE` if this member does not hold it any more, `Configuration` with implicit acknowledgement.
    pub fn acknowledge(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        acknowledgement: Acknowledgement,
    ) -> Result<()> {
        if self.options.acknowledgement_mode == AcknowledgementMode::Implicit {
            let why = "records are acknowledged one by one with explicit acknowledgement only";
            return Err(Error::configuration("share.acknowledgement.mode", why));
        }
        let metadata = self.membership.cluster.metadata();
        let topic_id = metadata.topics.get(topic).map(|topic| topic.id);
        if topic_id.is_some_and(|id| self.hands.say((id, partition), offset, acknowledgement)) {
            return Ok(());
        }
        let doing = format!("acknowledge {topic}-{partition} at offset {offset}");
        Err(Error::refused(ErrorCode::InvalidRecordState, doing))
    }

    /// Sends what was said (with implicit acknowledgement: accepts all that was handed out) and waits until it is stored. What came of it by
    /// partition, with that of what was sent by `poll` since it was asked for last. Cancel-safe: what is under way goes on.
    pub async fn commit(&mut self) -> Result<Each<TopicPartition, ()>> {
        if self.options.acknowledgement_mode == AcknowledgementMode::Implicit {
            self.hands.say_of_the_rest(Acknowledgement::Accept);
        }
        let within = self.membership.cluster.options().api_timeout;
        let deadline = tokio::time::Instant::now() + within;
        loop {
            self.send(false);
            let is_under_way = self.sessions.values().any(|session| session.is_busy);
            if !is_under_way && self.hands.addressees().is_empty() {
                return Ok(self.take_outcomes());
            }
            let rested = self.sessions.values().filter_map(|session| session.rests_until).min();
            let wake = rested.map_or(deadline, |rested| deadline.min(rested.into()));
            match tokio::time::timeout_at(wake, self.inbox.recv()).await {
                Ok(Some(report)) => self.hear(report),
                Ok(None) => return Err(Error::Closed),
                Err(_) if tokio::time::Instant::now() >= deadline => {
                    let doing = format!("acknowledge records of share group {:?}", self.options.group_id);
                    return Err(Error::Timeout { doing, after: within, last: None });
                }
                Err(_rested) => {}
            }
        }
    }

    /// What came of acknowledgements that were sent since this was asked last: of each partition the last failure, or that all went well.
    pub fn take_outcomes(&mut self) -> Each<TopicPartition, ()> {
        std::mem::take(&mut self.outcomes)
    }

    /// Sends what was said (with implicit acknowledgement: accepts all that was handed out), gives back the rest and leaves the group.
    /// Cancel-safe.
    pub async fn close(mut self) -> Result<Each<TopicPartition, ()>> {
        // Fetched by somebody who will not read it.
        let unread: Vec<(i32, Place, ShareRecord)> = self.ready.drain(..).collect();
        for (node, place, one) in unread {
            let offset = one.record.offset;
            let back = hands::Span::of(offset, offset, Acknowledgement::Release);
            self.hands.pass_over(node, place, vec![back]);
        }
        let committed = self.commit().await;
        let nodes: Vec<i32> =
            self.sessions.iter().filter(|(_, session)| session.is_known()).map(|(node, _)| *node).collect();
        let mut ends = Vec::new();
        for node in nodes {
            ends.push(self.acknowledge_at(node, Words::new(), true));
        }
        for end in ends {
            let _best_effort = end.await;
        }
        if let Some(leave) = self.leave.take() {
            let (left, has_left) = oneshot::channel();
            if leave.send(left).is_ok() {
                let _ = has_left.await;
            }
        }
        committed
    }

    /// Before anything new is handed out.
    fn settle(&mut self) -> Result<()> {
        match self.options.acknowledgement_mode {
            AcknowledgementMode::Implicit => {
                self.hands.say_of_the_rest(Acknowledgement::Accept);
                Ok(())
            }
            AcknowledgementMode::Explicit => match self.hands.unsaid() {
                None => Ok(()),
                Some((place, offset)) => {
                    let target = self.name(place).map_or_else(String::new, |target| target.to_string());
                    let doing = format!("poll before offset {offset} of {target} is acknowledged");
                    Err(Error::refused(ErrorCode::InvalidRecordState, doing))
                }
            },
        }
    }

    fn hand_out(&mut self) -> Vec<ShareRecord> {
        let mut records = Vec::with_capacity(self.ready.len());
        for (node, place, one) in std::mem::take(&mut self.ready) {
            self.hands.give(node, place, [one.record.offset]);
            records.push(one);
        }
        records
    }

    fn name(&self, (topic_id, partition): Place) -> Option<TopicPartition> {
        let metadata = self.membership.cluster.metadata();
        metadata.topic_by_id(topic_id).map(|topic| TopicPartition::new(topic.name.clone(), partition))
    }

    /// Sends to every node that has no request under way: what is to be said, and a fetch where records are wanted.
    fn send(&mut self, fetches: bool) {
        let metadata = self.membership.cluster.metadata();
        let mut wanted: BTreeMap<i32, BTreeSet<Place>> = BTreeMap::new();
        let mut is_homeless = false;
        for place in self.membership.assigned() {
            let topic = metadata.topic_by_id(place.0);
            match topic.and_then(|topic| topic.partition(place.1)).and_then(|partition| partition.leader) {
                Some(leader) => drop(wanted.entry(leader).or_default().insert(place)),
                None => is_homeless = true,
            }
        }
        if is_homeless || self.membership.cluster.is_stale() {
            self.ask_for_metadata();
        }
        let now = Instant::now();
        let mut nodes: BTreeSet<i32> = self.hands.addressees().into_iter().collect();
        if fetches {
            nodes.extend(wanted.keys().chain(self.sessions.keys()));
        }
        for node in nodes {
            let session = self.sessions.entry(node).or_default();
            session.rests_until = session.rests_until.filter(|until| *until > now);
            if session.is_busy || session.rests_until.is_some() {
                continue;
            }
            let words = self.hands.take_words(node);
            let wanted = wanted.remove(&node).unwrap_or_default();
            let is_renewal = words.values().flatten().any(|span| span.is_renewal());
            if !words.is_empty() && (!fetches || is_renewal) {
                // The answer comes by the inbox.
                drop(self.acknowledge_at(node, words, false));
            } else if fetches && session.has_use_for(&wanted) {
                self.fetch_from(node, &wanted, words);
            } else if !words.is_empty() {
                drop(self.acknowledge_at(node, words, false));
            }
        }
    }

    fn fetch_from(&mut self, node: i32, wanted: &BTreeSet<Place>, words: Words) {
        let session = self.sessions.entry(node).or_default();
        let speaker = Speaker { options: &self.options, member_id: &self.membership.member_id };
        let request = session.fetch(&speaker, wanted, &words);
        session.is_busy = true;
        let patience = self.options.fetch_max_wait;
        let sending = self.ask(node, request, patience, None);
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let answer = sending.await;
            let _ = reports.send(Report::Fetched { node, words, answer });
        });
    }

    fn acknowledge_at(&mut self, node: i32, words: Words, is_last: bool) -> tokio::task::JoinHandle<()> {
        let session = self.sessions.entry(node).or_default();
        let speaker = Speaker { options: &self.options, member_id: &self.membership.member_id };
        let request = session.acknowledge(&speaker, &words, is_last);
        session.is_busy = true;
        let renews_from = request.is_renew_ack.then_some(RENEWS_FROM);
        let sending = self.ask(node, request, Duration::ZERO, renews_from);
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let answer = sending.await;
            let _ = reports.send(Report::Acknowledged { node, words, answer });
        })
    }

    /// One request to a node, whose answer may come `patience` later than another's, in this version at least.
    fn ask<R: Call + Send + Sync + 'static>(
        &self,
        node: i32,
        request: R,
        patience: Duration,
        least: Option<i16>,
    ) -> impl Future<Output = Result<R::Answer>> + Send + use<R>
    where
        R::Answer: Send,
    {
        let (cluster, pool) = (self.membership.cluster.clone(), self.pool.clone());
        async move {
            let connection = cluster.connection(&pool, node).await?;
            let version = connection.version(R::API, i16::MAX)?;
            if least.is_some_and(|least| version < least) {
                let why = "the broker knows no renewal of locks".to_owned();
                let address = connection.address().to_owned();
                return Err(Error::Unsupported { api: ApiKey::ShareAcknowledge, address, why });
            }
            let timeout = cluster.options().request_timeout + patience;
            connection.send(&request, version, timeout).await
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Fetched { node, words, answer } => {
                let checked = answer.and_then(|answer| {
                    let message = answer.error_message.as_deref();
                    Error::check(answer.error_code, message, || self.doing("fetch"))?;
                    Ok(answer)
                });
                if let Some(answer) = self.answered(node, &words, checked) {
                    self.fetched(node, words, answer);
                }
            }
            Report::Acknowledged { node, words, answer } => {
                let checked = answer.and_then(|answer| {
                    let message = answer.error_message.as_deref();
                    Error::check(answer.error_code, message, || self.doing("acknowledge"))?;
                    Ok(answer)
                });
                if let Some(answer) = self.answered(node, &words, checked) {
                    self.acknowledged(node, words, answer);
                }
            }
            Report::Metadata => self.asking_for_metadata = false,
        }
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} records of share group {:?}", self.options.group_id)
    }

    /// An answer that is one; otherwise the session is over, and with it go the locks of its node.
    fn answered<A>(&mut self, node: i32, words: &Words, answer: Result<A>) -> Option<A> {
        let session = self.sessions.entry(node).or_default();
        session.is_busy = false;
        let error = match answer {
            Ok(answer) => {
                self.membership.progress.succeeded();
                return Some(answer);
            }
            Err(error) => error,
        };
        session.begin_anew();
        session.rests_until = Some(Instant::now() + self.membership.cluster.options().retry_backoff);
        let lost = self.hands.lose(node);
        self.ready.retain(|(giver, _, _)| *giver != node);
        for place in words.keys().copied().chain(lost) {
            self.note(place, Err(error.clone()));
        }
        let begins_anew = matches!(
            error.code(),
            Some(
                ErrorCode::ShareSessionNotFound
                    | ErrorCode::InvalidShareSessionEpoch
                    | ErrorCode::ShareSessionLimitReached
            )
        );
        self.ask_for_metadata();
        if begins_anew || error.is_retriable() {
            tracing::debug!(node, %error, "a share session has ended");
            self.membership.progress.failed(error);
        } else {
            self.troubles.push_back(error);
        }
        None
    }

    fn fetched(&mut self, node: i32, mut words: Words, answer: ShareFetchResponse) {
        for topic in answer.responses {
            for partition in topic.partitions {
                let place = (topic.topic_id, partition.partition_index);
                let doing = || self.doing("acknowledge");
                let message = partition.acknowledge_error_message.as_deref();
                let said = Error::check(partition.acknowledge_error_code, message, doing);
                if words.remove(&place).is_some() || said.is_err() {
                    self.note(place, said);
                }
                let message = partition.error_message.as_deref();
                if let Err(error) = Error::check(partition.error_code, message, || self.doing("fetch")) {
                    self.partition_failed(node, error);
                    continue;
                }
                let Some(target) = self.name(place) else {
                    // Nobody could say of what topic they are.
                    self.ask_for_metadata();
                    let spans = partition.acquired_records.iter().map(|range| {
                        hands::Span::of(range.first_offset, range.last_offset, Acknowledgement::Release)
                    });
                    self.hands.pass_over(node, place, spans.collect());
                    continue;
                };
                let records = partition.records.unwrap_or_default();
                let unpacked =
                    unpack::unpack(&target, records, &partition.acquired_records, self.options.check_crcs);
                self.hands.pass_over(node, place, unpacked.unseen);
                self.ready.extend(unpacked.records.into_iter().map(|record| (node, place, record)));
                self.troubles.extend(unpacked.trouble);
            }
        }
        // Whoever says nothing of it agrees.
        for place in words.into_keys() {
            self.note(place, Ok(()));
        }
    }

    /// A partition's refusal: it has moved, or may not be read.
    fn partition_failed(&mut self, node: i32, error: Error) {
        self.ask_for_metadata();
        if error.is_retriable() {
            self.membership.progress.failed(error);
        } else {
            self.troubles.push_back(error);
        }
        let rest = self.membership.cluster.options().retry_backoff;
        self.sessions.entry(node).or_default().rests_until = Some(Instant::now() + rest);
    }

    fn acknowledged(&mut self, node: i32, mut words: Words, answer: ShareAcknowledgeResponse) {
        for topic in answer.responses {
            for partition in topic.partitions {
                let place = (topic.topic_id, partition.partition_index);
                let message = partition.error_message.as_deref();
                let said = Error::check(partition.error_code, message, || self.doing("acknowledge"));
                let spans = words.remove(&place);
                if let (Some(spans), Ok(())) = (spans, &said) {
                    self.hands.renewed(node, place, &spans);
                }
                self.note(place, said);
            }
        }
        for (place, spans) in words {
            self.hands.renewed(node, place, &spans);
            self.note(place, Ok(()));
        }
    }

    /// What came of what was said: a failure stays until somebody asks.
    fn note(&mut self, place: Place, outcome: Result<()>) {
        let Some(target) = self.name(place) else { return };
        match outcome {
            Ok(()) => drop(self.outcomes.entry(target).or_insert(Ok(()))),
            failed => drop(self.outcomes.insert(target, failed)),
        }
    }

    fn ask_for_metadata(&mut self) {
        if std::mem::replace(&mut self.asking_for_metadata, true) {
            return;
        }
        let (cluster, reports) = (self.membership.cluster.clone(), self.reports.clone());
        tokio::spawn(async move {
            let known = cluster.metadata();
            let backoff = cluster.options().retry_backoff;
            tokio::time::sleep(backoff.saturating_sub(known.received.elapsed())).await;
            if let Err(error) = cluster.refresh(known.version).await {
                tracing::debug!(%error, "no metadata for share fetches");
                tokio::time::sleep(backoff.max(Duration::from_millis(1))).await;
            }
            let _ = reports.send(Report::Metadata);
        });
    }
}
