// Transactions of Apache Kafka's own Java clients: commit, abort, fencing, timeouts, offsets, and what administrators see of them. The
// checks that JavaClientChecks runs, with its helpers.

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;

final class TransactionChecks {
    private TransactionChecks() {}

    private static Producer<byte[], byte[]> producer(String id, String... settings) {
        String[] all = new String[settings.length + 2];
        System.arraycopy(settings, 0, all, 0, settings.length);
        all[settings.length] = "transactional.id";
        all[settings.length + 1] = id;
        Producer<byte[], byte[]> producer = JavaClientChecks.producer(all);
        producer.initTransactions();
        return producer;
    }

    private static void put(Producer<byte[], byte[]> producer, String topic, int partition, String value) {
        producer.send(new ProducerRecord<>(topic, partition, null, JavaClientChecks.bytes(value)));
    }

    /** The values that a reader sees up to the last stable offset (or the high watermark). */
    static List<String> values(String topic, int partitions, String isolation) {
        List<String> values = new ArrayList<>();
        try (Consumer<byte[], byte[]> reader = JavaClientChecks.consumer(null, "isolation.level", isolation)) {
            List<TopicPartition> all = new ArrayList<>();
            for (int at = 0; at < partitions; at++) {
                all.add(new TopicPartition(topic, at));
            }
            reader.assign(all);
            reader.seekToBeginning(all);
            Map<TopicPartition, Long> ends = reader.endOffsets(all);
            while (all.stream().anyMatch(one -> reader.position(one) < ends.get(one))) {
                reader.poll(Duration.ofMillis(200)).forEach(record -> values.add(new String(record.value())));
            }
        }
        values.sort(null);
        return values;
    }

