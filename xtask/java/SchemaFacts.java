import java.io.File;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.stream.Collectors;

import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.ArrayOf;
import org.apache.kafka.common.protocol.types.NullableSchema;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;

/**
 * Reads the message classes of the reference jars on the class path by reflection and writes them down in our schema
 * notation (grammar: crates/wire/schema/README.md), and the error codes one per line. Run by `cargo xtask schema-facts`; also the proof that the notation
 * says what the reference implementation does.
 *
 * Arguments: the directory to write to.
 */
public class SchemaFacts {
    static final String NULL = "null";

    /** How one field stands in one version. tag is -1 outside the tagged section. */
    record Place(String type, boolean nullable, int tag, boolean rigid) {}

    record FieldFacts(String name, Field java, Class<?> struct, TreeMap<Integer, Place> places, Object fallback) {}

    public static void main(String[] args) throws Exception {
        Path out = Path.of(args[0]);
        Files.createDirectories(out);
        Map<String, Class<?>> classes = messageClasses();

        for (ApiKeys key : ApiKeys.values()) {
            if (!key.hasValidVersion()) continue;
            String name = key.messageType.name;
            StringBuilder text = new StringBuilder();
            text.append("api ").append(key.id).append(' ').append(name);
            String listeners = key.messageType.listeners().stream().map(l -> l.name().toLowerCase())
                .sorted().collect(Collectors.joining(" "));
            text.append(listeners.isEmpty() ? "" : " on " + listeners);
            text.append(key.forwardable ? " forwardable" : "").append(key.clusterAction ? " cluster-action" : "");
            if (key.latestVersion(true) != key.latestVersion(false) || key.latestVersion(false) < key.oldestVersion())
                text.append(" stable ").append(key.latestVersion(false));
            text.append("\n\n");
            text.append(message("request", name + "Request", classes.remove(name + "RequestData")));
            text.append('\n');
            text.append(message("response", name + "Response", classes.remove(name + "ResponseData")));
            Files.writeString(out.resolve(snake(key.name) + ".msg"), text);
        }
        for (String header : List.of("RequestHeaderData", "ResponseHeaderData")) classes.remove(header);

        Map<String, List<String>> rooms = new LinkedHashMap<>();
        typed(rooms, "metadata", "record", classes, "org.apache.kafka.common.metadata.MetadataRecordType", "");
        typed(rooms, "group", "", classes, "org.apache.kafka.coordinator.group.generated.CoordinatorRecordType", "Key");
        typed(rooms, "transaction", "", classes,
            "org.apache.kafka.coordinator.transaction.generated.CoordinatorRecordType", "Key");
        typed(rooms, "share", "", classes, "org.apache.kafka.coordinator.share.generated.CoordinatorRecordType", "Key");
        for (Map.Entry<String, Class<?>> left : classes.entrySet()) {
            Class<?> cls = left.getValue();
            String name = left.getKey().replaceAll("Data$", "");
            String pkg = cls.getName();
            String room = pkg.contains(".raft.") ? "raft" : pkg.contains(".server.log.remote") ? "remote"
                : name.startsWith("ConsumerProtocol") || name.startsWith("DefaultPrincipal") ? "client" : "raft";
            if (List.of("ProducerSnapshot", "EndTxnMarker", "AbortedTxn", "ControlRecordTypeSchema").contains(name)) room = "log";
            rooms.computeIfAbsent(room, r -> new ArrayList<>()).add(message("message", name, cls));
        }
        StringBuilder codes = new StringBuilder();
        for (Errors error : Errors.values())
            codes.append(error.code()).append(' ').append(error.name()).append(' ')
                .append(error.exception() instanceof RetriableException).append(' ')
                .append(error.message()).append('\n');
        Files.writeString(out.resolve("error_codes.txt"), codes);
        for (Map.Entry<String, List<String>> room : rooms.entrySet()) {
            Files.createDirectories(out.resolve("records"));
            String text = String.join("\n", room.getValue());
            Files.writeString(out.resolve("records").resolve(room.getKey() + ".msg"), text);
        }
    }

