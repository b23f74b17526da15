//! The operations that an answer may list as authorized (KIP-430), as bits: those that apply to each type of resource.

use crate::security::authorizer::Operation::{
    self, Alter, AlterConfigs, ClusterAction, Create, Delete, Describe, DescribeConfigs, IdempotentWrite,
    Read, Write,
};
use crate::security::authorizer::ResourceKind;

const TOPIC: &[Operation] = &[Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs];
const GROUP: &[Operation] = &[Read, Delete, Describe, DescribeConfigs, AlterConfigs];
const CLUSTER: &[Operation] =
    &[Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite];
const TRANSACTIONAL_ID: &[Operation] = &[Write, Describe];

/// All that applies to a type of resource.
pub(crate) fn of(kind: ResourceKind) -> &'static [Operation] {
    match kind {
        ResourceKind::Topic => TOPIC,
        ResourceKind::Group => GROUP,
        ResourceKind::Cluster => CLUSTER,
        ResourceKind::TransactionalId => TRANSACTIONAL_ID,
        ResourceKind::DelegationToken => &[Describe],
        ResourceKind::User => &[Operation::CreateTokens, Operation::DescribeTokens],
    }
}

/// As answers have them.
pub(crate) fn bits(operations: &[Operation]) -> i32 {
    operations.iter().fold(0, |all, one| all | 1 << *one as i32)
}
