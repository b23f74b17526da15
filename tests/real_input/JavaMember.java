// A group member: JavaMember HOST:PORT GROUP TOPIC OUT. Writes `got PARTITION OFFSET NUMBER CHECKSUM` for each record and,
// after each commit that the broker has taken, `committed PARTITION OFFSET`. Ends cleanly on SIGTERM.

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public final class JavaMember {
    private static final Map<TopicPartition, OffsetAndMetadata> PLACES = new HashMap<>();
    private static KafkaConsumer<byte[], byte[]> client;
    private static BufferedWriter out;

    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("group.id", args[1]);
        settings.put("group.protocol", "classic");
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor");
        settings.put("session.timeout.ms", "8000");
        settings.put("heartbeat.interval.ms", "1000");
        settings.put("max.poll.records", "2000");
        out = Files.newBufferedWriter(Path.of(args[3]));
        client = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            client.wakeup();
            try {
                main.join(15000);
            } catch (InterruptedException ignored) {
                // the process ends either way
            }
        }));
        client.subscribe(List.of(args[2]), new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
                commit();
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
            }

            @Override
            public void onPartitionsLost(Collection<TopicPartition> lost) {
                PLACES.clear();
            }
        });
        long last = System.nanoTime();
        try {
            while (true) {
                for (ConsumerRecord<byte[], byte[]> found : client.poll(Duration.ofMillis(300))) {
                    got(found);
                }
                if (System.nanoTime() - last > 1_000_000_000L) {
                    commit();
                    last = System.nanoTime();
                }
            }
        } catch (WakeupException leaving) {
            commit();
        }
        client.close();
        out.close();
    }

    private static void got(ConsumerRecord<byte[], byte[]> found) throws IOException {
        CRC32 checksum = new CRC32();
        checksum.update(found.value());
        int blank = 0;
        while (found.value()[blank] != ' ') {
            blank++;
        }
        String number = new String(found.value(), 0, blank);
        out.write("got " + found.partition() + " " + found.offset() + " " + number + " " + checksum.getValue() + "\n");
        PLACES.put(new TopicPartition(found.topic(), found.partition()), new OffsetAndMetadata(found.offset() + 1));
    }

    private static void commit() {
        if (PLACES.isEmpty()) {
            return;
        }
        try {
            out.flush();
            client.commitSync(PLACES);
            for (Map.Entry<TopicPartition, OffsetAndMetadata> place : PLACES.entrySet()) {
                out.write("committed " + place.getKey().partition() + " " + place.getValue().offset() + "\n");
            }
            out.flush();
        } catch (WakeupException leaving) {
            throw leaving;
        } catch (Exception error) {
            System.err.println("commit: " + error);
        }
        PLACES.clear();
    }
}
