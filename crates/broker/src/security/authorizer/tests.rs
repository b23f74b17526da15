//! The rules, one table; whether they are Kafka's is held against Kafka itself.

use super::*;
use kraft::image::MetadataImage;
use wire::Uuid;
use wire::records::metadata::AccessControlEntryRecord;

/// `allow User:a Read topic:t` (with `topic:t*` for a prefix, and a host behind `@`).
fn entry(text: &str, id: u8) -> AccessControlEntryRecord {
    let (text, host) = text.split_once('@').unwrap_or((text, "*"));
    let words: Vec<&str> = text.split(' ').collect();
    let (kind, name) = words[3].split_once(':').expect("type:name");
    let prefix = name.strip_suffix('*').filter(|name| !name.is_empty());
    let operations = [
        "All",
        "Read",
        "Write",
        "Create",
        "Delete",
        "Alter",
        "Describe",
        "ClusterAction",
        "DescribeConfigs",
        "AlterConfigs",
        "IdempotentWrite",
    ];
    AccessControlEntryRecord {
        id: Uuid([id; 16]),
        resource_type: match kind {
            "topic" => 2,
            "group" => 3,
            _ => 4,
        },
        resource_name: prefix.unwrap_or(name).into(),
        pattern_type: if prefix.is_some() { PREFIXED } else { LITERAL },
        principal: words[1].into(),
        host: host.into(),
        operation: operations.iter().position(|one| *one == words[2]).expect("an operation") as i8 + 2,
        permission_type: if words[0] == "allow" { ALLOW } else { DENY },
    }
}

fn image(entries: &[&str]) -> MetadataImage {
    let mut image = MetadataImage::default();
    for (at, text) in entries.iter().enumerate() {
        image.apply(&entry(text, at as u8 + 1).into()).expect("an entry");
    }
    image
}

fn may(entries: &[&str], who: &str, operation: Operation, resource: Resource<'_>) -> bool {
    let image = image(entries);
    let principal = Principal::parse(who).expect("a principal");
    let asker = Asker { principal: &principal, host: "/10.1.2.3" };
    let authorizer = Authorizer::new("User:root; User:admin", "false").expect("rules");
    authorizer.rule(Some(&image.acls), asker, operation, resource).allows()
}

#[test]
fn entries_decide_as_in_kafka() {
    use Operation::*;
    let cases: &[(&[&str], &str, Operation, &str, bool)] = &[
        (&[], "User:a", Read, "t", false),
        (&[], "User:root", Read, "t", true),
        (&[], "User:admin", Delete, "t", true),
        (&["deny User:root All topic:*"], "User:root", Read, "t", true),
        (&["allow User:a Read topic:t"], "User:a", Read, "t", true),
        (&["allow User:a Read topic:t"], "User:b", Read, "t", false),
        (&["allow User:a Read topic:t"], "User:a", Read, "tt", false),
        (&["allow User:a Read topic:t"], "Group:a", Read, "t", false),
        (&["allow User:* Read topic:t"], "User:b", Read, "t", true),
        (&["allow User:* Read topic:t"], "Group:b", Read, "t", true),
        (&["allow User:a Read topic:t*"], "User:a", Read, "tt", true),
        (&["allow User:a Read topic:t*"], "User:a", Read, "s", false),
        (&["allow User:a Read topic:*"], "User:a", Read, "s", true),
        (&["allow User:a All topic:*", "deny User:a Read topic:t"], "User:a", Read, "t", false),
        (&["allow User:a All topic:*", "deny User:* Read topic:t*"], "User:a", Read, "tt", false),
        (&["allow User:a All topic:*", "deny User:a Read topic:t"], "User:a", Write, "t", true),
        (&["allow User:a All topic:*", "deny User:a Read topic:t"], "User:a", Describe, "t", true),
        (&["deny User:a All topic:t", "allow User:a All topic:t"], "User:a", Describe, "t", false),
        (&["allow User:a Write topic:t"], "User:a", Describe, "t", true),
        (&["allow User:a Create topic:t"], "User:a", Describe, "t", false),
        (&["allow User:a AlterConfigs topic:t"], "User:a", DescribeConfigs, "t", true),
        (&["allow User:a DescribeConfigs topic:t"], "User:a", AlterConfigs, "t", false),
        (&["allow User:a AlterConfigs topic:t"], "User:a", Describe, "t", false),
        (&["allow User:a Read topic:t@10.1.2.3"], "User:a", Read, "t", true),
        (&["allow User:a Read topic:t@10.1.2.4"], "User:a", Read, "t", false),
        (&["allow User:a Read topic:t@10.1.0.0/16"], "User:a", Read, "t", true),
        (&["allow User:a Read topic:t@10.2.0.0/16"], "User:a", Read, "t", false),
        (&["allow User:a Read group:t"], "User:a", Read, "t", false),
    ];
    for (entries, who, operation, topic, allowed) in cases {
        let got = may(entries, who, *operation, Resource::Topic(topic));
        assert_eq!(got, *allowed, "{entries:?} {who} {operation:?} {topic}");
    }
}

