//! The index finds what looking through all entries finds, whatever came and went.

use super::*;

const TOPIC: i8 = 2;

fn record(id: u64, name: &str, pattern_type: i8, principal: &str) -> AccessControlEntryRecord {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&id.to_be_bytes());
    AccessControlEntryRecord {
        id: Uuid(bytes),
        resource_type: TOPIC,
        resource_name: name.into(),
        pattern_type,
        principal: principal.into(),
        host: "*".into(),
        operation: 3,
        permission_type: 3,
    }
}

fn speaks_of(acl: &AclImage, name: &str) -> bool {
    match acl.pattern_type {
        PREFIXED => name.starts_with(acl.resource_name.as_str()),
        _ => acl.resource_name == name || acl.resource_name == WILDCARD,
    }
}

#[test]
fn what_is_found_is_what_speaks_of_the_resource() {
    let mut random = wire::random::SplitMix64::new(7);
    let names = ["*", "a", "ab", "abc", "abcd", "b", "bé", "béc"];
    let principals = ["User:a", "User:b", "User:*"];
    let mut image = AclsImage::default();
    let mut ids = Vec::new();
    for step in 0..2_000_u64 {
        let pick = |random: &mut wire::random::SplitMix64, n: usize| (random.next_u64() % n as u64) as usize;
        if ids.len() > 12 && pick(&mut random, 2) == 0 {
            let id = ids.swap_remove(pick(&mut random, ids.len()));
            image.remove(&RemoveAccessControlEntryRecord { id }).expect("it is there");
        } else {
            let name = names[pick(&mut random, names.len())];
            let pattern = [LITERAL, PREFIXED][pick(&mut random, 2)];
            let record = record(step, name, pattern, principals[pick(&mut random, principals.len())]);
            ids.push(record.id);
            image.add(&record).expect("a new entry");
        }
        image.check();
        for name in names {
            let all = || image.iter().map(|(_, acl)| acl).filter(|acl| speaks_of(acl, name));
            assert_eq!(image.speaks_of(TOPIC, name), all().next().is_some(), "{name}");
            assert!(!image.speaks_of(3, name));
            for principal in principals {
                let mut found: Vec<_> = image.of(principal, TOPIC, name).cloned().collect();
                let mut wanted: Vec<_> = all().filter(|acl| acl.principal == principal).cloned().collect();
                found.sort();
                wanted.sort();
                assert_eq!(found, wanted, "{principal} {name}");
            }
        }
    }
}

#[test]
fn an_entry_that_stands_there_twice_goes_with_its_second_removal() {
    let mut image = AclsImage::default();
    let (one, two) = (record(1, "t", LITERAL, "User:a"), record(2, "t", LITERAL, "User:a"));
    image.add(&one).expect("added");
    image.add(&two).expect("added");
    let (_, acl) = image.iter().next().expect("one");
    let acl = Arc::clone(acl);
    image.remove(&RemoveAccessControlEntryRecord { id: one.id }).expect("removed");
    assert!(image.contains(&acl) && image.of("User:a", TOPIC, "t").count() == 1);
    image.remove(&RemoveAccessControlEntryRecord { id: two.id }).expect("removed");
    assert!(!image.contains(&acl) && image.of("User:a", TOPIC, "t").count() == 0);
    assert!(image.remove(&RemoveAccessControlEntryRecord { id: two.id }).is_err());
    image.check();
}