    /** Every concrete message class of the jars, by simple name. */
    static Map<String, Class<?>> messageClasses() throws Exception {
        Map<String, Class<?>> found = new TreeMap<>();
        for (String element : System.getProperty("java.class.path").split(File.pathSeparator)) {
            if (!new File(element).getName().startsWith("kafka")) continue;
            try (JarFile jar = new JarFile(element)) {
                for (var entry : (Iterable<java.util.jar.JarEntry>) jar.stream()::iterator) {
                    String name = entry.getName();
                    boolean generated = name.contains("/generated/") || name.contains("common/message/")
                        || name.contains("common/metadata/");
                    if (!generated || !name.endsWith(".class") || name.contains("$")) continue;
                    Class<?> cls = Class.forName(name.replace('/', '.').replaceAll("\\.class$", ""));
                    if (!ApiMessage.class.isAssignableFrom(cls) || Modifier.isAbstract(cls.getModifiers())) continue;
                    if (found.put(cls.getSimpleName(), cls) != null) throw new IllegalStateException("twice: " + name);
                }
            }
        }
        return found;
    }

    /** The record types of one log, in the order of their ids: the persisted `record`, or `key` and `value`. */
    static void typed(Map<String, List<String>> rooms, String room, String word, Map<String, Class<?>> classes,
                      String enumName, String suffix) throws Exception {
        List<String> texts = rooms.computeIfAbsent(room, r -> new ArrayList<>());
        TreeMap<Integer, Object> types = new TreeMap<>();
        Class<?> type = Class.forName(enumName);
        for (Object each : type.getEnumConstants())
            types.put(((Number) type.getMethod(suffix.isEmpty() ? "id" : "id").invoke(each)).intValue(), each);
        for (Map.Entry<Integer, Object> each : types.entrySet()) {
            if (suffix.isEmpty()) {
                Method fresh = type.getMethod("newMetadataRecord");
                fresh.setAccessible(true);
                Class<?> cls = fresh.invoke(each.getValue()).getClass();
                texts.add(message(word + " " + each.getKey(), cls.getSimpleName(), classes.remove(cls.getSimpleName())));
            } else {
                Class<?> key = type.getMethod("newRecordKey").invoke(each.getValue()).getClass();
                Class<?> value = type.getMethod("newRecordValue").invoke(each.getValue()).getClass();
                texts.add(message("key " + each.getKey(), key.getSimpleName(), classes.remove(key.getSimpleName())));
                texts.add(message("value " + each.getKey(), value.getSimpleName(), classes.remove(value.getSimpleName())));
            }
        }
    }

    static String message(String word, String name, Class<?> cls) throws Exception {
        Schema[] schemas = (Schema[]) cls.getField("SCHEMAS").get(null);
        int low = cls.getField("LOWEST_SUPPORTED_VERSION").getShort(null);
        int high = cls.getField("HIGHEST_SUPPORTED_VERSION").getShort(null);
        TreeMap<Integer, Schema> versions = new TreeMap<>();
        for (int v = low; v <= high; v++) versions.put(v, schemas[v]);
        int flexible = Integer.MAX_VALUE;
        for (int v = high; v >= low; v--) if (tagged(schemas[v]) != null) flexible = v;
        StringBuilder text = new StringBuilder();
        text.append(word).append(' ').append(name).append(' ').append(low == high ? "" + low : low + "-" + high);
        text.append(flexible == Integer.MAX_VALUE ? " rigid" : flexible <= low ? "" : " flexible " + flexible + "+");
        text.append('\n');
        fields(text, "  ", cls, versions, high, flexible, new TreeMap<>());
        return text.toString();
    }

    static TaggedFields tagged(Schema schema) {
        for (BoundField field : schema.fields())
            if (field.def.type instanceof TaggedFields tags) return tags;
        return null;
    }

    static void fields(StringBuilder text, String indent, Class<?> cls, TreeMap<Integer, Schema> versions, int high,
                       int flexible, Map<String, String> seen) throws Exception {
        for (FieldFacts field : collect(cls, versions, flexible)) {
            text.append(indent).append(line(field, versions, high)).append('\n');
            if (field.struct == null) continue;
            TreeMap<Integer, Schema> inner = new TreeMap<>();
            for (Map.Entry<Integer, Schema> each : versions.entrySet()) {
                Schema schema = structOf(each.getValue(), field.name);
                if (schema != null) inner.put(each.getKey(), schema);
            }
            String shape = collect(field.struct, inner, flexible).stream().map(f -> line(f, inner, high))
                .collect(Collectors.joining("\n"));
            String earlier = seen.putIfAbsent(field.struct.getSimpleName(), shape);
            if (earlier == null) fields(text, indent + "  ", field.struct, inner, high, flexible, seen);
            else if (!earlier.equals(shape)) throw new IllegalStateException(field.struct + ":\n" + earlier + "\n" + shape);
        }
    }

