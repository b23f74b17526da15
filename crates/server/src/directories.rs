//! The log directories as a process finds them: formatted or not, whose they are, and that nobody else has them.
//!
//! Owns reading every `meta.properties` and comparing them with the configuration and with each other, as Kafka's
//! MetaPropertiesEnsemble does. Partitions inside are the business of `log` and `broker`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use log::Disk;
use wire::Uuid;

use crate::properties::Properties;

/// The file that makes a directory ours.
pub const META_PROPERTIES: &str = "meta.properties";

/// One `meta.properties`, of whatever version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// 0 is the format of ZooKeeper times.
    pub version: i32,
    /// `cluster.id`
    pub cluster_id: Option<String>,
    /// `node.id` (`broker.id` in version 0).
    pub node_id: Option<i32>,
    /// `directory.id`
    pub directory_id: Option<Uuid>,
}

impl Meta {
    /// Reads the file's text.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let all = Properties::parse(text).map_err(|e| e.to_string())?;
        let number = |key: &str| -> Result<Option<i32>, String> {
            let parse = |text: &str| {
                text.trim().parse().map_err(|_| format!("Unable to read {key} as a base-10 number."))
            };
            all.get(key).map(parse).transpose()
        };
        let version = number("version")?.unwrap_or(0);
        if !(0..=1).contains(&version) {
            return Err(format!("Unknown meta.properties version number {version}"));
        }
        let node_id = number(if version == 0 { "broker.id" } else { "node.id" })?;
        if version == 1 {
            all.get("cluster.id").ok_or("cluster.id was not found.")?;
            node_id.ok_or("Failed to find node.id")?;
        }
        let directory_id = match all.get("directory.id") {
            None => None,
            Some(text) => {
                Some(text.parse().map_err(|_| format!("Unable to read directory.id as a Uuid: {text}"))?)
            }
        };
        Ok(Self { version, cluster_id: all.get("cluster.id").map(str::to_owned), node_id, directory_id })
    }
}

impl fmt::Display for Meta {
    /// As `kafka-storage info` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.cluster_id.as_ref().map(|id| format!("cluster.id={id}")));
        parts.extend(self.directory_id.map(|id| format!("directory.id={id}")));
        parts.extend(
            self.node_id
                .map(|id| format!("{}={id}", if self.version == 0 { "broker.id" } else { "node.id" })),
        );
        parts.push(format!("version={}", self.version));
        write!(f, "{{{}}}", parts.join(", "))
    }
}

/// What a directory turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It has its `meta.properties`.
    Formatted(Meta),
    /// It is missing, or has none.
    Empty,
    /// It cannot be read; the reason.
    Unreadable(String),
}

/// All directories of a node, by path.
#[derive(Debug, Clone, Default)]
pub struct Ensemble(pub BTreeMap<PathBuf, Found>);

impl Ensemble {
    /// Looks at each directory.
    pub fn load<'a>(disk: &dyn Disk, directories: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        Self(directories.into_iter().map(|path| (path.clone(), look(disk, path))).collect())
    }

    /// Checks the files against each other and against what is expected of them.
    pub fn verify(&self, cluster_id: Option<&str>, node_id: i32) -> Result<(), String> {
        let mut expected = cluster_id.map(str::to_owned);
        let mut ids: BTreeMap<Uuid, &Path> = BTreeMap::new();
        for (path, meta) in self.formatted() {
            let file = path.join(META_PROPERTIES);
            if let Some(read) = &meta.cluster_id {
                let wanted = expected.get_or_insert_with(|| read.clone());
                if wanted != read {
                    return Err(format!(
                        "Invalid cluster.id in: {}. Expected {wanted}, but read {read}",
                        file.display()
                    ));
                }
            }
            let Some(read) = meta.node_id else {
                return Err(format!("Error: node ID not found in {}", path.display()));
            };
            if read != node_id {
                return Err(format!(
                    "Stored node id {read} doesn't match previous node id {node_id} in {}. If you moved your data, \
                     make sure your configured node id matches. If you intend to create a new node, you should \
                     remove all data in your data directories.",
                    file.display()
                ));
            }
            if let Some(id) = meta.directory_id
                && let Some(other) = ids.insert(id, path)
            {
                return Err(format!(
                    "Duplicate directory ID Optional[{id}] found. It was the ID of {}, but also of {}",
                    other.display(),
                    path.display()
                ));
            }
        }
        Ok(())
    }

    /// The formatted ones.
    pub fn formatted(&self) -> impl Iterator<Item = (&PathBuf, &Meta)> {
        self.0.iter().filter_map(|(path, found)| match found {
            Found::Formatted(meta) => Some((path, meta)),
            Found::Empty | Found::Unreadable(_) => None,
        })
    }

    /// Those to be formatted.
    pub fn empty(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.iter().filter(|(_, found)| **found == Found::Empty).map(|(path, _)| path)
    }

    /// Those that cannot be read, and why.
    pub fn unreadable(&self) -> impl Iterator<Item = (&PathBuf, &str)> {
        self.0.iter().filter_map(|(path, found)| match found {
            Found::Unreadable(why) => Some((path, why.as_str())),
            Found::Formatted(_) | Found::Empty => None,
        })
    }

    /// The cluster id that the formatted ones carry.
    pub fn cluster_id(&self) -> Option<&str> {
        self.formatted().find_map(|(_, meta)| meta.cluster_id.as_deref())
    }
}

