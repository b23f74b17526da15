//! OAUTHBEARER: librdkafka, Java's tools and our own commands with tokens of an issuer that the stage runs itself; a listener that has its keys
//! from a file and one that asks the issuer; tokens that are not good. What clients are asked stands in `tests/security/tokens.py`.

use super::super::clients::{python_environment, read};
use super::super::workbench::Workbench;
use crate::broker::{Broker, Kind, binary, free_ports};
use crate::oracle::Oracle;
use crate::process::{Finished, pause, signal_group, spawn};
use crate::tally::Tally;
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long the issuer takes to make its keys.
const ISSUER_LIMIT: Duration = Duration::from_secs(30);

/// All of it.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let directory = bench.workspace.scratch("brokers")?.join("security-tokens");
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory)?;
    let (port, _) = free_ports()?;
    let mut issuer = Command::new(python_environment(bench)?);
    issuer.arg("-u").arg(bench.workspace.root.join("tests/security/tokens.py"));
    issuer.arg("issuer").arg(&directory).arg(port.to_string());
    let mut issuer = spawn(&mut issuer, &bench.logs.join("security-issuer.log"))?;
    let tally = with_issuer(bench, &directory, &format!("127.0.0.1:{port}"));
    signal_group(issuer.id(), "KILL");
    let _ = issuer.wait();
    tally
}

fn with_issuer(bench: &Workbench, directory: &Path, issuer: &str) -> Result<Tally> {
    let began = Instant::now();
    while !directory.join("keys.json").exists() {
        ensure!(began.elapsed() < ISSUER_LIMIT, "the issuer does not come up");
        pause(Duration::from_millis(100));
    }
    let ((open, by_file), (by_issuer, controller)) = (free_ports()?, free_ports()?);
    let bound = format!(
        "SASL://127.0.0.1:{by_file},WEB://127.0.0.1:{by_issuer},PLAINTEXT://127.0.0.1:{open},CONTROLLER://127.0.0.1:{controller}"
    );
    let told = format!("SASL://127.0.0.1:{by_file},WEB://127.0.0.1:{by_issuer},PLAINTEXT://127.0.0.1:{open}");
    let voters = format!("1@127.0.0.1:{controller}");
    let file = format!("file://{}", directory.join("keys.json").display());
    let keys = format!("http://{issuer}/keys");
    let allowed = format!("{file},{keys}");
    let overrides = [
        ("listeners", bound.as_str()),
        ("advertised.listeners", told.as_str()),
        ("controller.quorum.voters", voters.as_str()),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,WEB:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        ),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("super.users", "User:ANONYMOUS;User:alice"),
        ("sasl.enabled.mechanisms", "OAUTHBEARER"),
        ("sasl.oauthbearer.allowed.urls", allowed.as_str()),
        ("sasl.oauthbearer.expected.issuer", "https://issuer"),
        ("sasl.oauthbearer.expected.audience", "other,kafka"),
        ("listener.name.sasl.oauthbearer.sasl.oauthbearer.jwks.endpoint.url", file.as_str()),
        ("listener.name.web.oauthbearer.sasl.oauthbearer.jwks.endpoint.url", keys.as_str()),
        ("connection.failed.authentication.delay.ms", "0"),
    ];
    let place = directory.join("node");
    let mut broker = Broker::prepare_at(place, Kind::Ottla, (open, controller), &overrides)?;
    broker.restart(&bench.workspace)?;
    let mut tally = Tally::default();
    let address = format!("127.0.0.1:{by_file}");
    commands(bench, directory, &address, issuer, &mut tally)?;
    java(bench, directory, &address, &mut tally)?;
    let mut python = Command::new(python_environment(bench)?);
    python.arg("-u").arg(bench.workspace.root.join("tests/security/tokens.py"));
    python.args([&address, &format!("127.0.0.1:{by_issuer}")]).arg(directory).arg(issuer);
    tally.absorb("python", read("tokens", &bench.run("security-tokens", &mut python, 4)?));
    tally.check("the broker is still there", broker.alive());
    let log = std::fs::read_to_string(broker.log())?;
    for why in [
        "its audience (aud)",
        "has expired",
        "signed by none",
        "signed by HS256",
        "no key for RS256 with kid stranger",
    ] {
        let is_told = log.lines().any(|line| line.contains("not-authenticated") && line.contains(why));
        tally.check(&format!("the audit says why: {why}"), is_told);
    }
    let token = std::fs::read_to_string(directory.join("token"))?;
    tally.check("no token is in the log", !log.contains(token.trim()));
    refused_starts(bench, directory, &mut broker, &mut tally)?;
    Ok(tally)
}

