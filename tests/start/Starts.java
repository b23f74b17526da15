import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.common.utils.internals.Exit;

/**
 * Starts Apache Kafka on each properties file, in one process, and says what became of it:
 * {@code NAME: starts} or {@code NAME: refuses CAUSES}. The first argument is a formatted directory; each node gets a copy.
 */
public class Starts {
    /** Kafka's way out of a start that failed. */
    static class Ended extends RuntimeException {
        Ended(String how) {
            super(how);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Exit.setExitProcedure((code, message) -> { throw new Ended("exit " + code + " " + message); });
        Exit.setHaltProcedure((code, message) -> { throw new Ended("halt " + code + " " + message); });
        Path formatted = Path.of(arguments[0]);
        for (String file : List.of(arguments).subList(1, arguments.length)) {
            String name = Path.of(file).getParent().getFileName().toString();
            System.out.println(name + ": " + start(formatted, file));
        }
        System.out.println("done - all");
        System.out.flush();
        // Threads of nodes that failed half-way are still there.
        Runtime.getRuntime().halt(0);
    }

    static String start(Path formatted, String file) {
        kafka.server.Server server = null;
        try {
            Properties properties = kafka.Kafka.getPropsFromArgs(new String[] {file});
            copy(formatted, Path.of(file).resolveSibling("data"));
            var build = kafka.Kafka$.class.getDeclaredMethod("buildServer", Properties.class);
            build.setAccessible(true);
            server = (kafka.server.Server) build.invoke(kafka.Kafka$.MODULE$, properties);
            server.startup();
            return "starts";
        } catch (Throwable failure) {
            StringBuilder said = new StringBuilder("refuses");
            for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
                if (!(cause instanceof InvocationTargetException)) {
                    String message = String.valueOf(cause.getMessage()).replace('\n', ' ');
                    said.append(" ").append(cause.getClass().getSimpleName()).append(": ").append(message);
                }
            }
            return said.toString();
        } finally {
            if (server != null) {
                try {
                    server.shutdown();
                } catch (Throwable ignored) {
                    // It never ran.
                }
            }
        }
    }

    static void copy(Path from, Path to) throws Exception {
        try (var all = Files.walk(from)) {
            for (Path path : (Iterable<Path>) all::iterator) {
                Path target = to.resolve(from.relativize(path));
                if (Files.isDirectory(path)) {
                    Files.createDirectories(target);
                } else {
                    Files.copy(path, target);
                }
            }
        }
    }
}
