import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.ConfigKey;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.QuotaConfig;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

/**
 * The reference side of `cargo xtask config-facts`: every configuration key of brokers, topics, groups and client-metrics
 * subscriptions, one a line, its parts separated by tabs: kind, name, type, default, validator, importance,
 * update mode, flags, synonyms. A dash stands for nothing; an empty default is told as `""`.
 */
public class ConfigFacts {
    public static void main(String[] args) throws Exception {
        Map<String, String> modes = DynamicBrokerConfig.dynamicConfigUpdateModes();
        ConfigDef broker = AbstractKafkaConfig.CONFIG_DEF;
        for (ConfigKey key : sorted(broker)) {
            String name = key.name;
            List<String> synonyms = DynamicBrokerConfig.brokerConfigSynonyms(name, false);
            tell("broker", key, modes.getOrDefault(name, "read-only"), "", words(synonyms, name));
        }
        for (ConfigKey key : sorted(QuotaConfig.brokerQuotaConfigs()))
            tell("broker", key, modes.getOrDefault(key.name, "per-broker"), "dynamic-only", "-");
        Map<String, ConfigKey> topic = LogConfig.configKeys();
        for (ConfigKey key : new TreeMap<>(topic).values()) {
            var synonyms = ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS.getOrDefault(key.name, List.of());
            List<String> names = new ArrayList<>();
            for (var synonym : synonyms) names.add(synonym.name());
            tell("topic", key, "-", "", names.isEmpty() ? "-" : String.join(",", names));
        }
        for (ConfigKey key : sorted(GroupConfig.CONFIG_DEF)) {
            String flags = GroupConfig.isInternal(key.name) && !key.internalConfig ? "internal" : "";
            tell("group", key, "-", flags, GroupConfig.brokerSynonym(key.name).orElse("-"));
        }
        for (ConfigKey key : sorted(ClientMetricsConfigs.configDef())) tell("client-metrics", key, "-", "", "-");
    }

    static List<ConfigKey> sorted(ConfigDef definitions) {
        return new ArrayList<>(new TreeMap<>(definitions.configKeys()).values());
    }

    static String words(List<String> synonyms, String name) {
        return synonyms.equals(List.of(name)) ? "-" : String.join(",", synonyms);
    }

    static void tell(String kind, ConfigKey key, String mode, String more, String synonyms) throws Exception {
        List<String> flags = new ArrayList<>();
        if (key.internalConfig) flags.add("internal");
        if (!more.isEmpty()) flags.add(more);
        Object value = key.defaultValue;
        String fallback = value == null || value == ConfigDef.NO_DEFAULT_VALUE ? "-"
            : ConfigDef.convertToString(value, key.type);
        if (fallback.isEmpty()) fallback = "\"\"";
        String validator = key.validator == null ? "-" : said(key.validator);
        System.out.println(String.join("\t", kind, key.name, key.type.name(), fallback, validator, key.importance.name(),
            mode, flags.isEmpty() ? "-" : String.join(",", flags), synonyms));
    }

    /** A validator's own words; those of a list leave out whether it may be empty. */
    static String said(ConfigDef.Validator validator) throws Exception {
        if (!(validator instanceof ConfigDef.ValidList)) return validator.toString();
        Field empty = ConfigDef.ValidList.class.getDeclaredField("isEmptyAllowed");
        empty.setAccessible(true);
        String entries = validator.toString().isEmpty() ? "" : " " + validator;
        return "list" + entries + (empty.getBoolean(validator) ? " or empty" : "");
    }
}
