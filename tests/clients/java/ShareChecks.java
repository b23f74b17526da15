// Share groups (KIP-932, 1206, 1222) by Apache Kafka's own Java client: records that several members share, each record answered by itself or
// all of them by the next poll, locks that end and are renewed, limits, transactions. The checks that JavaClientChecks runs, with its helpers.

import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

final class ShareChecks {
    private ShareChecks() {}

    /** A group that begins with the first record, and the group's own configuration. */
    private static String group(String name, String... configs) throws Exception {
        String group = JavaClientChecks.named(name);
        List<AlterConfigOp> ops = new ArrayList<>();
        ops.add(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET));
        for (int at = 0; at < configs.length; at += 2) {
            ops.add(new AlterConfigOp(new ConfigEntry(configs[at], configs[at + 1]), AlterConfigOp.OpType.SET));
        }
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        JavaClientChecks.get(JavaClientChecks.admin().incrementalAlterConfigs(Map.of(resource, ops)).all());
        return group;
    }

    private static ShareConsumer<byte[], byte[]> member(String group, String topic, String mode, String... settings) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", JavaClientChecks.bootstrap(), "group.id", group,
            "share.acknowledgement.mode", mode));
        for (int at = 0; at < settings.length; at += 2) {
            all.put(settings[at], settings[at + 1]);
        }
        ShareConsumer<byte[], byte[]> member = new KafkaShareConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        member.subscribe(List.of(topic));
        return member;
    }

    /** Polls until there is something. */
    private static List<ConsumerRecord<byte[], byte[]>> some(ShareConsumer<byte[], byte[]> member) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        JavaClientChecks.until(30, "records", () -> {
            member.poll(Duration.ofMillis(200)).forEach(found::add);
            return !found.isEmpty();
        });
        return found;
    }

    /** What is found within a while; in the explicit mode all of it is accepted. */
    private static List<String> within(ShareConsumer<byte[], byte[]> member, int ms, boolean accepts) {
        List<String> found = new ArrayList<>();
        long end = System.currentTimeMillis() + ms;
        while (System.currentTimeMillis() < end) {
            for (ConsumerRecord<byte[], byte[]> record : member.poll(Duration.ofMillis(100))) {
                found.add(shape(record));
                if (accepts) {
                    member.acknowledge(record);
                }
            }
            if (accepts) {
                committed(member);
            }
        }
        return found;
    }

    private static void committed(ShareConsumer<byte[], byte[]> member) {
        Map<TopicIdPartition, Optional<org.apache.kafka.common.KafkaException>> results = member.commitSync();
        results.forEach((partition, error) -> JavaClientChecks.same(Optional.empty(), error, "commit of " + partition));
    }

    private static String shape(ConsumerRecord<byte[], byte[]> record) {
        return record.offset() + "*" + record.deliveryCount().map(String::valueOf).orElse("none");
    }

    private static List<String> shapes(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(ShareChecks::shape).toList();
    }

    static void eachByItself() throws Exception {
        String topic = JavaClientChecks.create("share-each", 1, Map.of());
        JavaClientChecks.send(topic, 4, 0);
        String group = group("share-each");
        try (ShareConsumer<byte[], byte[]> member = member(group, topic, "explicit")) {
            List<ConsumerRecord<byte[], byte[]>> first = some(member);
            JavaClientChecks.same(List.of("0*1", "1*1", "2*1", "3*1"), shapes(first), "first");
            JavaClientChecks.raises(IllegalStateException.class, () -> member.poll(Duration.ofMillis(10)));
            List<AcknowledgeType> types = List.of(AcknowledgeType.ACCEPT, AcknowledgeType.RELEASE, AcknowledgeType.REJECT, AcknowledgeType.RELEASE);
            for (int at = 0; at < 4; at++) {
                member.acknowledge(first.get(at), types.get(at));
            }
            committed(member);
            List<ConsumerRecord<byte[], byte[]>> second = some(member);
            JavaClientChecks.same(List.of("1*2", "3*2"), shapes(second), "what was released");
            second.forEach(member::acknowledge);
            committed(member);
            JavaClientChecks.same(List.of(), within(member, 1000, true), "the rest");
        }
        try (ShareConsumer<byte[], byte[]> member = member(group, topic, "implicit")) {
            JavaClientChecks.same(List.of(), within(member, 1500, false), "what is done with");
        }
    }

    static void byTheNextPoll() throws Exception {
        String topic = JavaClientChecks.create("share-implicit", 1, Map.of());
        JavaClientChecks.send(topic, 3, 0);
        String group = group("share-implicit");
        try (ShareConsumer<byte[], byte[]> member = member(group, topic, "implicit")) {
            JavaClientChecks.same(List.of("0*1", "1*1", "2*1"), shapes(some(member)), "first");
            member.poll(Duration.ofMillis(10));
            JavaClientChecks.send(topic, 2, 0);
            JavaClientChecks.same(List.of("3*1", "4*1"), within(member, 1500, false), "what came");
        }
        // What was polled last is accepted when the member closes.
        try (ShareConsumer<byte[], byte[]> member = member(group, topic, "implicit")) {
            JavaClientChecks.same(List.of(), within(member, 1500, false), "the rest");
        }
    }

    static void sharedWork() throws Exception {
        String topic = JavaClientChecks.create("share-work", 2, Map.of());
        String group = group("share-work");
        Map<String, Integer> seen = new TreeMap<>();
        try (ShareConsumer<byte[], byte[]> one = member(group, topic, "implicit", "max.poll.records", "50");
             ShareConsumer<byte[], byte[]> two = member(group, topic, "implicit", "max.poll.records", "50")) {
            int[] counts = new int[2];
            for (int round = 0; round < 10; round++) {
                JavaClientChecks.send(topic, 100, 0, "batch.size", "500");
                int wanted = (round + 1) * 100;
                JavaClientChecks.until(30, "all of round " + round, () -> {
                    int at = 0;
                    for (ShareConsumer<byte[], byte[]> member : List.of(one, two)) {
                        int which = at++;
                        member.poll(Duration.ofMillis(100)).forEach(record -> {
                            counts[which]++;
                            seen.merge(record.partition() + ":" + record.offset(), 1, Integer::sum);
                        });
                    }
                    return seen.size() >= wanted;
                });
            }
            JavaClientChecks.same(Set.of(1), new HashSet<>(seen.values()), "how often each was seen");
            JavaClientChecks.same(true, counts[0] > 0 && counts[1] > 0, "both work " + Arrays.toString(counts));
        }
    }

    static void locks() throws Exception {
        String topic = JavaClientChecks.create("share-locks", 1, Map.of());
        JavaClientChecks.send(topic, 2, 0);
        String group = group("share-locks", "share.record.lock.duration.ms", "1500");
        try (ShareConsumer<byte[], byte[]> silent = member(group, topic, "explicit");
             ShareConsumer<byte[], byte[]> other = member(group, topic, "explicit")) {
            JavaClientChecks.same(List.of("0*1", "1*1"), shapes(some(silent)), "held");
            JavaClientChecks.same(Optional.of(1500), silent.acquisitionLockTimeoutMs(), "lock");
            List<ConsumerRecord<byte[], byte[]>> again = some(other);
            JavaClientChecks.same(List.of("0*2", "1*2"), shapes(again), "what was not answered in time");
            again.forEach(other::acknowledge);
            committed(other);
        }
    }

    static void renewal() throws Exception {
        String topic = JavaClientChecks.create("share-renewal", 1, Map.of());
        JavaClientChecks.send(topic, 1, 0);
        String group = group("share-renewal", "share.record.lock.duration.ms", "1500");
        try (ShareConsumer<byte[], byte[]> slow = member(group, topic, "explicit");
             ShareConsumer<byte[], byte[]> other = member(group, topic, "explicit")) {
            List<ConsumerRecord<byte[], byte[]>> held = some(slow);
            for (int round = 0; round < 4; round++) {
                JavaClientChecks.same(List.of("0*1"), shapes(held), "held in round " + round);
                JavaClientChecks.same(List.of(), within(other, 700, true), "the other one in round " + round);
                slow.acknowledge(held.get(0), AcknowledgeType.RENEW);
                committed(slow);
                held = some(slow);
            }
            slow.acknowledge(held.get(0));
            committed(slow);
            JavaClientChecks.same(List.of(), within(other, 2000, true), "the other one");
        }
    }

    static void limits() throws Exception {
        String topic = JavaClientChecks.create("share-limits", 1, Map.of());
        JavaClientChecks.send(topic, 6, 0);
        String group = group("share-limits", "share.delivery.count.limit", "2");
        try (ShareConsumer<byte[], byte[]> member = member(group, topic, "explicit", "max.poll.records", "2", "share.acquire.mode", "record_limit")) {
            List<String> found = new ArrayList<>();
            long end = System.currentTimeMillis() + 20_000;
            while (found.size() < 12 && System.currentTimeMillis() < end) {
                for (ConsumerRecord<byte[], byte[]> record : member.poll(Duration.ofMillis(200))) {
                    found.add(shape(record));
                    member.acknowledge(record, AcknowledgeType.RELEASE);
                }
                committed(member);
            }
            found.sort(null);
            List<String> wanted = new ArrayList<>();
            for (int offset = 0; offset < 6; offset++) {
                wanted.addAll(List.of(offset + "*1", offset + "*2"));
            }
            JavaClientChecks.same(wanted, found, "each twice");
            JavaClientChecks.same(List.of(), within(member, 1000, true), "and no more");
        }
    }

    static void committedOnly() throws Exception {
        String topic = JavaClientChecks.create("share-committed", 1, Map.of());
        String group = group("share-committed", "share.isolation.level", "read_committed");
        try (Producer<byte[], byte[]> producer = JavaClientChecks.producer("transactional.id", topic);
             ShareConsumer<byte[], byte[]> member = member(group, topic, "implicit")) {
            producer.initTransactions();
            for (int round = 0; round < 6; round++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, JavaClientChecks.bytes("value " + round)));
                producer.flush();
                if (round % 2 == 0) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, JavaClientChecks.bytes("open")));
            producer.flush();
            // Each is followed by its marker.
            List<String> found = new ArrayList<>();
            JavaClientChecks.until(30, "what is committed", () -> {
                found.addAll(within(member, 200, false));
                return found.size() >= 3;
            });
            JavaClientChecks.same(List.of("2*1", "6*1", "10*1"), found, "committed");
            JavaClientChecks.same(List.of(), within(member, 1000, false), "what is open");
            producer.commitTransaction();
            JavaClientChecks.same(List.of("12*1"), within(member, 1500, false), "what was open");
        }
    }

    static void leavers() throws Exception {
        String topic = JavaClientChecks.create("share-leavers", 1, Map.of());
        JavaClientChecks.send(topic, 3, 0);
        String group = group("share-leavers");
        ShareConsumer<byte[], byte[]> leaver = member(group, topic, "explicit");
        List<ConsumerRecord<byte[], byte[]>> held = some(leaver);
        leaver.acknowledge(held.get(0));
        leaver.close();
        try (ShareConsumer<byte[], byte[]> member = member(group, topic, "explicit")) {
            List<String> found = within(member, 3000, true);
            JavaClientChecks.same(List.of("1*2", "2*2"), found, "what the leaver held");
        }
    }

    /** KIP-1191: what is rejected, and what was handed out too often, with the headers that say so. */
    static void deadLetters() throws Exception {
        String topic = JavaClientChecks.create("share-dead", 1, Map.of());
        JavaClientChecks.send(topic, 3, 0);
        String queue = "dlq." + JavaClientChecks.named("share-dead");
        NewTopic wanted = new NewTopic(queue, 1, (short) 1).configs(Map.of("errors.deadletterqueue.group.enable", "true"));
        JavaClientChecks.get(JavaClientChecks.admin().createTopics(List.of(wanted)).all());
        String group = group("share-dead", "errors.deadletterqueue.topic.name", queue,
            "errors.deadletterqueue.copy.record.enable", "true", "share.delivery.count.limit", "2");
        try (ShareConsumer<byte[], byte[]> member = member(group, topic, "explicit")) {
            List<ConsumerRecord<byte[], byte[]>> first = some(member);
            JavaClientChecks.same(List.of("0*1", "1*1", "2*1"), shapes(first), "first");
            member.acknowledge(first.get(0), AcknowledgeType.REJECT);
            member.acknowledge(first.get(1), AcknowledgeType.ACCEPT);
            member.acknowledge(first.get(2), AcknowledgeType.RELEASE);
            committed(member);
            List<ConsumerRecord<byte[], byte[]>> second = some(member);
            JavaClientChecks.same(List.of("2*2"), shapes(second), "what was released");
            member.acknowledge(second.get(0), AcknowledgeType.RELEASE);
            committed(member);
            JavaClientChecks.same(List.of(), within(member, 1500, true), "what is dead");
        }
        List<String> letters = new ArrayList<>();
        try (Consumer<byte[], byte[]> reader = JavaClientChecks.consumer(JavaClientChecks.named("share-dead-reader"))) {
            reader.subscribe(List.of(queue));
            JavaClientChecks.until(30, "two dead letters", () -> {
                for (ConsumerRecord<byte[], byte[]> record : reader.poll(Duration.ofMillis(200))) {
                    StringBuilder told = new StringBuilder();
                    for (String name : List.of("topic", "partition", "offset", "group", "delivery.count", "message")) {
                        told.append(new String(record.headers().lastHeader("__dlq.errors." + name).value())).append("; ");
                    }
                    letters.add(told.toString());
                    JavaClientChecks.same(true, record.value() != null, "the record's own value");
                }
                return letters.size() >= 2;
            });
        }
        Collections.sort(letters);
        String of = topic + "; 0; ";
        JavaClientChecks.same(List.of(of + "0; " + group + "; 1; Offset rejected by client.; ",
            of + "2; " + group + "; 2; Offset delivery count exceeded the threshold.; "), letters, "dead letters");
    }
}
