//! What entries and credentials are written, and what is refused; in Kafka's words, which the differential holds against Kafka itself.

use crate::controller::{ControllerAnswer, ControllerCommand, ControllerOptions, TokenAsked, TokenOptions};
use crate::image::AclImage;
use crate::raft::SharedLog;
use crate::testing::{One, controller_options, quorum_options};
use bytes::Bytes;
use std::sync::Arc;
use wire::ErrorCode;
use wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use wire::messages::create_acls::{AclCreation, CreateAclsRequest};
use wire::messages::create_delegation_token::{
    CreatableRenewers, CreateDelegationTokenRequest, CreateDelegationTokenResponse,
};
use wire::messages::delete_acls::{DeleteAclsFilter, DeleteAclsRequest};
use wire::messages::expire_delegation_token::ExpireDelegationTokenRequest;
use wire::messages::renew_delegation_token::RenewDelegationTokenRequest;
use wire::sasl::delegation::TokenSecret;
use wire::sasl::scram::Mechanism;

fn started() -> One {
    let mut one = One::open(SharedLog::default(), 1_000_000).unwrap_or_else(|error| panic!("{error}"));
    one.turn();
    one
}

fn creation(name: &str, operation: i8) -> AclCreation {
    AclCreation {
        resource_type: 2,
        resource_name: name.into(),
        resource_pattern_type: 3,
        principal: "User:a".into(),
        host: "*".into(),
        operation,
        permission_type: 3,
    }
}

