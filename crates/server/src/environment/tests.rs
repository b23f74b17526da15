use super::*;

fn file(path: &str) -> Result<String, String> {
    match path {
        "/run/secrets/password" => Ok("s3cret".to_owned()),
        "/etc/kafka/secrets/store.txt" => Ok("changeit".to_owned()),
        other => Err(format!("{other}: no such file")),
    }
}

fn known(key: &str) -> bool {
    broker::config::is_known(key)
}

fn of(text: &str) -> Result<Environment, Refused> {
    over("", text)
}

fn over(below: &str, text: &str) -> Result<Environment, Refused> {
    let pairs = text.lines().filter_map(|line| line.trim().split_once('='));
    let below = Properties::parse(below.as_bytes()).expect("a file");
    read(below, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())), known, file)
}

#[track_caller]
fn check(text: &str, keys: &[(&str, &str)], told: &[&str]) {
    let found = of(text).expect("taken");
    let got: Vec<(&str, &str)> = found.properties.0.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(got, keys);
    assert_eq!(found.told.len(), told.len(), "{:?}", found.told);
    for (line, word) in found.told.iter().zip(told) {
        assert!(line.contains(word), "{line} does not say {word}");
    }
}

#[test]
fn underscores_are_dots_underscores_and_dashes() {
    check(
        "KAFKA_PROCESS_ROLES=broker
         KAFKA_LISTENER_NAME_MY__NET_SCRAM___SHA___256_SASL_JAAS_CONFIG=v
         KAFKA_CFG_LISTENER_NAME_SASL_SSL_SSL_CLIENT_AUTH=none
         KAFKA_NO_SUCH_KEY_AT_ALL=1
         HOME=/",
        &[
            ("listener.name.my_net.scram-sha-256.sasl.jaas.config", "v"),
            ("listener.name.sasl_ssl.ssl.client.auth", "none"),
            ("process.roles", "broker"),
        ],
        &[],
    );
}

#[test]
fn bitnamis_spelling_goes_over_kafkas_and_says_so() {
    check(
        "KAFKA_NUM_PARTITIONS=3\nKAFKA_CFG_NUM_PARTITIONS=5",
        &[("num.partitions", "5")],
        &["KAFKA_CFG_NUM_PARTITIONS goes over KAFKA_NUM_PARTITIONS"],
    );
    check("KAFKA_NUM_PARTITIONS=3\nKAFKA_CFG_NUM_PARTITIONS=3", &[("num.partitions", "3")], &[]);
    let found = over("num.partitions=1\nlog.dirs=/d", "KAFKA_NUM_PARTITIONS=3").expect("taken");
    assert_eq!(
        (found.properties.get("num.partitions"), found.properties.get("log.dirs")),
        (Some("3"), Some("/d"))
    );
    assert!(found.told.is_empty(), "a file below is overridden without a word");
}

#[test]
fn what_a_jvm_would_read_is_told_in_one_line() {
    check(
        "KAFKA_HEAP_OPTS=-Xmx1g\nKAFKA_JMX_PORT=9101\nKAFKA_LOG4J_ROOT_LOGLEVEL=WARN\nKAFKA_OPTS=-Dx=y",
        &[],
        &["KAFKA_HEAP_OPTS, KAFKA_JMX_PORT, KAFKA_LOG4J_ROOT_LOGLEVEL, KAFKA_OPTS"],
    );
    check("KAFKA_OPTS=-Djava.security.auth.login.config=/jaas", &[], &[]);
}

#[test]
fn zookeeper_is_refused_and_beside_roles_idle() {
    let refused = of("KAFKA_ZOOKEEPER_CONNECT=zookeeper:2181\nKAFKA_BROKER_ID=1").expect_err("refused");
    assert!(refused.why.contains("Kafka 4 has no ZooKeeper") && refused.hint.is_some());
    let of_bitnami = of("KAFKA_CFG_ZOOKEEPER_CONNECT=zookeeper:2181").expect_err("refused");
    assert_eq!(of_bitnami.why, refused.why);
    let beside = "KAFKA_ZOOKEEPER_CONNECT=z\nKAFKA_PROCESS_ROLES=broker";
    check(beside, &[("process.roles", "broker")], &["KAFKA_ZOOKEEPER_CONNECT"]);
    assert!(over("process.roles=broker", "KAFKA_ZOOKEEPER_CONNECT=z").is_ok());
}

#[test]
fn a_secret_in_a_file_is_put_in_and_never_told() {
    check(
        "KAFKA_SSL_KEYSTORE_PASSWORD=wrong\nKAFKA_SSL_KEYSTORE_PASSWORD_FILE=/run/secrets/password",
        &[("ssl.keystore.password", "s3cret")],
        &["KAFKA_SSL_KEYSTORE_PASSWORD_FILE goes over KAFKA_SSL_KEYSTORE_PASSWORD"],
    );
    let refused = of("KAFKA_CFG_SSL_KEY_PASSWORD_FILE=/gone").expect_err("refused");
    assert!(refused.why.starts_with("KAFKA_CFG_SSL_KEY_PASSWORD_FILE names a file that cannot be read"));
}

