"""Answers that take more than one question: what was there before, what is there afterwards, several at once, headers.

Prints `step what: answer`. Nothing in here knows a right answer: the stage compares the lines of two brokers. `steps.py … NAME NAME` takes only these.
"""
import struct
import sys
import threading
import time
import uuid

from asking import CLIENTS, JAR, NOBODY, SECONDS, Asker, make_topics, quietly, shown, until
from kafka import Closed, Connection, Silent, varint

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/topic_keys")
from wire import batch, batches

STEPS = []
ASKER = Asker(CLIENTS)


def step(function):
    STEPS.append(function)
    return function


def raced(function):
    """Kafka computes what members get on another thread, and what it says meanwhile depends on how busy the machine is: with `--full`, on a quiet one."""
    return step(function) if "--full" in sys.argv else function


def ask(what, name, version, body, **header):
    ASKER.ask(f"{STEP} {what}", name, version, body, **header)


def say(what, value):
    print(f"{STEP} {what}: {shown(value, '')}", flush=True)


# --- everyday questions

def topic(name, partitions=1, factor=1, **more):
    return dict({"name": name, "numPartitions": partitions, "replicationFactor": factor}, **more)


def created(names, **more):
    """The codes of a creation, by name."""
    answer = quietly("CreateTopics", 7, dict({"topics": [topic(name) for name in names], "timeoutMs": 10_000}, **more))
    return {made["name"]: made["errorCode"] for made in answer["topics"]}


def deleted(name):
    return quietly("DeleteTopics", 6, {"topics": [{"name": name}], "timeoutMs": 10_000})["responses"][0]["errorCode"]


def known(name):
    found = quietly("Metadata", 12, {"topics": [{"name": name}], "allowAutoTopicCreation": False})["topics"][0]
    return None if found["errorCode"] == 3 else found


def produced(name, records, partition=0):
    data = {"name": name, "partitionData": [{"index": partition, "records": records}]}
    answer = quietly("Produce", 9, {"transactionalId": None, "acks": -1, "timeoutMs": 10_000, "topicData": [data]})
    found = answer["responses"][0]["partitionResponses"][0]
    return found["errorCode"], found["baseOffset"], found["logStartOffset"]


def offset(name, timestamp, partition=0):
    place = {"partitionIndex": partition, "currentLeaderEpoch": -1, "timestamp": timestamp}
    found = quietly("ListOffsets", 7, {"replicaId": -1, "topics": [{"name": name, "partitions": [place]}]})["topics"][0]["partitions"][0]
    return found["errorCode"] or found["offset"]


def span(name, partition=0):
    return [offset(name, -2, partition), offset(name, -1, partition)]


def fetched(name, start, **more):
    place = dict({"partition": 0, "fetchOffset": start, "logStartOffset": -1, "partitionMaxBytes": 1 << 20, "currentLeaderEpoch": -1}, **more)
    body = {"replicaId": -1, "maxWaitMs": 0, "maxBytes": 1 << 25, "sessionEpoch": -1, "topics": [{"topic": name, "partitions": [place]}]}
    found = quietly("Fetch", 11, body)["responses"][0]["partitions"][0]
    return found, batches(found["records"] or b"")


def together(count, work):
    """What so many threads get that begin at once, sorted."""
    barrier, found = threading.Barrier(count), []

    def one(number):
        barrier.wait()
        found.append(work(number))
    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return sorted(found)


# --- topics

@step
def validated_only():
    make_topics([("val", 1), ("val.dot", 1)])
    for version in (4, 5, 6, 7):
        for name in ("val", "val_dot", "val-new"):
            ask(f"{name} v{version}", "CreateTopics", version, {"topics": [topic(name, 3)], "timeoutMs": 10_000, "validateOnly": True})
    both = {"two of one kind": [topic("val-x.y"), topic("val-x_y")], "twice": [topic("val-w"), topic("val-w", 2)], "nothing": [],
            "good and bad": [topic("val-good"), topic("val bad"), topic("val")], "defaults": [topic("val-new", -1, -1)]}
    for what, topics in both.items():
        ask(what, "CreateTopics", 7, {"topics": topics, "timeoutMs": 10_000, "validateOnly": True})
    plans = {"and counts": [(0, [1])], "of two": [(0, [1]), (1, [1])], "not from zero": [(1, [1])], "twice": [(0, [1]), (0, [1])],
             "of a broker twice": [(0, [1, 1])], "of nobody": [(0, [])], "of a stranger": [(0, [7])], "of different sizes": [(0, [1]), (1, [1, 1])]}
    for what, plan in plans.items():
        given = [{"partitionIndex": index, "brokerIds": ids} for index, ids in plan]
        counts = (2, 1) if what == "and counts" else (-1, -1)
        ask(f"assignment {what}", "CreateTopics", 7, {"topics": [topic("val-new", *counts, assignments=given)], "timeoutMs": 10_000, "validateOnly": True})
    for name in ("__consumer_offsets", "__transaction_state", "__cluster_metadata", "__share_group_state", "A", "-", "_", "n" * 249, "a:b"):
        ask(f"name {name[:20]}", "CreateTopics", 7, {"topics": [topic(name)], "timeoutMs": 10_000, "validateOnly": True})
    say("left behind", [known("val-new"), known("val-good")])


@step
def colliding_names():
    create = lambda what, *names: ask(what, "CreateTopics", 7, {"topics": [topic(name) for name in names], "timeoutMs": 10_000})
    create("first", "col.a_b.c")
    create("the same", "col.a_b.c")
    for name in ("col_a_b_c", "col.a.b.c", "col_a.b_c", "col-a-b-c"):
        create(name, name)
    say("deleted", deleted("col.a_b.c"))
    create("after the deletion", "col_a_b_c")
    create("two at once", "col.q", "col_q")
    say("race", together(12, lambda number: created(["col.race"])["col.race"]))

    def one_of_two(number):
        name = ("col.p", "col_p")[number % 2]
        return created([name])[name]
    codes = together(12, one_of_two)
    say("race of two names", [codes.count(0), set(codes) <= {0, 17, 36}])


@step
def deleted_and_made_again():
    first = make_topics([("again", 3)])["again"]
    for number in range(5):
        produced("again", batch([(b"k", b"old")] * 3), number % 3)
    place = {"partitionIndex": 0, "committedOffset": 3, "committedMetadata": ""}
    ask("commit", "OffsetCommit", 8, {"groupId": "again", "generationIdOrMemberEpoch": -1, "topics": [{"name": "again", "partitions": [place]}]})
    rounds = []
    for number in range(10):
        gone = deleted("again")
        made = quietly("CreateTopics", 7, {"topics": [topic("again", 1 + number % 3)], "timeoutMs": 10_000})["topics"][0]
        rounds.append([gone, made["errorCode"], made["numPartitions"]])
    say("rounds", rounds)
    until(lambda: (known("again") or {}).get("topicId") == made["topicId"], "the newest topic")
    until(lambda: offset("again", -1) == 0, "its leader")
    say("another id", made["topicId"] != first)

    def forgotten():
        groups = [{"groupId": "again", "topics": None}]
        return quietly("OffsetFetch", 8, {"groups": groups})["groups"][0]["topics"] == []
    until(forgotten, "a commit that is gone")
    old = {"topicId": first, "partitions": [{"partition": 0, "fetchOffset": 0, "partitionMaxBytes": 1000}]}
    ask("the old id read", "Fetch", 13, {"maxBytes": 1000, "topics": [old]})
    say("new data", produced("again", batch([(b"k", b"new")])))
    say("read", [value.decode() for one in fetched("again", 0)[1] for _, _, value in one.records()])
    say("an epoch of the future", fetched("again", 0, currentLeaderEpoch=5)[0]["errorCode"])
    delete = lambda what, *topics: ask(what, "DeleteTopics", 6, {"topics": list(topics), "timeoutMs": 10_000})
    by_id = lambda topic_id: {"name": None, "topicId": topic_id}
    delete("by the old id", by_id(first))
    delete("by nothing", {"name": None})
    delete("by both", {"name": "again", "topicId": made["topicId"]})
    delete("twice", {"name": "again"}, {"name": "again"})
    delete("by id twice", by_id(made["topicId"]), by_id(made["topicId"]))
    delete("by name and by id", {"name": "again"}, by_id(made["topicId"]))
    delete("of the metadata", {"name": "__cluster_metadata"})
    delete("by id", by_id(made["topicId"]))


