//! Installing what the foreign clients need: Debian packages, a Python environment, Node modules, librdkafka.
//!
//! Everything but Debian packages goes below the target directory. Each call is cheap when the thing is there. Stages run
//! side by side: who installs something takes its turn, and the next one finds it there.

use crate::process;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Waits until nobody else installs `what`; the turn ends when the file is dropped. A turn may be taken within that of
/// another thing, never of the same.
pub fn turn(workspace: &Workspace, what: &str) -> Result<File> {
    let path = workspace.scratch("test-tools")?.join(format!("{what}.lock"));
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    file.lock().with_context(|| path.display().to_string())?;
    Ok(file)
}

/// Makes sure that `program` can be called, installing Debian's `package` if it cannot.
pub fn debian(workspace: &Workspace, program: &str, package: &str) -> Result<()> {
    if callable(program) {
        return Ok(());
    }
    debian_packages(workspace, &[package])?;
    if !callable(program) {
        bail!("{program} is missing and Debian's {package} did not bring it");
    }
    Ok(())
}

/// Installs Debian packages (as root, or with sudo).
pub fn debian_packages(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    let _turn = turn(workspace, "apt")?;
    let log = workspace.scratch("test-logs")?.join("apt.log");
    for arguments in [&["update", "-q"][..], &["install", "-y", "-q", "--no-install-recommends"]] {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        if arguments.contains(&"install") {
            command.args(packages);
        }
        let finished = process::run(&mut command, &log, Duration::from_secs(600)).context("apt-get")?;
        if !finished.success && arguments.contains(&"install") {
            bail!("apt-get install {}: {}", packages.join(" "), finished.tail(3));
        }
    }
    Ok(())
}

/// True if the shell would find `program`.
pub fn callable(program: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", "command -v \"$0\"", program]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A Python environment with the packages of a requirements file; returns its interpreter.
pub fn python(workspace: &Workspace, name: &str, requirements: &Path) -> Result<PathBuf> {
    let _turn = turn(workspace, &format!("python-{name}"))?;
    let home = workspace.scratch("test-tools")?.join(format!("python-{name}"));
    let wanted = std::fs::read_to_string(requirements).with_context(|| requirements.display().to_string())?;
    let marker = home.join("installed");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(home.join("bin/python"));
    }
    let _ = std::fs::remove_dir_all(&home);
    if !callable("python3") {
        debian_packages(workspace, &["python3", "python3-venv"])?;
    }
    let log = workspace.scratch("test-logs")?.join(format!("python-{name}.log"));
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&home);
    let mut fill = Command::new(home.join("bin/python"));
    fill.args(["-m", "pip", "-q", "install", "--disable-pip-version-check", "-r"]).arg(requirements);
    for command in [&mut make, &mut fill] {
        let finished = process::run(command, &log, Duration::from_secs(600)).context("python3")?;
        if !finished.success {
            bail!("python environment {name}: {}: {}", finished.how, finished.tail(5));
        }
    }
    std::fs::write(&marker, &wanted)?;
    Ok(home.join("bin/python"))
}

/// Node modules of a `package.json`; returns the directory that holds `node_modules`.
pub fn node(workspace: &Workspace, name: &str, package: &Path) -> Result<PathBuf> {
    let _turn = turn(workspace, &format!("node-{name}"))?;
    let home = workspace.scratch("test-tools")?.join(format!("node-{name}"));
    let wanted = std::fs::read_to_string(package).with_context(|| package.display().to_string())?;
    let marker = home.join("installed");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(home);
    }
    std::fs::create_dir_all(&home)?;
    std::fs::write(home.join("package.json"), &wanted)?;
    debian(workspace, "npm", "npm")?;
    let log = workspace.scratch("test-logs")?.join(format!("node-{name}.log"));
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(&home);
    let finished = process::run(&mut install, &log, Duration::from_secs(600)).context("npm")?;
    if !finished.success {
        bail!("node modules {name}: {}: {}", finished.how, finished.tail(5));
    }
    std::fs::write(&marker, &wanted)?;
    Ok(home)
}

