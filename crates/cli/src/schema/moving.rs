//! `ottla schema export` and `import`: a whole registry as lines of JSON, with ids, versions, deletions, levels and modes, and back into another one. Import
//! looks first at everything that could go wrong, writes in the mode IMPORT, and reads back what it wrote.

use super::show::{subjects, versions};
use super::source::{Source, topic};
use crate::args::ConnectArgs;
use crate::connect::unreadable;
use crate::failure::{Exit, Failure, say};
use crate::registry_access::failed;
use ::schema::formats::{Parsed, Referred};
use ::schema::json::{Json, Object};
use ::schema::percent::percent_encoded;
use ::schema::rest::{Fault, Registered, Registry};
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;

pub const AFTER_EXPORT: &str = r#"Examples:
  ottla schema export --schema-registry http://old:8081 > registry.jsonl
  ottla schema export --prefix orders- > orders.jsonl
  ottla schema export -b broker-1:9092 --topic _schemas > registry.jsonl     # without the registry that wrote it

Each line is JSON: a version as the registry tells it, with "deleted":true where it was deleted and can come back; the level or
the mode of a subject; the last line says how many there are, so that half a file is not taken for one."#;

pub const AFTER_IMPORT: &str = r#"Examples:
  ottla schema import --schema-registry http://new:8081 --dry-run registry.jsonl
  ottla schema import --schema-registry http://new:8081 registry.jsonl

What is there already and is the same stays as it is, so that an import may be repeated. Something else under the same version
or id is a conflict: nothing is written. Exit code 6: written in part, the same command goes on."#;

/// The first line.
const FORMAT: i64 = 1;

/// What a request to register takes of what a registry tells.
const TAKEN: [&str; 7] = ["schema", "schemaType", "references", "metadata", "ruleSet", "id", "version"];

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Only subjects whose names begin so; what they refer to must be among them
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Read the topic that a registry keeps its schemas in, and ask no registry
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    #[command(flatten)]
    connection: ConnectArgs,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What export wrote; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Change nothing: look for conflicts, and say what would be written
    #[arg(long)]
    dry_run: bool,
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// `None` where nothing is set.
fn setting(registry: &dyn Source, path: &str) -> Result<Option<Json>, Failure> {
    match registry.get(path) {
        Ok(answer) => Ok(Some(answer)),
        Err(fault) if fault.is_not_found() => Ok(None),
        // Registries without modes of subjects say so in ways of their own.
        Err(Fault::Refused { status: 400 | 405 | 422, .. }) => Ok(None),
        Err(fault) => Err(failed(format!("{path} cannot be had"), &fault)),
    }
}

pub fn export(args: &ExportArgs, registry: &Registry) -> Result<(), Failure> {
    match &args.topic {
        Some(name) => exported(args.prefix.as_deref(), &topic(name, &args.connection)?),
        None => exported(args.prefix.as_deref(), registry),
    }
}

fn exported(prefix: Option<&str>, registry: &dyn Source) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout());
    let (mut count, mut written) = (0, BTreeSet::new());
    writeln!(
        out,
        "{}",
        object([("export", "ottla-schema".into()), ("format", Json::Number(FORMAT.to_string()))])
    )?;
    if prefix.is_none()
        && let Some(config) = setting(registry, "/config")?
    {
        writeln!(out, "{}", object([("config", config)]))?;
    }
    for subject in subjects(registry, prefix, true)? {
        let name = percent_encoded(&subject);
        for kind in ["config", "mode"] {
            if let Some(told) = setting(registry, &format!("/{kind}/{name}"))? {
                writeln!(out, "{}", object([("subject", subject.as_str().into()), (kind, told)]))?;
            }
        }
        let live = versions(registry, &subject, false)?;
        for version in versions(registry, &subject, true)? {
            let found = registry.version(&subject, &version.to_string());
            let found = found
                .map_err(|fault| failed(format!("version {version} of {subject} cannot be had"), &fault))?;
            let mut line = found.answer.as_object().cloned().unwrap_or_default();
            if !live.contains(&version) && line.get("deleted").is_none() {
                line.push("deleted", true);
            }
            writeln!(out, "{}", Json::Object(line))?;
            count += 1;
        }
        written.insert(subject);
    }
    let number = |number: usize| Json::Number(number.to_string());
    let end = [("end", true.into()), ("schemas", number(count)), ("subjects", number(written.len()))];
    writeln!(out, "{}", object(end))?;
    out.flush()?;
    say(format_args!("{count} versions of {} subjects", written.len()));
    Ok(())
}

