use super::*;

const BASE: &str = "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
                    controller.quorum.voters=1@h:9093\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\n";

/// The base with `change` applied: `-key` removes, `key=value` sets.
fn read(change: &str) -> Result<Settings, String> {
    let mut all = Properties::parse(BASE.as_bytes()).unwrap();
    for line in change.split(';').filter(|l| !l.is_empty()) {
        match line.strip_prefix('-') {
            Some(key) => drop(all.0.remove(key)),
            None => all.set_pair(line).unwrap(),
        }
    }
    Settings::new(all).map(|(settings, _)| settings).map_err(|refused| refused.why)
}

fn shown(endpoints: &[Endpoint]) -> String {
    let one = |e: &Endpoint| format!("{}/{}/{}", e.name, e.protocol, e.authority());
    endpoints.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Every sentence below is what Kafka 4.4 says to the same file.
#[test]
fn kafka_refuses_the_same_files_in_the_same_words() {
    let cases = [
        (
            "listeners=PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093",
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
        ),
        ("-process.roles", "Missing required configuration \"process.roles\" which has no default value."),
        (
            "process.roles=broker,foo",
            "Invalid value foo for configuration process.roles: String must be one of: broker, controller",
        ),
        ("-node.id", "Missing required configuration \"node.id\" which has no default value."),
        (
            "broker.id=3",
            "`node.id` and `broker.id` must be set to the same value. `broker.id` is deprecated, please use `node.id` instead.",
        ),
        ("node.id=-3", "Invalid value -3 for configuration node.id: Value must be at least 0"),
        (
            "-controller.listener.names",
            "Missing required configuration \"controller.listener.names\" which has no default value.",
        ),
        (
            "controller.listener.names=",
            "Configuration 'controller.listener.names' must not be empty. Valid values include: any non-empty value",
        ),
        (
            "-controller.quorum.voters",
            "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap controllers or controller.quorum.voters must contain a parseable set of controllers.",
        ),
        (
            "controller.quorum.voters=2@h:9093,3@x:1",
            "If process.roles contains the 'controller' role, the node id 1 must be included in the set of voters controller.quorum.voters=Set(2, 3)",
        ),
        (
            "controller.quorum.voters=1h:9093",
            "Invalid configuration value for controller.quorum.voters. Each entry should be in the form `{id}@{host}:{port}`.",
        ),
        (
            "controller.quorum.voters=1@h",
            "Failed to parse host name from entry 1@h for the configuration controller.quorum.voters. Each entry should be in the form `{id}@{host}:{port}`.",
        ),
        ("controller.quorum.voters=x@h:1", "Failed to parse voter ID as an integer from x"),
        (
            "-controller.quorum.voters;controller.quorum.bootstrap.servers=h",
            "Failed to parse host name from h for the configuration controller.quorum.bootstrap.servers. Each entry should be in the form \"{host}:{port}\"",
        ),
        (
            "-listeners",
            "controller.listener.names must contain at least one value appearing in the 'listeners' configuration when running the KRaft controller role",
        ),
        (
            "controller.listener.names=CTRL,CONTROLLER",
            "controller.listener.names must only contain values appearing in the 'listeners' configuration when running the KRaft controller role",
        ),
        (
            "listeners=CONTROLLER://:9093",
            "There must be at least one broker advertised listener. Perhaps all listeners appear in controller.listener.names?",
        ),
        (
            "listeners=PLAINTEXT://:9092,CONTROLLER://:9092",
            "Error creating broker listeners from '[PLAINTEXT://:9092, CONTROLLER://:9092]': Each listener must have a different port, listeners: [PLAINTEXT://:9092, CONTROLLER://:9092]",
        ),
        (
            "listeners=PLAINTEXT://:9092,PLAINTEXT://:9094,CONTROLLER://:9093",
            "Error creating broker listeners from '[PLAINTEXT://:9092, PLAINTEXT://:9094, CONTROLLER://:9093]': Each listener must have a different name, listeners: [PLAINTEXT://:9092, PLAINTEXT://:9094, CONTROLLER://:9093]",
        ),
        (
            "listeners=EXT://:9092,CONTROLLER://:9093",
            "Error creating broker listeners from '[EXT://:9092, CONTROLLER://:9093]': No security protocol defined for listener EXT",
        ),
        (
            "listeners=PLAINTEXT:9092,CONTROLLER://:9093",
            "Error creating broker listeners from '[PLAINTEXT:9092, CONTROLLER://:9093]': Unable to parse PLAINTEXT:9092 to a broker endpoint",
        ),
        (
            "listeners=PLAINTEXT://h:x,CONTROLLER://:9093",
            "Error creating broker listeners from '[PLAINTEXT://h:x, CONTROLLER://:9093]': Unable to parse PLAINTEXT://h:x to a broker endpoint",
        ),
        (
            "listener.security.protocol.map=PLAINTEXT:FOO,CONTROLLER:PLAINTEXT",
            "Invalid security protocol `FOO` defined in listener.security.protocol.map",
        ),
        (
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT",
            "Error creating broker listeners from '[PLAINTEXT://:9092, CONTROLLER://:9093]': No security protocol defined for listener CONTROLLER",
        ),
        (
            "listeners=SSL://h:9,CONTROLLER://:9093",
            "Error creating broker listeners from '[SSL://h:9, CONTROLLER://:9093]': No security protocol defined for listener CONTROLLER",
        ),
        (
            "inter.broker.listener.name=FOO",
            "Listener with name FOO defined in inter.broker.listener.name not found in listener.security.protocol.map.",
        ),
        (
            "listeners=EXT://h:9,CONTROLLER://:9093;listener.security.protocol.map=EXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based on currently configured listeners are EXT",
        ),
        (
            "inter.broker.listener.name=PLAINTEXT;security.inter.broker.protocol=PLAINTEXT",
            "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
        ),
        (
            "inter.broker.listener.name=CONTROLLER",
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based on currently configured listeners are PLAINTEXT",
        ),
        (
            "advertised.listeners=PLAINTEXT://a:1,SSL://b:2",
            "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. Found PLAINTEXT,SSL. The valid options based on the current configuration are PLAINTEXT,CONTROLLER",
        ),
        (
            "advertised.listeners=",
            "Configuration 'advertised.listeners' must not be empty. Valid values include: any non-empty value",
        ),
        (
            "listeners=",
            "Configuration 'listeners' must not be empty. Valid values include: any non-empty value",
        ),
        (
            "controller.listener.names=controller",
            "Error creating broker listeners from '[PLAINTEXT://:9092, CONTROLLER://:9093]': No security protocol defined for listener CONTROLLER",
        ),
        (
            "process.roles=broker;-listeners",
            "If process.roles contains just the 'broker' role, the node id 1 must not be included in the set of voters controller.quorum.voters=Set(1)",
        ),
        (
            "process.roles=broker;node.id=5",
            "controller.listener.names must not contain a value appearing in the 'listeners' configuration when running KRaft with just the broker role",
        ),
        (
            "process.roles=controller",
            "The listeners config must only contain KRaft controller listeners from controller.listener.names when process.roles=controller",
        ),
        (
            "log.dirs=",
            "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value",
        ),
        (
            "max.connections.per.ip=0",
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
        ),
        (
            "queued.max.request.bytes=100",
            "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
        ),
    ];
    for (change, sentence) in cases {
        assert_eq!(read(change).map(|_| ()).unwrap_err(), sentence, "{change}");
    }
}

#[test]
fn listeners_resolve_as_kafka_resolves_them() {
    let s = read("").unwrap();
    assert_eq!(shown(&s.listeners), "PLAINTEXT/PLAINTEXT/*:9092 CONTROLLER/PLAINTEXT/*:9093");
    assert_eq!(shown(&s.advertised), "PLAINTEXT/PLAINTEXT/*:9092");
    assert_eq!(shown(&s.controller_advertised), "CONTROLLER/PLAINTEXT/h:9093");
    assert!(s.is_single_node() && s.is_controller_listener("CONTROLLER"));

    let s = read("listeners=plaintext://0.0.0.0:9092,controller://:9093;advertised.listeners=PLAINTEXT://my.host:19092")
        .unwrap();
    assert_eq!(shown(&s.listeners), "PLAINTEXT/PLAINTEXT/0.0.0.0:9092 CONTROLLER/PLAINTEXT/*:9093");
    assert_eq!(shown(&s.advertised), "PLAINTEXT/PLAINTEXT/my.host:19092");

    let s = read(
        "listeners=PLAINTEXT://127.0.0.1:9092,EXT://[::1]:9092,CONTROLLER://:9093;\
                  listener.security.protocol.map=PLAINTEXT:PLAINTEXT,EXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    )
    .unwrap();
    assert_eq!(shown(&s.advertised), "PLAINTEXT/PLAINTEXT/127.0.0.1:9092 EXT/PLAINTEXT/[::1]:9092");

    let s = read("process.roles=broker;node.id=5;-listeners").unwrap();
    assert_eq!(shown(&s.listeners), "PLAINTEXT/PLAINTEXT/*:9092");
    assert!(s.controller_advertised.is_empty() && !s.is_single_node());

    let s = read("process.roles=controller;listeners=CONTROLLER://:9093").unwrap();
    assert_eq!((shown(&s.advertised), s.roles.broker), (String::new(), false));
}

#[test]
fn directories_fall_back_from_log_dirs_to_log_dir() {
    let s = read("").unwrap();
    assert_eq!(s.directories, [PathBuf::from("/tmp/kafka-logs")]);
    let s = read("log.dirs= /a , /b;log.dir=/c;metadata.log.dir=/m").unwrap();
    assert_eq!(s.directories, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!(s.metadata_directory, PathBuf::from("/m"));
    let s = read("log.dir=/c").unwrap();
    assert_eq!((s.directories, s.metadata_directory), (vec![PathBuf::from("/c")], PathBuf::from("/c")));
}

#[test]
fn the_old_name_of_the_node_id_is_taken() {
    assert_eq!(read("-node.id;broker.id=1").unwrap().node_id, 1);
}

/// A listener that is not served, and keys that protect somebody, refuse; what the sentence must hold.
#[test]
fn what_would_be_served_without_its_protection_refuses() {
    let cases = [
        (
            "authorizer.class.name=com.example.A".to_owned(),
            "authorizer.class.name=com.example.A: classes are not loaded here",
        ),
        (
            "listener.name.plaintext.principal.builder.class=com.example.A".to_owned(),
            "principals are not built by classes",
        ),
    ];
    for (change, fragment) in cases {
        let refused = read(&change).map(|_| ()).unwrap_err();
        assert!(refused.contains(fragment), "{change}: {refused}");
    }
    assert!(read("listener.name.nosuch.principal.builder.class=com.example.A").is_ok());
    assert!(
        read("process.roles=broker,controller,broker;controller.listener.names=CONTROLLER,CONTROLLER")
            .is_ok()
    );
}

#[test]
fn defaults_that_nobody_configured_are_not_told() {
    let warnings = |pairs: &[&str]| {
        let mut overrides = Properties::default();
        pairs.iter().for_each(|pair| overrides.set_pair(pair).unwrap());
        Settings::embedded("127.0.0.1:0", "data", overrides).map(|(_, warnings)| warnings.len()).ok()
    };
    assert_eq!(warnings(&[]), Some(0));
    assert_eq!(warnings(&["transaction.state.log.load.buffer.size=1", "no.such.key=1"]), Some(2));
}

/// What is advertised, where the others are, and what is said of it.
#[test]
fn addresses_that_cannot_work_are_told_at_the_start() {
    let three = "controller.quorum.voters=1@h:9093,2@other:9093,3@third:9093;advertised.listeners=";
    let local =
        "controller.quorum.voters=1@localhost:9093,2@localhost:9193,3@127.0.0.1:9293;advertised.listeners=";
    let dynamic =
        "-controller.quorum.voters;controller.quorum.bootstrap.servers=other:9093;advertised.listeners=";
    let cases = [
        (format!("{three}PLAINTEXT://h:9092"), ""),
        (format!("{three}PLAINTEXT://localhost:9092"), "PLAINTEXT is advertised as localhost:9092"),
        (format!("{three}PLAINTEXT://127.0.0.5:1"), "elsewhere (2@other:9093)"),
        (format!("{local}PLAINTEXT://localhost:9092"), ""),
        (format!("{local}PLAINTEXT://[::]:9092"), "which is every address and nobody's"),
        (format!("{local}PLAINTEXT://localhost:9093"), "that of the controller listener CONTROLLER"),
        (format!("{dynamic}PLAINTEXT://h:1,CONTROLLER://[::1]:9093"), "CONTROLLER is advertised as ::1:9093"),
        (format!("{dynamic}PLAINTEXT://h:1,CONTROLLER://h:9093"), ""),
        (
            "controller.quorum.voters=1@h:9999".to_owned(),
            "is at h:9999, and its listener CONTROLLER is on port 9093",
        ),
    ];
    for (change, fragment) in cases {
        let doubts = read(&change).unwrap().doubtful_addresses();
        assert_eq!(doubts.len(), usize::from(!fragment.is_empty()), "{change}: {doubts:?}");
        assert!(doubts.iter().all(|doubt| doubt.contains(fragment)), "{change}: {doubts:?}");
    }
}

/// Only a node that is a whole cluster begins one by itself.
#[test]
fn who_is_to_join_others_is_no_single_node() {
    let dynamic = "-controller.quorum.voters;controller.quorum.bootstrap.servers=";
    let cases = [
        ("", true),
        ("controller.quorum.voters=1@h:9093,2@h:9094", false),
        (&format!("{dynamic}localhost:9093"), true),
        (&format!("{dynamic}localhost:9099"), false),
        (&format!("{dynamic}first.example:9093"), false),
        (
            &format!(
                "{dynamic}my.host:9093;advertised.listeners=PLAINTEXT://my.host:1,CONTROLLER://my.host:9093"
            ),
            true,
        ),
        (&format!("{dynamic}localhost:9093,localhost:9094"), false),
        (&format!("process.roles=controller;listeners=CONTROLLER://:9093;{dynamic}localhost:9093"), false),
    ];
    for (change, alone) in cases {
        assert_eq!(read(change).unwrap().is_single_node(), alone, "{change}");
    }
}