fn create(one: &mut One, creations: Vec<AclCreation>) -> Vec<(i16, String)> {
    match one.ask(ControllerCommand::CreateAcls(CreateAclsRequest { creations })) {
        ControllerAnswer::CreateAcls(answer) => {
            let said =
                |text: &Option<wire::Str>| text.as_ref().map(|text| text.to_string()).unwrap_or_default();
            answer.results.iter().map(|result| (result.error_code, said(&result.error_message))).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn delete(one: &mut One, name: Option<&str>, pattern_type_filter: i8) -> usize {
    let filter = DeleteAclsFilter {
        resource_type_filter: 1,
        resource_name_filter: name.map(Into::into),
        pattern_type_filter,
        principal_filter: None,
        host_filter: None,
        operation: 1,
        permission_type: 1,
    };
    match one.ask(ControllerCommand::DeleteAcls(DeleteAclsRequest { filters: vec![filter] })) {
        ControllerAnswer::DeleteAcls(answer) => {
            answer.filter_results.iter().map(|one| one.matching_acls.len()).sum()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_is_written_once_and_goes_by_its_filter() {
    let mut one = started();
    let fine = vec![(0, String::new()); 2];
    assert_eq!(create(&mut one, vec![creation("t", 3), creation("t", 3)]), fine);
    assert_eq!(create(&mut one, vec![creation("t", 3), creation("*", 4)]), fine);
    let prefixed = AclCreation { resource_pattern_type: 4, ..creation("te", 3) };
    create(&mut one, vec![prefixed]);
    let image = one.image();
    let mut all: Vec<Arc<AclImage>> = image.acls.iter().map(|(_, acl)| Arc::clone(acl)).collect();
    all.sort();
    assert_eq!(all.iter().map(|acl| acl.resource_name.as_str()).collect::<Vec<_>>(), ["*", "t", "te"]);
    assert_eq!(delete(&mut one, Some("t"), 3), 1, "the name alone");
    assert_eq!(delete(&mut one, Some("test"), 2), 2, "whatever speaks of it");
    assert!(one.image().acls.is_empty());
    assert_eq!(delete(&mut one, None, 1), 0);
}

#[test]
fn what_is_no_entry_is_refused() {
    let good = || creation("t", 3);
    let cases = [
        (AclCreation { resource_name: "".into(), ..good() }, 42, "Invalid empty resource name"),
        (AclCreation { resource_type: 8, ..good() }, 42, "Invalid resourceType UNKNOWN"),
        (AclCreation { resource_pattern_type: 5, ..good() }, 42, "Invalid patternType UNKNOWN"),
        (AclCreation { operation: 16, ..good() }, 42, "Invalid operation UNKNOWN"),
        (AclCreation { permission_type: 4, ..good() }, 42, "Invalid permissionType UNKNOWN"),
        (AclCreation { host: "".into(), ..good() }, 42, "Host pattern cannot be null or empty"),
        (
            AclCreation { host: "1.2.3.4/33".into(), ..good() },
            42,
            "Invalid CIDR notation '1.2.3.4/33': Value [33] not in range [0,32]",
        ),
        (
            AclCreation { resource_type: 4, ..good() },
            42,
            "The only valid name for the CLUSTER resource is kafka-cluster",
        ),
        (
            AclCreation { principal: "a".into(), ..good() },
            42,
            "Could not parse principal from `a` (no colon is present separating the principal type from the principal name)",
        ),
        (AclCreation { operation: 1, ..good() }, -1, ""),
        (AclCreation { resource_pattern_type: 2, ..good() }, -1, ""),
    ];
    let mut one = started();
    for (creation, code, words) in cases {
        assert_eq!(create(&mut one, vec![creation.clone()]), [(code, words.to_owned())], "{creation:?}");
    }
    assert!(one.image().acls.is_empty());
    let ranged = AclCreation { host: "10.0.0.0/8".into(), ..good() };
    assert_eq!(create(&mut one, vec![ranged]), [(0, String::new())]);
}

fn alter(one: &mut One, deletions: &[(&str, i8)], upsertions: &[(&str, i8, i32)]) -> Vec<(String, i16)> {
    let deletion = |(name, mechanism): &(&str, i8)| ScramCredentialDeletion {
        name: (*name).into(),
        mechanism: *mechanism,
    };
    let upsertion = |(name, mechanism, iterations): &(&str, i8, i32)| ScramCredentialUpsertion {
        name: (*name).into(),
        mechanism: *mechanism,
        iterations: *iterations,
        salt: b"salt".to_vec().into(),
        salted_password: b"salted".to_vec().into(),
    };
    let request = AlterUserScramCredentialsRequest {
        deletions: deletions.iter().map(deletion).collect(),
        upsertions: upsertions.iter().map(upsertion).collect(),
    };
    match one.ask(ControllerCommand::AlterUserScramCredentials(request)) {
        ControllerAnswer::AlterUserScramCredentials(answer) => {
            answer.results.iter().map(|result| (result.user.to_string(), result.error_code)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn credentials_come_and_go_and_keep_no_password() {
    let mut one = started();
    let fine = |name: &str| (name.to_owned(), 0);
    assert_eq!(alter(&mut one, &[], &[("a", 1, 4096), ("b", 2, 8192)]), [fine("a"), fine("b")]);
    let image = one.image();
    let credential = image.scram.get(1, &"a".into()).expect("a credential");
    let keys = Mechanism::Sha256.keys(b"salted");
    assert_eq!(
        (&credential.stored_key[..], &credential.server_key[..]),
        (&keys.stored[..], &keys.server[..])
    );
    assert_eq!(alter(&mut one, &[("a", 1)], &[("a", 1, 4096)]), [("a".to_owned(), 92)], "named twice");
    let odd = [("", 1, 4096), ("c", 9, 4096), ("d", 1, 4095), ("e", 2, 16_385)];
    let codes: Vec<i16> = alter(&mut one, &[], &odd).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, [93, 33, 93, 93]);
    assert_eq!(alter(&mut one, &[("b", 1)], &[]), [("b".to_owned(), 91)], "the other mechanism");
    assert_eq!(alter(&mut one, &[("a", 1), ("b", 2)], &[]), [fine("a"), fine("b")]);
    assert_eq!(one.image().scram.iter().count(), 0);
}

const DAY_MS: i64 = 86_400_000;

fn with_tokens() -> One {
    let mut options = quorum_options(100, &[100], 7);
    options.controller = Some(ControllerOptions {
        max_idle_interval_ms: 0,
        delegation_tokens: Some(TokenOptions {
            secret: TokenSecret::new("secret"),
            max_lifetime_ms: 7 * DAY_MS,
            expiry_time_ms: DAY_MS,
            expiry_check_interval_ms: DAY_MS / 24,
        }),
        ..controller_options(100)
    });
    let mut one =
        One::open_with(SharedLog::default(), 1_000_000, options).unwrap_or_else(|error| panic!("{error}"));
    one.turn();
    one
}

fn by<Q>(name: &str, request: Q) -> TokenAsked<Q> {
    TokenAsked { request, principal_type: "User".into(), principal_name: name.into() }
}

fn new_token(
    one: &mut One,
    owner: Option<&str>,
    renewers: &[&str],
    max_lifetime_ms: i64,
) -> CreateDelegationTokenResponse {
    let renewer = |name: &&str| {
        let (kind, name) = name.split_once(':').unwrap_or(("User", name));
        CreatableRenewers { principal_type: kind.into(), principal_name: name.into() }
    };
    let request = CreateDelegationTokenRequest {
        owner_principal_type: owner.map(|_| "User".into()),
        owner_principal_name: owner.map(Into::into),
        renewers: renewers.iter().map(renewer).collect(),
        max_lifetime_ms,
    };
    match one.ask(ControllerCommand::CreateDelegationToken(by("alice", request))) {
        ControllerAnswer::CreateDelegationToken(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn renew(one: &mut One, who: &str, hmac: &Bytes, renew_period_ms: i64) -> (ErrorCode, i64) {
    let request = RenewDelegationTokenRequest { hmac: hmac.clone(), renew_period_ms };
    match one.ask(ControllerCommand::RenewDelegationToken(by(who, request))) {
        ControllerAnswer::RenewDelegationToken(answer) => {
            (ErrorCode::from_code(answer.error_code), answer.expiry_timestamp_ms)
        }
        other => panic!("{other:?}"),
    }
}

fn expire(one: &mut One, who: &str, hmac: &Bytes, expiry_time_period_ms: i64) -> (ErrorCode, i64) {
    let request = ExpireDelegationTokenRequest { hmac: hmac.clone(), expiry_time_period_ms };
    match one.ask(ControllerCommand::ExpireDelegationToken(by(who, request))) {
        ControllerAnswer::ExpireDelegationToken(answer) => {
            (ErrorCode::from_code(answer.error_code), answer.expiry_timestamp_ms)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_lives_as_long_as_it_may_and_is_renewed_by_those_who_may() {
    let mut one = with_tokens();
    let now_ms = one.now_ms;
    let token = new_token(&mut one, None, &["bob"], -1);
    let times = |token: &CreateDelegationTokenResponse| (token.expiry_timestamp_ms, token.max_timestamp_ms);
    assert_eq!((token.error_code, times(&token)), (0, (now_ms + DAY_MS, now_ms + 7 * DAY_MS)));
    assert_eq!((&*token.principal_name, &*token.token_requester_principal_name), ("alice", "alice"));
    assert_eq!(token.hmac, TokenSecret::new("secret").hmac(&token.token_id));
    let short = new_token(&mut one, Some("carol"), &[], 5);
    assert_eq!(times(&short), (now_ms + 5, now_ms + 5));
    assert_eq!((&*short.principal_name, &*short.token_requester_principal_name), ("carol", "alice"));
    assert_ne!(short.token_id, token.token_id);
    let long = new_token(&mut one, None, &[], i64::MAX);
    assert_eq!(long.max_timestamp_ms, now_ms + 7 * DAY_MS);
    let odd = new_token(&mut one, None, &["Group:x"], -1);
    assert_eq!(ErrorCode::from_code(odd.error_code), ErrorCode::InvalidPrincipalType);
    assert_eq!(one.image().delegation_tokens.iter().count(), 3);

    let good = |until| (ErrorCode::None, until);
    let refused = |error| (error, 0);
    one.now_ms += 1_000;
    let now_ms = one.now_ms;
    assert_eq!(renew(&mut one, "bob", &token.hmac, 7), good(now_ms + 7));
    assert_eq!(renew(&mut one, "alice", &token.hmac, i64::MAX), good(now_ms + DAY_MS));
    assert_eq!(renew(&mut one, "eve", &token.hmac, -1), refused(ErrorCode::DelegationTokenOwnerMismatch));
    assert_eq!(
        renew(&mut one, "alice", &Bytes::from_static(b"x"), -1),
        refused(ErrorCode::DelegationTokenNotFound)
    );
    assert_eq!(renew(&mut one, "carol", &short.hmac, -1), refused(ErrorCode::DelegationTokenExpired));
    assert_eq!(expire(&mut one, "carol", &short.hmac, 1), refused(ErrorCode::DelegationTokenExpired));
    assert_eq!(expire(&mut one, "eve", &token.hmac, -1), refused(ErrorCode::DelegationTokenOwnerMismatch));
    assert_eq!(expire(&mut one, "bob", &token.hmac, 9), good(now_ms + 9));
    assert_eq!(expire(&mut one, "bob", &token.hmac, -1), good(now_ms));
    assert_eq!(expire(&mut one, "bob", &token.hmac, -1), refused(ErrorCode::DelegationTokenNotFound));
    assert_eq!(one.image().delegation_tokens.iter().count(), 2);
}

#[test]
fn tokens_that_have_had_their_time_are_taken_away() {
    let mut one = with_tokens();
    new_token(&mut one, None, &[], 5);
    let kept = new_token(&mut one, None, &[], -1);
    one.now_ms += DAY_MS / 24;
    one.turn();
    let image = one.image();
    let left: Vec<_> = image.delegation_tokens.iter().map(|token| token.token_id.clone()).collect();
    assert_eq!(left, [kept.token_id]);
    one.now_ms += DAY_MS;
    one.turn();
    assert_eq!(one.image().delegation_tokens.iter().count(), 0);
}

#[test]
fn without_a_secret_there_are_no_tokens() {
    let mut one = started();
    let disabled = (ErrorCode::DelegationTokenAuthDisabled, 0);
    assert_eq!(ErrorCode::from_code(new_token(&mut one, None, &[], -1).error_code), disabled.0);
    assert_eq!(renew(&mut one, "alice", &Bytes::new(), -1), disabled);
    assert_eq!(expire(&mut one, "alice", &Bytes::new(), -1), disabled);
}
