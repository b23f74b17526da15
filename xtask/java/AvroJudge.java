import java.io.*;
import java.nio.charset.StandardCharsets;
import org.apache.avro.*;

/** Reads pairs of lines, a reader's and a writer's schema; answers with what Avro's own library makes of each. */
public class AvroJudge {
    public static void main(String[] args) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16), false, "UTF-8");
        String line;
        while ((line = in.readLine()) != null) {
            String other = in.readLine();
            Schema reader = parse(line);
            Schema writer = parse(other);
            out.println(told(reader));
            out.println(told(writer));
            if (reader == null || writer == null) {
                out.println("none");
                continue;
            }
            String verdict;
            try {
                SchemaCompatibility.SchemaPairCompatibility pair = SchemaCompatibility.checkReaderWriterCompatibility(reader, writer);
                StringBuilder text = new StringBuilder(pair.getType().toString());
                for (SchemaCompatibility.Incompatibility one : pair.getResult().getIncompatibilities()) {
                    text.append(' ').append(one.getType()).append('@').append(one.getLocation());
                }
                verdict = text.toString();
            } catch (Exception e) {
                verdict = "threw " + e.getClass().getSimpleName();
            }
            out.println(verdict);
        }
        out.flush();
    }

    private static Schema parse(String text) {
        try {
            return new Schema.Parser().parse(text);
        } catch (Exception e) {
            return null;
        }
    }

    private static String told(Schema schema) {
        if (schema == null) {
            return "refused";
        }
        return SchemaNormalization.parsingFingerprint64(schema) + " " + SchemaNormalization.toParsingForm(schema) + "\t" + schema;
    }
}