fn look(disk: &dyn Disk, directory: &Path) -> Found {
    if !disk.exists(directory) {
        return Found::Empty;
    }
    let entries = match disk.list(directory) {
        Ok(entries) => entries,
        Err(fault) => return Found::Unreadable(fault.to_string()),
    };
    if !entries.iter().any(|entry| entry.name == META_PROPERTIES) {
        return Found::Empty;
    }
    let text = match disk.read_file(&directory.join(META_PROPERTIES)) {
        Ok(text) => text,
        Err(fault) => return Found::Unreadable(fault.to_string()),
    };
    Meta::parse(&text).map_or_else(Found::Unreadable, Found::Formatted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ensemble(files: &[(&str, &str)]) -> Ensemble {
        let found = |text: &str| match text {
            "" => Found::Empty,
            text => Found::Formatted(Meta::parse(text.as_bytes()).unwrap()),
        };
        Ensemble(files.iter().map(|(path, text)| (PathBuf::from(path), found(text))).collect())
    }

    const A: &str = "version=1\ncluster.id=c\nnode.id=1\ndirectory.id=I3EVWPe_JZPt-rQtad_3LA";

    #[test]
    fn a_file_prints_as_kafka_prints_it() {
        let print = |text: &str| Meta::parse(text.as_bytes()).unwrap().to_string();
        assert_eq!(print(A), "{cluster.id=c, directory.id=I3EVWPe_JZPt-rQtad_3LA, node.id=1, version=1}");
        assert_eq!(print("cluster.id=c\nnode.id=7"), "{cluster.id=c, version=0}");
        assert!(Meta::parse(b"version=x").is_err());
        let why = |text: &str| Meta::parse(text.as_bytes()).unwrap_err();
        assert_eq!(why("version=2"), "Unknown meta.properties version number 2");
        assert_eq!(why("version=1\nnode.id=1"), "cluster.id was not found.");
        assert_eq!(why("version=1\ncluster.id=c"), "Failed to find node.id");
    }

    #[test]
    fn strangers_and_twins_are_refused_in_kafkas_words() {
        let verify =
            |files: &[(&str, &str)], cluster, node| ensemble(files).verify(cluster, node).unwrap_err();
        assert_eq!(
            verify(&[("/a", A)], Some("other"), 1),
            "Invalid cluster.id in: /a/meta.properties. Expected other, but read c"
        );
        assert_eq!(
            verify(&[("/a", A), ("/b", "version=1\ncluster.id=d\nnode.id=1")], None, 1),
            "Invalid cluster.id in: /b/meta.properties. Expected c, but read d"
        );
        assert_eq!(
            verify(&[("/a", A)], Some("c"), 2),
            "Stored node id 1 doesn't match previous node id 2 in /a/meta.properties. If you moved your data, make \
             sure your configured node id matches. If you intend to create a new node, you should remove all data in \
             your data directories."
        );
        assert_eq!(
            verify(&[("/a", A), ("/b", A)], Some("c"), 1),
            "Duplicate directory ID Optional[I3EVWPe_JZPt-rQtad_3LA] found. It was the ID of /a, but also of /b"
        );
        assert_eq!(ensemble(&[("/a", A), ("/b", "")]).verify(Some("c"), 1), Ok(()));
    }
}
