//! `config.providers`: values that stand elsewhere, `${env:NAME}`, `${file:/path:key}`, `${dir:/path:file}`, put in before
//! anything reads the configuration.
//!
//! Owns Kafka's own three providers (EnvVarConfigProvider, FileConfigProvider, DirectoryConfigProvider) with their parameters, and
//! the grammar of a reference. A reference to a provider that is not configured, or to a name that it does not have, stays as it
//! is written, as in Kafka: a number refuses it, a text shows it. Never loads a class: any other provider refuses the start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::properties::Properties;

const KEY: &str = "config.providers";
const PACKAGE: &str = "org.apache.kafka.common.config.provider.";

/// Puts in what the providers give. `variable` reads the environment. The error is one sentence, Kafka's where it has one.
pub fn resolve(
    mut properties: Properties,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Properties, String> {
    let providers = configured(&properties)?;
    if !providers.is_empty() {
        for value in properties.0.values_mut() {
            *value = replace(value, &providers, &variable)?;
        }
    }
    Ok(properties)
}

/// One configured provider.
#[derive(Debug)]
enum Provider {
    Environment(AllowList),
    File(AllowedPaths),
    Directory(AllowedPaths),
}

/// The providers by name. One without a class gives nothing, as in Kafka.
fn configured(properties: &Properties) -> Result<BTreeMap<String, Provider>, String> {
    let mut found = BTreeMap::new();
    // Kafka splits here without trimming: a name after a blank is another name.
    for name in properties.get(KEY).unwrap_or_default().split(',') {
        let Some(class) = properties.get(&format!("{KEY}.{name}.class")) else { continue };
        let parameter = |what: &str| properties.get(&format!("{KEY}.{name}.param.{what}"));
        let paths = || AllowedPaths::new(parameter("allowed.paths"));
        let provider = match class.strip_prefix(PACKAGE) {
            Some("EnvVarConfigProvider") => {
                Provider::Environment(AllowList::new(parameter("allowlist.pattern"))?)
            }
            Some("FileConfigProvider") => Provider::File(paths()?),
            Some("DirectoryConfigProvider") => Provider::Directory(paths()?),
            _ => {
                return Err(format!(
                    "Invalid value {class} for configuration {KEY}.{name}.class: Could not load config provider class \
                     or one of its dependencies"
                ));
            }
        };
        found.insert(name.to_owned(), provider);
    }
    Ok(found)
}

/// A reference, and the rest of the text behind it.
struct Reference<'a> {
    before: &'a str,
    written: &'a str,
    provider: &'a str,
    path: &'a str,
    name: &'a str,
    rest: &'a str,
}

/// The first `${provider:name}` or `${provider:path:name}`: the first closing brace ends it, a name may hold colons.
fn next_reference(text: &str) -> Option<Reference<'_>> {
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find("${")?;
        let inside = text.get(start + 2..)?;
        let end = inside.find('}')?;
        if let Some((provider, after)) = inside.get(..end)?.split_once(':') {
            let (path, name) = after.split_once(':').unwrap_or(("", after));
            let close = start + 2 + end + 1;
            return Some(Reference {
                before: text.get(..start)?,
                written: text.get(start..close)?,
                provider,
                path,
                name,
                rest: text.get(close..)?,
            });
        }
        from = start + 2;
    }
}

/// The text with every reference put in that can be; what a provider gives is not looked at again.
fn replace(
    text: &str,
    providers: &BTreeMap<String, Provider>,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some(reference) = next_reference(rest) {
        let value = match providers.get(reference.provider) {
            None => None,
            Some(provider) => provider.get(reference.path, reference.name, variable)?,
        };
        whole.push_str(reference.before);
        whole.push_str(value.as_deref().unwrap_or(reference.written));
        rest = reference.rest;
    }
    whole.push_str(rest);
    Ok(whole)
}