@step
def no_time_left():
    """Deadlines that have passed: also where the controller has nothing to do, and where it would only look."""
    ids = make_topics([("late", 1)])
    for limit in (0, -1):
        late = lambda what, name, version, **body: ask(f"{what} {limit}", name, version, dict(body, timeoutMs=limit))
        late("created", "CreateTopics", 7, topics=[topic("late-new")])
        late("validated", "CreateTopics", 7, topics=[topic("late-new")], validateOnly=True)
        late("created for ever", "CreateTopics", 7, topics=[topic("late bad")])
        late("created twice", "CreateTopics", 7, topics=[topic("late-new"), topic("late-new")])
        late("created twice and once", "CreateTopics", 7, topics=[topic("late-new"), topic("late-new"), topic("late-other")])
        late("created as metadata", "CreateTopics", 7, topics=[topic("__cluster_metadata")])
        late("nothing created", "CreateTopics", 7, topics=[])
        grown = {"name": "late", "count": 2, "assignments": None}
        late("grown", "CreatePartitions", 3, topics=[grown])
        late("growth validated", "CreatePartitions", 3, topics=[grown], validateOnly=True)
        late("grown twice", "CreatePartitions", 3, topics=[grown, grown])
        late("nothing grown", "CreatePartitions", 3, topics=[])
        late("deleted", "DeleteTopics", 6, topics=[{"name": "late"}])
        late("deleted by id", "DeleteTopics", 6, topics=[{"name": None, "topicId": ids["late"]}])
        late("deleted twice", "DeleteTopics", 6, topics=[{"name": "late"}, {"name": "late"}])
        late("deleted by nothing", "DeleteTopics", 6, topics=[{"name": None}])
        late("nothing deleted", "DeleteTopics", 6, topics=[])
        late("elected", "ElectLeaders", 2, electionType=0, topicPartitions=[{"topic": "late", "partitions": [0]}])
        late("all elected", "ElectLeaders", 2, electionType=0, topicPartitions=None)
        late("elected strangely", "ElectLeaders", 2, electionType=9, topicPartitions=[{"topic": "late", "partitions": [0]}])
        late("nobody elected", "ElectLeaders", 2, electionType=0, topicPartitions=[])
        moved = [{"name": "late", "partitions": [{"partitionIndex": 0, "replicas": [1]}]}]
        late("moved", "AlterPartitionReassignments", 1, topics=moved)
        late("nothing moved", "AlterPartitionReassignments", 1, topics=[], allowReplicationFactorChange=False)
        late("moves listed", "ListPartitionReassignments", 0, topics=None)
        late("feature", "UpdateFeatures", 2, featureUpdates=[{"feature": "group.version", "maxVersionLevel": 1, "upgradeType": 1}])
    say("left behind", known("late-new"))
    say("still there", len(known("late")["partitions"]))
    data = {"name": "late", "partitionData": [{"index": 0, "records": batch([(b"k", b"v")])}]}
    ask("produced", "Produce", 9, {"transactionalId": None, "acks": -1, "timeoutMs": 0, "topicData": [data]})
    ask("records deleted", "DeleteRecords", 2, {"topics": [{"name": "late", "partitions": [{"partitionIndex": 0, "offset": 1}]}], "timeoutMs": 0})


# --- coordinators and records

@step
def keys_of_coordinators():
    until(lambda: quietly("FindCoordinator", 4, {"keyType": 0, "coordinatorKeys": ["a"]})["coordinators"][0]["errorCode"] == 0, "a coordinator")
    for version in (4, 5, 6):
        find = lambda what, keys, kind=0: ask(f"{what} v{version}", "FindCoordinator", version, {"keyType": kind, "coordinatorKeys": keys})
        find("none", [])
        find("empty", [""])
        find("twice", ["a", "a"])
        find("many", [f"k{number}" for number in range(300)])
        find("unicode", ["größe\0x"])
        for key in ("a", "", "g:t:0", "g:AAAAAAAAAAAAAAAAAAAAAQ:x", ":AAAAAAAAAAAAAAAAAAAAAQ:0", "g:AAAAAAAAAAAAAAAAAAAAAQ"):
            find(f"share {key}", [key], 2)
    for version in (0, 1, 2, 3):
        for key in ("a", ""):
            ask(f"old {key} v{version}", "FindCoordinator", version, {"key": key})


class Modern:
    """A group of the consumer protocol: each answer is told, and a target is computed whenever it is due."""

    def __init__(self, name):
        self.name, self.epochs = name, {}
        config = {"name": "consumer.assignment.interval.ms", "configOperation": 0, "value": "0"}
        altered = quietly("IncrementalAlterConfigs", 1, {"resources": [{"resourceType": 32, "resourceName": name, "configs": [config]}]})
        assert altered["responses"][0]["errorCode"] == 0, altered
        quietly("FindCoordinator", 4, {"keyType": 0, "coordinatorKeys": [name]})
        nobody = lambda: quietly("ConsumerGroupDescribe", 1, {"groupIds": [name]})["groups"][0]["errorCode"] == 69
        until(nobody, "a coordinator")

    def beat(self, member, epoch=None, owned=None, version=1, **more):
        """Without an epoch that of the last answer; what it owns as topic, partitions."""
        body = dict({"groupId": self.name, "memberId": member, "memberEpoch": self.epochs.get(member, 0) if epoch is None else epoch}, **more)
        if body["memberEpoch"] == 0:
            body = dict({"rebalanceTimeoutMs": 30_000}, **body)
            owned = owned or []
        if owned is not None:
            body["topicPartitions"] = [{"topicId": self.ids[topic], "partitions": partitions} for topic, partitions in owned]
        answer = quietly("ConsumerGroupHeartbeat", version, body)
        if answer["errorCode"] == 0:
            self.epochs[member] = answer["memberEpoch"]
        say(f"{self.name} {member} {sorted((key, value) for key, value in more.items())} {epoch} {owned}", answer)
        return answer

    def described(self, what):
        answer = quietly("ConsumerGroupDescribe", 1, {"groupIds": [self.name], "includeAuthorizedOperations": True})
        for member in answer["groups"][0]["members"]:
            # In the order of a hash map.
            member["subscribedTopicNames"].sort()
        say(f"{self.name} {what}", answer)
        return answer["groups"][0]


