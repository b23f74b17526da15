// @confluentinc/schemaregistry: `confluentinc.js write|read BROKER REGISTRY`. What is written and printed: see run.py.
const {
  AvroDeserializer,
  AvroSerializer,
  JsonDeserializer,
  JsonSerializer,
  SchemaRegistryClient,
  SerdeType,
} = require("@confluentinc/schemaregistry");
const { NAMES, ORDERS, main } = require("./carry.js");

const SERDES = { avro: [AvroSerializer, AvroDeserializer], json: [JsonSerializer, JsonDeserializer] };
const SCHEMA_TYPES = { avro: "AVRO", json: "JSON" };
const readers = new Map();

main({
  name: NAMES.confluentinc,
  kinds: Object.keys(SERDES),
  open: (url) => new SchemaRegistryClient({ baseURLs: [url] }),
  encode: async (registry, kind, version, value) => {
    const schema = { schemaType: SCHEMA_TYPES[kind], schema: ORDERS[kind][version - 1] };
    const id = await registry.register(`reg-${kind}-value`, schema);
    const serializer = new SERDES[kind][0](registry, SerdeType.VALUE, { useSchemaId: id });
    return serializer.serialize(`reg-${kind}`, value);
  },
  decode: (registry, kind, bytes) => {
    if (!readers.has(kind)) {
      readers.set(kind, new SERDES[kind][1](registry, SerdeType.VALUE, {}));
    }
    return readers.get(kind).deserialize(`reg-${kind}`, bytes);
  },
});