fn command(bench: &Workbench, directory: &Path, address: &str, lines: &str) -> Result<Finished> {
    let file = directory.join("client.properties");
    std::fs::write(&file, format!("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n{lines}"))?;
    let mut command = Command::new(binary(&bench.workspace));
    command.args(["topic", "list", "-b", address, "--command-config"]).arg(&file);
    bench.run("security-token-command", &mut command, 2)
}

/// Our own commands: a file, and the issuer, in Java's spelling and in librdkafka's.
fn commands(
    bench: &Workbench,
    directory: &Path,
    address: &str,
    issuer: &str,
    tally: &mut Tally,
) -> Result<()> {
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
    let file = format!("sasl.oauthbearer.token.endpoint.url=file://{}\n", directory.join("token").display());
    let url = format!("sasl.oauthbearer.token.endpoint.url=http://{issuer}/token\n");
    let java = |secret: &str| {
        format!(
            "{url}sasl.jaas.config={module} required clientId=\"me\" clientSecret=\"{secret}\" scope=\"all\" extension_a=\"b\";\n"
        )
    };
    let librdkafka = format!(
        "{url}sasl.oauthbearer.method=oidc\nsasl.oauthbearer.client.id=me\nsasl.oauthbearer.client.secret=issuer-secret\n\
         sasl.oauthbearer.scope=all\nsasl.oauthbearer.extensions=a=b\n"
    );
    let good = [
        ("a file", file),
        ("an issuer, as Java says it", java("issuer-secret")),
        ("an issuer, as librdkafka does", librdkafka),
    ];
    for (what, lines) in good {
        let finished = command(bench, directory, address, &lines)?;
        tally.check(&format!("a command has its token from {what}: {}", finished.tail(3)), finished.success);
    }
    let refused = command(bench, directory, address, &java("nobodys-secret"))?;
    let is_told =
        !refused.success && refused.output.contains("401") && !refused.output.contains("nobodys-secret");
    tally.check(&format!("the issuer does not know the secret: {}", refused.tail(3)), is_told);
    std::fs::write(directory.join("bad-token"), "e30.e30.AAAA")?;
    let bad =
        format!("sasl.oauthbearer.token.endpoint.url=file://{}\n", directory.join("bad-token").display());
    let refused = command(bench, directory, address, &bad)?;
    let is_told = !refused.success && refused.output.contains("invalid_token");
    tally.check(&format!("a bad token is refused: {}", refused.tail(3)), is_told);
    Ok(())
}

/// Java's tools, by their own login module.
fn java(bench: &Workbench, directory: &Path, address: &str, tally: &mut Tally) -> Result<()> {
    let oracle = Oracle::install(&bench.workspace)?;
    let properties = directory.join("java.properties");
    for (name, is_in) in [("token", true), ("bad-token", false)] {
        let url = format!("file://{}", directory.join(name).display());
        std::fs::write(
            &properties,
            format!(
                "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\nsasl.oauthbearer.token.endpoint.url={url}\n\
                 sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler\n\
                 sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required extension_a=\"b\";\n"
            ),
        )?;
        let mut command = oracle.tool_java("256m", &[]);
        command.arg(format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={url}"));
        command.args(["org.apache.kafka.tools.TopicCommand", "--list", "--bootstrap-server", address]);
        command.arg("--command-config").arg(&properties);
        let finished = bench.run("security-token-java", &mut command, 2)?;
        tally.check(&format!("kafka-topics with {name}: {}", finished.tail(2)), finished.success == is_in);
    }
    Ok(())
}

/// The same node where its keys cannot be had: it says so in three lines, and does not start.
fn refused_starts(bench: &Workbench, directory: &Path, broker: &mut Broker, tally: &mut Tally) -> Result<()> {
    broker.stop()?;
    let properties = directory.join("node/server.properties");
    let keys = directory.join("keys.json");
    let mut start = |what: &str, expected: &str| -> Result<()> {
        let mut command = Command::new(binary(&bench.workspace));
        let finished =
            bench.run("security-token-start", command.args(["server", "-c"]).arg(&properties), 1)?;
        let is_told = !finished.success
            && finished.output.contains(expected)
            && finished.output.contains("sasl.oauthbearer.jwks");
        tally.check(&format!("no start where {what}: {}", finished.tail(4)), is_told);
        Ok(())
    };
    // The listener that asks the issuer, which is gone, is behind this one.
    start("the issuer is gone", "cannot serve SASL on listener WEB")?;
    std::fs::write(&keys, "{\"keys\":[]}")?;
    start("there are no keys", "none of its 0 keys can sign")?;
    std::fs::remove_file(&keys)?;
    start("the file is gone", "No such file")?;
    Ok(())
}