@raced
def consumer_groups():
    ids = make_topics([("modern-a", 4), ("modern-b", 2)])
    group = Modern("modern")
    group.ids = ids
    names = {"subscribedTopicNames": ["modern-a"]}
    group.beat("m1", **names)
    group.beat("m1", owned=[("modern-a", [0, 1, 2, 3])])
    group.described("of one")
    group.beat("m2", **names)
    group.beat("m2")
    group.beat("m1")
    group.beat("m1", owned=[("modern-a", [0, 1, 2, 3])])
    group.described("giving back")
    group.beat("m1", owned=[("modern-a", [0, 1])])
    group.beat("m2")
    group.described("of two")
    for what, epoch in (("too new", 99), ("too old", 1), ("odd", -7)):
        group.beat("m2", epoch=epoch, owned=[("modern-a", [0])])
    group.beat("m3", epoch=4)
    group.beat("m2", subscribedTopicNames=["modern-b", "modern-a"], owned=[("modern-a", [2, 3])])
    group.beat("m1", owned=[("modern-a", [0, 1])])
    group.beat("m2", owned=[("modern-a", [2, 3])])
    group.described("of different wishes")
    group.beat("m1", serverAssignor="range")
    group.beat("m2", serverAssignor="range")
    group.beat("m1", serverAssignor="sticky")
    group.described("by range")
    for version in range(8, 11):
        for member, epoch in (("m1", group.epochs["m1"]), ("m1", 0), ("m1", 99), ("m3", 1), ("", -1)):
            partition = {"partitionIndex": 0, "committedOffset": 7, "committedLeaderEpoch": -1, "committedMetadata": ""}
            ask(f"commit v{version} {member} {epoch - group.epochs['m1']}", "OffsetCommit", version, {
                "groupId": "modern", "generationIdOrMemberEpoch": epoch, "memberId": member,
                "topics": [{"name": "modern-a", "topicId": ids["modern-a"], "partitions": [partition]}]})
    for member, epoch in (("m1", group.epochs["m1"]), ("m1", 99), ("m3", 1), (None, -1), ("", -1)):
        ask(f"fetch {member} {epoch if epoch in (-1, 99) else 'own'}", "OffsetFetch", 9, {"groups": [
            {"groupId": "modern", "memberId": member, "memberEpoch": epoch, "topics": [{"name": "modern-a", "partitionIndexes": [0]}]}]})
    ask("offsets of a topic in use", "OffsetDelete", 0, {"groupId": "modern", "topics": [{"name": "modern-a", "partitions": [{"partitionIndex": 0}]}]})
    for version in (5, 6):
        ask(f"described as a classic group v{version}", "DescribeGroups", version, {"groups": ["modern"]})
    for types in ([], ["consumer"], ["Classic"], ["nothing"]):
        say(f"listed {types}", [one for one in quietly("ListGroups", 5, {"typesFilter": types})["groups"] if one["groupId"] == "modern"])
    ask("heartbeat of a classic member", "Heartbeat", 4, {"groupId": "modern", "generationId": 1, "memberId": "m1"})
    ask("sync of a classic member", "SyncGroup", 5, {"groupId": "modern", "generationId": 1, "memberId": "m1", "protocolType": "consumer", "protocolName": "range"})
    ask("leave of a classic member", "LeaveGroup", 5, {"groupId": "modern", "members": [{"memberId": "m1"}]})
    ask("deleted with members", "DeleteGroups", 2, {"groupsNames": ["modern"]})
    group.beat("m1", epoch=-1)
    group.described("of one again")
    group.beat("m2", epoch=-1)
    group.described("of nobody")
    ask("deleted", "DeleteGroups", 2, {"groupsNames": ["modern"]})
    group.described("of the deleted")


@raced
def consumer_groups_of_static_members():
    ids = make_topics([("static-a", 2)])
    group = Modern("modern-static")
    group.ids = ids
    names = {"subscribedTopicNames": ["static-a"]}
    group.beat("s1", instanceId="i", **names)
    group.beat("s2", instanceId="i", **names)
    group.beat("s2", epoch=1, instanceId="i")
    group.beat("s1", epoch=1, instanceId="j")
    group.beat("s1", epoch=-2, instanceId="i")
    group.described("away")
    group.beat("s2", epoch=0, instanceId="i", **names)
    group.beat("s2", instanceId="i", owned=[("static-a", [0, 1])])
    group.described("back")
    group.beat("s2", epoch=-1, instanceId="i")


@raced
def consumer_groups_by_pattern():
    ids = make_topics([("pattern-a", 1), ("pattern-b", 1)])
    group = Modern("modern-pattern")
    group.ids = ids
    for regex in ("(", "a{1,5000}", "a\\", "[[:nope:]]"):
        group.beat("p1", epoch=0, subscribedTopicRegex=regex)
    group.beat("p1", subscribedTopicRegex="pattern-.*")
    until(lambda: group_epoch("modern-pattern") == 2, "a resolved pattern")
    group.beat("p1", subscribedTopicRegex="pattern-.*")
    group.described("resolved")
    group.beat("p1", subscribedTopicNames=["pattern-a"], subscribedTopicRegex="", owned=[("pattern-a", [0]), ("pattern-b", [0])])
    group.beat("p1", owned=[("pattern-a", [0])])
    group.described("by name")
    group.beat("p1", epoch=-1)


class Shared:
    """A share group: each answer is told. Its assignments are made whenever they are due."""

    def __init__(self, name):
        self.name, self.epochs, self.told, self.beats = name, {}, {}, 0
        config = {"name": "share.assignment.interval.ms", "configOperation": 0, "value": "0"}
        altered = quietly("IncrementalAlterConfigs", 1, {"resources": [{"resourceType": 32, "resourceName": name, "configs": [config]}]})
        assert altered["responses"][0]["errorCode"] == 0, altered
        quietly("FindCoordinator", 4, {"keyType": 0, "coordinatorKeys": [name]})
        until(lambda: quietly("ShareGroupDescribe", 1, {"groupIds": [name]})["groups"][0]["errorCode"] == 69, "a coordinator")

    def beat(self, member, epoch=None, **more):
        """Without an epoch that of the last answer."""
        body = dict({"groupId": self.name, "memberId": member, "memberEpoch": self.epochs.get(member, 0) if epoch is None else epoch}, **more)
        answer = quietly("ShareGroupHeartbeat", 1, body)
        if answer["errorCode"] == 0:
            self.epochs[member] = answer["memberEpoch"]
            answer["assignment"] = answer["assignment"] or self.told.pop(member, None)
        for topic in (answer["assignment"] or {"topicPartitions": []})["topicPartitions"]:
            # Which they are is a matter of the topic's id.
            topic["partitions"] = len(topic["partitions"])
        self.beats += 1
        say(f"{self.name} {self.beats} {member} {sorted(more.items())} {epoch}", answer)

    def shares(self, many, member):
        """Until so many partitions have share state. What Kafka could not store at once it tries again half a minute later, when a member
        that wants it comes again; what that one is told is told with its next answer here."""
        looked = time.monotonic()

        def shared():
            nonlocal looked
            if time.monotonic() > looked + 5:
                looked = time.monotonic()
                answer = quietly("ShareGroupHeartbeat", 1, {"groupId": self.name, "memberId": member, "memberEpoch": self.epochs[member]})
                self.epochs[member], self.told[member] = answer["memberEpoch"], answer["assignment"] or self.told.get(member)
            topics = quietly("DescribeShareGroupOffsets", 1, {"groups": [{"groupId": self.name, "topics": None}]})["groups"][0]["topics"]
            return sum(len(topic["partitions"]) for topic in topics) == many
        until(shared, f"{many} shared partitions", 80)

    def described(self, what):
        answer = quietly("ShareGroupDescribe", 1, {"groupIds": [self.name], "includeAuthorizedOperations": True})
        for member in answer["groups"][0]["members"]:
            # In the order of a hash map.
            member["subscribedTopicNames"].sort()
            for topic in member["assignment"]["topicPartitions"]:
                topic["partitions"] = len(topic["partitions"])
        say(f"described {what}", answer)

    def offsets(self, what, topics=None, version=1):
        ask(f"offsets {what} v{version}", "DescribeShareGroupOffsets", version, {"groups": [{"groupId": self.name, "topics": topics}]})

    def altered(self, what, *topics):
        body = [{"topicName": name, "partitions": [{"partitionIndex": number, "startOffset": start} for number, start in starts]} for name, starts in topics]
        ask(f"alter {what}", "AlterShareGroupOffsets", 0, {"groupId": self.name, "topics": body})

    def forgotten(self, what, *names):
        ask(f"forget {what}", "DeleteShareGroupOffsets", 0, {"groupId": self.name, "topics": [{"topicName": name} for name in names]})


