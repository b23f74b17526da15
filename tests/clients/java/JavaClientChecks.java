// Apache Kafka's own Java clients: producer, consumer, groups and admin against the broker in args[0].
// Prints `ok - NAME` / `not ok - NAME: REASON` lines and `done - java` at the end.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.*;

public final class JavaClientChecks {
    private interface Body {
        void run() throws Exception;
    }

    private static final String RUN = ProcessHandle.current().pid() + "-" + System.currentTimeMillis() / 1000;
    private static String bootstrap;
    private static Admin admin;
    private static Set<String> only = Set.of();

    public static void main(String[] args) {
        bootstrap = args[0];
        only = new HashSet<>(Arrays.asList(args).subList(1, args.length));
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            check("codec_" + codec, () -> codec(codec));
        }
        check("acks", JavaClientChecks::acks);
        check("idempotence_off", JavaClientChecks::idempotenceOff);
        check("order_per_key", JavaClientChecks::orderPerKey);
        check("shape_of_records", JavaClientChecks::shape);
        check("log_append_time", JavaClientChecks::logAppendTime);
        check("too_large_is_refused", JavaClientChecks::tooLarge);
        check("invalid_timestamp_is_refused", JavaClientChecks::invalidTimestamp);
        check("producer_sees_partitions", JavaClientChecks::partitionsFor);
        check("seek_and_positions", JavaClientChecks::seek);
        check("offsets_for_times", JavaClientChecks::times);
        check("out_of_range_is_told", JavaClientChecks::outOfRange);
        check("commit_and_resume", JavaClientChecks::commitAndResume);
        for (String assignor : List.of("RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor")) {
            check("group_" + assignor, () -> group(assignor));
        }
        check("static_member", JavaClientChecks::staticMember);
        check("stale_generation_is_refused", JavaClientChecks::staleGeneration);
        check("pattern_subscription", JavaClientChecks::pattern);
        check("waiting_fetch_is_woken", JavaClientChecks::woken);
        check("read_committed", JavaClientChecks::readCommitted);
        check("transactions_commit_and_abort", TransactionChecks::commitsAndAborts);
        check("transactions_with_offsets", TransactionChecks::offsetsInTransactions);
        check("transactions_fence", TransactionChecks::fencing);
        check("transactions_time_out", TransactionChecks::timeout);
        check("transactions_are_administered", TransactionChecks::administrators);
        check("consumer_protocol_shares_work", ConsumerGroupChecks::sharedWork);
        check("consumer_protocol_migrates", ConsumerGroupChecks::migration);
        check("share_each_by_itself", ShareChecks::eachByItself);
        check("share_by_the_next_poll", ShareChecks::byTheNextPoll);
        check("share_work", ShareChecks::sharedWork);
        check("share_locks", ShareChecks::locks);
        check("share_renewal", ShareChecks::renewal);
        check("share_limits", ShareChecks::limits);
        check("share_committed_only", ShareChecks::committedOnly);
        check("share_leavers", ShareChecks::leavers);
        check("share_dead_letters", ShareChecks::deadLetters);
        check("admin_topics", JavaClientChecks::adminTopics);
        check("admin_topics_by_id", JavaClientChecks::adminTopicsById);
        check("admin_partitions", JavaClientChecks::adminPartitions);
        check("admin_configs", JavaClientChecks::adminConfigs);
        check("admin_broker_configs", JavaClientChecks::adminBrokerConfigs);
        check("admin_config_resources", JavaClientChecks::adminConfigResources);
        check("admin_offsets_and_records", JavaClientChecks::adminOffsets);
        check("admin_groups", JavaClientChecks::adminGroups);
        check("admin_cluster", JavaClientChecks::adminCluster);
        check("admin_quorum", JavaClientChecks::adminQuorum);
        check("admin_log_dirs", JavaClientChecks::adminLogDirs);
        check("admin_producers", JavaClientChecks::adminProducers);
        check("admin_features", JavaClientChecks::adminFeatures);
        check("admin_many_topics", JavaClientChecks::adminManyTopics);
        System.out.println("done - java");
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static void check(String name, Body body) {
        if (!only.isEmpty() && !only.contains(name)) {
            return;
        }
        try {
            body.run();
            System.out.println("ok - java " + name);
        } catch (Throwable error) {
            String reason = String.valueOf(error).replaceAll("\\s+", " ");
            System.out.println("not ok - java " + name + ": " + reason.substring(0, Math.min(400, reason.length())));
            error.printStackTrace();
        }
        System.out.flush();
    }

