// Groups of the consumer protocol (KIP-848) by Apache Kafka's own Java clients: work that is shared, patterns, partitions that come, what
// administrators see, and a group whose members change from one protocol to the other while it runs. The checks that JavaClientChecks
// runs, with its helpers.

import java.time.Duration;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

final class ConsumerGroupChecks {
    private ConsumerGroupChecks() {}

    /** A member on a thread of its own; what it reads it commits before it reads on. */
    private static final class Member extends Thread {
        private final Consumer<byte[], byte[]> client;
        private final Map<String, Integer> seen;
        private volatile int owned = -1;
        private volatile boolean leaving;
        private volatile Exception failed;

        Member(String group, String topic, boolean byPattern, Map<String, Integer> seen, String protocol, String... settings) {
            Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", JavaClientChecks.bootstrap(), "auto.offset.reset", "earliest",
                "enable.auto.commit", false, "group.protocol", protocol, "group.id", group));
            for (int at = 0; at < settings.length; at += 2) {
                all.put(settings[at], settings[at + 1]);
            }
            client = new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            this.seen = seen;
            ConsumerRebalanceListener listener = new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    client.commitSync();
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}
            };
            if (byPattern) {
                client.subscribe(new SubscriptionPattern(topic + ".*"), listener);
            } else {
                client.subscribe(List.of(topic), listener);
            }
            start();
        }

        @Override
        public void run() {
            try (client) {
                while (!leaving) {
                    client.poll(Duration.ofMillis(100)).forEach(r -> seen.merge(r.partition() + ":" + r.offset(), 1, Integer::sum));
                    try {
                        client.commitSync();
                    } catch (RebalanceInProgressException comesAgain) {
                        // The next poll takes part in it, and what is given up then is committed before.
                    }
                    owned = client.assignment().size();
                }
            } catch (Exception error) {
                failed = error;
            }
        }

        void leave() throws Exception {
            leaving = true;
            join(30_000);
            if (failed != null) {
                throw failed;
            }
        }
    }

    /** A group that does not wait between assignments. */
    private static String group(String name) throws Exception {
        String group = JavaClientChecks.named(name);
        var resource = new org.apache.kafka.common.config.ConfigResource(org.apache.kafka.common.config.ConfigResource.Type.GROUP, group);
        var now = new AlterConfigOp(new ConfigEntry("consumer.assignment.interval.ms", "0"), AlterConfigOp.OpType.SET);
        JavaClientChecks.admin().incrementalAlterConfigs(Map.of(resource, List.of(now))).all().get();
        return group;
    }

    static void sharedWork() throws Exception {
        String topic = JavaClientChecks.create("modern", 6, Map.of());
        String group = group("modern");
        Map<String, Integer> seen = new ConcurrentHashMap<>();
        Member first = new Member(group, topic, false, seen, "consumer");
        JavaClientChecks.until(40, "all partitions", () -> first.owned == 6);
        JavaClientChecks.send(topic, 300, 300);
        JavaClientChecks.until(40, "300 records", () -> seen.size() == 300);
        Member second = new Member(group, topic, true, seen, "consumer", "group.remote.assignor", "uniform");
        JavaClientChecks.until(60, "3 partitions each", () -> first.owned == 3 && second.owned == 3);
        JavaClientChecks.send(topic, 300, 300);
        JavaClientChecks.until(40, "600 records", () -> seen.size() == 600);
        ConsumerGroupDescription described = JavaClientChecks.admin().describeConsumerGroups(List.of(group)).all().get().get(group);
        JavaClientChecks.same(GroupType.CONSUMER, described.type(), "type");
        JavaClientChecks.same(GroupState.STABLE, described.groupState(), "state");
        JavaClientChecks.same("uniform", described.partitionAssignor(), "assignor");
        JavaClientChecks.same(described.groupEpoch(), described.targetAssignmentEpoch(), "epochs");
        first.leave();
        JavaClientChecks.admin().createPartitions(Map.of(topic, NewPartitions.increaseTo(8))).all().get();
        JavaClientChecks.until(60, "all partitions and new ones", () -> second.owned == 8);
        second.leave();
        JavaClientChecks.same(0L, seen.values().stream().filter(times -> times > 1).count(), "records read twice");
        JavaClientChecks.admin().deleteConsumerGroups(List.of(group)).all().get();
    }

    static void migration() throws Exception {
        String topic = JavaClientChecks.create("migrating", 4, Map.of());
        String group = group("migrating");
        String[] classic = {"session.timeout.ms", "20000", "heartbeat.interval.ms", "300", "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"};
        Map<String, Integer> seen = new ConcurrentHashMap<>();
        Member first = new Member(group, topic, false, seen, "classic", classic);
        JavaClientChecks.until(40, "all partitions", () -> first.owned == 4);
        JavaClientChecks.send(topic, 200, 200);
        Member second = new Member(group, topic, false, seen, "consumer");
        JavaClientChecks.until(60, "2 partitions each", () -> first.owned == 2 && second.owned == 2);
        JavaClientChecks.send(topic, 200, 200);
        JavaClientChecks.until(40, "400 records", () -> seen.size() == 400);
        GroupType mixed = JavaClientChecks.admin().describeConsumerGroups(List.of(group)).all().get().get(group).type();
        JavaClientChecks.same(GroupType.CONSUMER, mixed, "type with members of both");
        second.leave();
        JavaClientChecks.until(60, "all partitions again", () -> first.owned == 4);
        JavaClientChecks.send(topic, 200, 200);
        JavaClientChecks.until(40, "600 records", () -> seen.size() == 600);
        GroupType back = JavaClientChecks.admin().describeConsumerGroups(List.of(group)).all().get().get(group).type();
        JavaClientChecks.same(GroupType.CLASSIC, back, "type of classic members alone");
        first.leave();
        JavaClientChecks.same(0L, seen.values().stream().filter(times -> times > 1).count(), "records read twice");
    }
}
