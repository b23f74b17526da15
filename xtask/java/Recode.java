import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.jar.JarFile;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * The reference side of `cargo xtask differential`. Each line of standard input is `name version hex`; each line of
 * standard output is what the reference implementation makes of it: the bytes it writes back and the values it read,
 * or `!` and the exception.
 */
public class Recode {
    public static void main(String[] args) throws Exception {
        Map<String, Class<?>> classes = classes();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        PrintStream out = new PrintStream(new java.io.BufferedOutputStream(System.out, 1 << 16), false, "UTF-8");
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", -1);
            try {
                out.println(recode(classes.get(words[0]), Short.parseShort(words[1]), HexFormat.of().parseHex(words[2])));
            } catch (Exception e) {
                out.println("! " + e.toString().replace('\n', ' '));
            }
        }
        out.flush();
    }

    static String recode(Class<?> cls, short version, byte[] bytes) throws Exception {
        Message message = (Message) cls.getDeclaredConstructor().newInstance();
        ByteBufferAccessor from = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
        message.read(from, version);
        if (from.remaining() != 0) throw new IllegalStateException(from.remaining() + " bytes left");
        ByteBuffer again = MessageUtil.toByteBufferAccessor(message, version).buffer();
        byte[] written = new byte[again.remaining()];
        again.get(written);
        StringBuilder text = new StringBuilder();
        show(text, message);
        return HexFormat.of().formatHex(written) + " " + text;
    }

    /** Simple name, with and without the ending `Data`, of every message class of the jars. */
    static Map<String, Class<?>> classes() throws Exception {
        Map<String, Class<?>> found = new HashMap<>();
        for (String element : System.getProperty("java.class.path").split(File.pathSeparator)) {
            if (!new File(element).getName().startsWith("kafka")) continue;
            try (JarFile jar = new JarFile(element)) {
                for (var entry : (Iterable<java.util.jar.JarEntry>) jar.stream()::iterator) {
                    String name = entry.getName();
                    boolean generated = name.contains("/generated/") || name.contains("common/message/")
                        || name.contains("common/metadata/");
                    if (!generated || !name.endsWith(".class") || name.contains("$")) continue;
                    Class<?> cls = Class.forName(name.replace('/', '.').replaceAll("\\.class$", ""));
                    if (ApiMessage.class.isAssignableFrom(cls) && !Modifier.isAbstract(cls.getModifiers()))
                        found.put(cls.getSimpleName().replaceAll("Data$", ""), cls);
                }
            }
        }
        return found;
    }

    static final Map<Class<?>, Set<String>> KNOWN = new HashMap<>();

    /** The members that stand in the schema of a supported version; a class may keep some of dropped versions. */
    static Set<String> known(Class<?> cls) throws Exception {
        Set<String> names = KNOWN.get(cls);
        if (names != null) return names;
        names = new HashSet<>();
        for (Schema schema : (Schema[]) cls.getField("SCHEMAS").get(null)) {
            if (schema == null) continue;
            for (BoundField field : schema.fields()) {
                names.add(field.def.name.replace("_", ""));
                if (field.def.type instanceof TaggedFields tags)
                    for (var tagged : tags.fields().values()) names.add(tagged.name.replace("_", ""));
            }
        }
        KNOWN.put(cls, names);
        return names;
    }

    /** Members by name in alphabetical order, so that both sides need agree on nothing but names and values. */
    static void show(StringBuilder text, Object value) throws Exception {
        if (value == null || value instanceof Boolean || value instanceof Number) {
            text.append(value);
        } else if (value instanceof String string) {
            text.append('"').append(string).append('"');
        } else if (value instanceof Uuid uuid) {
            text.append(uuid);
        } else if (value instanceof byte[] bytes) {
            text.append('x').append(HexFormat.of().formatHex(bytes));
        } else if (value instanceof ByteBuffer buffer) {
            byte[] bytes = new byte[buffer.remaining()];
            buffer.duplicate().get(bytes);
            show(text, bytes);
        } else if (value instanceof MemoryRecords records) {
            show(text, records.buffer());
        } else if (value instanceof Collection<?> list) {
            text.append('[');
            String comma = "";
            for (Object each : list) {
                text.append(comma);
                show(text, each);
                comma = ",";
            }
            text.append(']');
        } else if (value instanceof Message) {
            TreeMap<String, Field> members = new TreeMap<>();
            for (Field field : value.getClass().getDeclaredFields())
                if (known(value.getClass()).contains(field.getName().toLowerCase()))
                    members.put(field.getName().toLowerCase(), field);
            text.append('{');
            String comma = "";
            for (Map.Entry<String, Field> each : members.entrySet()) {
                each.getValue().setAccessible(true);
                text.append(comma).append(each.getKey()).append('=');
                show(text, each.getValue().get(value));
                comma = ",";
            }
            text.append('}');
        } else {
            throw new IllegalStateException("a value of " + value.getClass());
        }
    }
}
