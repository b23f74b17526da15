//! The reference broker: real Apache Kafka from Maven, installed below the target directory.
//!
//! Owns where its jars are and how a Java program is called with them. How a broker process is started and stopped is in
//! `broker.rs`. Nothing of Kafka is kept in the repository.

use crate::process;
use crate::words::say;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Installed jars.
pub struct Oracle {
    /// Kafka 4.4: broker, controller, Java clients.
    pub broker_jars: PathBuf,
    /// The newest command-line tools there are.
    pub tool_jars: PathBuf,
    log4j: PathBuf,
}

impl Oracle {
    /// Installs the jars, unless this very list of them is already there.
    pub fn install(workspace: &Workspace) -> Result<Self> {
        let home = workspace.scratch("oracle")?;
        let _turn = crate::provision::turn(workspace, "oracle")?;
        let pom = workspace.root.join("tests/oracle/pom.xml");
        let wanted = std::fs::read_to_string(&pom).with_context(|| pom.display().to_string())?;
        for profile in ["broker", "tools"] {
            bring(workspace, &pom, &wanted, profile, &home)?;
        }
        let log4j = workspace.root.join("tests/oracle/log4j2.properties");
        Ok(Self { broker_jars: home.join("broker"), tool_jars: home.join("tools"), log4j })
    }

    /// The jars of a program that works with Kafka, as `tests/oracle/NAME.xml` lists them, installed when somebody first asks for them.
    pub fn jars_of(workspace: &Workspace, name: &str) -> Result<PathBuf> {
        let home = workspace.scratch("oracle")?;
        let _turn = crate::provision::turn(workspace, &format!("oracle-{name}"))?;
        let pom = workspace.root.join(format!("tests/oracle/{name}.xml"));
        let wanted = std::fs::read_to_string(&pom).with_context(|| pom.display().to_string())?;
        bring(workspace, &pom, &wanted, name, &home)?;
        Ok(home.join(name))
    }

    /// The jars of Avro's own library, installed when somebody first asks for them.
    pub fn avro_jars(&self, workspace: &Workspace) -> Result<PathBuf> {
        let home = workspace.scratch("oracle")?;
        let _turn = crate::provision::turn(workspace, "oracle-avro")?;
        let pom = workspace.root.join("tests/oracle/avro.xml");
        let wanted = std::fs::read_to_string(&pom).with_context(|| pom.display().to_string())?;
        bring(workspace, &pom, &wanted, "avro", &home)?;
        Ok(home.join("avro"))
    }

    /// A Java command on jars of one's own (and `extra` before them).
    pub fn java_on(&self, jars: &Path, heap: &str, extra: &[&Path]) -> Command {
        self.on(jars, heap, extra)
    }

    /// A Java command on the broker's jars (and `extra` before them).
    pub fn java(&self, heap: &str, extra: &[&Path]) -> Command {
        self.on(&self.broker_jars, heap, extra)
    }

    /// A Java command on the tools' jars (and `extra` before them).
    pub fn tool_java(&self, heap: &str, extra: &[&Path]) -> Command {
        self.on(&self.tool_jars, heap, extra)
    }

    /// The jar that carries the message files.
    pub fn client_jar(&self) -> Result<PathBuf> {
        let is_it = |name: &str| name.starts_with("kafka-clients-") && name.ends_with(".jar");
        for entry in std::fs::read_dir(&self.broker_jars)? {
            let path = entry?.path();
            if path.file_name().and_then(|name| name.to_str()).is_some_and(is_it) {
                return Ok(path);
            }
        }
        anyhow::bail!("no kafka-clients jar in {}", self.broker_jars.display())
    }

    fn on(&self, jars: &Path, heap: &str, extra: &[&Path]) -> Command {
        let mut class_path = String::new();
        for path in extra {
            class_path.push_str(&format!("{}:", path.display()));
        }
        class_path.push_str(&format!("{}/*", jars.display()));
        let mut command = Command::new("java");
        command.arg(format!("-Xmx{heap}")).args(["-XX:+UseSerialGC", "-Duser.timezone=UTC"]);
        command.arg(format!("-Dlog4j2.configurationFile={}", self.log4j.display()));
        command.arg("-cp").arg(class_path);
        command
    }
}

/// The jars of a profile, unless those of this very file are there.
fn bring(workspace: &Workspace, pom: &Path, wanted: &str, profile: &str, home: &Path) -> Result<()> {
    let marker = home.join(format!("{profile}.pom"));
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    crate::provision::debian(workspace, "mvn", "maven")?;
    copy_jars(pom, profile, home)?;
    std::fs::write(&marker, wanted).with_context(|| marker.display().to_string())
}

/// `mvn dependency:copy-dependencies`; the registry is sometimes slow, so it gets a second try.
fn copy_jars(pom: &Path, profile: &str, home: &Path) -> Result<()> {
    let jars = home.join(profile);
    let _ = std::fs::remove_dir_all(&jars);
    let mut said = String::new();
    for _ in 0..2 {
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "-U", "-P", profile, "-f"]).arg(pom);
        maven.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
        maven.arg(format!("-DoutputDirectory={}", jars.display()));
        let log = home.join(format!("{profile}.log"));
        let finished = process::run(&mut maven, &log, Duration::from_secs(600)).context("mvn")?;
        if finished.success {
            return Ok(());
        }
        said = format!("{}: {}", finished.how, finished.tail(5));
    }
    ensure!(false, "mvn could not bring the jars of {profile}: {said}");
    Ok(())
}

/// The `oracle` chore: installs; with a port, runs a broker until it is interrupted.
pub fn command(arguments: &[String]) -> Result<bool> {
    let workspace = Workspace::load()?;
    let oracle = Oracle::install(&workspace)?;
    say(format_args!("broker and clients: {}", oracle.broker_jars.display()));
    say(format_args!("tools:              {}", oracle.tool_jars.display()));
    Ok(arguments.is_empty())
}
