import java.util.*;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.*;

/**
 * What a cluster keeps beside its records: {@code Keeper HOST:PORT fill} makes some of everything, {@code data} prints records, offsets and
 * configurations, {@code security} prints ACLs, credentials and quotas, {@code more NAME} adds records and offsets. Two brokers on the same
 * directory print the same.
 */
public class Keeper {
    static final String PLAIN = "kept-plain", TRANSACTIONAL = "kept-transactional";
    static String broker;

    public static void main(String[] arguments) throws Exception {
        broker = arguments[0];
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            switch (arguments[1]) {
                case "fill" -> fill(admin);
                case "data" -> data(admin);
                case "security" -> security(admin);
                case "more" -> more(admin, arguments[2]);
                default -> throw new IllegalArgumentException(arguments[1]);
            }
        }
        System.out.println("done - " + arguments[1]);
    }

    static void fill(Admin admin) throws Exception {
        admin.createTopics(List.of(
            new NewTopic(PLAIN, 3, (short) 1).configs(Map.of("segment.bytes", "1048576", "retention.ms", "604800000")),
            new NewTopic(TRANSACTIONAL, 2, (short) 1))).all().get(30, TimeUnit.SECONDS);
        produce("first", 500);
        Properties settings = producer();
        settings.put("transactional.id", "keeper");
        try (KafkaProducer<String, String> writer = new KafkaProducer<>(settings)) {
            writer.initTransactions();
            for (int round = 0; round < 6; round++) {
                writer.beginTransaction();
                for (int number = 0; number < 20; number++) {
                    writer.send(new ProducerRecord<>(TRANSACTIONAL, number % 2, "k" + number, "round " + round + " " + number));
                }
                writer.flush();
                if (round % 3 == 1) {
                    writer.abortTransaction();
                } else {
                    writer.commitTransaction();
                }
            }
        }
        commit(admin, "readers", 100);
        admin.createAcls(List.of(
            acl("User:alice", ResourceType.TOPIC, PLAIN, PatternType.LITERAL, AclOperation.READ, AclPermissionType.ALLOW),
            acl("User:bob", ResourceType.TOPIC, "kept-", PatternType.PREFIXED, AclOperation.WRITE, AclPermissionType.DENY),
            acl("User:alice", ResourceType.GROUP, "*", PatternType.LITERAL, AclOperation.ALL, AclPermissionType.ALLOW)))
            .all().get(30, TimeUnit.SECONDS);
        List<UserScramCredentialAlteration> credentials = List.of(
            new UserScramCredentialUpsertion("alice", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "alice-secret"),
            new UserScramCredentialUpsertion("bob", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192), "bob-secret"));
        admin.alterUserScramCredentials(credentials).all().get(30, TimeUnit.SECONDS);
        admin.alterClientQuotas(List.of(
            quota(Map.of("user", "alice"), "producer_byte_rate", 12345.0),
            quota(new HashMap<>() {{ put("client-id", null); }}, "request_percentage", 55.5))).all().get(30, TimeUnit.SECONDS);
    }

    static AclBinding acl(String who, ResourceType type, String name, PatternType pattern, AclOperation what, AclPermissionType how) {
        return new AclBinding(new ResourcePattern(type, name, pattern), new AccessControlEntry(who, "*", what, how));
    }

    static ClientQuotaAlteration quota(Map<String, String> entity, String key, double value) {
        return new ClientQuotaAlteration(new ClientQuotaEntity(entity), List.of(new ClientQuotaAlteration.Op(key, value)));
    }

    static void more(Admin admin, String name) throws Exception {
        produce(name, 200);
        commit(admin, "readers", 150);
        commit(admin, name, 7);
    }

    static Properties producer() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("key.serializer", StringSerializer.class.getName());
        settings.put("value.serializer", StringSerializer.class.getName());
        settings.put("compression.type", "lz4");
        return settings;
    }

    static void produce(String name, int count) throws Exception {
        try (KafkaProducer<String, String> writer = new KafkaProducer<>(producer())) {
            for (int number = 0; number < count; number++) {
                writer.send(new ProducerRecord<>(PLAIN, number % 3, "key " + number, name + " " + number + " " + "x".repeat(number % 200)));
            }
        }
    }

    static void commit(Admin admin, String group, long offset) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (int partition = 0; partition < 3; partition++) {
            offsets.put(new TopicPartition(PLAIN, partition), new OffsetAndMetadata(offset + partition, "note " + partition));
        }
        admin.alterConsumerGroupOffsets(group, offsets).all().get(30, TimeUnit.SECONDS);
    }

    static void data(Admin admin) throws Exception {
        for (String topic : List.of(PLAIN, TRANSACTIONAL)) {
            TopicDescription description = admin.describeTopics(List.of(topic)).allTopicNames().get(30, TimeUnit.SECONDS).get(topic);
            System.out.println("topic " + topic + " " + description.topicId() + " " + description.partitions().size());
            for (int partition = 0; partition < description.partitions().size(); partition++) {
                System.out.println("records " + topic + "-" + partition + " " + digest(new TopicPartition(topic, partition)));
            }
        }
        for (String group : new TreeSet<>(List.of("readers", "second"))) {
            new TreeMap<>(collected(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get(30, TimeUnit.SECONDS)))
                .forEach((place, offset) -> System.out.println("offset " + group + " " + place + " " + offset));
        }
    }

    static Map<String, String> collected(Map<TopicPartition, OffsetAndMetadata> offsets) {
        Map<String, String> named = new HashMap<>();
        offsets.forEach((place, offset) -> named.put(place.toString(), offset == null ? "none" : offset.offset() + " " + offset.metadata()));
        return named;
    }

    /** What a reader of committed records sees. */
    static String digest(TopicPartition place) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", StringDeserializer.class.getName());
        settings.put("isolation.level", "read_committed");
        settings.put("auto.offset.reset", "earliest");
        long hash = 7, count = 0;
        try (KafkaConsumer<String, String> reader = new KafkaConsumer<>(settings)) {
            reader.assign(List.of(place));
            reader.seekToBeginning(List.of(place));
            long end = reader.endOffsets(List.of(place)).get(place);
            long limit = System.currentTimeMillis() + 30_000;
            while (reader.position(place) < end && System.currentTimeMillis() < limit) {
                for (ConsumerRecord<String, String> record : reader.poll(java.time.Duration.ofMillis(200))) {
                    hash = hash * 31 + Objects.hash(record.offset(), record.timestamp(), record.key(), record.value());
                    count++;
                }
            }
            return count + " records up to " + end + ", digest " + Long.toHexString(hash);
        }
    }

    static void security(Admin admin) throws Exception {
        TreeSet<String> lines = new TreeSet<>();
        for (AclBinding acl : admin.describeAcls(AclBindingFilter.ANY).values().get(30, TimeUnit.SECONDS)) {
            lines.add("acl " + acl);
        }
        admin.describeUserScramCredentials().all().get(30, TimeUnit.SECONDS)
            .forEach((user, credential) -> lines.add("credential " + user + " " + credential.credentialInfos()));
        admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get(30, TimeUnit.SECONDS)
            .forEach((entity, values) -> lines.add("quota " + entity + " " + new TreeMap<>(values)));
        lines.forEach(System.out::println);
    }
}