@step
def share_groups():
    make_topics([("share-a", 3), ("share-b", 1)])
    until(lambda: produced("share-a", batch([(b"k", b"v")] * 5))[0] == 0, "records")
    group = Shared("sharing")
    for member, epoch, more in (
            ("", 0, {}), ("x" * 37, 0, {}), (" ", 0, {"subscribedTopicNames": ["share-a"]}), ("s1", 0, {}), ("s1", 0, {"subscribedTopicNames": []}),
            ("s1", -2, {}), ("s1", 1, {}), ("s1", -1, {}), ("s1", 0, {"subscribedTopicNames": ["share-a"], "rackId": ""})):
        group.beat(member, epoch, **more)
    group.altered("nothing")
    group.forgotten("of nobody", "share-a")
    group.offsets("of nobody")
    group.beat("s1", subscribedTopicNames=["share-a"])
    group.shares(3, "s1")
    group.beat("s1")
    group.beat("s1")
    group.described("of one")
    group.beat("s2", subscribedTopicNames=["share-a"])
    group.beat("s1")
    group.described("of two")
    for epoch in (99, 1, -1_000):
        group.beat("s2", epoch)
    group.beat("s3", 2)
    group.beat("s3", -1)
    group.beat("s2", subscribedTopicNames=["share-b", "share-a", "no-such"])
    group.shares(4, "s2")
    group.beat("s2")
    group.beat("s1")
    group.beat("s2")
    group.described("of different wishes")
    group.offsets("of all")
    group.offsets("of some", [{"topicName": "share-a", "partitions": [0]}, {"topicName": "no-such", "partitions": [0]}])
    group.offsets("of none", [])
    group.altered("with members", ("share-a", [(0, 1)]))
    group.forgotten("with members", "share-a")
    ask("deleted with members", "DeleteGroups", 2, {"groupsNames": ["sharing"]})
    for version in (5, 6):
        ask(f"described as a classic group v{version}", "DescribeGroups", version, {"groups": ["sharing"]})
    ask("described as a consumer group", "ConsumerGroupDescribe", 1, {"groupIds": ["sharing"]})
    ask("joined as a consumer group", "ConsumerGroupHeartbeat", 1, {
        "groupId": "sharing", "memberId": "c", "memberEpoch": 0, "rebalanceTimeoutMs": 1000, "subscribedTopicNames": ["share-a"], "topicPartitions": []})
    ask("joined as a classic group", "JoinGroup", 9, {
        "groupId": "sharing", "sessionTimeoutMs": 10_000, "rebalanceTimeoutMs": 10_000, "protocolType": "consumer", "protocols": [{"name": "range", "metadata": b""}]})
    ask("heartbeat of a classic member", "Heartbeat", 4, {"groupId": "sharing", "generationId": 1, "memberId": "s1"})
    ask("leave of a classic member", "LeaveGroup", 5, {"groupId": "sharing", "members": [{"memberId": "s1"}]})
    for version in (8, 9):
        ask(f"commit v{version}", "OffsetCommit", version, {"groupId": "sharing", "generationIdOrMemberEpoch": 1, "memberId": "s1", "topics": [
            {"name": "share-a", "partitions": [{"partitionIndex": 0, "committedOffset": 7, "committedLeaderEpoch": -1, "committedMetadata": ""}]}]})
    ask("fetch", "OffsetFetch", 9, {"groups": [{"groupId": "sharing", "memberId": None, "memberEpoch": -1, "topics": [{"name": "share-a", "partitionIndexes": [0]}]}]})
    ask("offsets deleted", "OffsetDelete", 0, {"groupId": "sharing", "topics": [{"name": "share-a", "partitions": [{"partitionIndex": 0}]}]})
    for types in ([], ["share"], ["Share"], ["consumer"]):
        say(f"listed {types}", [one for one in quietly("ListGroups", 5, {"typesFilter": types})["groups"] if one["groupId"] == "sharing"])
    group.beat("s1", -1)
    group.beat("s1", -1)
    group.beat("s2", -1)
    group.described("of nobody")
    group.altered("something", ("share-a", [(0, 2), (1, 0), (7, 1)]), ("no-such", [(0, 1)]))
    group.offsets("altered")
    group.offsets("altered", version=0)
    group.forgotten("something", "share-b", "no-such", "share-b")
    group.offsets("forgotten")
    ask("deleted", "DeleteGroups", 2, {"groupsNames": ["sharing"]})
    group.described("deleted")
    for name in ("", "settled"):
        for api, version, body in (
                ("ShareGroupDescribe", 1, {"groupIds": [name, name]}), ("AlterShareGroupOffsets", 0, {"groupId": name, "topics": []}),
                ("DeleteShareGroupOffsets", 0, {"groupId": name, "topics": []}), ("DescribeShareGroupOffsets", 1, {"groups": [{"groupId": name, "topics": None}]}),
                ("ShareGroupHeartbeat", 1, {"groupId": name, "memberId": "m", "memberEpoch": 0, "subscribedTopicNames": ["share-a"]})):
            ask(f"{api} of {name or 'no name'}", api, version, body)


class Streaming:
    """A streams group: each answer is told. Its assignments are made whenever they are due, its first members wait for nobody."""

    def __init__(self, name):
        self.name, self.epochs, self.owned, self.beats = name, {}, {}, 0
        self.configured(**{"streams.assignment.interval.ms": "0", "streams.initial.rebalance.delay.ms": "0"})
        quietly("FindCoordinator", 4, {"keyType": 0, "coordinatorKeys": [name]})
        until(lambda: quietly("StreamsGroupDescribe", 1, {"groupIds": [name]})["groups"][0]["errorCode"] == 69, "a coordinator")

    def configured(self, **keys):
        configs = [{"name": key, "configOperation": 0, "value": value} for key, value in keys.items()]
        altered = quietly("IncrementalAlterConfigs", 1, {"resources": [{"resourceType": 32, "resourceName": self.name, "configs": configs}]})
        assert altered["responses"][0]["errorCode"] == 0, altered

    def body(self, member, epoch=None, joins=None, owns=True, **more):
        """Without an epoch that of the last answer, with the tasks that it gave; `joins`: with this topology."""
        epoch = (0 if joins else self.epochs[member]) if epoch is None else epoch
        body = {"groupId": self.name, "memberId": member, "memberEpoch": epoch, "endpointInformationEpoch": 0, "rebalanceTimeoutMs": -1}
        if joins:
            body |= {"rebalanceTimeoutMs": 60_000, "topology": joins, "processId": member, "activeTasks": [], "standbyTasks": [], "warmupTasks": []}
        elif owns and member in self.owned:
            body |= self.owned[member]
        return body | more

    def beat(self, member, version=1, **more):
        body = self.body(member, **more)
        answer = self.heard(body, quietly("StreamsGroupHeartbeat", version, body))
        self.beats += 1
        told = sorted((key, value) for key, value in more.items() if key != "joins")
        say(f"{self.name} {self.beats} {member} v{version} {told}", answer)

    def heard(self, body, answer):
        member = body["memberId"]
        if answer["errorCode"] == 0:
            self.epochs[member] = answer["memberEpoch"]
            roles = ("activeTasks", "standbyTasks", "warmupTasks")
            if answer["activeTasks"] is not None:
                self.owned[member] = {role: [{key: ids[key] for key in ("subtopologyId", "partitions")} for ids in answer[role]] for role in roles}
        return answer

    def settles(self, *members):
        """Until the topics that are made are seen, and everybody has what it shall have."""
        def settled():
            for member in members:
                body = self.body(member)
                self.heard(body, quietly("StreamsGroupHeartbeat", 1, body))
            return quietly("StreamsGroupDescribe", 1, {"groupIds": [self.name]})["groups"][0]["groupState"] == "Stable"
        until(settled, "a stable group")

    def described(self, what, version=1):
        answer = quietly("StreamsGroupDescribe", version, {"groupIds": [self.name], "includeAuthorizedOperations": True})
        say(f"described {what} v{version}", answer)


def seen_by_coordinators(*topics):
    """Until these are there for coordinators, too, who hear of them last."""
    def seen():
        body = {"groupId": "probing", "memberId": "m", "memberEpoch": 0, "rebalanceTimeoutMs": 1000, "processId": "p", "topology": topology(subtopology("0", topics)),
                "activeTasks": [], "standbyTasks": [], "warmupTasks": []}
        answer = quietly("StreamsGroupHeartbeat", 1, body)
        quietly("StreamsGroupHeartbeat", 1, {"groupId": "probing", "memberId": "m", "memberEpoch": -1})
        quietly("DeleteGroups", 2, {"groupsNames": ["probing"]})
        return answer["errorCode"] == 0 and all(status["statusCode"] != 1 for status in answer["status"])
    until(seen, "topics that coordinators see")


