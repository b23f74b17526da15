"""Who may ask what: every API with entries that allow, deny or say nothing, of names that there are and names that there are not.

Prints one line per question: which entries stood, what was asked, and the whole answer. Nothing in here knows a right answer: the stage compares
the lines of two brokers. Nobody has to log in: the one who may everything comes from 127.0.0.1, the one who is judged from 127.0.0.2, and
entries speak of hosts. Arguments as `tests/answers/asking.py` takes them.
"""
import re
import struct
import sys
import uuid

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/answers")
from asking import CLIENTS, CONTROLLER, JAR, NOBODY, Asker, make_topics, quietly, shown, until
from crc32c import crc32c
from kafka import Closed, Connection

KEEPER, JUDGED = "127.0.0.1", "127.0.0.2"
TOPIC, GROUP, CLUSTER, TRANSACTION = 2, 3, 4, 5
LITERAL, PREFIXED = 3, 4
DENY, ALLOW = 2, 3
ALL, READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE = range(2, 13)
TWO_PHASE_COMMIT = 15
NAMES = ["", "", "All", "Read", "Write", "Create", "Delete", "Alter", "Describe", "ClusterAction", "DescribeConfigs", "AlterConfigs", "IdempotentWrite",
         "CreateTokens", "DescribeTokens", "TwoPhaseCommit"]
KINDS = {TOPIC: "topic", GROUP: "group", CLUSTER: "cluster", TRANSACTION: "transaction"}
CLUSTER_NAME = "kafka-cluster"


def entry(kind, name, operation, permission=ALLOW, pattern=LITERAL, principal="User:ANONYMOUS", host=JUDGED):
    return {"resourceType": kind, "resourceName": name, "resourcePatternType": pattern, "principal": principal, "host": host,
            "operation": operation, "permissionType": permission}


def label(one):
    words = ["allow" if one["permissionType"] == ALLOW else "deny", NAMES[one["operation"]], KINDS[one["resourceType"]]]
    if one["resourceType"] != CLUSTER:
        words.append(one["resourceName"] + ("..." if one["resourcePatternType"] == PREFIXED else ""))
    if one["principal"] != "User:ANONYMOUS":
        words.append("to " + one["principal"])
    if one["host"] != JUDGED:
        words.append("from " + one["host"])
    return " ".join(words)


def grants():
    yield []
    for operation in (READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS, ALL):
        yield [entry(TOPIC, "alpha", operation)]
    for operation in (READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS, ALL):
        yield [entry(GROUP, "settled", operation)]
    for operation in (CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE, ALL):
        yield [entry(CLUSTER, CLUSTER_NAME, operation)]
    for operation in (WRITE, DESCRIBE, ALL):
        yield [entry(TRANSACTION, "ours", operation)]
    yield [entry(TOPIC, "a", DESCRIBE, pattern=PREFIXED)]
    yield [entry(TOPIC, "al", READ, pattern=PREFIXED)]
    yield [entry(TOPIC, "alphabet", READ, pattern=PREFIXED)]
    yield [entry(TOPIC, "*", DESCRIBE)]
    yield [entry(TOPIC, "*", ALL, principal="User:*")]
    yield [entry(TOPIC, "alpha", READ, principal="User:other")]
    yield [entry(TOPIC, "alpha", READ, host="127.0.0.3")]
    yield [entry(TOPIC, "alpha", READ, host="127.0.0.0/30")]
    yield [entry(TOPIC, "alpha", READ, host="127.0.1.0/24")]
    yield [entry(GROUP, "*", READ), entry(TOPIC, "alpha", READ)]
    yield [entry(GROUP, "settled", DESCRIBE), entry(TOPIC, "alpha", DESCRIBE)]
    yield [entry(GROUP, "settled", DELETE), entry(TOPIC, "alpha", READ)]
    yield [entry(TRANSACTION, "ours", WRITE), entry(GROUP, "settled", READ)]
    yield [entry(TRANSACTION, "ours", WRITE), entry(GROUP, "settled", READ), entry(TOPIC, "alpha", READ)]
    yield [entry(TRANSACTION, "ou", WRITE, pattern=PREFIXED), entry(TOPIC, "alpha", WRITE)]
    yield [entry(TRANSACTION, "*", ALL), entry(TRANSACTION, "ours", DESCRIBE, DENY)]
    yield [entry(TRANSACTION, "ours", TWO_PHASE_COMMIT)]
    yield [entry(GROUP, "set", ALL, pattern=PREFIXED), entry(GROUP, "settled", READ, DENY)]
    yield [entry(TOPIC, "alpha", ALL), entry(TOPIC, "alpha", READ, DENY)]
    yield [entry(TOPIC, "*", ALL), entry(TOPIC, "al", DESCRIBE, DENY, pattern=PREFIXED)]
    yield [entry(TOPIC, "*", WRITE), entry(TOPIC, "*", WRITE, DENY)]
    yield [entry(TOPIC, "alpha", WRITE), entry(TOPIC, "alpha", WRITE, DENY)]
    yield [entry(CLUSTER, CLUSTER_NAME, ALL), entry(CLUSTER, CLUSTER_NAME, ALTER, DENY)]
    yield [entry(CLUSTER, CLUSTER_NAME, DESCRIBE), entry(CLUSTER, CLUSTER_NAME, DESCRIBE, DENY, principal="User:*")]
    yield [entry(GROUP, "streaming", READ), entry(TOPIC, "*", DESCRIBE)]
    yield [entry(GROUP, "streaming", DESCRIBE), entry(TOPIC, "alpha", DESCRIBE)]
    yield [entry(TOPIC, "*", ALL), entry(GROUP, "*", ALL), entry(CLUSTER, CLUSTER_NAME, ALL), entry(TRANSACTION, "*", ALL)]


