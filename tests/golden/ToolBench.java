// Runs Kafka's command-line tools one after another inside one Java process and writes what each printed.
//
// Usage: ToolBench HOST:PORT SCRIPT SCRATCH [NAME=VALUE]...; with -Dours=BINARY that binary answers as the tools of -Dours.scripts=NAME,... The script has one step per line:
//   kafka-topics --create --topic a     a tool; --bootstrap-server is added (tools that need another spelling: see call)
//   kafka-console-producer --topic a << k1:v1|k2:v2    its standard input, lines separated by |
//   @join GROUP TOPIC CLIENT            a classic group member that stays until @leave
//   @leave CLIENT
//   @commit GROUP TOPIC PARTITION OFFSET
//   @file NAME TEXT                     writes SCRATCH/NAME; {scratch} in later steps is that directory, {NAME} the value of an argument
//   # a comment
// A step may begin with [shape] (its numbers are not told), [sorted] (whoever compares sorts its lines), [but WORD] (lines with the
// word are not compared), [json] (whoever compares reads its line of JSON, which is told as it is but for SCRATCH) or
// [settled] (repeated until it does not say that something is still in progress), [until PATTERN] (repeated until its printed lines, joined by
// blanks, have the regular expression in them), [apart] (a tool that ends its process: it gets one) or [for SECONDS] (a tool that does not end by itself: interrupted then). Output: `== STEP`, printed lines, `-- err` and its lines, `-- exit N`; what differs
// from run to run (ids, ports, times, directories, stack traces) is replaced by its name or left out.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.utils.Exit;

public final class ToolBench {
    private static final Map<String, String> TOOLS = new HashMap<>();

    static {
        String tools = "org.apache.kafka.tools.";
        TOOLS.put("kafka-acls", tools + "AclCommand");
        TOOLS.put("kafka-topics", tools + "TopicCommand");
        TOOLS.put("kafka-console-producer", tools + "ConsoleProducer");
        TOOLS.put("kafka-console-consumer", tools + "consumer.ConsoleConsumer");
        TOOLS.put("kafka-consumer-groups", tools + "consumer.group.ConsumerGroupCommand");
        TOOLS.put("kafka-groups", tools + "GroupsCommand");
        TOOLS.put("kafka-configs", "kafka.admin.ConfigCommand");
        TOOLS.put("kafka-get-offsets", tools + "GetOffsetShell");
        TOOLS.put("kafka-delete-records", tools + "DeleteRecordsCommand");
        TOOLS.put("kafka-log-dirs", tools + "LogDirsCommand");
        TOOLS.put("kafka-broker-api-versions", tools + "BrokerApiVersionsCommand");
        TOOLS.put("kafka-metadata-quorum", tools + "MetadataQuorumCommand");
        TOOLS.put("kafka-cluster", tools + "ClusterTool");
        TOOLS.put("kafka-features", tools + "FeatureCommand");
        TOOLS.put("kafka-reassign-partitions", tools + "reassign.ReassignPartitionsCommand");
        TOOLS.put("kafka-leader-election", tools + "LeaderElectionCommand");
        TOOLS.put("kafka-replica-verification", tools + "ReplicaVerificationTool");
        TOOLS.put("kafka-producer-perf-test", tools + "ProducerPerformance");
        TOOLS.put("kafka-consumer-perf-test", tools + "ConsumerPerformance");
        TOOLS.put("kafka-server-start", "kafka.Kafka");
        TOOLS.put("kafka-storage", "kafka.tools.StorageTool");
        TOOLS.put("kafka-dump-log", tools + "DumpLogSegments");
    }

    /** Tools that ask no cluster. */
    private static final Set<String> ALONE = Set.of("kafka-server-start", "kafka-storage", "kafka-dump-log");

    /** Thrown in the place of a tool's exit. */
    private static final class Exited extends Error {
        final int status;