    static void commitsAndAborts() throws Exception {
        String topic = JavaClientChecks.create("txn", 3, Map.of());
        try (Producer<byte[], byte[]> producer = producer(topic)) {
            for (int round = 0; round < 20; round++) {
                producer.beginTransaction();
                for (int partition = 0; partition < 3; partition++) {
                    put(producer, topic, partition, String.format("%02d-%d", round, partition));
                }
                // What was not sent is not aborted, but forgotten.
                producer.flush();
                if (round % 3 == 2) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
            producer.beginTransaction();
            put(producer, topic, 0, "open");
            producer.flush();
            List<String> wanted = new ArrayList<>();
            for (int round = 0; round < 20; round++) {
                for (int partition = 0; partition < 3 && round % 3 != 2; partition++) {
                    wanted.add(String.format("%02d-%d", round, partition));
                }
            }
            JavaClientChecks.same(wanted, values(topic, 3, "read_committed"), "committed");
            JavaClientChecks.same(61, values(topic, 3, "read_uncommitted").size(), "all");
            producer.commitTransaction();
            wanted.add("open");
            JavaClientChecks.until(20, "what was open is there", () -> values(topic, 3, "read_committed").equals(wanted));
        }
    }

    static void offsetsInTransactions() throws Exception {
        String from = JavaClientChecks.create("txn-from", 1, Map.of());
        String to = JavaClientChecks.create("txn-to", 1, Map.of());
        String group = JavaClientChecks.named("copy");
        JavaClientChecks.send(from, 100, 0);
        TopicPartition source = new TopicPartition(from, 0);
        int failures = 0;
        try (Producer<byte[], byte[]> producer = producer(to);
                Consumer<byte[], byte[]> consumer = JavaClientChecks.consumer(group, "max.poll.records", "7")) {
            consumer.subscribe(List.of(from));
            for (long copied = 0; copied < 100;) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(500));
                if (records.isEmpty()) {
                    continue;
                }
                producer.beginTransaction();
                long next = copied;
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    producer.send(new ProducerRecord<>(to, record.value()));
                    next = record.offset() + 1;
                }
                producer.sendOffsetsToTransaction(Map.of(source, new OffsetAndMetadata(next)), consumer.groupMetadata());
                if (failures < 5 && copied % 2 == 0) {
                    failures++;
                    producer.abortTransaction();
                    consumer.seek(source, copied);
                } else {
                    producer.commitTransaction();
                    copied = next;
                }
            }
        }
        JavaClientChecks.same(values(from, 1, "read_committed"), values(to, 1, "read_committed"), "the copy");
        Map<TopicPartition, OffsetAndMetadata> committed =
            JavaClientChecks.get(JavaClientChecks.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
        JavaClientChecks.same(100, committed.get(source).offset(), "the group's offset");
    }

    static void fencing() throws Exception {
        String topic = JavaClientChecks.create("txn-fence", 1, Map.of());
        Producer<byte[], byte[]> first = producer(topic);
        first.beginTransaction();
        put(first, topic, 0, "old");
        first.flush();
        try (Producer<byte[], byte[]> second = producer(topic)) {
            put2(first, topic);
            // It hears so from the partition or from the coordinator, whichever is asked first.
            JavaClientChecks.raises(ApiException.class, () -> {
                first.commitTransaction();
                return null;
            });
            second.beginTransaction();
            put(second, topic, 0, "new");
            second.commitTransaction();
            JavaClientChecks.until(20, "the second's record", () -> values(topic, 1, "read_committed").equals(List.of("new")));
        }
        first.close(Duration.ZERO);
    }

    private static void put2(Producer<byte[], byte[]> producer, String topic) throws Exception {
        try {
            put(producer, topic, 0, "late");
            producer.flush();
        } catch (ProducerFencedException | InvalidProducerEpochException fenced) {
            // Told here already.
        }
    }

    static void timeout() throws Exception {
        String topic = JavaClientChecks.create("txn-timeout", 1, Map.of());
        try (Producer<byte[], byte[]> producer = producer(topic, "transaction.timeout.ms", "1000")) {
            producer.beginTransaction();
            put(producer, topic, 0, "lost");
            producer.flush();
            JavaClientChecks.until(30, "it is aborted", () -> {
                TransactionDescription described = JavaClientChecks
                    .get(JavaClientChecks.admin().describeTransactions(List.of(topic)).description(topic));
                return described.state() == TransactionState.COMPLETE_ABORT;
            });
            JavaClientChecks.same(List.of(), values(topic, 1, "read_committed"), "committed");
        } catch (RuntimeException fenced) {
            // close() tells that it was.
        }
    }

    static void administrators() throws Exception {
        String topic = JavaClientChecks.create("txn-admin", 2, Map.of());
        Admin admin = JavaClientChecks.admin();
        TopicPartition partition = new TopicPartition(topic, 1);
        try (Producer<byte[], byte[]> producer = producer(topic)) {
            producer.beginTransaction();
            put(producer, topic, 1, "held");
            producer.flush();
            TransactionDescription described = JavaClientChecks.get(admin.describeTransactions(List.of(topic)).description(topic));
            JavaClientChecks.same(TransactionState.ONGOING, described.state(), "state");
            JavaClientChecks.same("[" + partition + "]", described.topicPartitions(), "partitions");
            boolean listed = JavaClientChecks.get(admin.listTransactions().all()).stream()
                .anyMatch(one -> one.transactionalId().equals(topic) && one.producerId() == described.producerId());
            JavaClientChecks.same(true, listed, "listed");
            ProducerState state = JavaClientChecks.get(admin.describeProducers(List.of(partition)).partitionResult(partition))
                .activeProducers().get(0);
            JavaClientChecks.same(0, state.currentTransactionStartOffset().getAsLong(), "where it begins");
            // A marker by hand, as kafka-transactions.sh abort writes it.
            JavaClientChecks.get(admin.abortTransaction(new AbortTransactionSpec(partition, state.producerId(),
                (short) state.producerEpoch(), state.coordinatorEpoch().orElse(0))).all());
            JavaClientChecks.same(List.of(), values(topic, 2, "read_committed"), "committed");
            ProducerState after = JavaClientChecks.get(admin.describeProducers(List.of(partition)).partitionResult(partition))
                .activeProducers().get(0);
            JavaClientChecks.same(false, after.currentTransactionStartOffset().isPresent(), "open");
            JavaClientChecks.get(admin.fenceProducers(List.of(topic)).all());
        } catch (ProducerFencedException | InvalidProducerEpochException fenced) {
            // close() tells that it was.
        }
        JavaClientChecks.raises(TransactionalIdNotFoundException.class,
            () -> JavaClientChecks.get(admin.describeTransactions(List.of("nobody")).description("nobody")));
    }
}