/// One version of the file.
struct Line {
    subject: String,
    version: i64,
    id: i32,
    deleted: bool,
    registered: Registered,
}

/// Everything of a file.
#[derive(Default)]
struct Export {
    /// By id: what is referred to is older than what refers to it.
    lines: Vec<Line>,
    global: Option<Json>,
    configs: BTreeMap<String, Json>,
    modes: BTreeMap<String, Json>,
}

impl Export {
    fn read(text: &str) -> Result<Export, String> {
        let mut export = Export::default();
        let (mut ended, mut begun) = (None, false);
        for (index, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let line = Json::parse(text).map_err(|why| format!("line {}: {why}", index + 1))?;
            let wrong = |why: &str| format!("line {}: {why}", index + 1);
            if !begun {
                let is_ours = line.get("export").and_then(Json::as_str) == Some("ottla-schema");
                if !is_ours || line.get("format").and_then(Json::as_i64) != Some(FORMAT) {
                    return Err(wrong("it is no export of this format"));
                }
                begun = true;
                continue;
            }
            if ended.is_some() {
                return Err(wrong("something stands behind the end"));
            }
            if line.get("end").is_some() {
                ended = line.get("schemas").and_then(Json::as_i64);
                continue;
            }
            export.take(line).map_err(|why| wrong(&why))?;
        }
        match ended {
            Some(count) if usize::try_from(count) == Ok(export.lines.len()) => {
                export.lines.sort_by_key(|line| (line.id, line.version));
                Ok(export)
            }
            Some(count) => Err(format!("it has {} versions and says {count}", export.lines.len())),
            None => Err("it has no end: half a file".to_owned()),
        }
    }

    fn take(&mut self, line: Json) -> Result<(), String> {
        let subject = line.get("subject").and_then(Json::as_str).map(str::to_owned);
        match (subject, line.get("config"), line.get("mode")) {
            (None, Some(config), _) => self.global = Some(config.clone()),
            (Some(subject), Some(config), _) => drop(self.configs.insert(subject, config.clone())),
            (Some(subject), None, Some(mode)) => drop(self.modes.insert(subject, mode.clone())),
            (Some(subject), None, None) => {
                let deleted = line.get("deleted").and_then(Json::as_bool).unwrap_or(false);
                let registered = Registered::of(line).map_err(|fault| fault.to_string())?;
                let (Some(version), Some(id)) = (registered.version, registered.id) else {
                    return Err("a version without its number or its id".to_owned());
                };
                self.lines.push(Line { subject, version, id, deleted, registered });
            }
            (None, None, _) => return Err("nobody knows what it says".to_owned()),
        }
        Ok(())
    }
}

pub fn import(args: &ImportArgs, registry: &Registry) -> Result<(), Failure> {
    let mut text = String::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(&args.file).map_err(|error| unreadable(&args.file, &error))?;
    }
    let export = Export::read(&text).map_err(|why| {
        Failure::new(format!("{} cannot be imported", args.file.display()), why)
            .try_this("ottla schema export, once more")
    })?;
    let there = compared(&export, registry)?;
    let missing: Vec<&Line> = export.lines.iter().filter(|line| !there.contains(&place(line))).collect();
    let (total, same) = (export.lines.len(), there.len());
    if args.dry_run {
        say(format_args!(
            "{} of {total} versions would be written, {same} are there already; no conflicts",
            missing.len()
        ));
        return Ok(());
    }
    let touched: BTreeSet<&str> = missing.iter().map(|line| line.subject.as_str()).collect();
    let outcome = written(&touched, &missing, registry);
    // Whatever became of it: nobody shall go on giving ids by hand.
    let restored = touched.iter().try_for_each(|subject| restore_mode(subject, registry));
    outcome?;
    restored?;
    delete_softly(&export, registry)?;
    settle(&export, registry)?;
    verify(&export, registry)?;
    say(format_args!(
        "{} versions written, {same} were there already; all {total} are verified",
        missing.len()
    ));
    Ok(())
}

fn place(line: &Line) -> (String, i64) {
    (line.subject.clone(), line.version)
}