        Exited(int status) {
            super("exit " + status, null, false, false);
            this.status = status;
            if (first < 0) {
                first = status;
            }
        }
    }

    /** Forwards to whatever stream is current; tools and Scala's console keep the first stream they see. */
    private static final class Switch extends OutputStream {
        volatile OutputStream to;

        Switch(OutputStream to) {
            this.to = to;
        }

        @Override
        public void write(int octet) throws java.io.IOException {
            to.write(octet);
        }

        @Override
        public void write(byte[] octets, int from, int length) throws java.io.IOException {
            to.write(octets, from, length);
        }

        @Override
        public void flush() throws java.io.IOException {
            to.flush();
        }
    }

    /** What the step's first exit was called with; some tools catch everything and exit again. */
    private static volatile int first;
    private static final Map<String, Member> MEMBERS = new HashMap<>();
    private static String bootstrap;
    private static Path scratch;
    /** What steps call by name, and what is called so in what they print. */
    private static final Map<String, String> NAMED = new LinkedHashMap<>();

    @SuppressWarnings("removal")
    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        scratch = Path.of(args[2]);
        for (int at = 3; at < args.length; at++) {
            String[] pair = args[at].split("=", 2);
            NAMED.put(pair[0], pair[1]);
        }
        PrintStream report = System.out;
        Switch out = new Switch(System.out);
        Switch err = new Switch(System.err);
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        Exit.setExitProcedure((status, message) -> {
            throw new Exited(status);
        });
        Exit.setHaltProcedure((status, message) -> {
            throw new Exited(status);
        });
        Exit.setShutdownHookAdder((name, runnable) -> { });
        boolean guarded = guardExit();
        for (String line : Files.readAllLines(Path.of(args[1]))) {
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            ByteArrayOutputStream complained = new ByteArrayOutputStream();
            out.to = printed;
            err.to = complained;
            int status = 0;
            long end = System.currentTimeMillis() + 60_000;
            do {
                printed.reset();
                complained.reset();
                first = -1;
                status = step(line);
                status = first >= 0 ? first : status;
                System.out.flush();
                System.err.flush();
            } while (unsettled(line, printed) && System.currentTimeMillis() < end);
            report.println("== " + line);
            section(report, printed, line);
            report.println("-- err");
            section(report, complained, line);
            report.println("-- exit " + status);
            report.flush();
        }
        for (String client : List.copyOf(MEMBERS.keySet())) {
            MEMBERS.remove(client).leave();
        }
        report.println("== done");
        report.flush();
        if (guarded) {
            System.setSecurityManager(null);
        }
        Runtime.getRuntime().halt(0);
    }

    /** Tools that end the process by themselves end their step; false where Java has no means for that any more (they are [apart] then). */
    @SuppressWarnings("removal")
    private static boolean guardExit() {
        try {
            // Beans are looked at by the policy, too.
            java.security.Policy.setPolicy(new java.security.Policy() {
                @Override
                public boolean implies(java.security.ProtectionDomain domain, java.security.Permission permission) {
                    return true;
                }
            });
            System.setSecurityManager(new SecurityManager() {
                @Override
                public void checkPermission(java.security.Permission permission) {
                    // All but the end is allowed.
                }

                @Override
                public void checkExit(int status) {
                    throw new Exited(status);
                }
            });
            return true;
        } catch (UnsupportedOperationException gone) {
            return false;
        }
    }

    /** Whether the step is to be repeated; a short wait if so. */
    private static boolean unsettled(String line, ByteArrayOutputStream printed) throws InterruptedException {
        String text = printed.toString(StandardCharsets.UTF_8);
        String pattern = mark(line, "until ");
        boolean again = pattern != null
            ? !Pattern.compile(pattern).matcher(inOneLine(text)).find()
            : line.startsWith("[settled]") && text.contains("still in progress");
        if (again && pattern != null) {
            Thread.sleep(100);
        }
        return again;
    }

    /** Who is in sync has no order. */
    private static String inOneLine(String text) {
        StringBuilder all = new StringBuilder();
        for (String line : text.split("\n")) {
            all.append(inSyncInOrder(line)).append(' ');
        }
        return all.toString();
    }

    private static String inSyncInOrder(String line) {
        return Pattern.compile("(Isr: )(\\d+(?:,\\d+)+)").matcher(line).replaceAll(found -> {
            String[] ids = found.group(2).split(",");
            java.util.Arrays.sort(ids);
            return found.group(1) + String.join(",", ids);
        });
    }

    /** Nor has a set of voters. */
    private static String votersInOrder(String line) {
        return Pattern.compile("(set of voters \\[)([^\\]]*)").matcher(line).replaceAll(found -> {
            String[] voters = found.group(2).split("(?<=\\)), ");
            java.util.Arrays.sort(voters);
            return found.group(1) + String.join(", ", voters);
        });
    }

    /** What a mark that begins so says, or nothing. */
    private static String mark(String line, String beginning) {
        String rest = line;
        while (rest.startsWith("[")) {
            int end = rest.indexOf("] ");
            String mark = rest.substring(1, end);
            if (mark.startsWith(beginning)) {
                return mark.substring(beginning.length());
            }
            rest = rest.substring(end + 2);
        }
        return null;
    }

    /** A step without its marks. */
    private static String unmarked(String line) {
        String rest = line;
        while (rest.startsWith("[")) {
            rest = rest.substring(rest.indexOf("] ") + 2);
        }
        return rest.trim();
    }

    private static void section(PrintStream report, ByteArrayOutputStream text, String step) {
        boolean shape = mark(step, "shape") != null;
        boolean json = mark(step, "json") != null;
        // How often what does not end says a thing is a matter of time.
        Set<String> once = mark(step, "for ") != null ? new HashSet<>() : null;
        for (String line : text.toString(StandardCharsets.UTF_8).split("\n")) {
            boolean ours = line.matches("exit \\d+|ToolBench.Exited: .*|Error while executing .*: exit \\d+|Error: Executing .* failed due to exit \\d+");
            boolean stack = line.startsWith("\tat ") || line.matches("\t\\.\\.\\. \\d+ more");
            if (!ours && !stack && !line.isBlank()) {
                String told = json && line.startsWith("{") ? line.replace(scratch.toString(), "<scratch>") : told(line);
                told = shape ? told.replaceAll("\\d+(\\.\\d+)?", "N").replaceAll(" +", " ") : told;
                if (once == null || once.add(told)) {
                    report.println(told);
                }
            }
        }
    }

    /** What differs from run to run is replaced by what it is. */
    private static String told(String line) {
        if (line.startsWith("{\"brokers\"")) {
            line = inOrder(line);
        }
        line = votersInOrder(inSyncInOrder(line));
        for (Map.Entry<String, String> named : NAMED.entrySet()) {
            line = line.replace(named.getValue(), "<" + named.getKey() + ">");
        }
        return line.replaceAll("^\\[\\d{4}-\\d\\d-\\d\\d[^\\]]*\\]", "[time]")
            .replaceAll("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>")
            .replaceAll("(TopicId|Cluster ID|ClusterId):( +)[A-Za-z0-9_-]{22}", "$1:$2<id>")
            .replaceAll("perf-consumer-\\d+ *", "perf-consumer-<number> ")
            .replaceAll("adminclient-\\d+", "adminclient-<number>")
            .replaceAll("Local controller \\d+ ", "Local controller <id> ")
            .replaceAll("127\\.0\\.0\\.1:\\d+", "127.0.0.1:<port>")
            .replaceAll("(127\\.0\\.0\\.1 +)\\d{4,5}( |$)", "$1<port>$2")
            .replaceAll("(HighWatermark|MaxFollowerLagTimeMs|Epoch):( +)-?\\d+", "$1:$2<number>")
            .replaceAll("\"logDir\":\"[^\"]*\"", "\"logDir\":<directory>")
            .replaceAll("\"size\":[1-9]\\d*", "\"size\":<bytes>")
            .replaceAll("log\\.dirs=/[^ ,}]*", "log.dirs=<directory>")
            .replaceAll("directory\\.id=[A-Za-z0-9_-]{22}", "directory.id=<id>")
            .replaceAll("(CreateTime|LogAppendTime):( ?)\\d{13}", "$1:$2<time>")
            .replaceAll("crc: \\d+", "crc: <number>")
            .replace(scratch.toString(), "<scratch>");
    }

    /** The partitions of a directory come in the order of a hash map. */
    private static String inOrder(String line) {
        java.util.regex.Matcher found = Pattern.compile("\\{\"partition\":[^}]*\\}").matcher(line);
        java.util.TreeSet<String> sorted = new java.util.TreeSet<>();
        int start = -1;
        int end = -1;
        while (found.find()) {
            start = start < 0 ? found.start() : start;
            end = found.end();
            sorted.add(found.group());
        }
        return start < 0 ? line : line.substring(0, start) + String.join(",", sorted) + line.substring(end);
    }

    private static int step(String line) {
        String rest = unmarked(line);
        String limit = mark(line, "for ");
        String input = "";
        int at = rest.indexOf(" << ");
        if (rest.startsWith("@file ")) {
            return write(rest.split(" ", 3));
        }
        if (at >= 0) {
            input = rest.substring(at + 4).replace('|', '\n') + "\n";
            rest = rest.substring(0, at);
        }
        for (Map.Entry<String, String> named : NAMED.entrySet()) {
            rest = rest.replace("{" + named.getKey() + "}", named.getValue());
        }
        List<String> words = words(rest.replace("{scratch}", scratch.toString()));
        String tool = words.remove(0);
        try {
            if (tool.startsWith("@")) {
                own(tool, words);
                return 0;
            }
            System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
            return call(tool, words, mark(line, "apart") != null, limit == null ? 60 : Integer.parseInt(limit), limit != null);
        } catch (Exited exit) {
            return exit.status;
        } catch (Throwable error) {
            error.printStackTrace();
            return 1;
        }
    }

    private static int call(String tool, List<String> words, boolean apart, int seconds, boolean endless) throws Throwable {
        List<String> all = new ArrayList<>(words);
        if (words.contains("--bootstrap-controller") || ALONE.contains(tool)) {
            // It is told whom to ask, or asks nobody.
        } else if (tool.equals("kafka-metadata-quorum") || tool.equals("kafka-features")) {
            all.add(0, bootstrap);
            all.add(0, "--bootstrap-server");
        } else {
            all.add(tool.equals("kafka-replica-verification") ? "--broker-list" : "--bootstrap-server");
            all.add(bootstrap);
        }
        String binary = System.getProperty("ours");
        if (binary != null && List.of(System.getProperty("ours.scripts").split(",")).contains(tool)) {
            return callProcess(List.of(binary, tool), all, seconds);
        }
        if (apart) {
            return callProcess(
                List.of("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", System.getProperty("java.class.path"), TOOLS.get(tool)), all, seconds);
        }
        Class<?> main = Class.forName(TOOLS.get(tool));
        // A tool that hangs must not hang the rest: it gets a thread and a limit.
        Throwable[] thrown = new Throwable[1];
        Thread thread = new Thread(() -> {
            try {
                main.getMethod("main", String[].class).invoke(null, (Object) all.toArray(new String[0]));
            } catch (InvocationTargetException error) {
                thrown[0] = error.getCause();
            } catch (Throwable error) {
                thrown[0] = error;
            }
        }, tool);
        thread.setDaemon(true);
        thread.start();
        thread.join(seconds * 1_000L);
        if (thread.isAlive() && endless) {
            thread.interrupt();
            return 0;
        }
        if (thread.isAlive()) {
            System.out.println("TIMED OUT after 60 s");
            thread.interrupt();
            return 124;
        }
        if (thrown[0] instanceof Exited) {
            return ((Exited) thrown[0]).status;
        }
        if (thrown[0] != null) {
            throw thrown[0];
        }
        return 0;
    }

    /** A program that answers as the tool, with the step's input. */
    private static int callProcess(List<String> program, List<String> words, int seconds) throws Exception {
        List<String> command = new ArrayList<>(program);
        command.addAll(words);
        Path printed = scratch.resolve("ours.out");
        Path complained = scratch.resolve("ours.err");
        Path input = scratch.resolve("ours.in");
        Files.write(input, System.in.readAllBytes());
        Process process = new ProcessBuilder(command)
            .redirectInput(input.toFile())
            .redirectOutput(printed.toFile())
            .redirectError(complained.toFile())
            .start();
        boolean ended = process.waitFor(seconds, java.util.concurrent.TimeUnit.SECONDS);
        if (!ended) {
            process.destroyForcibly().waitFor();
        }
        System.out.write(Files.readAllBytes(printed));
        System.err.write(Files.readAllBytes(complained));
        return ended ? process.exitValue() : 124;
    }

    /** Splits at blanks; double quotes keep blanks. */
    private static List<String> words(String line) {
        List<String> words = new ArrayList<>();
        StringBuilder word = new StringBuilder();
        boolean quoted = false;
        boolean any = false;
        for (char character : line.toCharArray()) {
            if (character == '"') {
                quoted = !quoted;
                any = true;
            } else if (character == ' ' && !quoted) {
                if (any) {
                    words.add(word.toString());
                }
                word.setLength(0);
                any = false;
            } else {
                word.append(character);
                any = true;
            }
        }
        if (any) {
            words.add(word.toString());
        }
        return words;
    }

    private static int write(String[] words) {
        try {
            String text = words[2].replace('|', '\n').replace("{scratch}", scratch.toString());
            Files.writeString(scratch.resolve(words[1]), text + "\n");
            return 0;
        } catch (java.io.IOException error) {
            error.printStackTrace();
            return 1;
        }
    }

    private static void own(String verb, List<String> words) throws Exception {
        switch (verb) {
            case "@join" -> MEMBERS.put(words.get(2), new Member(words.get(0), words.get(1), words.get(2)));
            case "@leave" -> MEMBERS.remove(words.get(0)).leave();
            case "@commit" -> commit(words);
            default -> throw new IllegalArgumentException(verb);
        }
    }

    private static KafkaConsumer<String, String> consumer(String group, String client) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", group);
        settings.put("client.id", client);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("heartbeat.interval.ms", "300");
        settings.put("session.timeout.ms", "6000");
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private static void commit(List<String> words) {
        try (KafkaConsumer<String, String> client = consumer(words.get(0), "committer")) {
            TopicPartition partition = new TopicPartition(words.get(1), Integer.parseInt(words.get(2)));
            client.assign(List.of(partition));
            client.commitSync(Map.of(partition, new OffsetAndMetadata(Long.parseLong(words.get(3)))));
        }
    }

    /** A group member on a thread of its own; the constructor returns once it owns something. */
    private static final class Member extends Thread {
        private final KafkaConsumer<String, String> client;
        private volatile boolean leaving;
        private volatile boolean owns;

        Member(String group, String topic, String name) throws InterruptedException {
            client = consumer(group, name);
            client.subscribe(List.of(topic));
            setDaemon(true);
            start();
            for (int tries = 0; tries < 600 && !owns; tries++) {
                Thread.sleep(50);
            }
            if (!owns) {
                throw new IllegalStateException("no partition for " + name + " within 30 s");
            }
        }

        @Override
        public void run() {
            while (!leaving) {
                client.poll(Duration.ofMillis(100));
                owns = !client.assignment().isEmpty();
            }
            client.close();
        }

        void leave() throws InterruptedException {
            leaving = true;
            join(20_000);
        }
    }
}