impl Provider {
    fn get(
        &self,
        path: &str,
        name: &str,
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<String>, String> {
        match self {
            Provider::Environment(_) if !path.is_empty() => {
                Err(format!("Path is not supported for EnvVarConfigProvider, invalid value '{path}'"))
            }
            Provider::Environment(allowed) => Ok(variable(name).filter(|_| allowed.allows(name))),
            Provider::File(allowed) => {
                let Some(path) = allowed.checked(path) else { return Ok(None) };
                let unreadable = |why: &dyn std::fmt::Display| {
                    format!("Could not read properties from file {}: {why}", path.display())
                };
                let bytes = std::fs::read(&path).map_err(|why| unreadable(&why))?;
                // This one is read as UTF-8, unlike server.properties itself.
                let text = std::str::from_utf8(&bytes).map_err(|why| unreadable(&why))?;
                let mut values = wire::properties::parse_text(text).map_err(|why| unreadable(&why))?;
                Ok(values.remove(name))
            }
            Provider::Directory(allowed) => {
                let Some(directory) = allowed.checked(path) else { return Ok(None) };
                // A name is that of a file in the directory, never a path below or out of it.
                let mut parts = Path::new(name).components();
                let (Some(Component::Normal(only)), None) = (parts.next(), parts.next()) else {
                    return Ok(None);
                };
                let file = directory.join(only);
                if !file.is_file() {
                    return Ok(None);
                }
                let unreadable = |why: &dyn std::fmt::Display| {
                    format!("Could not read file {} for property {name}: {why}", file.display())
                };
                let bytes = std::fs::read(&file).map_err(|why| unreadable(&why))?;
                String::from_utf8(bytes).map(Some).map_err(|why| unreadable(&why))
            }
        }
    }
}

/// `allowlist.pattern`: which variables may be asked for.
#[derive(Debug)]
struct AllowList(Option<BTreeSet<String>>);

impl AllowList {
    fn new(pattern: Option<&str>) -> Result<Self, String> {
        let Some(pattern) = pattern else { return Ok(Self(None)) };
        let alternatives: BTreeSet<String> = pattern.split('|').map(str::to_owned).collect();
        // DIVERGES: Kafka takes any Java regular expression. Names, a dot for any character and `.*` for any characters, divided by
        // `|`, say what lists of variables say; a pattern that would be understood otherwise must not let a variable through.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_simple = |text: &String| text.replace(".*", "").chars().all(plain);
        if !alternatives.iter().all(is_simple) {
            return Err(format!(
                "{KEY}: the allowlist.pattern {pattern} is more than names, `.`, `.*` and `|`, which is all that is \
                 understood here"
            ));
        }
        Ok(Self(Some(alternatives)))
    }

    fn allows(&self, name: &str) -> bool {
        let Self(alternatives) = self;
        alternatives.as_ref().is_none_or(|all| all.iter().any(|one| matches(one.as_bytes(), name.as_bytes())))
    }
}

/// Whether the whole `name` is what `pattern` says: `.` is one character, `.*` any number of them.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // The places of the pattern where one can be after so many characters of the name.
    let skip_stars = |places: &mut BTreeSet<usize>| {
        for at in 0..pattern.len() {
            if places.contains(&at) && pattern.get(at..).is_some_and(|rest| rest.starts_with(b".*")) {
                places.insert(at + 2);
            }
        }
    };
    let mut places = BTreeSet::from([0]);
    skip_stars(&mut places);
    for byte in name {
        let mut next = BTreeSet::new();
        for at in places {
            match pattern.get(at..) {
                Some([b'.', b'*', ..]) => next.insert(at),
                Some([first, ..]) if *first == b'.' || first == byte => next.insert(at + 1),
                _ => false,
            };
        }
        skip_stars(&mut next);
        places = next;
    }
    places.contains(&pattern.len())
}

/// `allowed.paths`: below which directories (or which files) a provider may read; `None`: anywhere.
#[derive(Debug)]
struct AllowedPaths(Option<Vec<PathBuf>>);

impl AllowedPaths {
    fn new(list: Option<&str>) -> Result<Self, String> {
        let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(Self(None)) };
        let one = |text: &str| {
            let path = normalized(Path::new(text));
            if !path.is_absolute() {
                return Err(format!("Path {} is not absolute", path.display()));
            }
            if !path.exists() {
                return Err(format!("Path {} does not exist", path.display()));
            }
            Ok(path)
        };
        list.split(',').map(one).collect::<Result<_, _>>().map(|paths| Self(Some(paths)))
    }

    /// The path if it may be read.
    fn checked(&self, path: &str) -> Option<PathBuf> {
        if path.is_empty() {
            return None;
        }
        let Some(allowed) = &self.0 else { return Some(PathBuf::from(path)) };
        let path = normalized(Path::new(path));
        let is_allowed = allowed.iter().any(|root| path.starts_with(root));
        if !is_allowed {
            tracing::warn!(path = %path.display(), "a config provider may not read here (allowed.paths)");
        }
        is_allowed.then_some(path)
    }
}

/// Without `.` and `..`, by the text alone, as Java's `Path.normalize`.
fn normalized(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(whole.components().next_back(), Some(Component::Normal(_))) => {
                whole.pop();
            }
            Component::ParentDir if whole.has_root() => {}
            other => whole.push(other),
        }
    }
    whole
}

#[cfg(test)]
mod tests;
