// Several log directories as administrators and clients see them, step by step, printed so that two brokers can be compared.
//
// Usage: JBOD HOST:PORT BASE STEP... A step is one argument, its words separated by blanks; BASE is the directory in which the log
// directories lie (their names in steps and in what is printed are relative to it):
//   create TOPIC PARTITIONS [KEY=VALUE...]    makes a topic
//   delete TOPIC                              and deletes it
//   produce TOPIC PARTITION FROM TO           values FROM..TO, acks=all, one after the other; prints how many were acknowledged
//   purge TOPIC PARTITION OFFSET              DeleteRecords
//   read TOPIC PARTITION                      all values from the beginning: first offset, count, whether they follow each other
//   dirs [TOPIC]                              DescribeLogDirs: errors, cordoned, room told or not, partitions with lag and future
//   spread TOPIC                              how many partitions each directory has, sorted by number
//   where TOPIC PARTITION                     its directory
//   move TOPIC PARTITION DIRECTORY            AlterReplicaLogDirs, and its error
//   settle TOPIC PARTITION DIRECTORY          waits until the replica is there and nothing is on its way
//   future TOPIC PARTITION                    waits until the move is seen
//   leader TOPIC PARTITION                    who leads, -1 for nobody
//   leaderless TOPIC PARTITION                waits until nobody does
//   config KEY=VALUE                          a dynamic value of broker 1, @NAME for a path; KEY= deletes it
//   cordons [NAME,...]                        waits until these are cordoned and no others
//   refused TOPIC                             waits until the topic cannot be made, and why
// Output: `STEP: ANSWER` lines, at the end `done - N steps`.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ReplicaInfo;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Jbod {
    private static final long PATIENCE_MS = 60_000;
    private final String address;
    private final String base;
    private final Admin admin;

    private Jbod(String address, String base) {
        this.address = address;
        this.base = base;
        this.admin = Admin.create(properties());
    }

    public static void main(String[] arguments) throws Exception {
        Jbod jbod = new Jbod(arguments[0], arguments[1]);
        for (int at = 2; at < arguments.length; at++) {
            String answer;
            try {
                answer = jbod.step(arguments[at].split(" "));
            } catch (ExecutionException error) {
                answer = error.getCause().getClass().getSimpleName() + ": " + jbod.plain(String.valueOf(error.getCause().getMessage()));
            }
            for (String line : answer.split("\n")) {
                System.out.println(arguments[at] + ": " + line);
            }
        }
        System.out.println("done - " + (arguments.length - 2) + " steps");
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private Properties properties() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", address);
        properties.put("request.timeout.ms", "20000");
        properties.put("default.api.timeout.ms", "40000");
        return properties;
    }

    private String step(String[] words) throws Exception {
        String topic = words.length > 1 ? words[1] : "";
        int partition = words.length > 2 && words[2].matches("\\d+") ? Integer.parseInt(words[2]) : 0;
        TopicPartition where = new TopicPartition(topic, partition);
        switch (words[0]) {
            case "create": return create(topic, partition, words);
            case "delete": admin.deleteTopics(List.of(topic)).all().get(); return "deleted";
            case "produce": return produce(where, Long.parseLong(words[3]), Long.parseLong(words[4]));
            case "purge": {
                Map<TopicPartition, RecordsToDelete> upto = Map.of(where, RecordsToDelete.beforeOffset(Long.parseLong(words[3])));
                return "begins at " + admin.deleteRecords(upto).lowWatermarks().get(where).get().lowWatermark();
            }
            case "read": return read(where);
            case "dirs": return dirs(topic);
            case "spread": return spread(topic);
            case "where": return String.valueOf(directoryOf(where, false));
            case "move": {
                TopicPartitionReplica replica = new TopicPartitionReplica(topic, partition, 1);
                admin.alterReplicaLogDirs(Map.of(replica, path(words[3]))).all().get();
                return "accepted";
            }
            case "settle":
                await(() -> words[3].equals(directoryOf(where, false)) && directoryOf(where, true) == null, String.join(" ", words));
                return "is there";
            case "future":
                await(() -> directoryOf(where, true) != null, "no move is seen");
                return directoryOf(where, true);
            case "leader": {
                Node leader = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().get(partition).leader();
                return leader == null || leader.isEmpty() ? "nobody" : leader.idString();
            }
            case "leaderless":
                await(() -> nobodyLeads(where), "somebody still leads");
                return "nobody leads";
            case "config": return config(words[1]);
            case "cordons":
                await(() -> cordoned().equals(topic), String.join(" ", words));
                return "so it is";
            case "refused": return refused(topic);
            default: throw new IllegalArgumentException(words[0]);
        }
    }

    private boolean nobodyLeads(TopicPartition where) {
        try {
            Node leader = admin.describeTopics(List.of(where.topic())).allTopicNames().get().get(where.topic()).partitions()
                .get(where.partition()).leader();
            return leader == null || leader.isEmpty();
        } catch (ExecutionException | InterruptedException error) {
            return false;
        }
    }

    private String cordoned() {
        List<String> names = new ArrayList<>();
        described().forEach((path, description) -> {
            if (description.isCordoned()) {
                names.add(plain(path));
            }
        });
        return String.join(",", names);
    }

    private String refused(String topic) throws Exception {
        for (int attempt = 0; attempt < 200; attempt++) {
            try {
                admin.createTopics(List.of(new NewTopic(topic + "-" + attempt, 1, (short) 1))).all().get();
            } catch (ExecutionException error) {
                return error.getCause().getClass().getSimpleName() + ": " + error.getCause().getMessage();
            }
            Thread.sleep(50);
        }
        return "never";
    }

    private String path(String name) {
        return name.startsWith("/") ? name : base + "/" + name;
    }

    private String plain(String text) {
        return text.replace(base + "/", "");
    }

    private static void await(BooleanSupplier done, String what) throws InterruptedException {
        long end = System.currentTimeMillis() + PATIENCE_MS;
        while (!done.getAsBoolean()) {
            if (System.currentTimeMillis() > end) {
                throw new IllegalStateException("waited in vain: " + what);
            }
            Thread.sleep(50);
        }
    }

    private String create(String topic, int partitions, String[] words) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (int at = 3; at < words.length; at++) {
            String[] pair = words[at].split("=", 2);
            configs.put(pair[0], pair[1]);
        }
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
        // Both brokers answer before every replica is seen.
        await(() -> described().values().stream().flatMap(one -> one.replicaInfos().keySet().stream())
            .filter(where -> where.topic().equals(topic)).distinct().count() == partitions, "no replicas of " + topic);
        return "created";
    }

    private String produce(TopicPartition where, long from, long to) throws Exception {
        Properties properties = properties();
        properties.put("acks", "all");
        properties.put("linger.ms", "0");
        properties.put("max.block.ms", "8000");
        properties.put("delivery.timeout.ms", "8000");
        properties.put("request.timeout.ms", "5000");
        byte[] filler = new byte[900];
        java.util.Arrays.fill(filler, (byte) 'x');
        long acknowledged = 0;
        String error = "";
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (long value = from; value < to; value++) {
                byte[] key = String.valueOf(value).getBytes(StandardCharsets.UTF_8);
                sent.add(producer.send(new ProducerRecord<>(where.topic(), where.partition(), key, filler)));
            }
            producer.flush();
            for (Future<RecordMetadata> one : sent) {
                try {
                    one.get();
                    acknowledged++;
                } catch (ExecutionException refused) {
                    error = ", refused";
                }
            }
        }
        return acknowledged + " acknowledged" + error;
    }

    private String read(TopicPartition where) {
        Properties properties = properties();
        properties.put("auto.offset.reset", "none");
        properties.put("isolation.level", "read_uncommitted");
        long count = 0;
        long first = -1;
        long last = -1;
        boolean follow = true;
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(where));
            consumer.seekToBeginning(List.of(where));
            long begin = consumer.beginningOffsets(List.of(where)).get(where);
            long end = consumer.endOffsets(List.of(where)).get(where);
            long deadline = System.currentTimeMillis() + PATIENCE_MS;
            while (consumer.position(where) < end && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200)).records(where)) {
                    long value = Long.parseLong(new String(record.key(), StandardCharsets.UTF_8));
                    first = count == 0 ? value : first;
                    follow &= count == 0 || value == last + 1;
                    last = value;
                    count++;
                }
            }
            return "from " + begin + " to " + end + ": " + count + " records, " + first + " to " + last + (follow ? " in order" : " with holes");
        }
    }

    private Map<String, LogDirDescription> described() {
        try {
            return new TreeMap<>(admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1));
        } catch (ExecutionException | InterruptedException error) {
            return Map.of();
        }
    }

    private String directoryOf(TopicPartition where, boolean future) {
        for (Map.Entry<String, LogDirDescription> directory : described().entrySet()) {
            ReplicaInfo info = directory.getValue().replicaInfos().get(where);
            if (info != null && info.isFuture() == future) {
                return plain(directory.getKey());
            }
        }
        return null;
    }

    private String dirs(String topic) {
        StringBuilder lines = new StringBuilder();
        for (Map.Entry<String, LogDirDescription> directory : described().entrySet()) {
            LogDirDescription description = directory.getValue();
            lines.append(plain(directory.getKey()));
            if (description.error() != null) {
                lines.append(" ").append(description.error().getClass().getSimpleName());
            }
            lines.append(description.isCordoned() ? " cordoned" : "");
            lines.append(description.totalBytes().isPresent() ? " total" : "").append(description.usableBytes().isPresent() ? " usable" : "");
            Map<String, String> partitions = new TreeMap<>();
            description.replicaInfos().forEach((where, info) -> {
                if (where.topic().equals(topic)) {
                    partitions.put(where.toString(), " size " + (info.size() > 0 ? "some" : "0") + " lag " + info.offsetLag() + (info.isFuture() ? " future" : ""));
                }
            });
            lines.append(topic.isEmpty() ? "" : " " + partitions).append("\n");
        }
        return lines.toString();
    }

    private String spread(String topic) {
        List<Long> counts = new ArrayList<>();
        for (LogDirDescription description : described().values()) {
            counts.add(description.replicaInfos().keySet().stream().filter(where -> where.topic().equals(topic)).count());
        }
        Collections.sort(counts);
        return counts.toString();
    }

    private String config(String pair) throws Exception {
        String[] parts = pair.split("=", 2);
        AlterConfigOp.OpType operation = parts[1].isEmpty() ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET;
        String value = parts[1].replace("@", base + "/");
        AlterConfigOp change = new AlterConfigOp(new ConfigEntry(parts[0], value), operation);
        Map<ConfigResource, Collection<AlterConfigOp>> changes = Map.of(new ConfigResource(ConfigResource.Type.BROKER, "1"), List.of(change));
        admin.incrementalAlterConfigs(changes).all().get();
        return "accepted";
    }
}
