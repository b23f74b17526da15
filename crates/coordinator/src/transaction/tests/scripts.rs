//! Every file of `testscripts/` says what it says. `OTTLA_UPDATE_SCRIPTS=1` writes down what is heard now; in the files named `kafka_…`
//! the answers are Apache Kafka's, and are not to be written by us.

use super::script;
use std::path::Path;
use wire::testing::check_scripts;

#[test]
fn every_script_is_answered_as_written() {
    check_scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/transaction/testscripts"), script::play);
}