TOPICS = ["alpha", "beta", "absent"]


def transactional_batch():
    """One record of the transaction of producer 77."""
    body = struct.pack(">hiqqqhii", 0x10, 0, 0, 0, 77, 0, 0, 1) + bytes([14, 0, 0, 0, 1, 2]) + b"x\0"
    crc = crc32c(body)
    return struct.pack(">qiibI", 0, 9 + len(body), -1, 2, crc) + body


def questions(ids):
    """(title, API, versions, body): `None` for the newest version."""
    named = lambda key, **more: [dict({key: name}, **more) for name in TOPICS]
    with_ids = [{"topicId": ids[name]} for name in ("alpha", "beta")] + [{"topicId": NOBODY}]
    newest = (None,)
    place = {"partitionIndex": 0, "committedOffset": 1, "committedMetadata": ""}
    config = lambda kind, name, **more: dict({"resourceType": kind, "resourceName": name}, **more)
    described = [config(2, name) for name in TOPICS] + [config(4, "1"), config(8, "1"), config(32, "settled"), config(16, "metrics")]
    return [
        ("Metadata", (0, 8, 12), {"topics": named("name"), "allowAutoTopicCreation": False}),
        ("Metadata/all", newest, {"topics": None}),
        ("Metadata/by id", newest, {"topics": [dict(one, name=None) for one in with_ids], "includeTopicAuthorizedOperations": True}),
        ("Metadata/operations", (10, 13), {
            "topics": named("name"), "allowAutoTopicCreation": False, "includeClusterAuthorizedOperations": True, "includeTopicAuthorizedOperations": True}),
        ("DescribeCluster", newest, {"includeClusterAuthorizedOperations": True}),
        ("DescribeTopicPartitions", newest, {"topics": named("name")}),
        ("DescribeTopicPartitions/all", newest, {}),
        ("Produce", (9, 12), {"acks": 1, "timeoutMs": 1000, "topicData": [{"name": name, "partitionData": [{"index": 0, "records": b""}]} for name in TOPICS]}),
        ("Produce/by id", newest, {"acks": 1, "timeoutMs": 1000, "topicData": [dict(one, partitionData=[{"index": 0, "records": b""}]) for one in with_ids]}),
        ("Fetch", (4, 12), {"replicaId": -1, "maxWaitMs": 0, "minBytes": 0, "maxBytes": 1000, "sessionEpoch": -1, "topics": [
            {"topic": name, "partitions": [{"partition": 0, "partitionMaxBytes": 1000}]} for name in TOPICS]}),
        ("Fetch/by id", newest, {"maxWaitMs": 0, "minBytes": 0, "maxBytes": 1000, "sessionEpoch": -1, "topics": [
            dict(one, partitions=[{"partition": 0, "partitionMaxBytes": 1000}]) for one in with_ids]}),
        ("Fetch/as a replica", (4, 12), {"replicaId": 1, "maxWaitMs": 0, "minBytes": 0, "maxBytes": 1000, "sessionEpoch": -1, "topics": [
            {"topic": name, "partitions": [{"partition": 0, "partitionMaxBytes": 1000}]} for name in TOPICS]}),
        ("Produce/transaction", (9,), {"transactionalId": "ours", "acks": -1, "timeoutMs": 1000, "topicData": [
            {"name": "alpha", "partitionData": [{"index": 0, "records": transactional_batch()}]}]}),
        ("ListOffsets", (1, None), {"replicaId": -1, "topics": named("name", partitions=[{"partitionIndex": 0, "timestamp": -1}])}),
        ("OffsetForLeaderEpoch", newest, {"replicaId": -2, "topics": named("topic", partitions=[{"partition": 0, "currentLeaderEpoch": -1, "leaderEpoch": 0}])}),
        ("DeleteRecords", newest, {"topics": named("name", partitions=[{"partitionIndex": 0, "offset": 0}]), "timeoutMs": 5000}),
        ("DescribeProducers", newest, {"topics": named("name", partitionIndexes=[0])}),
        ("InitProducerId", (5,), {"transactionalId": None, "transactionTimeoutMs": 1000, "producerId": -1, "producerEpoch": -1}),
        # More time than anybody is given: who may ask hears of that, and nothing is changed.
        ("InitProducerId/transaction", (5,), {"transactionalId": "ours", "transactionTimeoutMs": 2**31 - 1, "producerId": -1, "producerEpoch": -1}),
        ("AddPartitionsToTxn", (3,), {"v3AndBelowTransactionalId": "ours", "v3AndBelowProducerId": 77, "v3AndBelowProducerEpoch": 0, "v3AndBelowTopics": [
            {"name": name, "partitions": [0]} for name in TOPICS]}),
        ("AddPartitionsToTxn/verified", newest, {"transactions": [
            {"transactionalId": "ours", "producerId": 77, "producerEpoch": 0, "verifyOnly": True, "topics": [{"name": "alpha", "partitions": [0]}]}]}),
        ("AddOffsetsToTxn", (3,), {"transactionalId": "ours", "producerId": 77, "producerEpoch": 0, "groupId": "settled"}),
        ("EndTxn", (3,), {"transactionalId": "ours", "producerId": 77, "producerEpoch": 0, "committed": True}),
        ("TxnOffsetCommit", (3,), {"transactionalId": "ours", "groupId": "settled", "producerId": 77, "producerEpoch": 0, "generationId": 5, "memberId": "nobody",
                                   "topics": named("name", partitions=[place])}),
        ("WriteTxnMarkers", newest, {"markers": []}),
        ("DescribeTransactions", newest, {"transactionalIds": ["ours", "another"]}),
        ("ListTransactions", newest, {}),
        ("FindCoordinator/transaction", newest, {"coordinatorKeys": ["ours", "another"], "keyType": 1}),
        ("FindCoordinator", (3,), {"key": "settled", "keyType": 0}),
        ("FindCoordinator/keys", newest, {"coordinatorKeys": ["settled", "another"], "keyType": 0}),
        ("OffsetCommit", (2, 9), {"groupId": "settled", "generationIdOrMemberEpoch": -1, "topics": named("name", partitions=[place])}),
        ("OffsetCommit/by id", newest, {"groupId": "settled", "generationIdOrMemberEpoch": -1, "topics": [dict(one, partitions=[place]) for one in with_ids]}),
        ("OffsetFetch", (1, 7), {"groupId": "settled", "topics": named("name", partitionIndexes=[0])}),
        ("OffsetFetch/groups", (9,), {"groups": [{"groupId": name, "topics": named("name", partitionIndexes=[0])} for name in ("settled", "another")]}),
        ("OffsetFetch/by id", newest, {"groups": [{"groupId": "settled", "topics": [dict(one, partitionIndexes=[0]) for one in with_ids]}]}),
        ("OffsetFetch/all", (9,), {"groups": [{"groupId": "settled", "topics": None}]}),
        ("OffsetDelete", newest, {"groupId": "settled", "topics": named("name", partitions=[{"partitionIndex": 3}])}),
        ("Heartbeat", (0, None), {"groupId": "settled", "generationId": 1, "memberId": "nobody"}),
        ("JoinGroup", (4, None), {"groupId": "settled", "sessionTimeoutMs": 10_000, "rebalanceTimeoutMs": 10_000, "memberId": "nobody", "protocolType": "consumer",
                                  "protocols": [{"name": "range", "metadata": b"\0"}]}),
        ("SyncGroup", (1, None), {"groupId": "settled", "generationId": 1, "memberId": "nobody", "protocolType": "consumer", "protocolName": "range"}),
        ("LeaveGroup", (2, None), {"groupId": "settled", "memberId": "nobody", "members": [{"memberId": "nobody"}]}),
        ("ListGroups", newest, {}),
        ("DescribeGroups", (2, None), {"groups": ["settled", "another"], "includeAuthorizedOperations": True}),
        ("DeleteGroups", newest, {"groupsNames": ["another", "third"]}),
        ("StreamsGroupHeartbeat", newest, {
            "groupId": "streaming", "memberId": "m", "memberEpoch": 0, "rebalanceTimeoutMs": 60_000, "processId": "p", "activeTasks": [], "standbyTasks": [],
            "warmupTasks": [], "topology": {"epoch": 1, "subtopologies": [{
                "subtopologyId": "0", "sourceTopics": ["alpha"], "sourceTopicRegex": [], "repartitionSinkTopics": [], "repartitionSourceTopics": [],
                "copartitionGroups": [], "stateChangelogTopics": [{"name": "streaming-store", "partitions": 0, "replicationFactor": 0, "topicConfigs": []}]}]}}),
        ("StreamsGroupDescribe", (0, None), {"groupIds": ["streaming", "settled"], "includeAuthorizedOperations": True}),
        ("StreamsGroupTopologyDescriptionUpdate", newest, {
            "groupId": "streaming", "memberId": "m", "topologyEpoch": 1, "topologyDescription": {"subtopologies": [], "globalStores": []}}),
        ("CreateTopics", newest, {"topics": [{"name": name, "numPartitions": 1, "replicationFactor": 1} for name in TOPICS], "timeoutMs": 5000, "validateOnly": True}),
        ("CreatePartitions", newest, {"topics": named("name", count=3), "timeoutMs": 5000, "validateOnly": True}),
        ("DeleteTopics", newest, {"topics": [{"name": "absent"}, {"name": "alphabet"}], "timeoutMs": 5000}),
        ("DeleteTopics/by id", newest, {"topics": [{"name": None, "topicId": NOBODY}], "timeoutMs": 5000}),
        ("DescribeConfigs", newest, {"resources": [dict(one, configurationKeys=["retention.ms", "num.partitions"]) for one in described]}),
        ("AlterConfigs", newest, {"validateOnly": True, "resources": [config(2, "alpha"), config(2, "absent"), config(4, "1"), config(32, "settled")]}),
        ("IncrementalAlterConfigs", newest, {"validateOnly": True, "resources": [
            config(2, "alpha"), config(2, "absent"), config(4, "1"), config(8, "1"), config(32, "settled"), config(16, "metrics")]}),
        ("ListConfigResources", newest, {"resourceTypes": [2]}),
        ("DescribeLogDirs", (1, None), {"topics": [{"topic": "absent", "partitions": [0]}]}),
        ("AlterReplicaLogDirs", newest, {"dirs": [{"path": "/nowhere", "topics": [{"name": "alpha", "partitions": [0]}]}]}),
        ("ElectLeaders", newest, {"topicPartitions": [{"topic": "absent", "partitions": [0]}], "timeoutMs": 5000}),
        ("AlterPartitionReassignments", newest, {"timeoutMs": 5000, "topics": [{"name": "absent", "partitions": [{"partitionIndex": 0, "replicas": [1]}]}]}),
        ("ListPartitionReassignments", newest, {"timeoutMs": 5000, "topics": None}),
        ("DescribeQuorum", newest, {"topics": [{"topicName": "__cluster_metadata", "partitions": [{"partitionIndex": 0}]}]}),
        ("UpdateFeatures", newest, {"timeoutMs": 5000, "validateOnly": True, "featureUpdates": [{"feature": "no.such", "maxVersionLevel": 1, "upgradeType": 1}]}),
        ("UnregisterBroker", newest, {"brokerId": 99}),
        ("DescribeAcls", (1, None), {"resourceTypeFilter": CLUSTER, "resourceNameFilter": "no-such", "patternTypeFilter": 1, "operation": 1, "permissionType": 1}),
        ("CreateAcls", newest, {"creations": [entry(CLUSTER, "no-such", READ)]}),
        ("DeleteAcls", newest, {"filters": [{
            "resourceTypeFilter": TOPIC, "resourceNameFilter": "no-such", "patternTypeFilter": LITERAL, "operation": 1, "permissionType": 1}]}),
        ("DescribeClientQuotas", newest, {"components": [{"entityType": "user", "matchType": 0, "match": "nobody"}]}),
        ("AlterClientQuotas", newest, {"entries": [{"entity": [{"entityType": "user", "entityName": "nobody"}], "ops": [
            {"key": "producer_byte_rate", "value": 1.0}]}], "validateOnly": True}),
        ("DescribeUserScramCredentials", newest, {"users": [{"name": "nobody"}]}),
        ("AlterUserScramCredentials", newest, {"deletions": [{"name": "nobody", "mechanism": 1}], "upsertions": [
            {"name": "few", "mechanism": 1, "iterations": 10, "salt": b"s", "saltedPassword": b"p"}, {"name": "odd", "mechanism": 9, "iterations": 4096}]}),
    ]


