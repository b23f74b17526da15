// Confluent's own Java client of registries, as Flink ships it (with Avro, both under Flink's names), and Kafka's producer and consumer:
// `ConfluentJava.java write|read BROKER REGISTRY`. What is written and printed: see run.py.
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.avro.AvroSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import org.apache.flink.avro.shaded.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.avro.shaded.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericData;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumReader;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumWriter;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;
import org.apache.flink.avro.shaded.org.apache.avro.io.DecoderFactory;
import org.apache.flink.avro.shaded.org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class ConfluentJava {
    static final String NAME = "confluent-java";
    static final String TOPIC = "reg-avro";
    static final String SUBJECT = TOPIC + "-value";

    public static void main(String[] arguments) throws Exception {
        var registry = new CachedSchemaRegistryClient(arguments[2], 100);
        JsonNode texts = new ObjectMapper().readTree(Files.readString(Path.of(System.getenv("SCHEMAS"), "orders.json"))).get("avro");
        if (arguments[0].equals("write")) {
            write(arguments[1], registry, texts);
        } else {
            read(arguments[1], registry, new Schema.Parser().parse(texts.get(1).asText()));
        }
    }

    static void write(String broker, CachedSchemaRegistryClient registry, JsonNode texts) throws Exception {
        var bytes = new ByteArraySerializer();
        try (var producer = new KafkaProducer<byte[], byte[]>(Map.of("bootstrap.servers", broker), bytes, bytes)) {
            for (int version = 1; version <= 2; version++) {
                var schema = new Schema.Parser().parse(texts.get(version - 1).asText());
                var parsed = new AvroSchema(schema);
                int id = registry.register(SUBJECT, parsed);
                expect(registry.getId(SUBJECT, parsed) == id, "an id that is looked up");
                expect(registry.getVersion(SUBJECT, parsed) == version, "a version");
                var value = new GenericData.Record(schema);
                value.put("client", NAME);
                value.put("n", version);
                if (version == 2) {
                    value.put("note", "second");
                }
                producer.send(new ProducerRecord<>(TOPIC, encoded(id, schema, value))).get();
                System.out.println("wrote avro " + version + " " + id);
            }
        }
        expect(registry.getLatestSchemaMetadata(SUBJECT).getVersion() == 2, "the latest version");
        expect(registry.getAllSubjects().contains(SUBJECT), "a list of subjects");
        expect(!registry.testCompatibility(SUBJECT, new AvroSchema("\"int\"")), "an incompatible schema");
    }

    static byte[] encoded(int id, Schema schema, GenericRecord value) throws Exception {
        var out = new ByteArrayOutputStream();
        out.write(0);
        out.write(ByteBuffer.allocate(4).putInt(id).array());
        var encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<GenericRecord>(schema).write(value, encoder);
        encoder.flush();
        return out.toByteArray();
    }

    static void read(String broker, CachedSchemaRegistryClient registry, Schema reader) throws Exception {
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<byte[], byte[]>(Map.of("bootstrap.servers", broker), bytes, bytes)) {
            var place = new TopicPartition(TOPIC, 0);
            consumer.assign(List.of(place));
            consumer.seekToBeginning(List.of(place));
            long end = consumer.endOffsets(List.of(place)).get(place);
            while (consumer.position(place) < end) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    var buffer = ByteBuffer.wrap(record.value());
                    expect(buffer.get() == 0, "a magic byte");
                    var writer = ((AvroSchema) registry.getSchemaById(buffer.getInt())).rawSchema();
                    var decoder = DecoderFactory.get().binaryDecoder(record.value(), 5, record.value().length - 5, null);
                    var value = new GenericDatumReader<GenericRecord>(writer, reader).read(null, decoder);
                    System.out.println("read avro " + value.get("client") + " " + value.get("n") + " " + value.get("note"));
                }
            }
        }
    }

    static void expect(boolean so, String what) {
        if (!so) {
            throw new AssertionError(what);
        }
    }
}