/// Which versions are there already, the same; everything else under their names or ids is a conflict.
fn compared(export: &Export, registry: &Registry) -> Result<BTreeSet<(String, i64)>, Failure> {
    let (mut there, mut conflicts) = (BTreeSet::new(), Vec::new());
    for line in &export.lines {
        let what = format!("version {} of {}", line.version, line.subject);
        match registry.version(&line.subject, &line.version.to_string(), true) {
            Ok(found) => match difference(line, &found) {
                None => drop(there.insert(place(line))),
                Some(why) => conflicts.push(format!("{what}: {why}")),
            },
            Err(fault) if fault.is_not_found() => {
                if let Some(why) = taken_id(line, registry)? {
                    conflicts.push(format!("{what}: {why}"));
                }
            }
            Err(fault) => return Err(failed(format!("{what} cannot be looked for"), &fault)),
        }
    }
    if conflicts.is_empty() {
        return Ok(there);
    }
    conflicts.iter().take(20).for_each(|conflict| say(format_args!("- {conflict}")));
    let why = format!(
        "{} of {} versions are something else there; nothing was written",
        conflicts.len(),
        export.lines.len()
    );
    Err(Failure::new("the registry holds other schemas", why)
        .try_this("an empty registry, or another context"))
}

/// An id that another schema has. Ids belong to contexts: those of `:.ctx:subject` are asked for there.
fn taken_id(line: &Line, registry: &Registry) -> Result<Option<String>, Failure> {
    let path = format!("/schemas/ids/{}?subject={}", line.id, percent_encoded(&line.subject));
    let found = match registry.get(&path).and_then(Registered::of) {
        Ok(found) => found,
        Err(fault) if fault.is_not_found() => return Ok(None),
        Err(fault) => return Err(failed(format!("schema {} cannot be looked for", line.id), &fault)),
    };
    let same = same_schema(&line.registered, &found);
    Ok((!same).then(|| format!("its id {} belongs to another schema", line.id)))
}

fn difference(line: &Line, found: &Registered) -> Option<String> {
    if found.id != Some(line.id) {
        return Some(format!("its id is {}, not {}", found.id.unwrap_or_default(), line.id));
    }
    (!same_schema(&line.registered, found)).then(|| "it is another schema".to_owned())
}

/// By text, or by what a registry that prints in another way makes of it.
fn same_schema(one: &Registered, other: &Registered) -> bool {
    let (one, other) = (&one.definition, &other.definition);
    let printed = |text: &str| {
        let nothing: [Referred; 0] = [];
        Parsed::parse(one.schema_type, text, &nothing, false).ok().map(|parsed| parsed.canonical())
    };
    one.schema_type == other.schema_type
        && (one.text == other.text
            || printed(&one.text).is_some_and(|text| printed(&other.text) == Some(text)))
}

fn written(touched: &BTreeSet<&str>, missing: &[&Line], registry: &Registry) -> Result<(), Failure> {
    for subject in touched {
        let path = format!("/mode/{}?force=true", percent_encoded(subject));
        let import = object([("mode", "IMPORT".into())]);
        registry.ask("PUT", &path, Some(&import)).map_err(|fault| {
            failed(format!("{subject} cannot be imported into"), &fault)
                .try_this("a registry that has the mode IMPORT: ottla registry, or Confluent's")
        })?;
    }
    for (index, line) in missing.iter().enumerate() {
        let taken =
            |name: &str| line.registered.answer.get(name).map(|value| (name.to_owned(), value.clone()));
        let body: Object = TAKEN.iter().filter_map(|name| taken(name)).collect();
        let path = format!("/subjects/{}/versions", percent_encoded(&line.subject));
        registry.ask("POST", &path, Some(&Json::Object(body))).map_err(|fault| {
            let what = format!("version {} of {} is not written, {index} were", line.version, line.subject);
            failed(what, &fault)
                .exit(Exit::Partial)
                .try_this("the same command again, once the cause is gone: it goes on")
        })?;
    }
    Ok(())
}

fn restore_mode(subject: &str, registry: &Registry) -> Result<(), Failure> {
    match registry.ask("DELETE", &format!("/mode/{}", percent_encoded(subject)), None) {
        Ok(_) => Ok(()),
        Err(fault) if fault.is_not_found() => Ok(()),
        Err(fault) => Err(failed(format!("{subject} is still in the mode IMPORT"), &fault)
            .exit(Exit::Partial)
            .try_this(format!("ottla schema mode {subject} --unset"))),
    }
}

