use super::*;

#[test]
fn environment_spellings_of_the_images() {
    let variables = [
        ("KAFKA_PROCESS_ROLES", "broker"),
        ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://h:1"),
        ("KAFKA_CFG_NODE_ID", "7"),
        ("KAFKA_LISTENER_NAME_MY__LISTENER_X___Y", "v"),
        ("KAFKA_HEAP_OPTS", "-Xmx1g"),
        ("KAFKA_LOG4J_ROOT_LOGLEVEL", "INFO"),
        ("KAFKA_NO_SUCH_KEY", "1"),
        ("HOME", "/"),
    ];
    let known = |key: &str| key != "no.such.key";
    let got = from_environment(variables.map(|(k, v)| (k.to_owned(), v.to_owned())), known);
    let keys: Vec<&str> = got.0.keys().map(String::as_str).collect();
    assert_eq!(keys, ["advertised.listeners", "listener.name.my_listener.x-y", "node.id", "process.roles"]);
}

#[test]
fn arguments_are_pairs() {
    let mut p = Properties::default();
    p.set_pair("a=b=c").unwrap();
    assert_eq!(p.get("a"), Some("b=c"));
    assert!(p.set_pair("novalue").is_err() && p.set_pair("=x").is_err());
}
