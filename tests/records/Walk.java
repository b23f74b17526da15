import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads a partition from its beginning to its end and steps over what cannot be read, as its client is told to: `HOST:PORT TOPIC`. */
public class Walk {
    public static void main(String[] arguments) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("enable.auto.commit", "false");
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        TopicPartition partition = new TopicPartition(arguments[1], 0);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, bytes, bytes)) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            int quiet = 0;
            while (consumer.position(partition) < end && quiet < 20) {
                try {
                    quiet++;
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                        quiet = 0;
                        System.out.println("walk at " + record.offset() + ": read");
                    }
                } catch (KafkaException refused) {
                    quiet = 0;
                    long at = consumer.position(partition);
                    System.out.println("walk at " + at + ": refused");
                    consumer.seek(partition, at + 1);
                }
            }
            System.out.println("walk to its end: " + (consumer.position(partition) == end));
        }
        System.out.println("done - ");
    }
}