    static Schema structOf(Schema schema, String name) {
        for (BoundField field : schema.fields())
            if (field.def.name.equals(name)) return unwrap(field.def.type);
        TaggedFields tags = tagged(schema);
        if (tags != null)
            for (var field : tags.fields().values())
                if (field.name.equals(name)) return unwrap(field.type);
        return null;
    }

    static Schema unwrap(org.apache.kafka.common.protocol.types.Type type) {
        if (type.isArray()) return unwrap(type.arrayElementType().get());
        return type instanceof Schema schema ? schema : null;
    }

    static List<FieldFacts> collect(Class<?> cls, TreeMap<Integer, Schema> versions, int flexible) throws Exception {
        Object fresh = cls.getDeclaredConstructor().newInstance();
        Map<String, FieldFacts> facts = new LinkedHashMap<>();
        List<String> order = new ArrayList<>();
        for (Field java : cls.getDeclaredFields()) {
            if (Modifier.isStatic(java.getModifiers()) || java.getName().startsWith("_")) continue;
            java.setAccessible(true);
            FieldFacts field = new FieldFacts(java.getName(), java, structClass(java.getGenericType()), new TreeMap<>(),
                java.get(fresh));
            facts.put(key(java.getName()), field);
            order.add(key(java.getName()));
        }
        Map<String, String> names = new TreeMap<>();
        for (Map.Entry<Integer, Schema> each : versions.entrySet()) {
            int at = -1;
            for (BoundField field : each.getValue().fields()) {
                if (field.def.type instanceof TaggedFields tags) {
                    for (Map.Entry<Integer, org.apache.kafka.common.protocol.types.Field> tag : tags.fields().entrySet())
                        put(facts, names, tag.getValue(), each.getKey(), tag.getKey(), flexible);
                    continue;
                }
                put(facts, names, field.def, each.getKey(), -1, flexible);
                int position = order.indexOf(key(field.def.name));
                if (position <= at) throw new IllegalStateException("order of " + cls + "." + field.def.name);
                at = position;
            }
        }
        List<FieldFacts> list = new ArrayList<>();
        for (Map.Entry<String, FieldFacts> each : facts.entrySet()) {
            FieldFacts field = each.getValue();
            if (field.places.isEmpty()) continue;
            list.add(new FieldFacts(names.get(each.getKey()), field.java, field.struct, field.places, field.fallback));
        }
        list.sort(Comparator.comparingInt(f -> f.places.lastEntry().getValue().tag));
        return list;
    }

    static void put(Map<String, FieldFacts> facts, Map<String, String> names,
                    org.apache.kafka.common.protocol.types.Field field, int version, int tag, int flexible) {
        FieldFacts found = facts.get(key(field.name));
        if (found == null) throw new IllegalStateException("no member for " + field.name);
        String kind = kind(field.type, found.struct);
        boolean rigid = version >= flexible && !compact(field.type);
        found.places.put(version, new Place(kind, field.type.isNullable() || field.type instanceof NullableSchema, tag, rigid));
        names.put(key(field.name), field.name);
    }

    /** Types that have a compact twin: found in a flexible version, they stand out. */
    static final List<String> LEGACY_WORDS = List.of("ARRAY", "STRING", "NULLABLE_STRING", "BYTES", "NULLABLE_BYTES",
        "RECORDS", "NULLABLE_RECORDS");

    static boolean compact(org.apache.kafka.common.protocol.types.Type type) {
        String name = type.getClass() == ArrayOf.class ? "ARRAY" : type.toString();
        return !LEGACY_WORDS.contains(name);
    }

