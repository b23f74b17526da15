import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * {@code Transactions HOST:PORT TOPIC PARTITIONS SECONDS}: Kafka's producer commits one transaction after the other, a record of 100 bytes to
 * each of so many partitions. Prints transactions a second and, in milliseconds, the median and the 99th percentile from begin to commit.
 */
public final class Transactions {
    private static final int WARM_UP = 30;

    public static void main(String[] args) throws Exception {
        int partitions = Integer.parseInt(args[2]);
        long nanos = Long.parseLong(args[3]) * 1_000_000_000L;
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("transactional.id", args[1]);
        settings.put("key.serializer", ByteArraySerializer.class.getName());
        settings.put("value.serializer", ByteArraySerializer.class.getName());
        settings.put("linger.ms", "0");
        byte[] value = new byte[100];
        long[] took = new long[1 << 20];
        int count = 0;
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
            producer.initTransactions();
            long begin = 0;
            for (int round = 0; round < WARM_UP || System.nanoTime() - begin < nanos && count < took.length; round++) {
                if (round == WARM_UP) {
                    begin = System.nanoTime();
                }
                long start = System.nanoTime();
                producer.beginTransaction();
                for (int partition = 0; partition < partitions; partition++) {
                    producer.send(new ProducerRecord<>(args[1], partition, null, value));
                }
                producer.commitTransaction();
                if (round >= WARM_UP) {
                    took[count++] = System.nanoTime() - start;
                }
            }
            double seconds = (System.nanoTime() - begin) / 1e9;
            long[] sorted = Arrays.copyOf(took, count);
            Arrays.sort(sorted);
            System.out.printf(
                "%.1f %.3f %.3f%n",
                count / seconds,
                sorted[count / 2] / 1e6,
                sorted[Math.min(count - 1, count * 99 / 100)] / 1e6);
        }
        System.out.println("done - " + count + " transactions");
    }
}