/// Compiles the Java files of a directory against `jars`; returns the directory of the classes.
pub fn javac(workspace: &Workspace, sources: &Path, jars: &Path) -> Result<PathBuf> {
    let name = sources.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let _turn = turn(workspace, &format!("java-{name}"))?;
    let classes = workspace.scratch("test-tools")?.join(format!("java-{name}"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(sources).with_context(|| sources.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "java") {
            files.push(path);
        }
    }
    files.sort();
    // Whoever comes second, perhaps while the first runs them, finds the classes of the same sources and leaves them alone.
    let mut made_of = jars.display().to_string();
    for file in &files {
        made_of.push_str(&std::fs::read_to_string(file).with_context(|| file.display().to_string())?);
    }
    let marker = classes.join("made-of");
    if std::fs::read_to_string(&marker).is_ok_and(|found| found == made_of) {
        return Ok(classes);
    }
    let _ = std::fs::remove_dir_all(&classes);
    std::fs::create_dir_all(&classes)?;
    if !callable("javac") {
        debian_packages(workspace, &["default-jdk-headless", "maven"])?;
    }
    let log = workspace.scratch("test-logs")?.join(format!("javac-{name}.log"));
    let mut command = Command::new("javac");
    command.args(["-nowarn", "-d"]).arg(&classes);
    command.arg("-cp").arg(format!("{}/*", jars.display())).args(&files);
    let finished = process::run(&mut command, &log, Duration::from_secs(120)).context("javac")?;
    if !finished.success {
        bail!("javac {name}: {}", finished.output);
    }
    std::fs::write(&marker, made_of)?;
    Ok(classes)
}

/// The npm package whose source librdkafka is compiled from; it carries 2.15.1.
const LIBRDKAFKA: &str = "@confluentinc/kafka-javascript@1.10.1";

/// What compiles it: the program or pkg-config module that shows a Debian package is there, and the package.
const LIBRDKAFKA_NEEDS: &[(&str, &str)] = &[
    ("command -v make", "make"),
    ("command -v g++", "g++"),
    ("command -v pkg-config", "pkg-config"),
    ("pkg-config --exists libzstd", "libzstd-dev"),
    ("pkg-config --exists zlib", "zlib1g-dev"),
    ("pkg-config --exists libssl", "libssl-dev"),
    ("test -e /usr/include/rapidjson/document.h", "rapidjson-dev"),
];

/// librdkafka's source in `home`, configured with these options, its libraries made, and what the command `also` makes.
pub fn librdkafka(workspace: &Workspace, home: &Path, options: &str, also: &str) -> Result<()> {
    let _turn = turn(workspace, "librdkafka")?;
    let marker = home.join("built");
    let wanted = format!("{LIBRDKAFKA} {options} {also}");
    if std::fs::read_to_string(&marker).is_ok_and(|known| known == wanted) {
        return Ok(());
    }
    let missing: Vec<&str> =
        LIBRDKAFKA_NEEDS.iter().filter(|(probe, _)| !holds(probe)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        debian_packages(workspace, &missing)?;
    }
    debian(workspace, "npm", "npm")?;
    let _ = std::fs::remove_dir_all(home);
    std::fs::create_dir_all(home)?;
    let script = format!(
        "npm pack {LIBRDKAFKA} && tar xzf confluentinc-*.tgz && mv package/deps/librdkafka/* . && chmod -R u+x . && \
         bash ./configure {options} && make -j2 libs && {also}"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(home);
    let log = workspace.scratch("test-logs")?.join("librdkafka-build.log");
    let finished = process::run(&mut command, &log, Duration::from_secs(25 * 60)).context("librdkafka")?;
    if !finished.success {
        bail!("librdkafka does not compile: {}", finished.tail(5));
    }
    std::fs::write(&marker, &wanted)?;
    Ok(())
}

fn holds(probe: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", probe]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