    static String kind(org.apache.kafka.common.protocol.types.Type type, Class<?> struct) {
        if (type.isArray()) return "[" + kind(type.arrayElementType().get(), struct) + "]";
        if (type instanceof Schema) return struct.getSimpleName();
        return switch (type.toString()) {
            case "BOOLEAN" -> "bool";
            case "INT8" -> "i8";
            case "INT16" -> "i16";
            case "UINT16" -> "u16";
            case "INT32" -> "i32";
            case "UINT32" -> "u32";
            case "INT64" -> "i64";
            case "FLOAT64" -> "f64";
            case "UUID" -> "uuid";
            case "STRING", "COMPACT_STRING", "NULLABLE_STRING", "COMPACT_NULLABLE_STRING" -> "string";
            case "BYTES", "COMPACT_BYTES", "NULLABLE_BYTES", "COMPACT_NULLABLE_BYTES" -> "bytes";
            case "RECORDS", "COMPACT_RECORDS", "NULLABLE_RECORDS", "COMPACT_NULLABLE_RECORDS" -> "records";
            default -> throw new IllegalStateException("type " + type + " " + type.getClass());
        };
    }

    /** The message class behind a member: itself, the element of a list, or the element of a keyed collection. */
    static Class<?> structClass(Type type) {
        if (type instanceof ParameterizedType list) return structClass(list.getActualTypeArguments()[0]);
        Class<?> cls = (Class<?>) type;
        if (Collection.class.isAssignableFrom(cls) && cls.getGenericSuperclass() instanceof ParameterizedType)
            return structClass(cls.getGenericSuperclass());
        return org.apache.kafka.common.protocol.Message.class.isAssignableFrom(cls) ? cls : null;
    }

    static String line(FieldFacts field, TreeMap<Integer, Schema> versions, int high) {
        TreeSet<String> types = field.places.values().stream().map(Place::type).collect(Collectors.toCollection(TreeSet::new));
        if (types.size() != 1) throw new IllegalStateException("type of " + field.name + " varies: " + types);
        String type = types.first();
        TreeSet<Integer> present = new TreeSet<>(field.places.keySet());
        TreeSet<Integer> nullable = where(field, Place::nullable);
        TreeSet<Integer> tagged = where(field, p -> p.tag >= 0);
        TreeSet<Integer> rigid = where(field, Place::rigid);
        StringBuilder text = new StringBuilder(field.name).append(' ').append(type);
        boolean always = nullable.equals(present);
        if (always) text.append('?');
        if (!present.equals(new TreeSet<>(versions.keySet()))) text.append(' ').append(range(present, high));
        if (!always && !nullable.isEmpty()) text.append(" null ").append(range(nullable, high));
        if (!tagged.isEmpty()) {
            text.append(" tag ").append(field.places.lastEntry().getValue().tag);
            if (!tagged.equals(present)) text.append(" from ").append(tagged.first());
        }
        if (!rigid.isEmpty()) text.append(" rigid");
        String fallback = fallback(field, type);
        if (!fallback.isEmpty()) text.append(" = ").append(fallback);
        return text.toString();
    }

    static TreeSet<Integer> where(FieldFacts field, java.util.function.Predicate<Place> test) {
        return field.places.entrySet().stream().filter(e -> test.test(e.getValue())).map(Map.Entry::getKey)
            .collect(Collectors.toCollection(TreeSet::new));
    }

    static String range(TreeSet<Integer> set, int high) {
        if (set.last() - set.first() + 1 != set.size()) throw new IllegalStateException("gap in " + set);
        if (set.last() == high) return set.first() + "+";
        return set.first().equals(set.last()) ? "" + set.first() : set.first() + "-" + set.last();
    }

    static String fallback(FieldFacts field, String type) {
        Object value = field.fallback;
        if (value == null) return NULL;
        if (value instanceof Boolean flag) return flag ? "true" : "";
        if (value instanceof Number number) return number.doubleValue() == 0 ? "" : number.toString();
        if (value instanceof String string) return string.isEmpty() ? "" : "\"" + string + "\"";
        if (value instanceof Collection<?> list && !list.isEmpty()) throw new IllegalStateException("default " + list);
        return "";
    }

    static String key(String name) {
        return name.replace("_", "").toLowerCase();
    }

    static String snake(String name) {
        return name.replaceAll("([a-z0-9])([A-Z])", "$1_$2").replaceAll("([A-Z]+)([A-Z][a-z])", "$1_$2").toLowerCase();
    }
}
