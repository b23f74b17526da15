//! Bugs planted on purpose: the table, and one of each way to plant. `ottla-sim planted` looks for all of them, optimised.

use std::collections::BTreeSet;

use crate::plants;

#[test]
fn the_table_has_bugs_enough_and_each_once() {
    let names: BTreeSet<&str> = plants().iter().map(|planted| planted.name).collect();
    assert_eq!(names.len(), plants().len());
    assert!(names.len() >= 25, "{}", names.len());
}

#[track_caller]
fn check(name: &str) {
    let planted = plants().into_iter().find(|planted| planted.name == name).unwrap();
    let found = planted.find(drop);
    assert!(found.is_some(), "{name} is not found");
}

#[test]
fn a_disk_that_lies_is_found() {
    check("every sync of a segment removed");
}

#[test]
fn a_client_that_believes_too_much_is_found() {
    check("acknowledged before it is replicated");
}

#[test]
fn a_bug_of_the_product_is_found() {
    check("a duplicate is appended");
}