# What only nodes ask each other.
AT_THE_CONTROLLER = [
    ("DescribeCluster", {"endpointType": 2}),
    ("DescribeAcls", {"resourceTypeFilter": CLUSTER, "resourceNameFilter": "no-such", "patternTypeFilter": 1, "operation": 1, "permissionType": 1}),
    ("Vote", {"clusterId": "other", "topics": []}),
    ("BrokerHeartbeat", {"brokerId": 99, "brokerEpoch": 1, "currentMetadataOffset": 0}),
    ("UnregisterBroker", {"brokerId": 99}),
    ("AllocateProducerIds", {"brokerId": 99, "brokerEpoch": 1}),
    ("CreatePartitions", {"topics": [{"name": name, "count": 3} for name in TOPICS], "timeoutMs": 5000, "validateOnly": True}),
    ("Envelope", {"requestData": b"", "requestPrincipal": None, "clientHostAddress": b"\x7f\0\0\x01"}),
]

REFUSED = re.compile(r"Request (Request\(.*?\)|\w+) needs (?=[A-Z_]+ permission)")


class Judged(Asker):
    """Whoever is judged."""

    def __init__(self, address):
        super().__init__(address, JUDGED)

    def ask(self, title, name, version, body):
        line = self.line(lambda connection: shown(connection.ask(name, version, body), ""))
        print(f"{title}: {REFUSED.sub('<request> needs ', line)}", flush=True)


