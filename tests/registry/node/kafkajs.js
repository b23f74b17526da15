// @kafkajs/confluent-schema-registry: `kafkajs.js write|read BROKER REGISTRY`. What is written and printed: see run.py.
const { SchemaRegistry, SchemaType } = require("@kafkajs/confluent-schema-registry");
const { NAMES, ORDERS, main } = require("./carry.js");

const NAME = NAMES.kafkajs;
// Its Protobuf is nobody else's: it leaves out the indexes of the message that stand before the bytes everywhere else.
const TYPES = { avro: SchemaType.AVRO, json: SchemaType.JSON };

main({
  name: NAME,
  kinds: Object.keys(TYPES),
  open: (url) => new SchemaRegistry({ host: url }),
  // Its registration looks first whether the subject is there, and sets a level of compatibility where it is not.
  encode: async (registry, kind, version, value) => {
    const subject = `reg-${kind}-value`;
    const { id } = await registry.register({ type: TYPES[kind], schema: ORDERS[kind][version - 1] }, { subject });
    return registry.encode(id, value);
  },
  decode: (registry, kind, bytes) => registry.decode(bytes),
});
