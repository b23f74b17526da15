// `JavaLoad HOST:PORT[,HOST:PORT...] NAME HISTORY`: Kafka's own producer and consumer beside the writers of load.py, told what to do by the
// same lines on standard input. The producer is idempotent and wants acks=all; the consumer follows it from the beginning on, and what both
// saw is written to HISTORY as JSON lines, which `ottla-sim check` judges.

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class JavaLoad {
    private static final int PARTITIONS = 2;
    private static final int IN_FLIGHT = 150;
    // Who is who in the history; load.py has the numbers below ten.
    private static final int SENDER = 11;
    private static final int FOLLOWER = 12;
    private static final int LAST_READER = 13;

    private static String bootstrap;
    private static String topic;
    private static BufferedWriter history;
    private static volatile boolean writing;
    private static volatile boolean following = true;
    private static final AtomicLong acknowledged = new AtomicLong();
    private static final AtomicLong underWay = new AtomicLong();
    private static final AtomicLong longestPause = new AtomicLong();
    private static volatile long lastAck;
    // How far the follower has come.
    private static final Map<TopicPartition, Long> reached = new ConcurrentHashMap<>();
    private static final AtomicReference<String> trouble = new AtomicReference<>();

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        topic = args[1] + "-java";
        history = Files.newBufferedWriter(Path.of(args[2]));
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            NewTopic wanted = new NewTopic(topic, Optional.of(PARTITIONS), Optional.of((short) 3));
            wanted.configs(Map.of("min.insync.replicas", "2", "segment.bytes", "1048576"));
            admin.createTopics(List.of(wanted)).all().get(30, TimeUnit.SECONDS);
        }
        start(JavaLoad::write);
        Thread follower = start(JavaLoad::follow);
        System.out.println("ok ready");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String told = obey(line.trim(), follower);
            String bad = trouble.getAndSet(null);
            System.out.println(bad == null ? "ok " + told : "bad " + bad.replace('\n', ' '));
        }
        System.exit(0);
    }

    private static Thread start(Runnable body) {
        Thread thread = new Thread(() -> {
            try {
                body.run();
            } catch (RuntimeException error) {
                trouble.compareAndSet(null, topic + ": " + error);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private static String obey(String command, Thread follower) throws Exception {
        switch (command) {
            case "write" -> {
                lastAck = now();
                writing = true;
            }
            case "rest" -> rest();
            case "pause" -> {
                return Long.toString(longestPause.getAndSet(0));
            }
            case "history" -> {
                rest();
                readAll(follower);
                history.flush();
            }
            default -> { }
        }
        return acknowledged.get() + " 0";
    }

    private static void rest() throws InterruptedException {
        writing = false;
        long limit = now() + 180_000;
        while (underWay.get() > 0 && now() < limit) {
            Thread.sleep(10);
        }
        if (underWay.get() > 0) {
            trouble.compareAndSet(null, topic + ": " + underWay.get() + " records are owed for three minutes");
        }
    }

    private static void write() {
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", bootstrap, "acks", "all", "enable.idempotence", true, "linger.ms", 2, "delivery.timeout.ms", 600_000,
            "request.timeout.ms", 10_000, "reconnect.backoff.ms", 10, "reconnect.backoff.max.ms", 100, "max.block.ms", 600_000);
        KafkaProducer<String, String> producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
        for (long number = 0; ; ) {
            if (!writing || underWay.get() >= IN_FLIGHT) {
                sleep(2);
                continue;
            }
            send(producer, number);
            number++;
            if (number % 8 == 0) {
                sleep(8);
            }
        }
    }

    private static void send(KafkaProducer<String, String> producer, long number) {
        int partition = (int) (number * 7 / 3 % PARTITIONS);
        long invoked = now();
        underWay.incrementAndGet();
        String value = number + ":" + "j".repeat((int) (number % 300));
        producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, error) -> {
            String offset = error == null ? Long.toString(metadata.offset()) : "null";
            String step = "\"ops\":[[\"send\",\"" + topic + "-" + partition + "\"," + offset + ",\"" + number + "\"]]";
            note(SENDER, invoked, error == null ? "ok" : "info", "send", step);
            if (error == null) {
                acknowledged.incrementAndGet();
                long then = lastAck;
                lastAck = now();
                longestPause.accumulateAndGet(lastAck - Math.max(then, invoked), Math::max);
            } else {
                trouble.compareAndSet(null, topic + ": record " + number + " was refused: " + error);
            }
            underWay.decrementAndGet();
        });
    }

    private static List<TopicPartition> partitions() {
        List<TopicPartition> all = new ArrayList<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            all.add(new TopicPartition(topic, partition));
        }
        return all;
    }

    private static KafkaConsumer<String, String> consumer(int process) {
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", bootstrap, "enable.auto.commit", false, "auto.offset.reset", "none", "reconnect.backoff.ms", 10,
            "reconnect.backoff.max.ms", 100, "fetch.max.wait.ms", 100, "default.api.timeout.ms", 120_000);
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
        consumer.assign(partitions());
        partitions().forEach(partition -> consumer.seek(partition, 0));
        StringBuilder keys = new StringBuilder();
        partitions().forEach(partition -> keys.append(keys.isEmpty() ? "\"" : ",\"").append(partition).append('"'));
        note(process, now(), "ok", "assign", "\"keys\":[" + keys + "]");
        return consumer;
    }

    private static void follow() {
        try (KafkaConsumer<String, String> consumer = consumer(FOLLOWER)) {
            while (following) {
                long invoked = now();
                notePoll(FOLLOWER, invoked, consumer.poll(Duration.ofMillis(200)));
                partitions().forEach(partition -> reached.put(partition, consumer.position(partition)));
            }
        }
    }

    // Nothing is written any more: everything is read once more by somebody new.
    private static void readAll(Thread follower) throws InterruptedException {
        try (KafkaConsumer<String, String> consumer = consumer(LAST_READER)) {
            Map<TopicPartition, Long> ends = new HashMap<>(consumer.endOffsets(partitions()));
            long limit = now() + 120_000;
            while (ends.entrySet().stream().anyMatch(end -> reached.getOrDefault(end.getKey(), 0L) < end.getValue())) {
                if (now() > limit) {
                    trouble.compareAndSet(null, topic + ": who followed came to " + reached + " of " + ends);
                    return;
                }
                Thread.sleep(50);
            }
            following = false;
            follower.join();
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                if (now() > limit) {
                    trouble.compareAndSet(null, topic + ": cannot be read to its ends " + ends);
                    return;
                }
                long invoked = now();
                notePoll(LAST_READER, invoked, consumer.poll(Duration.ofMillis(200)));
            }
        }
    }

    private static void notePoll(int process, long invoked, ConsumerRecords<String, String> records) {
        if (records.isEmpty()) {
            return;
        }
        StringBuilder keys = new StringBuilder();
        for (TopicPartition partition : records.partitions()) {
            keys.append(keys.isEmpty() ? "\"" : ",\"").append(partition).append("\":[");
            boolean first = true;
            for (ConsumerRecord<String, String> record : records.records(partition)) {
                String number = record.value().substring(0, Math.max(0, record.value().indexOf(':')));
                keys.append(first ? "[" : ",[").append(record.offset()).append(",\"").append(number).append("\"]");
                first = false;
            }
            keys.append(']');
        }
        note(process, invoked, "ok", "poll", "\"ops\":[[\"poll\",{" + keys + "}]]");
    }

    private static void note(int process, long invoked, String type, String kind, String what) {
        String head = "{\"process\":" + process + ",\"invoked\":" + invoked + ",\"returned\":" + now();
        String line = head + ",\"type\":\"" + type + "\",\"f\":\"" + kind + "\"," + what + "}\n";
        synchronized (JavaLoad.class) {
            try {
                history.write(line);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }

    private static long now() {
        return System.currentTimeMillis();
    }

    private static void sleep(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }
}