def keeper(address, name, body):
    version = JAR.versions(name)[-1]
    with Connection(JAR, address, 20) as connection:
        return connection.ask(name, version, body)


FILTER = {"resourceTypeFilter": 1, "resourceNameFilter": None, "patternTypeFilter": 1, "principalFilter": None, "hostFilter": None, "operation": 1, "permissionType": 1}


def settled(count):
    """Both authorizers, the broker's and the controller's, know so many entries."""
    def known(address):
        return sum(len(one["acls"]) for one in keeper(address, "DescribeAcls", FILTER)["resources"]) == count
    until(lambda: known(CLIENTS) and known(CONTROLLER), f"{count} entries")


def create(entries):
    results = keeper(CLIENTS, "CreateAcls", {"creations": entries})["results"]
    assert all(one["errorCode"] == 0 for one in results), results


def delete(entries):
    filters = [{"resourceTypeFilter": one["resourceType"], "resourceNameFilter": one["resourceName"], "patternTypeFilter": one["resourcePatternType"],
                "principalFilter": one["principal"], "hostFilter": one["host"], "operation": one["operation"], "permissionType": one["permissionType"]}
               for one in entries]
    results = keeper(CLIENTS, "DeleteAcls", {"filters": filters})["filterResults"]
    assert all(len(one["matchingAcls"]) == 1 for one in results), results


