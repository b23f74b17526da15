//! Every file of `testscripts/` says what it says. `OTTLA_UPDATE_SCRIPTS=1` writes down what is heard now.

use super::script;
use std::path::Path;

#[test]
fn every_script_is_answered_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/group/testscripts");
    let update = std::env::var_os("OTTLA_UPDATE_SCRIPTS").is_some();
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let written = std::fs::read_to_string(&file).unwrap();
        let heard = script::replay(&written);
        if heard == written {
            continue;
        }
        if update {
            std::fs::write(&file, heard).unwrap();
        } else {
            wrong.push(format!("{}\n{}", file.display(), first_difference(&written, &heard)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn first_difference(written: &str, heard: &str) -> String {
    let at = written.lines().zip(heard.lines()).position(|(left, right)| left != right);
    let at = at.unwrap_or(written.lines().count().min(heard.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(end)").to_owned();
    format!("line {}: written {:?}, heard {:?}", at + 1, line(written), line(heard))
}
