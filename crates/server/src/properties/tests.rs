use super::*;

#[test]
fn arguments_are_pairs() {
    let mut p = Properties::default();
    p.set_pair("a=b=c").unwrap();
    assert_eq!(p.get("a"), Some("b=c"));
    assert!(p.set_pair("novalue").is_err() && p.set_pair("=x").is_err());
}
