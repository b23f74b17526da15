//! `ottla install-scripts`: one link for each script, all to this binary. Never takes the place of what is not a link of its own, unless
//! it is told to; a second run changes nothing.

use super::{SCRIPTS, not_here};
use crate::failure::{Exit, Failure, say};
use clap::Args;
use std::io;
use std::path::{Path, PathBuf};

const AFTER: &str = r#"Examples:
  ottla install-scripts /usr/local/bin
  ottla install-scripts package/usr/bin --target /usr/lib/ottla/ottla

Each script is there twice, as kafka-topics and as kafka-topics.sh. docs/operators/scripts.md says which are answered."#;

/// Arguments of `ottla install-scripts`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct InstallArgs {
    /// Where the links go; made if it is not there
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// What they point to; this binary without it
    #[arg(long, value_name = "PATH")]
    target: Option<PathBuf>,
    /// Take the place of what has these names already
    #[arg(long)]
    force: bool,
}

/// Lays the links.
pub fn run(args: &InstallArgs) -> Result<(), Failure> {
    let target = match &args.target {
        Some(target) => target.clone(),
        None => std::env::current_exe()
            .map_err(|error| Failure::new("could not find this binary", error).try_this("--target PATH"))?,
    };
    let shown = args.directory.display();
    std::fs::create_dir_all(&args.directory).map_err(|error| {
        Failure::new(format!("could not make {shown}"), error).try_this("another directory")
    })?;
    let names: Vec<String> = SCRIPTS
        .iter()
        .chain(not_here::SCRIPTS)
        .flat_map(|script| [script.name.to_owned(), format!("{}.sh", script.name)])
        .collect();
    // All are looked at before any is laid.
    let mut strangers = Vec::new();
    for name in &names {
        let path = args.directory.join(name);
        if !args.force && !is_free(&path, &target) {
            strangers.push(name.as_str());
        }
    }
    if !strangers.is_empty() {
        let why = format!("{shown} has other files of these names: {}", strangers.join(", "));
        return Err(Failure::new("no link was laid", why)
            .exit(Exit::Failed)
            .try_this("--force, or another directory"));
    }
    for name in &names {
        let path = args.directory.join(name);
        link(&path, &target).map_err(|error| {
            Failure::new(format!("could not lay {}", path.display()), error).try_this("another directory")
        })?;
    }
    say(format_args!("{} links in {shown} to {}", names.len(), target.display()));
    Ok(())
}

/// Nothing is there, or a link to a binary of this name.
fn is_free(path: &Path, target: &Path) -> bool {
    match std::fs::symlink_metadata(path) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(_) => std::fs::read_link(path).is_ok_and(|there| there.file_name() == target.file_name()),
    }
}

/// Puts the link there at once, so that nobody ever finds none.
fn link(path: &Path, target: &Path) -> io::Result<()> {
    if std::fs::read_link(path).is_ok_and(|there| there == target) {
        return Ok(());
    }
    let beside = path.with_extension("ottla-new");
    let _left_by_an_earlier_run = std::fs::remove_file(&beside);
    std::os::unix::fs::symlink(target, &beside)?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_laid_again_and_strangers_stay() {
        let directory = std::env::temp_dir().join(format!("ottla-install-{}", std::process::id()));
        let args = |force| InstallArgs {
            directory: directory.clone(),
            target: Some(PathBuf::from("/usr/bin/ottla")),
            force,
        };
        run(&args(false)).unwrap();
        run(&args(false)).unwrap();
        let topics = directory.join("kafka-topics.sh");
        assert_eq!(std::fs::read_link(&topics).unwrap(), Path::new("/usr/bin/ottla"));
        std::fs::remove_file(&topics).unwrap();
        std::fs::write(&topics, "somebody's own").unwrap();
        assert!(run(&args(false)).is_err());
        assert_eq!(std::fs::read_to_string(&topics).unwrap(), "somebody's own");
        run(&args(true)).unwrap();
        assert!(std::fs::read_link(&topics).is_ok());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