def entries_as_they_are_asked_for():
    """What is an entry and what is none; filters; what is said of what was done."""
    good = entry(TOPIC, "made", READ)
    odd = [good, dict(good, resourceName=""), dict(good, resourceType=1), dict(good, resourceType=99), dict(good, resourcePatternType=1),
           dict(good, resourcePatternType=2), dict(good, resourcePatternType=77), dict(good, operation=1), dict(good, operation=99), dict(good, permissionType=1),
           dict(good, permissionType=55), dict(good, host=""), dict(good, host="1.2.3.4/33"), dict(good, host="a/8"), dict(good, host="::/129"),
           dict(good, host="::/x"), dict(good, host="10.0.0.0/8"), dict(good, host="fd00::/8"), dict(good, resourceType=CLUSTER), dict(good, resourceType=6, resourceName="User:x"),
           dict(good, principal="made-up"), dict(good, principal=""), dict(good, operation=15), dict(good, resourceType=7, resourceName="User:x", operation=13)]
    for number, one in enumerate(odd):
        print(f"CreateAcls odd {number}: {shown(keeper(CLIENTS, 'CreateAcls', {'creations': [one]}), '')}", flush=True)
    for number, one in enumerate([dict(good, resourceType=0), dict(good, operation=0), dict(good, permissionType=0), dict(good, resourcePatternType=0)]):
        try:
            print(f"CreateAcls unknown {number}: {shown(keeper(CLIENTS, 'CreateAcls', {'creations': [one]}), '')}", flush=True)
        except Closed:
            print(f"CreateAcls unknown {number}: closed", flush=True)
    twice = keeper(CLIENTS, "CreateAcls", {"creations": [good, good]})
    print(f"CreateAcls twice: {shown(twice, '')}", flush=True)
    made = [one for one in (dict(FILTER, resourceNameFilter="made"), dict(FILTER, resourceNameFilter="made", patternTypeFilter=2),
                            dict(FILTER, resourceNameFilter="alphabet", patternTypeFilter=2, hostFilter=JUDGED), dict(FILTER, principalFilter="User:none"),
                            dict(FILTER, hostFilter="10.0.0.0/8"), dict(FILTER, operation=15), dict(FILTER, permissionType=2), dict(FILTER, resourceTypeFilter=7))]
    # The broker learns of them a moment later.
    until(lambda: keeper(CLIENTS, "DescribeAcls", dict(FILTER, hostFilter="fd00::/8"))["resources"], "an entry of a range")
    until(lambda: keeper(CLIENTS, "DescribeAcls", dict(FILTER, resourceTypeFilter=7))["resources"], "an entry of a user")
    for number, one in enumerate(made):
        print(f"DescribeAcls filter {number}: {shown(keeper(CLIENTS, 'DescribeAcls', one), '')}", flush=True)
    for number, one in enumerate(made[:6]):
        print(f"DeleteAcls filter {number}: {shown(keeper(CLIENTS, 'DeleteAcls', {'filters': [one]}), '')}", flush=True)
    keeper(CLIENTS, "DeleteAcls", {"filters": [dict(FILTER, resourceNameFilter=name) for name in ("made", "User:x")]})