#[test]
fn stores_by_name_and_passwords_by_file() {
    check(
        "KAFKA_SSL_KEYSTORE_FILENAME=node.jks\nKAFKA_SSL_KEYSTORE_CREDENTIALS=store.txt",
        &[("ssl.keystore.location", "/etc/kafka/secrets/node.jks"), ("ssl.keystore.password", "changeit")],
        &[],
    );
    assert!(of("KAFKA_SSL_KEY_CREDENTIALS=gone").is_err());
}

#[test]
fn listeners_follow_the_advertised_where_kafka_would_refuse() {
    let twice = "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://kafka:29092,PLAINTEXT_HOST://localhost:9092";
    let found = of(twice).expect("taken");
    assert_eq!(
        found.properties.get("listeners"),
        Some("PLAINTEXT://0.0.0.0:29092,PLAINTEXT_HOST://0.0.0.0:9092")
    );
    for unchanged in [
        "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://kafka:19092".to_owned(),
        format!("{twice}\nKAFKA_PROCESS_ROLES=broker,controller"),
        "KAFKA_ADVERTISED_LISTENERS=nonsense".to_owned(),
    ] {
        assert_eq!(of(&unchanged).expect("taken").properties.get("listeners"), None, "{unchanged}");
    }
}

const SASL: &str = "KAFKA_CFG_LISTENERS=CLIENT://:9092,INTERNAL://:9094,CONTROLLER://:9093
    KAFKA_CFG_LISTENER_SECURITY_PROTOCOL_MAP=CLIENT:SASL_PLAINTEXT,INTERNAL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
    KAFKA_CFG_CONTROLLER_LISTENER_NAMES=CONTROLLER
    KAFKA_CFG_INTER_BROKER_LISTENER_NAME=INTERNAL
    KAFKA_CFG_SASL_ENABLED_MECHANISMS=PLAIN,SCRAM-SHA-256";

#[test]
fn users_become_entries_of_the_listeners_that_ask() {
    let users = "KAFKA_CLIENT_USERS=ann,bob\nKAFKA_CLIENT_PASSWORDS=a1,b2\nKAFKA_INTER_BROKER_USER=node
        KAFKA_INTER_BROKER_PASSWORD_FILE=/run/secrets/password";
    let found = of(&format!("{SASL}\n{users}")).expect("taken");
    let entry = |key: &str| found.properties.get(&format!("listener.name.{key}.sasl.jaas.config"));
    let plain =
        |rest: &str| format!("org.apache.kafka.common.security.plain.PlainLoginModule required{rest};");
    let scram =
        |rest: &str| format!("org.apache.kafka.common.security.scram.ScramLoginModule required{rest};");
    assert_eq!(entry("client.plain"), Some(&*plain(" user_ann=\"a1\" user_bob=\"b2\"")));
    let own = " username=\"node\" password=\"s3cret\"";
    let internal = plain(&format!("{own} user_ann=\"a1\" user_bob=\"b2\" user_node=\"s3cret\""));
    assert_eq!(entry("internal.plain"), Some(&*internal));
    assert_eq!(entry("internal.scram-sha-256"), Some(&*scram(own)));
    assert_eq!(entry("client.scram-sha-256"), Some(&*scram("")));
    assert_eq!(entry("controller.plain"), None);
}

#[test]
fn users_whom_no_listener_asks_are_told() {
    check("KAFKA_CLIENT_USERS=ann\nKAFKA_CLIENT_PASSWORDS=a1", &[], &["users and their passwords"]);
}

#[test]
fn users_that_cannot_be_honoured_refuse() {
    for (text, word) in [
        ("KAFKA_CLIENT_USERS=a,b\nKAFKA_CLIENT_PASSWORDS=x", "each user has one password"),
        ("KAFKA_CLIENT_USERS=a\nKAFKA_CLIENT_PASSWORDS=x\"y", "holds a quote"),
        ("KAFKA_CLIENT_USERS=a b\nKAFKA_CLIENT_PASSWORDS=x", "holds a quote"),
        ("KAFKA_KRAFT_BOOTSTRAP_SCRAM_USERS=true", "users of SCRAM"),
    ] {
        let refused = of(text).expect_err(text);
        assert!(refused.why.contains(word) && !refused.why.contains('x'), "{}", refused.why);
    }
}

#[test]
fn a_forbidden_plaintext_listener_refuses_the_start() {
    let settings = |listeners: &str| {
        let mut properties = Properties::default();
        properties.set("listeners", listeners);
        properties.set("sasl.enabled.mechanisms", "SCRAM-SHA-256");
        properties.set("inter.broker.listener.name", listeners.split(':').next().unwrap_or_default());
        Settings::embedded("127.0.0.1:0", "/nowhere", properties).expect("settings").0
    };
    let says = |value: &'static str| move |_: &str| Some(value.to_owned());
    let (open, closed) = (settings("PLAINTEXT://127.0.0.1:0"), settings("SASL_PLAINTEXT://127.0.0.1:0"));
    assert!(super::check(&open, says("no")).is_err());
    assert!(super::check(&open, says("yes")).is_ok() && super::check(&open, |_| None).is_ok());
    assert!(super::check(&closed, says("no")).is_ok());
}

#[test]
fn the_first_cluster_id_that_is_one() {
    let variables = |name: &str| match name {
        "CLUSTER_ID" => Some(" ".to_owned()),
        "KAFKA_KRAFT_CLUSTER_ID" => Some("abc".to_owned()),
        _ => None,
    };
    assert_eq!(cluster_id(variables).as_deref(), Some("abc"));
}