#[test]
fn nobody_but_super_users_may_anything_before_the_metadata_is_read() {
    let authorizer = Authorizer::new("User:root", "true").expect("rules");
    for (name, rule) in [("root", Rule::SuperUser), ("a", Rule::NotReady)] {
        let principal = Principal::user(name);
        let asker = Asker { principal: &principal, host: "/::1" };
        assert_eq!(authorizer.rule(None, asker, Operation::Read, Resource::Topic("t")), rule);
    }
    let by_token = Principal { by_token: true, ..Principal::user("root") };
    assert!(authorizer.is_super_user(&by_token));
}

#[test]
fn without_entries_for_a_resource_the_file_decides() {
    let authorizer = Authorizer::new("", "true").expect("rules");
    let image = image(&["allow User:a Read topic:t*"]);
    let principal = Principal::user("b");
    let asker = Asker { principal: &principal, host: "/10.1.2.3" };
    let rule = |topic| authorizer.rule(Some(&image.acls), asker, Operation::Read, Resource::Topic(topic));
    assert_eq!(rule("s"), Rule::NothingSaid);
    assert_eq!(rule("tt"), Rule::NothingAllows);
}

#[test]
fn any_resource_of_a_type_is_one_that_is_not_denied_as_well() {
    let cases: &[(&[&str], bool)] = &[
        (&[], false),
        (&["allow User:a Write topic:t"], true),
        (&["allow User:a Read topic:t"], false),
        (&["allow User:a Write topic:*"], true),
        (&["allow User:a Write topic:t", "deny User:a Write topic:*"], false),
        (&["allow User:a Write topic:t", "deny User:a Write topic:t"], false),
        (&["allow User:a Write topic:t", "deny User:a Write topic:t*"], false),
        (&["allow User:a Write topic:t*", "deny User:a Write topic:t"], true),
        (&["allow User:a Write topic:ab*", "deny User:a Write topic:a*"], false),
        (&["allow User:a Write topic:t", "deny User:b Write topic:*"], true),
        (&["allow User:a Write topic:t@10.9.9.9"], false),
        (&["allow User:* All topic:t*"], true),
    ];
    for (entries, allowed) in cases {
        let image = image(entries);
        let principal = Principal::user("a");
        let asker = Asker { principal: &principal, host: "/10.1.2.3" };
        let authorizer = Authorizer::new("", "false").expect("rules");
        let got = authorizer.may_any(Some(&image.acls), asker, Operation::Write, ResourceKind::Topic);
        assert_eq!(got, *allowed, "{entries:?}");
    }
}

#[test]
fn a_super_user_that_is_no_principal_is_refused() {
    for text in ["root", "User:a;root", ":a", "User:"] {
        assert!(Authorizer::new(text, "false").is_err(), "{text}");
    }
    assert!(Authorizer::new(" ; User:a ;", "").is_ok());
}
