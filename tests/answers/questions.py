"""What each API is asked when nothing is wrong with the question: the sweep then spoils one field after another.

`ASKED[name](case, version)` gives a body; `case` is a name that nobody else uses. Fields that a version does not have are left out by the encoder.
"""
from asking import NOBODY


class World:
    """What stands on the broker before the sweep, and where the broker is."""

    def __init__(self, data):
        self.data, self.ids, self.member, self.generation = data, {}, "", 1


def asked(world):
    topic_id = lambda name: world.ids.get(name, NOBODY)
    return {
        "Metadata": lambda case, version: {"topics": [{"name": "alpha"}], "allowAutoTopicCreation": False},
        "Metadata/told all": lambda case, version: {
            "topics": [{"name": "alpha"}, {"name": "no-such"}], "allowAutoTopicCreation": False,
            "includeClusterAuthorizedOperations": True, "includeTopicAuthorizedOperations": True},
        "Metadata/by id": lambda case, version: {"topics": [{"name": None, "topicId": topic_id("alpha")}], "allowAutoTopicCreation": False},
        "DescribeTopicPartitions/from the start": lambda case, version: {"topics": [{"name": "alpha"}, {"name": "no-such"}], "responsePartitionLimit": 1},
        "DescribeTopicPartitions/of all": lambda case, version: {"cursor": {"topicName": "beta", "partitionIndex": 0}},
        "DescribeGroups/with operations": lambda case, version: {"groups": ["settled", "living"], "includeAuthorizedOperations": True},
        "FindCoordinator/of a transaction": lambda case, version: {"key": "a", "coordinatorKeys": ["a"], "keyType": 1},
        "FindCoordinator/of a share group": lambda case, version: {
            "key": "g:AAAAAAAAAAAAAAAAAAAAAQ:0", "coordinatorKeys": ["g:AAAAAAAAAAAAAAAAAAAAAQ:0"], "keyType": 2},
        "DeleteTopics/by id": lambda case, version: {"topics": [{"name": None, "topicId": NOBODY}], "timeoutMs": 5000},
        "CreateTopics/validated": lambda case, version: {
            "topics": [{"name": case, "numPartitions": -1, "replicationFactor": -1, "assignments": [{"partitionIndex": 0, "brokerIds": [1]}]}],
            "timeoutMs": 5000, "validateOnly": True},
        "AlterPartitionReassignments/cancelled": lambda case, version: {
            "timeoutMs": 5000, "topics": [{"name": "alpha", "partitions": [{"partitionIndex": 0, "replicas": None}]}]},
        "DescribeCluster": lambda case, version: {},
        "DescribeQuorum": lambda case, version: {"topics": [{"topicName": "__cluster_metadata", "partitions": [{"partitionIndex": 0}]}]},
        "DescribeTopicPartitions": lambda case, version: {"topics": [{"name": "alpha"}], "cursor": {"topicName": "alpha", "partitionIndex": 0}},
        "DescribeLogDirs": lambda case, version: {"topics": [{"topic": "alpha", "partitions": [0]}]},
        "DescribeProducers": lambda case, version: {"topics": [{"name": "alpha", "partitionIndexes": [0]}]},
        "ListPartitionReassignments": lambda case, version: {"timeoutMs": 5000, "topics": [{"name": "alpha", "partitionIndexes": [0]}]},
        "FindCoordinator": lambda case, version: {"key": "a", "coordinatorKeys": ["a"]},
        "ListOffsets": lambda case, version: {
            "replicaId": -1, "timeoutMs": 5000, "topics": [{"name": "alpha", "partitions": [{"partitionIndex": 0, "timestamp": -1, "currentLeaderEpoch": -1}]}]},
        "OffsetForLeaderEpoch": lambda case, version: {
            "replicaId": -2, "topics": [{"topic": "alpha", "partitions": [{"partition": 0, "currentLeaderEpoch": -1, "leaderEpoch": 0}]}]},
        "DescribeClientQuotas": lambda case, version: {"components": [{"entityType": "user", "matchType": 0, "match": "settled"}]},
        "AlterClientQuotas": lambda case, version: {
            "entries": [{"entity": [{"entityType": "user", "entityName": "settled"}], "ops": [{"key": "producer_byte_rate", "value": 1e9}]}],
            "validateOnly": True},
        "ListConfigResources": lambda case, version: {"resourceTypes": [2]},
        "ListGroups": lambda case, version: {"statesFilter": ["Empty"], "typesFilter": ["Classic"]},
        "DescribeGroups": lambda case, version: {"groups": ["settled"]},
        "OffsetFetch": lambda case, version: {
            "groupId": "settled", "topics": [{"name": "alpha", "partitionIndexes": [0]}],
            "groups": [{"groupId": "settled", "topics": [{"name": "alpha", "topicId": topic_id("alpha"), "partitionIndexes": [0]}]}]},
        "Heartbeat": lambda case, version: {"groupId": "living", "generationId": world.generation, "memberId": world.member},
        "SyncGroup": lambda case, version: {
            "groupId": "living", "generationId": world.generation, "memberId": world.member, "protocolType": "consumer", "protocolName": "range",
            "assignments": [{"memberId": world.member, "assignment": b"plan"}]},
        "OffsetCommit": lambda case, version: {
            "groupId": case, "generationIdOrMemberEpoch": -1, "memberId": "", "topics": [
                {"name": "alpha", "topicId": topic_id("alpha"), "partitions": [{"partitionIndex": 0, "committedOffset": 1, "committedMetadata": "note"}]}]},
        "OffsetDelete": lambda case, version: {"groupId": "settled", "topics": [{"name": "beta", "partitions": [{"partitionIndex": 0}]}]},
        "JoinGroup": lambda case, version: {
            "groupId": case, "sessionTimeoutMs": 10_000, "rebalanceTimeoutMs": 10_000, "memberId": "", "protocolType": "consumer",
            "protocols": [{"name": "range", "metadata": b"\0\1\0\0\0\0\0\0\0\0\0\0\0\0"}]},
        "LeaveGroup": lambda case, version: {"groupId": "living", "memberId": "nobody", "members": [{"memberId": "nobody", "groupInstanceId": None}]},
        "ConsumerGroupHeartbeat": lambda case, version: {
            "groupId": case, "memberId": "m", "memberEpoch": 0, "rebalanceTimeoutMs": 10_000, "subscribedTopicNames": ["alpha"], "topicPartitions": []},
        "ConsumerGroupHeartbeat/of a static member": lambda case, version: {
            "groupId": case, "memberId": "m", "memberEpoch": 0, "instanceId": "i", "rackId": "r", "serverAssignor": "range", "rebalanceTimeoutMs": 10_000,
            "subscribedTopicNames": ["alpha", "no-such"], "topicPartitions": []},
        "ConsumerGroupHeartbeat/by pattern": lambda case, version: {
            "groupId": case, "memberId": "m", "memberEpoch": 0, "rebalanceTimeoutMs": 10_000, "topicPartitions": [],
            **({"subscribedTopicRegex": "alph.*"} if version else {"subscribedTopicNames": []})},
        "ConsumerGroupHeartbeat/of nobody": lambda case, version: {"groupId": case, "memberId": "m", "memberEpoch": 3},
        "ConsumerGroupHeartbeat/of a classic group": lambda case, version: {"groupId": "settled", "memberId": "m", "memberEpoch": 3},
        "ConsumerGroupHeartbeat/leaving": lambda case, version: {"groupId": "living", "memberId": world.member, "memberEpoch": -1},
        "ConsumerGroupDescribe": lambda case, version: {"groupIds": ["settled", "never-there"], "includeAuthorizedOperations": True},
        "DeleteGroups": lambda case, version: {"groupsNames": [case]},
        "InitProducerId": lambda case, version: {"transactionalId": None, "transactionTimeoutMs": 60_000},
        "UnregisterBroker": lambda case, version: {"brokerId": 77},
        "UpdateFeatures": lambda case, version: {
            "timeoutMs": 5000, "featureUpdates": [{"feature": "group.version", "maxVersionLevel": 1, "upgradeType": 1}]},
        "ElectLeaders": lambda case, version: {"electionType": 0, "topicPartitions": [{"topic": "alpha", "partitions": [0]}], "timeoutMs": 5000},
        "AlterPartitionReassignments": lambda case, version: {
            "timeoutMs": 5000, "topics": [{"name": "alpha", "partitions": [{"partitionIndex": 0, "replicas": [1]}]}]},
        "AlterReplicaLogDirs": lambda case, version: {"dirs": [{"path": world.data, "topics": [{"name": "alpha", "partitions": [0]}]}]},
        "DeleteRecords": lambda case, version: {"topics": [{"name": "alpha", "partitions": [{"partitionIndex": 0, "offset": 1}]}], "timeoutMs": 5000},
        "CreateTopics": lambda case, version: {
            "topics": [{"name": case, "numPartitions": 1, "replicationFactor": 1, "configs": [{"name": "retention.ms", "value": "86400000"}]}], "timeoutMs": 5000},
        "CreatePartitions": lambda case, version: {"topics": [{"name": case, "count": 2, "assignments": [{"brokerIds": [1]}]}], "timeoutMs": 5000},
        "DeleteTopics": lambda case, version: {"topicNames": [case], "topics": [{"name": case}], "timeoutMs": 5000},
        "Metadata/everything": lambda case, version: {"topics": None if version else [], "allowAutoTopicCreation": False},
        "DescribeLogDirs/everything": lambda case, version: {"topics": None},
        "ListOffsets/by time": lambda case, version: {
            "replicaId": -1, "isolationLevel": 1, "timeoutMs": 5000, "topics": [
                {"name": "alpha", "partitions": [{"partitionIndex": 0, "timestamp": 0, "currentLeaderEpoch": 0}]}]},
        "ListGroups/everything": lambda case, version: {},
        "DescribeGroups/unknown": lambda case, version: {"groups": ["no-such"], "includeAuthorizedOperations": True},
        "OffsetFetch/everything": lambda case, version: {
            "groupId": "settled", "topics": None if version > 1 else [], "groups": [{"groupId": "settled", "topics": None}], "requireStable": True},
        "OffsetFetch/of a member": lambda case, version: {
            "groupId": "living", "topics": [{"name": "alpha", "partitionIndexes": [0, 9]}],
            "groups": [{"groupId": "living", "memberId": world.member, "memberEpoch": 1, "topics": [
                {"name": "alpha", "topicId": topic_id("alpha"), "partitionIndexes": [0, 9]}]}]},
        "OffsetDelete/of a member": lambda case, version: {"groupId": "living", "topics": [{"name": "alpha", "partitions": [{"partitionIndex": 0}]}]},
        "OffsetCommit/of a member": lambda case, version: {
            "groupId": "living", "generationIdOrMemberEpoch": world.generation, "memberId": world.member, "topics": [
                {"name": "alpha", "topicId": topic_id("alpha"), "partitions": [{"partitionIndex": 1, "committedOffset": 1, "committedMetadata": ""}]}]},
        "DeleteGroups/of a member": lambda case, version: {"groupsNames": ["living"]},
        "JoinGroup/static": lambda case, version: {
            "groupId": case, "sessionTimeoutMs": 10_000, "rebalanceTimeoutMs": 10_000, "memberId": "", "groupInstanceId": "static", "protocolType": "consumer",
            "protocols": [{"name": "range", "metadata": b"\0\1\0\0\0\0\0\0\0\0\0\0\0\0"}]},
        "InitProducerId/again": lambda case, version: {"transactionalId": None, "transactionTimeoutMs": 60_000, "producerId": 5, "producerEpoch": 1},
        "UpdateFeatures/lowered": lambda case, version: {
            "timeoutMs": 5000, "validateOnly": True, "featureUpdates": [
                {"feature": "metadata.version", "maxVersionLevel": 32, "allowDowngrade": True, "upgradeType": 2}]},
        "ElectLeaders/unclean": lambda case, version: {"electionType": 1, "topicPartitions": [{"topic": "alpha", "partitions": [0, 9]}], "timeoutMs": 5000},
        "ElectLeaders/of all": lambda case, version: {"topicPartitions": None, "timeoutMs": 5000},
        "CreatePartitions/placed": lambda case, version: {"topics": [{"name": "gamma.dot", "count": 3, "assignments": None}], "timeoutMs": 5000, "validateOnly": True},
        # Transactions: of producers that nobody knows, and of what there is and is not.
        "InitProducerId/of a transaction": lambda case, version: {"transactionalId": case, "transactionTimeoutMs": 60_000, "producerId": -1, "producerEpoch": -1},
        "AddPartitionsToTxn": lambda case, version: {
            "transactions": [{"transactionalId": case, "producerId": 7_000_000, "producerEpoch": 0, "verifyOnly": False, "topics": [{"name": "alpha", "partitions": [0, 1]}]}],
        } if version >= 4 else {
            "v3AndBelowTransactionalId": case, "v3AndBelowProducerId": 7_000_000, "v3AndBelowProducerEpoch": 0, "v3AndBelowTopics": [{"name": "alpha", "partitions": [0, 1]}]},
        "AddOffsetsToTxn": lambda case, version: {"transactionalId": case, "producerId": 7_000_000, "producerEpoch": 0, "groupId": case},
        "EndTxn": lambda case, version: {"transactionalId": case, "producerId": 7_000_000, "producerEpoch": 0, "committed": True},
        "TxnOffsetCommit": lambda case, version: {
            "transactionalId": case, "groupId": case, "producerId": 7_000_000, "producerEpoch": 0, "generationIdOrMemberEpoch": -1, "topics": [
                {"name": "alpha", "topicId": world.ids["alpha"], "partitions": [{"partitionIndex": 0, "committedOffset": 1, "committedMetadata": "note"}]}]},
        "WriteTxnMarkers": lambda case, version: {
            "markers": [{"producerId": 7_000_000, "producerEpoch": 0, "transactionResult": True, "coordinatorEpoch": 0, "topics": [{"name": "beta", "partitionIndexes": [0]}]}]},
        "DescribeTransactions": lambda case, version: {"transactionalIds": [case]},
        "ListTransactions": lambda case, version: {"stateFilters": ["Ongoing"], "producerIdFilters": [7_000_000], "durationFilter": -1},
        # These two have sweeps of their own; here they are only asked for nothing.
        "Produce": lambda case, version: {"acks": 1, "timeoutMs": 1000},
        "Fetch": lambda case, version: {},
        "ApiVersions": lambda case, version: {"clientSoftwareName": "sweep", "clientSoftwareVersion": "1"},
    }


