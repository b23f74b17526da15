use crate::properties::Properties;
use crate::settings::Settings;

/// A node that a strict start takes: TLS and SASL on what is reached from elsewhere, an authorizer.
const CLOSED: &[&str] = &[
    "process.roles=broker,controller",
    "node.id=1",
    "controller.listener.names=CONTROLLER",
    "controller.quorum.voters=1@h:9093",
    "listeners=SASL_SSL://:9092,CONTROLLER://:9093",
    "advertised.listeners=SASL_SSL://h:9092",
    "listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:SSL,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,SSL:SSL",
    "inter.broker.listener.name=SASL_SSL",
    "listener.name.controller.ssl.client.auth=required",
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users=User:admin",
    "delegation.token.secret.key=0123456789abcdef",
];

fn read(changes: &[&str], strict: bool) -> Result<Settings, String> {
    let mut all = Properties::default();
    for pair in CLOSED.iter().chain(changes) {
        all.set_pair(pair).unwrap();
    }
    all.set("security.strict", strict.to_string());
    Settings::new(all).map(|(settings, _)| settings).map_err(|refused| refused.why)
}

#[test]
fn what_is_closed_starts_and_nothing_is_told() {
    assert!(read(&[], true).is_ok());
    assert_eq!(read(&[], false).unwrap().told_open(), None);
    // What does not leave the machine is hidden from others; who may do what is looked at all the same.
    let at_home =
        "listeners=SASL_SSL://:9092,CONTROLLER://:9093,PLAINTEXT://127.0.0.1:9094,SASL://[::1]:9095";
    assert!(read(&[at_home, "metrics.listeners=http://localhost:9404"], true).is_ok());
}

#[test]
fn each_weakness_is_refused_by_its_name_and_told_otherwise() {
    let more = |listener: &str| format!("listeners=SASL_SSL://:9092,CONTROLLER://:9093,{listener}");
    let (plain, sasl, ssl) = (more("PLAINTEXT://:9094"), more("SASL://10.0.0.1:9094"), more("SSL://h:9094"));
    let cases: &[(&[&str], &str)] = &[
        (&[&plain], "listener PLAINTEXT (*:9094) speaks PLAINTEXT"),
        (
            &[&sasl, "sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN"],
            "listener SASL (10.0.0.1:9094) speaks SASL_PLAINTEXT: whoever is between reads along, and by PLAIN",
        ),
        (
            &[&sasl, "listener.name.sasl.sasl.enabled.mechanisms=OAUTHBEARER"],
            "by OAUTHBEARER has what it takes",
        ),
        (
            &[&sasl, "listener.name.sasl.sasl.enabled.mechanisms=SCRAM-SHA-512"],
            "speaks SASL_PLAINTEXT: whoever is between reads along",
        ),
        (&[&ssl], "listener SSL (h:9094) speaks SSL without ssl.client.auth=required"),
        (&[&ssl, "ssl.client.auth=requested"], "speaks SSL without ssl.client.auth=required"),
        (
            &["listener.name.controller.ssl.client.auth=none"],
            "listener CONTROLLER (*:9093) speaks SSL without",
        ),
        (&["authorizer.class.name="], "authorizer.class.name names none"),
        (&["allow.everyone.if.no.acl.found=TRUE"], "allow.everyone.if.no.acl.found=true"),
        (&["super.users=User:admin; User:ANONYMOUS"], "super.users has User:ANONYMOUS"),
        (&["metrics.listeners=http://:9404"], "metrics.listeners: http://[::]:9404"),
        (
            &["listener.name.sasl_ssl.oauthbearer.sasl.oauthbearer.allow.unsecured.tokens=true"],
            "whoever writes a token",
        ),
        (
            &["sasl.oauthbearer.jwks.endpoint.url=http://issuer/keys"],
            "sasl.oauthbearer.jwks.endpoint.url=http://issuer/keys",
        ),
        (&["ssl.endpoint.identification.algorithm="], "ssl.endpoint.identification.algorithm is empty"),
        (
            &["delegation.token.secret.key=0123456789abcde"],
            "delegation.token.secret.key is shorter than 16 bytes",
        ),
    ];
    for (changes, expected) in cases {
        let refused = read(changes, true).unwrap_err();
        assert!(
            refused.starts_with("security.strict=true, and ") && refused.contains(expected),
            "{changes:?}: {refused}"
        );
        let (line, from_elsewhere) = read(changes, false).unwrap().told_open().unwrap();
        assert!(line.contains(expected) && !line.contains('\n') && from_elsewhere, "{changes:?}: {line}");
        assert!(!line.contains("0123456789abcde"), "{line}");
    }
    let both = read(&["authorizer.class.name=", &plain], true).unwrap_err();
    assert!(both.contains("speaks PLAINTEXT") && both.contains("names none"), "{both}");
}

#[test]
fn what_is_open_on_this_machine_alone_is_told_as_that() {
    let (embedded, _) = Settings::embedded("127.0.0.1:9092", "/x", Properties::default()).unwrap();
    let (line, from_elsewhere) = embedded.told_open().unwrap();
    assert!(line.contains("whoever is in may do everything") && !from_elsewhere, "{line}");
    let (wide, _) = Settings::embedded("h:9092", "/x", Properties::default()).unwrap();
    assert!(wide.told_open().is_some_and(|(_, from_elsewhere)| from_elsewhere));
}
