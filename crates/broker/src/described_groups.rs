//! What ConsumerGroupDescribe, ShareGroupDescribe and StreamsGroupDescribe have in common: each group is asked of its own coordinator, told again where it is named
//! again, and hidden where its members tell of topics that the client may not see. Knows no field of either answer.

use std::collections::BTreeMap;

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::ask;
use crate::security::authorizer::{Operation, Resource};

/// As in Kafka a group that is named again is told of again. DIVERGES: not more often than this, or a few bytes would bring a long
/// answer.
const TIMES_TOLD: usize = 16;

/// A group of one of the protocols, as an answer tells of it.
pub(crate) trait Described: Clone {
    /// What whoever may not see one of its topics is told.
    const HIDDEN_TOPICS: &'static str =
        "The group has described topic(s) that the client is not authorized to describe.";

    /// One that nothing can be said of.
    fn refused(group_id: &Str, error: ErrorCode, message: Option<Str>) -> Self;

    /// What its coordinator is asked.
    fn question(group_id: &Str) -> GroupCommand;

    /// What its coordinator said, if it answered that.
    fn said(answer: GroupAnswer) -> Option<Self>;

    /// The topics that its members tell of.
    fn topics(&self) -> impl Iterator<Item = &Str>;

    fn error_code(&self) -> i16;

    fn set_authorized_operations(&mut self, operations: i32);
}

/// The lines of the answer: first those that are refused before any coordinator is asked. `is_spoken`: the protocol is switched on.
pub(crate) async fn describe_each<G: Described>(
    call: &Call,
    group_ids: &[Str],
    with_operations: bool,
    is_spoken: bool,
) -> Vec<G> {
    let mut described: BTreeMap<Str, (usize, G)> = BTreeMap::new();
    let (mut refusals, mut groups) = (Vec::new(), Vec::new());
    for group_id in group_ids {
        if !is_spoken {
            refusals.push(G::refused(group_id, ErrorCode::UnsupportedVersion, None));
        } else if let Err(error) = call.authorize(Operation::Describe, Resource::Group(group_id)) {
            refusals.push(G::refused(group_id, error, None));
        } else if let Some((times, again)) = described.get_mut(group_id) {
            *times += 1;
            if *times <= TIMES_TOLD {
                groups.push(again.clone());
            }
        } else {
            let group: G = describe(call, group_id, with_operations).await;
            groups.push(group.clone());
            described.insert(group_id.clone(), (1, group));
        }
    }
    refusals.extend(groups);
    refusals
}

async fn describe<G: Described>(call: &Call, group_id: &Str, with_operations: bool) -> G {
    if group_id.is_empty() {
        return G::refused(group_id, ErrorCode::InvalidGroupId, None);
    }
    let said = G::said(ask::<GroupMachine>(call, group_id, G::question(group_id)).await);
    let mut group = said.unwrap_or_else(|| G::refused(group_id, ErrorCode::UnknownServerError, None));
    // Members tell of topics; who may not see one of them sees none of the members.
    let is_hidden = |name: &Str| !call.may(Operation::Describe, Resource::Topic(name));
    if call.is_guarded() && group.topics().any(is_hidden) {
        let error = ErrorCode::TopicAuthorizationFailed;
        group = G::refused(group_id, error, Some(Str::from_static(G::HIDDEN_TOPICS)));
    }
    if with_operations && group.error_code() == ErrorCode::None.code() {
        group.set_authorized_operations(call.operations(Resource::Group(group_id)));
    }
    group
}