# Each case's topic must be there before.
NEED_TOPICS = {"CreatePartitions", "DeleteTopics"}

# In this order: first what only looks, then what changes things.
ORDER = [
    "ApiVersions", "Metadata", "Metadata/told all", "Metadata/by id", "Metadata/everything", "DescribeCluster", "DescribeQuorum", "DescribeTopicPartitions",
    "DescribeTopicPartitions/from the start", "DescribeTopicPartitions/of all", "DescribeLogDirs", "DescribeLogDirs/everything", "DescribeProducers",
    "ListPartitionReassignments", "FindCoordinator", "FindCoordinator/of a transaction", "FindCoordinator/of a share group", "ListOffsets",
    "ListOffsets/by time", "OffsetForLeaderEpoch", "DescribeClientQuotas", "AlterClientQuotas", "ListConfigResources", "ListGroups", "ListGroups/everything", "DescribeGroups",
    "DescribeGroups/with operations", "DescribeGroups/unknown", "OffsetFetch", "OffsetFetch/everything", "OffsetFetch/of a member", "Heartbeat", "SyncGroup",
    "ConsumerGroupDescribe", "ConsumerGroupHeartbeat/of nobody", "ConsumerGroupHeartbeat/of a classic group", "ConsumerGroupHeartbeat/leaving",
    "ConsumerGroupHeartbeat", "ConsumerGroupHeartbeat/of a static member", "ConsumerGroupHeartbeat/by pattern",
    "OffsetDelete", "OffsetDelete/of a member", "LeaveGroup", "DeleteGroups", "DeleteGroups/of a member", "InitProducerId", "InitProducerId/again", "InitProducerId/of a transaction",
    "DescribeTransactions", "ListTransactions", "AddPartitionsToTxn", "AddOffsetsToTxn", "EndTxn", "TxnOffsetCommit",
    "UnregisterBroker", "UpdateFeatures", "UpdateFeatures/lowered", "ElectLeaders", "ElectLeaders/unclean", "ElectLeaders/of all",
    "AlterPartitionReassignments", "AlterPartitionReassignments/cancelled", "AlterReplicaLogDirs", "OffsetCommit", "OffsetCommit/of a member", "JoinGroup",
    "JoinGroup/static", "DeleteRecords", "CreatePartitions", "CreatePartitions/placed", "DeleteTopics", "DeleteTopics/by id", "CreateTopics",
    "CreateTopics/validated", "WriteTxnMarkers",
]