def credentials():
    """SCRAM credentials come, are described, go."""
    upsertion = lambda name, mechanism, **more: dict({"name": name, "mechanism": mechanism, "iterations": 4096, "salt": b"salt", "saltedPassword": b"p" * 32}, **more)
    stories = [
        {"upsertions": [upsertion("ann", 1), upsertion("ben", 2, iterations=8192)]},
        {"upsertions": [upsertion("ann", 2)]},
        {"upsertions": [upsertion("ann", 1), upsertion("ann", 2)], "deletions": [{"name": "ben", "mechanism": 2}]},
        {"upsertions": [upsertion("", 1), upsertion("cid", 0), upsertion("dan", 1, iterations=4095), upsertion("eve", 2, iterations=16385)]},
        {"deletions": [{"name": "ben", "mechanism": 1}, {"name": "", "mechanism": 1}, {"name": "ann", "mechanism": 7}]},
        {"deletions": [{"name": "ann", "mechanism": 2}]},
        {},
    ]
    ask = lambda users: keeper(CLIENTS, "DescribeUserScramCredentials", {"users": users})
    count = lambda: sum(len(user["credentialInfos"]) for user in ask(None)["results"])
    for number, (story, known) in enumerate(zip(stories, (2, 3, 2, 2, 2, 1, 1))):
        print(f"AlterUserScramCredentials {number}: {shown(keeper(CLIENTS, 'AlterUserScramCredentials', story), '')}", flush=True)
        until(lambda: count() == known, f"{known} credentials")
        for users in (None, [], [{"name": "ann"}, {"name": "ben"}], [{"name": "ann"}, {"name": "ann"}, {"name": ""}]):
            asked = "everybody" if users is None else " and ".join(one["name"] or "nobody" for one in users) or "no one"
            print(f"DescribeUserScramCredentials {number} of {asked}: {shown(ask(users), '')}", flush=True)