/// Versions that were deleted there are deleted here, once everything that refers to them stands.
fn delete_softly(export: &Export, registry: &Registry) -> Result<(), Failure> {
    let mut by_subject: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for line in export.lines.iter().filter(|line| line.deleted) {
        by_subject.entry(&line.subject).or_default().push(line.version);
    }
    for (subject, gone) in by_subject {
        let live = versions(registry, subject, false)?;
        for version in gone.into_iter().filter(|version| live.contains(version)) {
            let path = format!("/subjects/{}/versions/{version}", percent_encoded(subject));
            registry.ask("DELETE", &path, None).map_err(|fault| {
                failed(format!("version {version} of {subject} is not deleted"), &fault).exit(Exit::Partial)
            })?;
        }
    }
    Ok(())
}

/// Levels and modes, last: they may forbid what had to be written.
fn settle(export: &Export, registry: &Registry) -> Result<(), Failure> {
    let mut all = Vec::new();
    if let Some(config) = &export.global {
        all.push(("/config".to_owned(), as_request(config)));
    }
    for (subject, config) in &export.configs {
        all.push((format!("/config/{}", percent_encoded(subject)), as_request(config)));
    }
    for (subject, mode) in &export.modes {
        all.push((format!("/mode/{}?force=true", percent_encoded(subject)), mode.clone()));
    }
    for (path, body) in all {
        registry
            .ask("PUT", &path, Some(&body))
            .map_err(|fault| failed(format!("{path} is not set"), &fault).exit(Exit::Partial))?;
    }
    Ok(())
}

/// The level has another name in requests than in answers.
fn as_request(config: &Json) -> Json {
    let members = config.as_object().cloned().unwrap_or_default();
    let renamed = |(name, value): (&str, &Json)| {
        let name = if name == "compatibilityLevel" { "compatibility" } else { name };
        (name.to_owned(), value.clone())
    };
    Json::Object(members.iter().map(renamed).collect())
}

fn verify(export: &Export, registry: &Registry) -> Result<(), Failure> {
    let mut live: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in &export.lines {
        if !live.contains_key(line.subject.as_str()) {
            live.insert(&line.subject, versions(registry, &line.subject, false)?);
        }
        let what = format!("version {} of {}", line.version, line.subject);
        let found = registry
            .version(&line.subject, &line.version.to_string(), true)
            .map_err(|fault| failed(format!("{what} cannot be read back"), &fault).exit(Exit::Partial))?;
        let is_live = live.get(line.subject.as_str()).is_some_and(|all| all.contains(&line.version));
        match difference(line, &found) {
            Some(why) => wrong.push(format!("{what}: {why}")),
            None if is_live == line.deleted => {
                wrong.push(format!("{what}: it is deleted in one of both only"))
            }
            None if found.definition.references.len() != line.registered.definition.references.len() => {
                wrong.push(format!("{what}: it refers to something else"));
            }
            None => {}
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.iter().take(20).for_each(|one| say(format_args!("- {one}")));
    Err(Failure::new(
        "the registry does not hold what was imported",
        format!("{} versions differ", wrong.len()),
    )
    .exit(Exit::Partial)
    .try_this("the registry's own log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"export":"ottla-schema","format":1}
{"config":{"compatibilityLevel":"FULL"}}
{"subject":"b","mode":{"mode":"READONLY"}}
{"subject":"b","version":2,"id":7,"schema":"\"int\"","deleted":true}
{"subject":"a","version":1,"id":3,"schema":"\"long\"","schemaType":"AVRO"}
{"end":true,"schemas":2,"subjects":2}
"#;

    #[test]
    fn half_a_file_or_a_strangers_is_refused() {
        let export = Export::read(WHOLE).unwrap_or_else(|why| panic!("{why}"));
        let order: Vec<(i32, bool)> = export.lines.iter().map(|line| (line.id, line.deleted)).collect();
        assert_eq!((order, export.modes.len()), (vec![(3, false), (7, true)], 1));
        let level = export.global.as_ref().map(|config| as_request(config).to_string());
        assert_eq!(level.as_deref(), Some(r#"{"compatibility":"FULL"}"#));
        let lines: Vec<&str> = WHOLE.lines().collect();
        for bad in [
            lines[..5].join("\n"),
            lines[1..].join("\n"),
            [lines[0], lines[4], lines[5]].join("\n"),
            [WHOLE, lines[4]].concat(),
            WHOLE.replace("\"id\":7,", ""),
            WHOLE.replace("\"mode\":{", "\"what\":{"),
            String::new(),
        ] {
            assert!(Export::read(&bad).is_err(), "{bad}");
        }
    }
}
