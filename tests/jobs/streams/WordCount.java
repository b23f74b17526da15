import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

/**
 * Words counted exactly once. {@code WordCount HOST:PORT feed LINES MILLIS} makes the topics and writes lines over so long; {@code run FOLDER
 * PROTOCOL} counts by Kafka Streams until it is killed; {@code check LINES SECONDS} waits until every word has been counted to its end and
 * sees to it that each count was written once; {@code describe} tells who of the streams group has which task once it is stable.
 */
public final class WordCount {
    static final String LINES = "lines", COUNTS = "counts";
    static final int PARTITIONS = 3;

    public static void main(String[] arguments) throws Exception {
        switch (arguments[1]) {
            case "feed" -> feed(arguments[0], Integer.parseInt(arguments[2]), Long.parseLong(arguments[3]));
            case "run" -> run(arguments[0], arguments[2], arguments[3]);
            case "describe" -> describe(arguments[0]);
            case "check" -> check(arguments[0], Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]));
            default -> throw new IllegalArgumentException(arguments[1]);
        }
        System.out.println("done - " + arguments[1]);
        System.exit(0);
    }

    /** The words of a line: some are in many lines, some in few. */
    static List<String> words(int line) {
        return List.of("w" + line % 7, "w" + line % 40, "w" + line % 193);
    }

    static void feed(String broker, int lines, long millis) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            List<NewTopic> topics = List.of(new NewTopic(LINES, PARTITIONS, (short) 1), new NewTopic(COUNTS, PARTITIONS, (short) 1));
            admin.createTopics(topics).all().get(30, TimeUnit.SECONDS);
        }
        System.out.println("topics are there");
        System.out.flush();
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("key.serializer", StringSerializer.class.getName());
        settings.put("value.serializer", StringSerializer.class.getName());
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
            for (int line = 0; line < lines; line++) {
                producer.send(new ProducerRecord<>(LINES, line % PARTITIONS, null, String.join(" ", words(line))));
                if (line % 20 == 19) {
                    Thread.sleep(millis * 20 / lines);
                }
            }
        }
    }

    static void run(String broker, String folder, String protocol) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("application.id", "word-count");
        settings.put("state.dir", folder);
        settings.put("group.protocol", protocol);
        settings.put("processing.guarantee", "exactly_once_v2");
        settings.put("replication.factor", 1);
        settings.put("commit.interval.ms", 100);
        settings.put("num.stream.threads", 2);
        // Every single count is written.
        settings.put("statestore.cache.max.bytes", 0);
        settings.put("default.key.serde", Serdes.StringSerde.class.getName());
        settings.put("default.value.serde", Serdes.StringSerde.class.getName());
        if (protocol.equals("classic")) {
            settings.put("consumer.session.timeout.ms", 6000);
            settings.put("consumer.heartbeat.interval.ms", 500);
        }
        settings.put("consumer.auto.offset.reset", "earliest");
        settings.put("producer.transaction.timeout.ms", 10000);
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(LINES)
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word)
            .count()
            .toStream()
            .to(COUNTS, Produced.with(Serdes.String(), Serdes.Long()));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.setUncaughtExceptionHandler(error -> {
            System.out.println("thread replaced: " + error);
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.setStateListener((now, before) -> System.out.println("streams: " + now));
        streams.start();
        Thread.sleep(Long.MAX_VALUE);
    }

    static void describe(String broker) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            String said = "";
            for (int looks = 0; looks < 60; looks++) {
                StreamsGroupDescription group = admin.describeStreamsGroups(List.of("word-count")).all().get(30, TimeUnit.SECONDS).get("word-count");
                Set<String> subtopologies = new TreeSet<>(), tasks = new TreeSet<>();
                group.subtopologies().forEach(one -> subtopologies.add(one.subtopologyId()));
                int given = 0;
                for (StreamsGroupMemberDescription member : group.members()) {
                    for (StreamsGroupMemberAssignment.TaskIds ids : member.assignment().activeTasks()) {
                        given += ids.partitions().size();
                        ids.partitions().forEach(partition -> tasks.add(ids.subtopologyId() + "_" + partition));
                    }
                }
                String type = admin.listGroups().all().get(30, TimeUnit.SECONDS).iterator().next().type().get().name();
                said = type + " " + group.groupState() + ", members " + group.members().size() + ", subtopologies " + String.join(" ", subtopologies)
                    + ", tasks " + String.join(" ", tasks) + (given == tasks.size() ? "" : ", some twice");
                if (said.contains("Stable") && given == 6) {
                    break;
                }
                Thread.sleep(500);
            }
            System.out.println(said);
        }
    }

    static void check(String broker, int lines, int seconds) throws Exception {
        Map<String, Long> wanted = new TreeMap<>();
        for (int line = 0; line < lines; line++) {
            words(line).forEach(word -> wanted.merge(word, 1L, Long::sum));
        }
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("isolation.level", "read_committed");
        settings.put("auto.offset.reset", "earliest");
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", LongDeserializer.class.getName());
        Map<String, Long> counted = new TreeMap<>();
        long records = 0, wrong = 0;
        try (KafkaConsumer<String, Long> reader = new KafkaConsumer<>(settings)) {
            List<TopicPartition> places = new ArrayList<>();
            for (int partition = 0; partition < PARTITIONS; partition++) {
                places.add(new TopicPartition(COUNTS, partition));
            }
            reader.assign(places);
            reader.seekToBeginning(places);
            long limit = System.currentTimeMillis() + seconds * 1000L, calm = 0;
            // A while longer, so that one too many would be seen.
            while (System.currentTimeMillis() < limit && calm < 5) {
                for (ConsumerRecord<String, Long> record : reader.poll(Duration.ofMillis(300))) {
                    records++;
                    long before = counted.getOrDefault(record.key(), 0L);
                    if (record.value() != before + 1 && wrong++ < 5) {
                        System.out.println("wrong " + record.key() + " " + before + " is followed by " + record.value());
                    }
                    counted.put(record.key(), record.value());
                }
                calm = counted.equals(wanted) ? calm + 1 : 0;
            }
        }
        long all = wanted.values().stream().mapToLong(Long::longValue).sum();
        System.out.println("counts " + records + " of " + all + ", wrong " + wrong + ", at the end " + counted.equals(wanted));
    }
}