def main():
    ids = make_topics([("alpha", 2), ("beta", 1)])
    until(lambda: quietly("FindCoordinator", 3, {"key": "settled", "keyType": 0})["errorCode"] == 0, "a coordinator")
    until(lambda: quietly("FindCoordinator", 3, {"key": "ours", "keyType": 1})["errorCode"] == 0, "a transaction coordinator")
    until(lambda: quietly("InitProducerId", 4, {"transactionalId": "ours", "transactionTimeoutMs": 60_000, "producerId": -1, "producerEpoch": -1})["errorCode"] == 0,
          "a transactional id")
    place = {"partitionIndex": 0, "committedOffset": 1, "committedMetadata": "note"}
    body = {"groupId": "settled", "generationIdOrMemberEpoch": -1, "topics": [{"name": name, "partitions": [place]} for name in ("alpha", "beta")]}
    until(lambda: quietly("OffsetCommit", 8, body)["topics"][0]["partitions"][0]["errorCode"] == 0, "a commit")
    until(lambda: quietly("InitProducerId", 4, {"transactionalId": None})["errorCode"] == 0, "a producer id")
    # Nobody waits for others, so that an answer is no matter of time.
    configs = [{"name": f"streams.{name}.ms", "configOperation": 0, "value": "0"} for name in ("initial.rebalance.delay", "assignment.interval")]
    quietly("IncrementalAlterConfigs", 1, {"resources": [{"resourceType": 32, "resourceName": "streaming", "configs": configs}]})
    keepers = [entry(kind, name, ALL, host=KEEPER) for kind, name in ((CLUSTER, CLUSTER_NAME), (TOPIC, "*"), (GROUP, "*"), (TRANSACTION, "*"), (6, "*"))]
    create(keepers)
    settled(len(keepers))
    clients, controller = Judged(CLIENTS), Judged(CONTROLLER)
    for granted in grants():
        if granted:
            create(granted)
        settled(len(keepers) + len(granted))
        name_of = ", ".join(label(one) for one in granted) or "nothing"
        for title, versions, body in questions(ids):
            name = title.split("/")[0]
            for version in versions:
                version = JAR.versions(name)[-1] if version is None else version
                asked = dict(body, topics=[]) if (title, version) == ("Metadata/all", 0) else body
                clients.ask(f"{title} v{version} with {name_of}", name, version, asked)
        for name, body in AT_THE_CONTROLLER:
            controller.ask(f"{name} at the controller with {name_of}", name, JAR.versions(name)[-1], body)
        if granted:
            delete(granted)
    settled(len(keepers))
    entries_as_they_are_asked_for()
    credentials()
    print("done - the entries")


main()