def subtopology(number, sources=(), sinks=(), repartitioned=(), changelogs=(), together=None, **more):
    """`repartitioned`: names, or names with a number of partitions; `together`: the places of sources and of repartitioned topics that are joined."""
    def info(topic, **keys):
        name, partitions = topic if isinstance(topic, tuple) else (topic, 0)
        return dict({"name": name, "partitions": partitions, "replicationFactor": 0, "topicConfigs": []}, **keys)
    groups = [{"sourceTopics": together[0], "sourceTopicRegex": [], "repartitionSourceTopics": together[1]}] if together else []
    return dict({
        "subtopologyId": number, "sourceTopics": list(sources), "sourceTopicRegex": [], "repartitionSinkTopics": list(sinks), "copartitionGroups": groups,
        "repartitionSourceTopics": [info(topic) for topic in repartitioned],
        "stateChangelogTopics": [info(topic, topicConfigs=[{"key": "cleanup.policy", "value": "compact"}]) for topic in changelogs]}, **more)


def topology(*subtopologies, epoch=1):
    return {"epoch": epoch, "subtopologies": list(subtopologies)}


@step
def streams_groups():
    uneven, counting, group = Streaming("uneven"), Streaming("counting"), Streaming("streaming")
    make_topics([("stream-a", 3), ("stream-b", 5), ("stream-c", 7)])
    seen_by_coordinators("stream-a", "stream-b", "stream-c")
    count = topology(
        subtopology("0", ["stream-a"], ["count-repartition"]), subtopology("1", [], [], ["count-repartition"], ["count-changelog", "other-changelog"]))
    for version in (0, 1):
        for member, more in (
                ("", {}), (" ", {}), ("m", {"instanceId": ""}), ("m", {"rackId": " "}), ("m", {"rebalanceTimeoutMs": -1}), ("m", {"activeTasks": None}),
                ("m", {"standbyTasks": [{"subtopologyId": "0", "partitions": [0]}]}), ("m", {"warmupTasks": None}), ("m", {"topology": None}),
                ("m", {"epoch": -2}), ("m", {"epoch": -3}), ("m", {"epoch": 3}), ("m", {"epoch": -1}),
                ("m", {"clientTags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]})):
            group.beat(member, version, joins=count, **more)
        group.beat("m", version, epoch=3)
        group.beat("m", version, epoch=-1)
        group.beat("m", version, epoch=3, activeTasks=[])
    one = lambda **more: topology(subtopology("0", ["stream-a"], **more))
    for broken in (
            topology(subtopology("0", ["stream-a"]), epoch=-1), topology(subtopology("0", ["stream-a"]), subtopology("0", ["stream-a"])), topology(),
            topology(subtopology("0")), one(sourceTopicRegex=["a.*"]), one(changelogs=[("c", 3)]), one(changelogs=["c", "c"]), one(repartitioned=["never-written"]),
            one(repartitioned=[("r", -3)], sinks=["r"]), one(together=([7], [])), one(together=([-1], [])), topology(subtopology("0", ["__consumer_offsets", "a/b"])),
            topology(subtopology("0", ["a/b", "", "c:d"])), topology(subtopology("0", [], ["loop"], ["loop"])), topology(subtopology("0", ["nowhere"]))):
        group.beat("m", joins=broken)
    for at, odd in enumerate((
            topology(subtopology("0", ["stream-a", "stream-b"], together=([0, 1], []))),
            topology(subtopology("0", ["stream-a"], ["r"]), subtopology("1", ["stream-b"], [], [("r", 4)], together=([0], [0]))),
            topology(subtopology("0", ["stream-a"], ["r", "q"]), subtopology("1", [], [], [("r", 4), ("q", 5)], together=([], [0, 1]))),
            topology(subtopology("0", ["stream-a"], ["stream-b"]), subtopology("1", [], [], ["stream-b"])),
            topology(subtopology("0", [f"no-such-{number}" for number in range(5)]))), 1):
        uneven.beat(f"u{at}", joins=odd)
        uneven.described(f"uneven {at}")
        quietly("StreamsGroupHeartbeat", 1, uneven.body(f"u{at}", epoch=-1))
        quietly("DeleteGroups", 2, {"groupsNames": ["uneven"]})
    # Internal topics are made; then everything is given.
    group = counting
    group.beat("m1", joins=count)
    group.described("not ready")
    group.settles("m1")
    for name in ("count-repartition", "count-changelog"):
        made = known(name)
        say(f"made {name}", [len(made["partitions"]), made["isInternal"]])
    group.described("of one")
    group.described("of one", 0)
    group.beat("m1")
    group.beat("m1", owns=False)
    for more in ({"epoch": 99}, {"epoch": 1}, {"activeTasks": [{"subtopologyId": "7", "partitions": [0]}]}, {"activeTasks": [{"subtopologyId": "0", "partitions": [3]}]},
                 {"standbyTasks": None}, {"topology": count}, {"epoch": -2}, {"instanceId": "i"}):
        group.beat("m1", **more)
    group.beat("m2", epoch=2)
    group.beat("m2", joins=topology(subtopology("0", ["stream-b"])))
    group.beat("m2", joins=topology(subtopology("0", ["stream-b"]), epoch=0))
    group.beat("m2", joins=count)
    for _ in range(3):
        group.beat("m1")
        group.beat("m2")
    group.described("of two")
    offsets = [{"subtopologyId": "1", "partition": 0, "offset": 7}]
    group.beat("m2", taskOffsets=offsets, taskEndOffsets=offsets, rackId="r")
    group.beat("m2", taskOffsets=offsets * 2)
    group.described("of offsets")
    group.beat("m2", shutdownApplication=True)
    group.beat("m1")
    commits(group)
    as_others("counting", "with members")
    for member in ("m2", "m2", "m1"):
        group.beat(member, epoch=-1)
    group.described("of nobody")
    as_others("counting", "without members")
    group.described("by others")
    for name in ("", "settled", "never"):
        for version in (0, 1):
            ask(f"StreamsGroupDescribe of {name} v{version}", "StreamsGroupDescribe", version, {"groupIds": [name, name], "includeTopologyDescription": version == 1})
        nodes = {"groupId": name, "memberId": "m", "topologyEpoch": 1, "topologyDescription": {"subtopologies": [], "globalStores": []}}
        ask(f"topology of {name}", "StreamsGroupTopologyDescriptionUpdate", 0, nodes)


def commits(group):
    epoch = group.epochs["m1"]
    body = lambda member, epoch: {"groupId": group.name, "generationIdOrMemberEpoch": epoch, "memberId": member, "topics": [
        {"name": name, "topicId": known(name)["topicId"], "partitions": [{"partitionIndex": 0, "committedOffset": 7, "committedLeaderEpoch": -1, "committedMetadata": ""}]}
        for name in ("stream-a", "stream-b")]}
    for version in (8, 9, 10):
        for member, at in (("m1", epoch), ("m1", epoch - 1), ("m1", epoch + 1), ("m1", 1), ("m9", epoch), ("", -1)):
            ask(f"commit of {member} at {at - epoch} v{version}", "OffsetCommit", version, body(member, at))
    for member, at in ((None, -1), ("m1", epoch), ("m1", 1), ("m9", epoch)):
        ask(f"fetch of {member} at {at - epoch}", "OffsetFetch", 9, {"groups": [
            {"groupId": group.name, "memberId": member, "memberEpoch": at, "topics": [{"name": "stream-a", "partitionIndexes": [0]}]}]})
    ask("offsets deleted", "OffsetDelete", 0, {"groupId": group.name, "topics": [
        {"name": name, "partitions": [{"partitionIndex": 0}]} for name in ("stream-a", "stream-b", "count-repartition")]})


def as_others(name, when):
    """What is asked of groups of other kinds."""
    for version in (5, 6):
        ask(f"described as a classic group v{version} {when}", "DescribeGroups", version, {"groups": [name]})
    ask(f"described as a consumer group {when}", "ConsumerGroupDescribe", 1, {"groupIds": [name]})
    ask(f"described as a share group {when}", "ShareGroupDescribe", 1, {"groupIds": [name]})
    ask(f"joined as a consumer group {when}", "ConsumerGroupHeartbeat", 1, {
        "groupId": name, "memberId": "c", "memberEpoch": 3, "rebalanceTimeoutMs": 1000, "subscribedTopicNames": ["stream-a"], "topicPartitions": []})
    ask(f"joined as a share group {when}", "ShareGroupHeartbeat", 1, {"groupId": name, "memberId": "s", "memberEpoch": 0, "subscribedTopicNames": ["stream-a"]})
    ask(f"heartbeat of a classic member {when}", "Heartbeat", 4, {"groupId": name, "generationId": 1, "memberId": "m1"})
    ask(f"leave of a classic member {when}", "LeaveGroup", 5, {"groupId": name, "members": [{"memberId": "m1"}]})
    for types in ([], ["streams"], ["Streams"], ["consumer"]):
        say(f"listed {types} {when}", [one for one in quietly("ListGroups", 5, {"typesFilter": types})["groups"] if one["groupId"] == name])
    for states in (["Stable"], ["notready"], ["not_ready"], ["empty", "Reconciling"]):
        say(f"in {states} {when}", [one for one in quietly("ListGroups", 5, {"statesFilter": states})["groups"] if one["groupId"] == name])
    ask(f"joined as a classic group {when}", "JoinGroup", 9, {
        "groupId": name, "sessionTimeoutMs": 10_000, "rebalanceTimeoutMs": 10_000, "protocolType": "consumer", "protocols": [{"name": "range", "metadata": b""}]})
    ask(f"deleted {when}", "DeleteGroups", 2, {"groupsNames": [name]})


@step
def streams_tasks():
    """Who has which task: many members, standby tasks, static members, endpoints, tags."""
    group, static = Streaming("tasks"), Streaming("static")
    make_topics([("tasks-a", 7), ("tasks-b", 4), ("tasks-c", 4)])
    seen_by_coordinators("tasks-a", "tasks-b", "tasks-c")
    whole = topology(
        subtopology("0", ["tasks-a"]), subtopology("1", ["tasks-b", "tasks-c"], [], [], ["tasks-store"], ([0, 1], [])), subtopology("2", ["tasks-c"], [], [], ["tasks-second"]))
    members = [f"member-{number}" for number in range(6)]
    for at, member in enumerate(members):
        # Two of them are threads of one process.
        group.beat(member, joins=whole, processId=f"process-{at % 5}", clientTags=[{"key": "zone", "value": str(at % 2)}])
        group.settles(*members[:at + 1])
        group.described(f"of {at + 1}")
    group.configured(**{"streams.num.standby.replicas": "1"})
    until(lambda: quietly("DescribeConfigs", 4, {"resources": [{"resourceType": 32, "resourceName": "tasks", "configurationKeys": ["streams.num.standby.replicas"]}]})[
        "results"][0]["configs"][0]["value"] == "1", "a setting")
    time.sleep(0.5)
    group.settles(*members)
    group.described("with standby tasks")
    group.beat(members.pop(2), epoch=-1)
    group.settles(*members)
    group.described("of five")
    group.beat(members.pop(0), epoch=-1)
    group.settles(*members)
    group.described("of four")
    group.configured(**{"streams.rack.aware.assignment.tags": "zone,rack"})
    time.sleep(0.5)
    for version in (0, 1):
        group.beat(members[0], version)
    alone = topology(subtopology("0", ["tasks-b"]))
    static.beat("s1", joins=alone, instanceId="i", userEndpoint={"host": "h", "port": 1})
    static.beat("s1", instanceId="i")
    static.beat("s2", joins=alone, instanceId="i")
    static.beat("s1", instanceId="j")
    static.beat("s1", epoch=-2, instanceId="i")
    static.described("away")
    static.beat("s2", joins=alone, processId="s1", instanceId="i", userEndpoint={"host": "h", "port": 2})
    static.beat("s1", epoch=2, instanceId="i")
    static.beat("s2", instanceId="i")
    static.beat("s3", joins=alone, userEndpoint={"host": "h", "port": 3})
    for _ in range(2):
        static.beat("s2", instanceId="i")
        static.beat("s3", endpointInformationEpoch=2)
    static.described("of both kinds")
    static.beat("s2", epoch=-1, instanceId="i")
    static.beat("s3", epoch=-1)


@step
def share_state():
    ids = make_topics([("state-a", 2)])
    topic = ids["state-a"]

    def asked(what, api, version=0, number=0, group="stated", of=topic, **data):
        ask(f"{what} v{version}", api, version, {"groupId": group, "topics": [{"topicId": of, "partitions": [dict({"partition": number}, **data)]}]})

    def read(what, **data):
        asked(f"read {what}", "ReadShareGroupState", **data)
        for version in (0, 1):
            asked(f"summary {what}", "ReadShareGroupStateSummary", version, leaderEpoch=0, **{key: data[key] for key in ("number", "group", "of") if key in data})

    def written(what, start, *batches, version=1, state=2, leader=3, done=-1, **more):
        batches = [dict(zip(("firstOffset", "lastOffset", "deliveryState", "deliveryCount"), one)) for one in batches]
        if version:
            more["deliveryCompleteCount"] = done
        asked(f"write {what}", "WriteShareGroupState", version, stateEpoch=state, leaderEpoch=leader, startOffset=start, stateBatches=batches, **more)

    def coordinated():
        key = {"keyType": 2, "coordinatorKeys": [f"stated:AAAAAAAAAAAAAAAAAAAAAQ:{number}" for number in range(8)]}
        return all(one["errorCode"] == 0 for one in quietly("FindCoordinator", 6, key)["coordinators"])
    until(coordinated, "coordinators of share state")

    def loaded():
        summary = {"groupId": "stated", "topics": [{"topicId": topic, "partitions": [{"partition": number, "leaderEpoch": 0} for number in range(2)]}]}
        answer = quietly("ReadShareGroupStateSummary", 0, summary)
        return all(one["errorCode"] == 0 for one in answer["results"][0]["partitions"])
    until(loaded, "share state")
    read("before")
    written("before", 0)
    asked("delete before", "DeleteShareGroupState")
    for what, number, state, of in (("first", 0, 2, topic), ("of an old state", 0, 1, topic), ("of a negative state", 0, -1, topic), ("of no partition", -1, 0, topic),
                                    ("of a partition that is not there", 2, 0, topic), ("of no topic", 0, 0, NOBODY), ("of nothing", 0, 0, uuid.UUID(int=0))):
        asked(f"initialize {what}", "InitializeShareGroupState", number=number, of=of, stateEpoch=state, startOffset=-1)
    read("by the first leader", leaderEpoch=3)
    read("by an old leader", leaderEpoch=2)
    read("by no leader", leaderEpoch=-1)
    read("of no partition", number=-1, leaderEpoch=3)
    read("of a topic that is not there", of=NOBODY, leaderEpoch=3)
    written("by an old leader", 0, leader=2)
    written("of an old state", 0, state=1)
    written("of a negative state", 0, state=-1)
    written("by a negative leader", 0, leader=-1)
    written("nothing", 10)
    written("some", 10, (10, 14, 0, 1), (15, 16, 2, 1), done=2)
    written("over some", 10, (12, 17, 2, 2), (11, 11, 4, 5), done=4)
    written("going back", 5, (0, 9, 2, 1), done=1)
    written("of version 0", 12, version=0)
    read("by the next leader", leaderEpoch=4)
    asked("initialize again", "InitializeShareGroupState", stateEpoch=9, startOffset=3)
    read("again", leaderEpoch=0)
    for what, number, of in (("of no partition", -1, topic), ("of a topic that is not there", 0, NOBODY), ("what is there", 0, topic), ("again", 0, topic)):
        asked(f"delete {what}", "DeleteShareGroupState", number=number, of=of)
    for api in ("InitializeShareGroupState", "ReadShareGroupState", "WriteShareGroupState", "DeleteShareGroupState", "ReadShareGroupStateSummary"):
        ask(f"{api} of nobody", api, 0, {"groupId": "", "topics": [{"topicId": topic, "partitions": [{}]}]})
        ask(f"{api} of no topics", api, 0, {"groupId": "stated", "topics": []})
        ask(f"{api} of no partitions", api, 0, {"groupId": "stated", "topics": [{"topicId": topic, "partitions": []}]})


@step
def client_quotas():
    user, client, both, ip = {"user": "q u/ü"}, {"client-id": "q"}, {"user": None, "client-id": "q"}, {"ip": "10.1.2.3"}
    rate = ("producer_byte_rate", 1e6)

    def entries(*changes):
        parts = lambda entity: [{"entityType": kind, "entityName": name} for kind, name in (entity.items() if isinstance(entity, dict) else entity)]
        op = lambda key, value: {"key": key, "value": value or 0.0, "remove": value is None}
        return [{"entity": parts(entity), "ops": [op(*one) for one in ops]} for entity, *ops in changes]

    def altered(what, *changes, validate=False, versions=(0, 1)):
        for version in versions:
            ask(f"{what} v{version}", "AlterClientQuotas", version, {"entries": entries(*changes), "validateOnly": validate})

    def found(what, *components, strict=False, versions=(0, 1)):
        parts = [{"entityType": kind, "matchType": how, "match": name} for kind, how, name in components]
        for version in versions:
            ask(f"described {what} v{version}", "DescribeClientQuotas", version, {"components": parts, "strict": strict})

    def all_ways(what):
        EXACT, DEFAULT, ANY = 0, 1, 2
        for strict in (False, True):
            how = f"{what} {'strictly' if strict else 'all'}"
            found(f"{how}, everything", strict=strict)
            for name, *parts in (("a user", ("user", EXACT, "q u/ü")), ("the default user", ("user", DEFAULT, None)), ("users", ("user", ANY, None)),
                                 ("clients", ("client-id", ANY, None)), ("a client of the default", ("user", DEFAULT, None), ("client-id", EXACT, "q")),
                                 ("addresses", ("ip", ANY, None)), ("an address", ("ip", EXACT, "10.1.2.3")), ("nobody", ("user", EXACT, "nobody"))):
                found(f"{how}, {name}", *parts, strict=strict, versions=(1,))

    all_ways("before")
    altered("validated", (user, rate), validate=True)
    altered("made", (user, rate, ("consumer_byte_rate", 2e6), ("request_percentage", 12.5), ("controller_mutation_rate", 0.5)), (client, rate), (both, rate),
            ({"user": None}, ("request_percentage", 1e3)), (ip, ("connection_creation_rate", 9.0)), ({"ip": None}, ("connection_creation_rate", 99.0)))
    until(lambda: len(quietly("DescribeClientQuotas", 1, {"components": [], "strict": False})["entries"]) == 6, "quotas in the image")
    all_ways("made")
    altered("again", (user, rate))
    altered("entity twice", (client, ("producer_byte_rate", 3.0)), (client, ("producer_byte_rate", 4.0)), versions=(1,))
    altered("key twice", (client, ("producer_byte_rate", 5.0), ("producer_byte_rate", 6.0)), versions=(1,))
    altered("type twice", ((("user", "x"), ("user", "q u/ü")), rate), validate=True, versions=(1,))
    for what, entity, *ops in (
            ("nobody", {}, rate), ("a group", {"group": "g"}, rate), ("an empty name", {"user": ""}, rate), ("an empty type", {"": "x"}, rate),
            ("an address and a user", {"ip": None, "user": None}, ("connection_creation_rate", 1.0)), ("no address", {"ip": "no address"}, ("connection_creation_rate", 1.0)),
            ("another's key", user, ("connection_creation_rate", 1.0)), ("a client's key", ip, rate), ("no key", user, ("no_such", 1.0)), ("an empty key", user, ("", 1.0)),
            ("nothing", user, ("producer_byte_rate", 1e-300)), ("a half", user, ("producer_byte_rate", 1.5)), ("half a percent", user, ("request_percentage", 0.5)),
            ("less than nothing", user, ("producer_byte_rate", -1.0)), ("too much", user, ("producer_byte_rate", 1e19)), ("the most", user, ("producer_byte_rate", float(1 << 63))),
            ("too many", ip, ("connection_creation_rate", 3e9)), ("no number", user, ("producer_byte_rate", float("nan"))), ("no end", user, ("request_percentage", float("inf"))),
            ("a secret", user, ("SCRAM-SHA-256", 1.0)), ("what is not there", {"user": "nobody"}, ("producer_byte_rate", None)), ("an unknown key away", user, ("no_such", None)),
            ("good and bad", user, ("producer_byte_rate", 7.0), ("no_such", 1.0)), ("no change", user)):
        altered(what, (entity, *ops), validate=True, versions=(1,))
    altered("no entries")
    for what, *parts in (("an empty type", ("", 0, "x")), ("a group", ("group", 0, "x")), ("a type twice", ("user", 0, "x"), ("user", 1, None)), ("no name", ("user", 0, None)),
                         ("a default with a name", ("user", 1, "x")), ("anybody with a name", ("user", 2, "x")), ("no such match", ("user", 3, None)),
                         ("an address and a user", ("ip", 2, None), ("user", 2, None)), ("an address after a client", ("client-id", 2, None), ("ip", 2, None))):
        found(what, *parts, versions=(1,))
    altered("gone", *[(entity, *[(key, None) for key in ("producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate")])
                      for entity in (user, client, both, {"user": None})], *[(entity, ("connection_creation_rate", None)) for entity in (ip, {"ip": None})])
    until(lambda: not quietly("DescribeClientQuotas", 1, {"components": [], "strict": False})["entries"], "no quotas in the image")
    all_ways("gone")


def group_epoch(name):
    return quietly("ConsumerGroupDescribe", 1, {"groupIds": [name]})["groups"][0]["groupEpoch"]


@raced
def groups_that_migrate():
    ids = make_topics([("migrate", 2)])
    group = Modern("migrating")
    group.ids = ids
    metadata = b"\0\3\0\0\0\1\0\7migrate" + b"\xff\xff\xff\xff" + b"\0\0\0\0" + b"\xff\xff\xff\xff" + b"\xff\xff"
    plan = b"\0\3\0\0\0\1\0\7migrate\0\0\0\2\0\0\0\0\0\0\0\1" + b"\xff\xff\xff\xff"
    join = {"groupId": "migrating", "sessionTimeoutMs": 30_000, "rebalanceTimeoutMs": 30_000, "protocolType": "consumer",
            "protocols": [{"name": "range", "metadata": metadata}]}
    joined = quietly("JoinGroup", 3, dict(join, memberId=""))
    member, generation = joined["memberId"], joined["generationId"]
    sync = {"groupId": "migrating", "memberId": member, "protocolType": "consumer", "protocolName": "range"}
    synced = quietly("SyncGroup", 5, dict(sync, generationId=generation, assignments=[{"memberId": member, "assignment": plan}]))
    say("synced", synced)
    group.beat("new", subscribedTopicNames=["migrate"])
    group.described("with a classic member")
    heartbeat = lambda what, number: ask(what, "Heartbeat", 4, {"groupId": "migrating", "generationId": number, "memberId": member})
    heartbeat("to come again", generation)
    again = quietly("JoinGroup", 3, dict(join, memberId=member))
    say("joined again", dict(again, memberId="", protocolType=""))
    ask("synced in the old generation", "SyncGroup", 5, dict(sync, generationId=generation))
    ask("synced", "SyncGroup", 5, dict(sync, generationId=again["generationId"]))
    heartbeat("at rest", again["generationId"])
    heartbeat("of the future", 99)
    group.beat("new")
    group.described("at rest")
    group.beat("new", epoch=-1)
    say("listed", [one for one in quietly("ListGroups", 5, {})["groups"] if one["groupId"] == "migrating"])
    heartbeat("after the downgrade", again["generationId"])
    say("left", quietly("LeaveGroup", 5, {"groupId": "migrating", "members": [{"memberId": member}]})["errorCode"])


@step
def records_deleted():
    make_topics([("cut", 2)])
    policies = {"cut-c": "compact", "cut-cd": "compact,delete"}
    made = [topic(name, configs=[{"name": "cleanup.policy", "value": policy}]) for name, policy in policies.items()]
    say("made", [one["errorCode"] for one in quietly("CreateTopics", 7, {"topics": made, "timeoutMs": 10_000})["topics"]])
    until(lambda: all(offset(name, -1) == 0 for name in policies), "leaders")
    for _ in range(4):
        produced("cut", batch([(b"k", b"v")] * 5))
        for name in policies:
            produced(name, batch([(b"k", b"v")]))
    delete = lambda what, places, name="cut", limit=10_000, version=2: ask(what, "DeleteRecords", version, {
        "topics": [{"name": name, "partitions": [{"partitionIndex": index, "offset": upto} for index, upto in places]}], "timeoutMs": limit})
    for number, upto in enumerate((0, 3, 2, 3, -2, 21)):
        delete(f"{number} to {upto}", [(0, upto)])
        say(f"{number} span", span("cut"))
    found, read = fetched("cut", 3)
    say("read from the start", [found["errorCode"], found["logStartOffset"], found["highWatermark"], [[one.base, one.count] for one in read]])
    found, read = fetched("cut", 2)
    say("read before it", [found["errorCode"], found["logStartOffset"], found["highWatermark"], found["lastStableOffset"], len(read)])
    say("by a time before it", offset("cut", 0))
    for what, place in (("all", (0, -1)), ("all again", (0, -1)), ("all of an empty one", (1, -1)), ("to the end", (0, 20))):
        delete(what, [place])
    say("produced afterwards", produced("cut", batch([(b"k", b"v")])))
    delete("one partition twice", [(1, 0), (1, 0)])
    delete("one partition twice, the last too far", [(0, 20), (0, 99)])
    delete("one partition twice, the first too far", [(0, 99), (0, 21)])
    say("span at last", span("cut"))
    for name in (*policies, "", "__consumer_offsets", "a b", "no-such"):
        delete(f"of '{name}'", [(0, 1)], name)
    delete("partition -1", [(-1, 0)])
    say("compacted", [span(name) for name in policies])
    for limit in (0, -1):
        delete(f"limit {limit}", [(0, 21)], limit=limit)
    ask("nothing", "DeleteRecords", 2, {"topics": [], "timeoutMs": 1000})


# --- connections

def bare(what, key, version, payload=b"", client=b"old"):
    """A request with a header of the first kind, and the answer's bytes."""
    with Connection(JAR, CLIENTS, SECONDS) as connection:
        head = struct.pack(">hhih", key, version, 7, -1 if client is None else len(client)) + (client or b"")
        try:
            connection.raw(struct.pack(">i", len(head + payload)) + head + payload)
            say(what, connection.frame()[:10])
        except Closed:
            say(what, "closed")
        except Silent:
            say(what, "silent")


@step
def versions_of_old_clients():
    """What clients send that were made before the broker, or after it."""
    for name in JAR.names():
        versions = JAR.versions(name)
        for version in (versions[0] - 1, versions[-1] + 1):
            if version >= 0:
                bare(f"{name} {version}", JAR.requests[name]["apiKey"], version)
    for key in (-1, 4, 5, 6, 7, 95, 200, 1000, 32767, -32768):
        bare(f"key {key}", key, 0)
    # Produce is told from version 0 on, for clients that compress only then; a message of that time.
    message = struct.pack(">qiIbbii", 0, 15, 0, 0, 0, -1, 1) + b"v"
    for version in (0, 1, 2):
        body = struct.pack(">hiih", -1, 5000, 1, 3) + b"late"[:3] + struct.pack(">iii", 1, 0, len(message)) + message
        bare(f"Produce {version} with a message", 0, version, body)
    for version in (3, 5, 6, 99):
        bare(f"ApiVersions {version} with an old header", 18, version)
    for name, number in (("a", "1"), ("", "1"), ("a", ""), ("-a", "1"), ("a-", "1"), ("a.b-c", "1.0-x"), ("a", "1/2"), ("a" * 300, "1")):
        ask(f"software '{name[:8]}' '{number}'", "ApiVersions", 3, {"clientSoftwareName": name, "clientSoftwareVersion": number})


@step
def headers():
    make_topics([("head", 1)])
    clients = {"null": None, "empty": "", "unicode": "клиент-ü-\U0001F600", "zero": "a\0b", "long": "x" * 32_700, "newline": "a\nb",
               "quotes": "a\"b'=,*", "no text": b"a\xff\xfe\xc3(b", "half a letter": b"\xe2\x82"}
    join = {"sessionTimeoutMs": 10_000, "rebalanceTimeoutMs": 10_000, "protocolType": "consumer", "protocols": [{"name": "range", "metadata": b""}]}
    data = {"name": "head", "partitionData": [{"index": 0, "records": batch([(b"k", b"v")])}]}
    for what, client in clients.items():
        for name, version, body in (
                ("ApiVersions", 3, {"clientSoftwareName": "x", "clientSoftwareVersion": "1"}), ("Metadata", 12, {"topics": []}), ("Metadata", 1, {"topics": []}),
                ("FindCoordinator", 3, {"key": "a"}), ("Heartbeat", 4, {"groupId": "head", "generationId": 1, "memberId": "m"}),
                ("JoinGroup", 9, dict(join, groupId="head " + what)), ("Produce", 9, {"transactionalId": None, "acks": 1, "timeoutMs": 5000, "topicData": [data]})):
            if not (what == "long" and name == "JoinGroup"):
                ask(f"client {what} {name} v{version}", name, version, body, client=client)
    TAGS = [(100, b""), (105, b"abc"), (10_000, b"x" * 100)]
    for name, version, body in (
            ("Metadata", 12, {"topics": [{"name": "head", "_tags": TAGS}], "allowAutoTopicCreation": False}),
            ("ListOffsets", 7, {"replicaId": -1, "topics": [{"name": "head", "_tags": TAGS, "partitions": [{"partitionIndex": 0, "timestamp": -2, "_tags": TAGS}]}]}),
            ("Fetch", 12, {"replicaId": -1, "maxWaitMs": 0, "maxBytes": 10, "topics": [
                {"topic": "head", "_tags": TAGS, "partitions": [{"partition": 0, "fetchOffset": 0, "currentLeaderEpoch": -1, "partitionMaxBytes": 1, "_tags": TAGS}]}]}),
            ("CreateTopics", 5, {"topics": [dict(topic("head-tags"), _tags=TAGS)], "timeoutMs": 5000, "validateOnly": True})):
        ask(f"tags in {name}", name, version, body, tags=TAGS, header_tags=[(3, b"q"), (77, b"")])
        ask(f"tags within out of order in {name}", name, version, body, tags=[TAGS[1], TAGS[0]])
    in_order()


def in_order():
    """Answers come in the order of the questions, whatever they take."""
    with Connection(JAR, CLIENTS, SECONDS) as connection:
        place = {"partition": 0, "fetchOffset": 0, "currentLeaderEpoch": -1, "logStartOffset": -1, "partitionMaxBytes": 10}
        slow = {"replicaId": -1, "maxWaitMs": 400, "minBytes": 10 ** 6, "maxBytes": 10, "topics": [{"topic": "head", "partitions": [place]}]}
        sent = [connection.send("Fetch", 11, slow), connection.send("Metadata", 12, {"topics": []}), connection.send("ListGroups", 4, {})]
        say("in order", [struct.unpack(">i", connection.frame()[:4])[0] for _ in sent] == sent)


ONLY = [name for name in sys.argv[5:] if not name.startswith("--")]
for STEPPED in [one for one in STEPS if not ONLY or one.__name__ in ONLY]:
    STEP = STEPPED.__name__.replace("_", "-")
    STEPPED()
print("done - the steps")
