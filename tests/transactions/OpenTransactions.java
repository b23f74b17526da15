import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/**
 * Transactions that outlive their broker: {@code OpenTransactions HOST:PORT fill} ends some and leaves two open, {@code list} prints what
 * coordinators and logs know of all, {@code commit NAME ID EPOCH} ends one as the producer that began it, {@code fence NAME} takes one over,
 * {@code read} prints what a reader of committed records and of committed offsets sees.
 */
public final class OpenTransactions {
    static final String TOPIC = "moved";
    static final List<TopicPartition> PLACES = List.of(new TopicPartition(TOPIC, 0), new TopicPartition(TOPIC, 1));
    static final List<String> NAMES = List.of("committed", "aborted", "left-open", "left-for-another");
    static String broker;

    public static void main(String[] arguments) throws Exception {
        broker = arguments[0];
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            switch (arguments[1]) {
                case "fill" -> fill(admin);
                case "list" -> list(admin);
                case "commit" -> commit(arguments[2], Long.parseLong(arguments[3]), Short.parseShort(arguments[4]));
                case "fence" -> fence(arguments[2]);
                case "read" -> read(admin);
                default -> throw new IllegalArgumentException(arguments[1]);
            }
        }
        System.out.println("done - " + arguments[1]);
        System.out.flush();
        // Producers whose transactions stay open are not closed: closing would abort them.
        Runtime.getRuntime().halt(0);
    }

    static KafkaProducer<String, String> producer(String name) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("transactional.id", name);
        settings.put("transaction.timeout.ms", "600000");
        settings.put("key.serializer", StringSerializer.class.getName());
        settings.put("value.serializer", StringSerializer.class.getName());
        return new KafkaProducer<>(settings);
    }

    static void fill(Admin admin) throws Exception {
        admin.createTopics(List.of(new NewTopic(TOPIC, 2, (short) 1))).all().get(30, TimeUnit.SECONDS);
        for (String name : NAMES) {
            KafkaProducer<String, String> producer = producer(name);
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, name);
            switch (name) {
                case "committed" -> producer.commitTransaction();
                case "aborted" -> producer.abortTransaction();
                default -> producer.flush();
            }
        }
    }

    static void send(KafkaProducer<String, String> producer, String name) {
        for (int number = 0; number < 10; number++) {
            producer.send(new ProducerRecord<>(TOPIC, number % 2, name, name + " " + number));
        }
        Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(PLACES.get(0), new OffsetAndMetadata(7, "of " + name));
        producer.sendOffsetsToTransaction(offsets, new ConsumerGroupMetadata("group " + name));
    }

    static void list(Admin admin) throws Exception {
        Map<String, String> states = new TreeMap<>();
        for (TransactionListing one : admin.listTransactions().all().get(30, TimeUnit.SECONDS)) {
            states.put(one.transactionalId(), one.state() + " " + one.producerId());
        }
        for (String name : states.keySet()) {
            TransactionDescription one = admin.describeTransactions(List.of(name)).description(name).get(30, TimeUnit.SECONDS);
            List<String> partitions = new ArrayList<>();
            one.topicPartitions().forEach(place -> partitions.add(place.topic().startsWith("__") ? place.topic() : place.toString()));
            Collections.sort(partitions);
            System.out.println("transaction " + name + " " + one.state() + " " + one.producerId() + " " + one.producerEpoch() + " "
                + one.transactionTimeoutMs() + " " + one.transactionStartTimeMs().isPresent() + " " + partitions);
        }
        for (TopicPartition place : PLACES) {
            DescribeProducersResult.PartitionProducerState state =
                admin.describeProducers(List.of(place)).partitionResult(place).get(30, TimeUnit.SECONDS);
            TreeSet<String> lines = new TreeSet<>();
            for (ProducerState one : state.activeProducers()) {
                lines.add(one.producerId() + " " + one.producerEpoch() + " last " + one.lastSequence() + " open since "
                    + one.currentTransactionStartOffset() + " coordinator " + one.coordinatorEpoch());
            }
            lines.forEach(line -> System.out.println("producer " + place + " " + line));
        }
    }

    /** What a process does that kept its producer's id and epoch over a restart: it ends the transaction that it finds open. */
    static void commit(String name, long id, short epoch) throws Exception {
        KafkaProducer<String, String> producer = producer(name);
        Object manager = field(producer, "transactionManager");
        Class<?> states = Class.forName(manager.getClass().getName() + "$State");
        synchronized (manager) {
            transition(manager, states, "INITIALIZING");
            Class<?> identity = manager.getClass().getDeclaredField("producerIdAndEpoch").getType();
            var constructor = identity.getDeclaredConstructor(long.class, short.class);
            constructor.setAccessible(true);
            set(manager, "producerIdAndEpoch", constructor.newInstance(id, epoch));
            transition(manager, states, "READY");
            transition(manager, states, "IN_TRANSACTION");
            set(manager, "transactionStarted", true);
        }
        producer.commitTransaction();
        System.out.println("committed " + name);
    }

    static void transition(Object manager, Class<?> states, String state) throws Exception {
        for (Method method : manager.getClass().getDeclaredMethods()) {
            if (method.getName().equals("transitionTo") && method.getParameterCount() == 1) {
                method.setAccessible(true);
                for (Object constant : states.getEnumConstants()) {
                    if (constant.toString().equals(state)) {
                        method.invoke(manager, constant);
                    }
                }
            }
        }
    }

    static Object field(Object object, String name) throws Exception {
        Field field = object.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(object);
    }

    static void set(Object object, String name, Object value) throws Exception {
        Field field = object.getClass().getDeclaredField(name);
        field.setAccessible(true);
        field.set(object, value);
    }

    static void fence(String name) {
        KafkaProducer<String, String> producer = producer(name);
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(TOPIC, 0, name, name + " anew"));
        producer.commitTransaction();
        System.out.println("fenced " + name);
    }

    static void read(Admin admin) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", StringDeserializer.class.getName());
        settings.put("isolation.level", "read_committed");
        settings.put("auto.offset.reset", "earliest");
        for (TopicPartition place : PLACES) {
            Map<TopicPartition, OffsetSpec> latest = Map.of(place, OffsetSpec.latest());
            long high = admin.listOffsets(latest).partitionResult(place).get(30, TimeUnit.SECONDS).offset();
            ListOffsetsOptions committed = new ListOffsetsOptions(IsolationLevel.READ_COMMITTED);
            long stable = admin.listOffsets(latest, committed).partitionResult(place).get(30, TimeUnit.SECONDS).offset();
            List<String> values = new ArrayList<>();
            try (KafkaConsumer<String, String> reader = new KafkaConsumer<>(settings)) {
                reader.assign(List.of(place));
                reader.seekToBeginning(List.of(place));
                long limit = System.currentTimeMillis() + 20_000;
                while (reader.position(place) < stable && System.currentTimeMillis() < limit) {
                    reader.poll(Duration.ofMillis(200)).forEach(record -> values.add(record.offset() + "=" + record.value()));
                }
            }
            System.out.println("read " + place + " stable " + stable + " of " + high + " " + values);
        }
        for (String name : NAMES) {
            // What an open transaction has sent is not decided: asked for as unstable offsets are, too.
            Map<TopicPartition, OffsetAndMetadata> offsets = admin.listConsumerGroupOffsets("group " + name)
                .partitionsToOffsetAndMetadata().get(30, TimeUnit.SECONDS);
            OffsetAndMetadata offset = offsets.get(PLACES.get(0));
            System.out.println("offset " + name + " " + (offset == null ? "none" : offset.offset() + " " + offset.metadata()));
        }
    }
}