    static void same(Object wanted, Object found, String what) {
        if (!String.valueOf(wanted).equals(String.valueOf(found))) {
            throw new AssertionError(what + ": wanted " + wanted + ", found " + found);
        }
    }

    static <T extends Throwable> T raises(Class<T> kind, Callable<?> call) throws Exception {
        try {
            Object result = call.call();
            throw new AssertionError("nothing thrown, but " + result + " returned; wanted " + kind.getSimpleName());
        } catch (Throwable error) {
            Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
            if (kind.isInstance(cause)) {
                return kind.cast(cause);
            }
            throw new AssertionError("wanted " + kind.getSimpleName() + ", thrown " + cause, cause);
        }
    }

    static void until(int seconds, String what, Callable<Boolean> probe) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        while (!probe.call()) {
            if (System.nanoTime() > end) {
                throw new AssertionError(what + ": not within " + seconds + " s");
            }
            Thread.sleep(20);
        }
    }

    static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(30, TimeUnit.SECONDS);
    }

    static String bootstrap() {
        return bootstrap;
    }

    static Admin admin() {
        return admin;
    }

    static String named(String name) {
        return "java-" + name + "-" + RUN;
    }

    static String create(String name, int partitions, Map<String, String> configs) throws Exception {
        NewTopic topic = new NewTopic(named(name), partitions, (short) 1).configs(configs);
        get(admin.createTopics(List.of(topic)).all());
        until(20, "the broker knows its new topic", () -> known(topic.name()));
        return topic.name();
    }

    /** A topic that the controller has made may take the broker a moment to learn of. */
    private static boolean known(String topic) throws Exception {
        try {
            return !get(admin.describeTopics(List.of(topic)).allTopicNames()).isEmpty();
        } catch (ExecutionException error) {
            return false;
        }
    }

    static Producer<byte[], byte[]> producer(String... settings) {
        Properties all = new Properties();
        all.put("bootstrap.servers", bootstrap);
        all.put("delivery.timeout.ms", 60000);
        all.put("request.timeout.ms", 15000);
        all.put("linger.ms", 5);
        for (int at = 0; at < settings.length; at += 2) {
            all.put(settings[at], settings[at + 1]);
        }
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static Consumer<byte[], byte[]> consumer(String group, String... settings) {
        Properties all = new Properties();
        all.put("bootstrap.servers", bootstrap);
        all.put("auto.offset.reset", "earliest");
        all.put("enable.auto.commit", false);
        all.put("group.protocol", "classic");
        all.put("session.timeout.ms", 6000);
        all.put("heartbeat.interval.ms", 300);
        if (group != null) {
            all.put("group.id", group);
        }
        for (int at = 0; at < settings.length; at += 2) {
            all.put(settings[at], settings[at + 1]);
        }
        return new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes();
    }

    /** Produces count records with values 0..count; keys are number % keys where keys > 0. */
    static List<RecordMetadata> send(String topic, int count, int keys, String... settings) throws Exception {
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        try (Producer<byte[], byte[]> client = producer(settings)) {
            for (int number = 0; number < count; number++) {
                byte[] key = keys > 0 ? bytes("k" + number % keys) : null;
                futures.add(client.send(new ProducerRecord<>(topic, key, bytes("value " + number))));
            }
        }
        List<RecordMetadata> places = new ArrayList<>();
        for (Future<RecordMetadata> future : futures) {
            places.add(future.get());
        }
        return places;
    }

    private static List<ConsumerRecord<byte[], byte[]>> take(Consumer<byte[], byte[]> client, int count) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        until(30, count + " records", () -> {
            client.poll(Duration.ofMillis(200)).forEach(found::add);
            return found.size() >= count;
        });
        return found;
    }

    private static List<ConsumerRecord<byte[], byte[]>> readAll(String topic, int partitions, int count, String... settings)
            throws Exception {
        try (Consumer<byte[], byte[]> client = consumer(null, settings)) {
            List<TopicPartition> all = new ArrayList<>();
            for (int partition = 0; partition < partitions; partition++) {
                all.add(new TopicPartition(topic, partition));
            }
            client.assign(all);
            client.seekToBeginning(all);
            return take(client, count);
        }
    }

    private static void codec(String codec) throws Exception {
        String topic = create("codec-" + codec, 1, Map.of());
        send(topic, 2000, 0, "compression.type", codec);
        List<ConsumerRecord<byte[], byte[]>> found = readAll(topic, 1, 2000);
        for (int number = 0; number < 2000; number++) {
            same("value " + number, new String(found.get(number).value()), "value");
            same(number, found.get(number).offset(), "offset");
        }
    }

    private static void acks() throws Exception {
        String topic = create("acks", 1, Map.of());
        for (String acks : List.of("0", "1", "all")) {
            send(topic, 10, 0, "acks", acks, "enable.idempotence", "false");
        }
        same(30, readAll(topic, 1, 30).size(), "records");
    }

    private static void idempotenceOff() throws Exception {
        String topic = create("plain", 1, Map.of());
        List<RecordMetadata> places = send(topic, 100, 0, "enable.idempotence", "false");
        same(99, places.get(99).offset(), "last offset");
    }

    private static void orderPerKey() throws Exception {
        String topic = create("order", 4, Map.of());
        send(topic, 5000, 37, "compression.type", "lz4", "batch.size", "2000");
        Map<String, Integer> last = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> found : readAll(topic, 4, 5000)) {
            int number = Integer.parseInt(new String(found.value()).substring(6));
            Integer before = last.put(new String(found.key()), number);
            if (before != null && before >= number) {
                throw new AssertionError("order of a key: " + before + " before " + number);
            }
        }
        same(37, last.size(), "keys");
    }

    private static void shape() throws Exception {
        String topic = create("shape", 1, Map.of());
        try (Producer<byte[], byte[]> client = producer()) {
            ProducerRecord<byte[], byte[]> sent = new ProducerRecord<>(topic, 0, 1234567890123L, bytes("k"), (byte[]) null);
            sent.headers().add(new RecordHeader("a", bytes("1"))).add(new RecordHeader("a", bytes("2"))).add("n", (byte[]) null);
            client.send(sent).get();
            client.send(new ProducerRecord<>(topic, 0, 1234567890124L, bytes(""), bytes(""))).get();
        }
        List<ConsumerRecord<byte[], byte[]>> found = readAll(topic, 1, 2);
        same(null, found.get(0).value(), "tombstone");
        same(1234567890123L, found.get(0).timestamp(), "timestamp");
        same(TimestampType.CREATE_TIME, found.get(0).timestampType(), "timestamp type");
        same(3, found.get(0).headers().toArray().length, "headers");
        same("2", new String(found.get(0).headers().lastHeader("a").value()), "last header");
        same(Optional.of(0), found.get(0).leaderEpoch(), "leader epoch");
        same(0, found.get(1).key().length, "empty key");
    }

    private static void logAppendTime() throws Exception {
        String topic = create("append-time", 1, Map.of("message.timestamp.type", "LogAppendTime"));
        long before = System.currentTimeMillis() - 1000;
        try (Producer<byte[], byte[]> client = producer("compression.type", "gzip")) {
            RecordMetadata place = client.send(new ProducerRecord<>(topic, 0, 5000L, null, bytes("x"))).get();
            if (place.timestamp() < before) {
                throw new AssertionError("the answer tells timestamp " + place.timestamp());
            }
        }
        ConsumerRecord<byte[], byte[]> found = readAll(topic, 1, 1).get(0);
        same(TimestampType.LOG_APPEND_TIME, found.timestampType(), "timestamp type");
        if (found.timestamp() < before) {
            throw new AssertionError("timestamp " + found.timestamp());
        }
    }

    private static void tooLarge() throws Exception {
        String topic = create("large", 1, Map.of("max.message.bytes", "1000"));
        try (Producer<byte[], byte[]> client = producer()) {
            raises(RecordTooLargeException.class, () -> client.send(new ProducerRecord<>(topic, new byte[4000])).get());
        }
        send(topic, 1, 0);
    }

    private static void invalidTimestamp() throws Exception {
        String topic = create("stamp", 1, Map.of("message.timestamp.after.max.ms", "1000"));
        long future = System.currentTimeMillis() + 1_000_000;
        try (Producer<byte[], byte[]> client = producer()) {
            raises(InvalidTimestampException.class,
                () -> client.send(new ProducerRecord<>(topic, 0, future, null, bytes("x"))).get());
        }
    }

    private static void partitionsFor() throws Exception {
        String topic = create("partitions", 3, Map.of());
        try (Producer<byte[], byte[]> client = producer()) {
            same(3, client.partitionsFor(topic).size(), "partitions");
            same(1, client.partitionsFor(topic).get(0).leader().id(), "leader");
            raises(org.apache.kafka.common.errors.TimeoutException.class, () -> {
                try (Producer<byte[], byte[]> hasty = producer("max.block.ms", "1000")) {
                    return hasty.send(new ProducerRecord<>(topic, 17, null, bytes("x"))).get();
                }
            });
        }
    }

    private static void seek() throws Exception {
        String topic = create("seek", 1, Map.of());
        send(topic, 100, 0);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> client = consumer(null)) {
            client.assign(List.of(partition));
            same("{" + partition + "=0}", client.beginningOffsets(List.of(partition)), "beginning");
            same("{" + partition + "=100}", client.endOffsets(List.of(partition)), "end");
            client.seek(partition, 60);
            same(60, take(client, 1).get(0).offset(), "sought offset");
            client.seekToEnd(List.of(partition));
            same(100, client.position(partition), "position at the end");
            client.pause(List.of(partition));
            client.seekToBeginning(List.of(partition));
            same(0, client.poll(Duration.ofMillis(300)).count(), "records while paused");
            client.resume(List.of(partition));
            same(0, take(client, 1).get(0).offset(), "offset after resume");
        }
    }

    private static void times() throws Exception {
        String topic = create("times", 1, Map.of());
        try (Producer<byte[], byte[]> client = producer()) {
            for (int number = 0; number < 10; number++) {
                client.send(new ProducerRecord<>(topic, 0, 1_600_000_000_000L + number * 1000, null, bytes("x"))).get();
            }
        }
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> client = consumer(null)) {
            OffsetAndTimestamp found = client.offsetsForTimes(Map.of(partition, 1_600_000_003_500L)).get(partition);
            same("4 1600000004000", found.offset() + " " + found.timestamp(), "offset and timestamp");
            same(null, client.offsetsForTimes(Map.of(partition, 1_700_000_000_000L)).get(partition), "after the end");
        }
    }

    private static void outOfRange() throws Exception {
        String topic = create("range", 1, Map.of());
        send(topic, 5, 0);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> client = consumer(null, "auto.offset.reset", "none")) {
            client.assign(List.of(partition));
            client.seek(partition, 1000);
            raises(org.apache.kafka.clients.consumer.OffsetOutOfRangeException.class, () -> take(client, 1));
        }
    }

    private static void commitAndResume() throws Exception {
        String topic = create("resume", 1, Map.of());
        String group = named("resume");
        TopicPartition partition = new TopicPartition(topic, 0);
        send(topic, 100, 0);
        try (Consumer<byte[], byte[]> client = consumer(group)) {
            client.subscribe(List.of(topic));
            take(client, 100);
            client.commitSync(Map.of(partition, new OffsetAndMetadata(40, Optional.of(0), "note")));
        }
        try (Consumer<byte[], byte[]> client = consumer(group)) {
            client.subscribe(List.of(topic));
            same(40, take(client, 60).get(0).offset(), "first offset");
            OffsetAndMetadata committed = client.committed(Set.of(partition)).get(partition);
            same("40 note Optional[0]", committed.offset() + " " + committed.metadata() + " " + committed.leaderEpoch(), "committed");
        }
    }

    private static void group(String assignor) throws Exception {
        String topic = create("group-" + assignor, 6, Map.of());
        String group = named("group-" + assignor);
        String[] settings = {"partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor};
        List<Member> members = new ArrayList<>();
        for (int number = 0; number < 3; number++) {
            members.add(new Member(topic, group, settings));
        }
        until(40, "2 partitions each", () -> members.stream().allMatch(member -> member.owned.size() == 2));
        send(topic, 600, 600);
        until(30, "600 records", () -> members.stream().mapToInt(member -> member.records.size()).sum() >= 600);
        Set<String> distinct = new HashSet<>();
        members.forEach(member -> distinct.addAll(member.records));
        same(600, distinct.size(), "distinct records");
        members.remove(2).leave();
        until(40, "3 partitions each", () -> members.stream().allMatch(member -> member.owned.size() == 3));
        for (Member member : members) {
            member.leave();
        }
    }

    /** A group member that polls on a thread of its own. */
    private static final class Member extends Thread {
        final List<String> records = java.util.Collections.synchronizedList(new ArrayList<>());
        volatile Set<Integer> owned = Set.of();
        volatile boolean leaving;
        private final Consumer<byte[], byte[]> client;

        Member(String topic, String group, String... settings) {
            client = consumer(group, settings);
            client.subscribe(List.of(topic));
            start();
        }

        @Override
        public void run() {
            while (!leaving) {
                client.poll(Duration.ofMillis(100)).forEach(r -> records.add(r.partition() + ":" + r.offset()));
                Set<Integer> now = new TreeSet<>();
                client.assignment().forEach(partition -> now.add(partition.partition()));
                owned = now;
            }
            client.close();
        }

        void leave() throws Exception {
            leaving = true;
            join(20000);
        }
    }

    private static void staticMember() throws Exception {
        String topic = create("static", 4, Map.of());
        String group = named("static");
        Member one = new Member(topic, group, "group.instance.id", "one", "session.timeout.ms", "20000");
        Member two = new Member(topic, group, "group.instance.id", "two", "session.timeout.ms", "20000");
        until(40, "2 partitions each", () -> one.owned.size() == 2 && two.owned.size() == 2);
        Set<Integer> before = two.owned;
        two.leave();
        Member again = new Member(topic, group, "group.instance.id", "two", "session.timeout.ms", "20000");
        until(40, "the same partitions", () -> again.owned.equals(before));
        same(2, one.owned.size(), "the other's partitions");
        Collection<MemberToRemove> leaving = List.of(new MemberToRemove("one"), new MemberToRemove("two"));
        one.leave();
        again.leave();
        get(admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(leaving)).all());
        until(20, "an empty group", () ->
            get(admin.describeConsumerGroups(List.of(group)).all()).get(group).members().isEmpty());
    }

    private static void staleGeneration() throws Exception {
        String topic = create("stale", 1, Map.of());
        String group = named("stale");
        try (Consumer<byte[], byte[]> first = consumer(group)) {
            first.subscribe(List.of(topic));
            until(20, "assigned", () -> {
                first.poll(Duration.ofMillis(100));
                return !first.assignment().isEmpty();
            });
            ConsumerGroupMetadata known = first.groupMetadata();
            same(group, known.groupId(), "group");
            raises(UnknownMemberIdException.class, () -> {
                Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(1));
                return get(admin.alterConsumerGroupOffsets(group, offsets).all());
            });
        }
    }

    private static void pattern() throws Exception {
        String prefix = named("pattern");
        create("pattern-a", 1, Map.of());
        try (Consumer<byte[], byte[]> client = consumer(named("pattern"), "metadata.max.age.ms", "300")) {
            client.subscribe(java.util.regex.Pattern.compile("java-pattern-.*" + RUN));
            until(30, "one topic", () -> {
                client.poll(Duration.ofMillis(100));
                return client.assignment().size() == 1;
            });
            create("pattern-b", 2, Map.of());
            until(30, "both topics", () -> {
                client.poll(Duration.ofMillis(100));
                return client.assignment().size() == 3;
            });
        }
    }

    private static void woken() throws Exception {
        String topic = create("wake", 1, Map.of());
        try (Consumer<byte[], byte[]> client = consumer(null, "fetch.max.wait.ms", "15000")) {
            client.assign(List.of(new TopicPartition(topic, 0)));
            client.poll(Duration.ofMillis(500));
            long started = System.nanoTime();
            send(topic, 1, 0);
            take(client, 1);
            if (System.nanoTime() - started > TimeUnit.SECONDS.toNanos(5)) {
                throw new AssertionError("a waiting fetch was not woken by a produce");
            }
        }
    }

    private static void readCommitted() throws Exception {
        String topic = create("committed", 1, Map.of());
        send(topic, 50, 0);
        same(50, readAll(topic, 1, 50, "isolation.level", "read_committed").size(), "records");
    }

    private static void adminTopics() throws Exception {
        String topic = create("admin", 2, Map.of("retention.ms", "3600000"));
        raises(TopicExistsException.class, () -> create("admin", 1, Map.of()));
        raises(InvalidTopicException.class, () -> get(admin.createTopics(List.of(new NewTopic("a/b", 1, (short) 1))).all()));
        raises(InvalidReplicationFactorException.class,
            () -> get(admin.createTopics(List.of(new NewTopic(topic + "x", 1, (short) 3))).all()));
        raises(InvalidPartitionsException.class,
            () -> get(admin.createTopics(List.of(new NewTopic(topic + "x", 0, (short) 1))).all()));
        raises(InvalidConfigurationException.class, () -> create("bad", 1, Map.of("retention.ms", "soon")));
        NewTopic byDefault = new NewTopic(named("default"), Optional.empty(), Optional.empty());
        CreateTopicsResult made = admin.createTopics(List.of(byDefault));
        same("1 1", get(made.numPartitions(byDefault.name())) + " " + get(made.replicationFactor(byDefault.name())), "defaults");
        NewTopic placed = new NewTopic(named("placed"), Map.of(0, List.of(1), 1, List.of(1)));
        get(admin.createTopics(List.of(placed)).all());
        NewTopic onlyAsked = new NewTopic(named("asked"), 1, (short) 1);
        get(admin.createTopics(List.of(onlyAsked), new CreateTopicsOptions().validateOnly(true)).all());
        Set<String> listed = get(admin.listTopics().names());
        same("true true false", listed.contains(topic) + " " + listed.contains(placed.name()) + " "
            + listed.contains(onlyAsked.name()), "listed");
        TopicDescription described = get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
        same(2, described.partitions().size(), "partitions");
        same(1, described.partitions().get(0).isr().size(), "in-sync replicas");
        get(admin.deleteTopics(List.of(topic)).all());
        until(10, "gone", () -> !get(admin.listTopics().names()).contains(topic));
        raises(UnknownTopicOrPartitionException.class, () -> get(admin.deleteTopics(List.of(topic)).all()));
        raises(UnknownTopicOrPartitionException.class, () -> get(admin.describeTopics(List.of(topic)).allTopicNames()));
    }

    private static void adminTopicsById() throws Exception {
        String topic = create("by-id", 1, Map.of());
        Uuid id = get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).topicId();
        same(topic, get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()).get(id).name(), "name");
        get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all());
        until(10, "gone", () -> !get(admin.listTopics().names()).contains(topic));
        raises(UnknownTopicIdException.class, () -> get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all()));
    }

    private static void adminPartitions() throws Exception {
        String topic = create("grow", 1, Map.of());
        get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all());
        until(10, "4 partitions", () ->
            get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions().size() == 4);
        raises(InvalidPartitionsException.class,
            () -> get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all()));
        send(topic, 100, 100);
        same(100, readAll(topic, 4, 100).size(), "records over all partitions");
    }

    private static String config(ConfigResource resource, String key) throws Exception {
        ConfigEntry entry = get(admin.describeConfigs(List.of(resource)).all()).get(resource).get(key);
        return entry == null ? "none" : entry.value() + " " + entry.source();
    }

    private static void adminConfigs() throws Exception {
        String topic = create("configs", 1, Map.of());
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        same("604800000 DEFAULT_CONFIG", config(resource, "retention.ms"), "default");
        alter(resource, "retention.ms", "1000000", AlterConfigOp.OpType.SET);
        until(10, "a value set", () -> config(resource, "retention.ms").equals("1000000 DYNAMIC_TOPIC_CONFIG"));
        alter(resource, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
        until(10, "a value appended", () -> config(resource, "cleanup.policy").startsWith("delete,compact"));
        alter(resource, "cleanup.policy", "delete", AlterConfigOp.OpType.SUBTRACT);
        until(10, "a value subtracted", () -> config(resource, "cleanup.policy").startsWith("compact"));
        alter(resource, "retention.ms", "", AlterConfigOp.OpType.DELETE);
        until(10, "the default again", () -> config(resource, "retention.ms").equals("604800000 DEFAULT_CONFIG"));
        raises(InvalidConfigurationException.class, () -> {
            alter(resource, "segment.bytes", "many", AlterConfigOp.OpType.SET);
            return null;
        });
        ConfigResource missing = new ConfigResource(ConfigResource.Type.TOPIC, named("missing"));
        raises(UnknownTopicOrPartitionException.class, () -> config(missing, "retention.ms"));
    }

    private static void alter(ConfigResource resource, String key, String value, AlterConfigOp.OpType how) throws Exception {
        get(admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(key, value), how)))).all());
    }

    private static void adminBrokerConfigs() throws Exception {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        ConfigResource all = new ConfigResource(ConfigResource.Type.BROKER, "");
        same("1 STATIC_BROKER_CONFIG", config(broker, "node.id"), "node id");
        alter(all, "log.segment.delete.delay.ms", "77777", AlterConfigOp.OpType.SET);
        until(10, "a cluster-wide value", () ->
            config(broker, "log.segment.delete.delay.ms").equals("77777 DYNAMIC_DEFAULT_BROKER_CONFIG"));
        alter(broker, "log.segment.delete.delay.ms", "88888", AlterConfigOp.OpType.SET);
        until(10, "a broker's value", () -> config(broker, "log.segment.delete.delay.ms").equals("88888 DYNAMIC_BROKER_CONFIG"));
        String topic = create("inherits", 1, Map.of());
        same("88888 DYNAMIC_BROKER_CONFIG", config(new ConfigResource(ConfigResource.Type.TOPIC, topic), "file.delete.delay.ms"), "inherited");
        alter(broker, "log.segment.delete.delay.ms", "", AlterConfigOp.OpType.DELETE);
        alter(all, "log.segment.delete.delay.ms", "", AlterConfigOp.OpType.DELETE);
        until(10, "the default", () -> config(broker, "log.segment.delete.delay.ms").endsWith("DEFAULT_CONFIG"));
        raises(InvalidRequestException.class, () -> {
            alter(broker, "log.dirs", "elsewhere", AlterConfigOp.OpType.SET);
            return null;
        });
    }

    private static void adminConfigResources() throws Exception {
        String topic = create("resources", 1, Map.of());
        ConfigResource wanted = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Collection<ConfigResource> found = get(admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC),
            new ListConfigResourcesOptions()).all());
        same(true, found.contains(wanted), "topic among the resources");
    }

    private static void adminOffsets() throws Exception {
        String topic = create("offsets", 1, Map.of());
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Producer<byte[], byte[]> client = producer()) {
            for (long stamp : new long[] {1000, 9000, 3000}) {
                client.send(new ProducerRecord<>(topic, 0, stamp, null, bytes("x"))).get();
            }
        }
        same("0 3 1 2", offset(partition, OffsetSpec.earliest()) + " " + offset(partition, OffsetSpec.latest()) + " "
            + offset(partition, OffsetSpec.maxTimestamp()) + " " + offset(partition, OffsetSpec.forTimestamp(9500) , 2), "offsets");
        same("0 1", offset(partition, OffsetSpec.earliestLocal()) + " " + offset(partition, OffsetSpec.forTimestamp(2000)), "local, timestamp");
        DeletedRecords low = get(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(2))).lowWatermarks().get(partition));
        same(2, low.lowWatermark(), "low watermark");
        same(2, offset(partition, OffsetSpec.earliest()), "earliest");
        raises(org.apache.kafka.common.errors.OffsetOutOfRangeException.class,
            () -> get(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(99))).all()));
        get(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(-1))).all());
        same(3, offset(partition, OffsetSpec.earliest()), "earliest after deleting all");
    }

    private static long offset(TopicPartition partition, OffsetSpec spec) throws Exception {
        return get(admin.listOffsets(Map.of(partition, spec)).partitionResult(partition)).offset();
    }

    /** A timestamp after the last record gives -1; told as `unknown`. */
    private static long offset(TopicPartition partition, OffsetSpec spec, long unknown) throws Exception {
        long found = offset(partition, spec);
        return found == -1 ? unknown : -2;
    }

    private static void adminGroups() throws Exception {
        String topic = create("groups", 2, Map.of());
        String group = named("groups");
        send(topic, 40, 40);
        Map<TopicPartition, OffsetAndMetadata> committed;
        try (Consumer<byte[], byte[]> client = consumer(group, "client.id", "the-client")) {
            client.subscribe(List.of(topic));
            take(client, 40);
            client.commitSync();
            ConsumerGroupDescription described = get(admin.describeConsumerGroups(List.of(group)).all()).get(group);
            same("Stable range 1", described.groupState() + " " + described.partitionAssignor() + " " + described.members().size(), "group");
            MemberDescription member = described.members().iterator().next();
            same("the-client 2", member.clientId() + " " + member.assignment().topicPartitions().size(), "member");
            raises(GroupNotEmptyException.class, () -> get(admin.deleteConsumerGroups(List.of(group)).all()));
            same(true, get(admin.listGroups().all()).stream().anyMatch(listing -> listing.groupId().equals(group)), "listed");
        }
        committed = get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
        same(40, committed.values().stream().mapToLong(OffsetAndMetadata::offset).sum(), "committed in all");
        TopicPartition first = new TopicPartition(topic, 0);
        get(admin.alterConsumerGroupOffsets(group, Map.of(first, new OffsetAndMetadata(3))).all());
        same(3, get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).get(first).offset(), "altered");
        get(admin.deleteConsumerGroupOffsets(group, Set.of(first)).all());
        same(false, get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).containsKey(first), "deleted offset");
        get(admin.deleteConsumerGroups(List.of(group)).all());
        raises(GroupIdNotFoundException.class, () -> get(admin.deleteConsumerGroups(List.of(group)).all()));
        raises(GroupIdNotFoundException.class, () -> get(admin.describeConsumerGroups(List.of(named("nobody"))).all()));
    }

    private static void adminCluster() throws Exception {
        DescribeClusterResult cluster = admin.describeCluster();
        same("1 22 1", get(cluster.nodes()).size() + " " + get(cluster.clusterId()).length() + " " + get(cluster.controller()).id(), "cluster");
    }

    private static void adminQuorum() throws Exception {
        QuorumInfo quorum = get(admin.describeMetadataQuorum().quorumInfo());
        same("1 1 0", quorum.leaderId() + " " + quorum.voters().size() + " " + quorum.observers().size(), "quorum");
        if (quorum.highWatermark() <= 0 || quorum.leaderEpoch() <= 0) {
            throw new AssertionError("high watermark " + quorum.highWatermark() + ", epoch " + quorum.leaderEpoch());
        }
    }

    private static void adminLogDirs() throws Exception {
        String topic = create("dirs", 1, Map.of());
        send(topic, 10, 0);
        Map<String, LogDirDescription> found = get(admin.describeLogDirs(List.of(1)).allDescriptions()).get(1);
        same(1, found.size(), "directories");
        LogDirDescription directory = found.values().iterator().next();
        long size = directory.replicaInfos().get(new TopicPartition(topic, 0)).size();
        if (size < 100 || directory.totalBytes().orElse(0) <= 0) {
            throw new AssertionError("size " + size + ", volume " + directory.totalBytes());
        }
    }

    private static void adminProducers() throws Exception {
        String topic = create("producers", 1, Map.of());
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Producer<byte[], byte[]> client = producer()) {
            for (int number = 0; number < 5; number++) {
                client.send(new ProducerRecord<>(topic, bytes("x"))).get();
            }
            List<ProducerState> states = get(admin.describeProducers(List.of(partition)).partitionResult(partition)).activeProducers();
            same("1 4 0", states.size() + " " + states.get(0).lastSequence() + " " + states.get(0).producerEpoch(), "state");
        }
    }

    private static void adminFeatures() throws Exception {
        FeatureMetadata features = get(admin.describeFeatures().featureMetadata());
        Map<String, Object> finalized = new TreeMap<>(features.finalizedFeatures());
        same(true, finalized.containsKey("metadata.version"), "metadata.version is finalized");
        same(true, features.finalizedFeaturesEpoch().orElse(-1L) > 0, "epoch of the features");
    }

    private static void adminManyTopics() throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        List<String> names = new ArrayList<>();
        for (int number = 0; number < 200; number++) {
            topics.add(new NewTopic(named("many-" + number), 2, (short) 1));
            names.add(named("many-" + number));
        }
        get(admin.createTopics(topics).all());
        same(200, get(admin.describeTopics(names).allTopicNames()).size(), "described");
        get(admin.deleteTopics(names).all());
        until(30, "gone", () -> get(admin.listTopics().names()).stream().noneMatch(name -> name.contains("many-")));
    }
}
