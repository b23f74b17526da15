//! DescribeUserScramCredentials (KIP-554): which mechanisms users have credentials for, and how often they hash; never a salt or a key.

use std::collections::BTreeMap;

use wire::messages::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
};
use wire::{ErrorCode, Str};

use crate::call::Call;

pub(super) fn handle(
    call: &Call,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let image = call.node.image();
    let mut known: BTreeMap<&Str, Vec<CredentialInfo>> = BTreeMap::new();
    for (mechanism, user, credential) in image.scram.iter() {
        known.entry(user).or_default().push(CredentialInfo { mechanism, iterations: credential.iterations });
    }
    let described = |user: &Str, credential_infos: Vec<CredentialInfo>| DescribeUserScramCredentialsResult {
        user: user.clone(),
        error_code: ErrorCode::None.code(),
        error_message: Some(Str::new()),
        credential_infos,
    };
    let refused = |user: &Str, error: ErrorCode, why: String| DescribeUserScramCredentialsResult {
        user: user.clone(),
        error_code: error.code(),
        error_message: Some(Str::from(why)),
        credential_infos: Vec::new(),
    };
    let asked = request.users.filter(|users| !users.is_empty());
    let results = match asked {
        None => known.into_iter().map(|(user, infos)| described(user, infos)).collect(),
        Some(users) => {
            let mut times: BTreeMap<&Str, usize> = BTreeMap::new();
            users.iter().for_each(|user| *times.entry(&user.name).or_default() += 1);
            let result = |(user, times): (&Str, usize)| match known.get(user) {
                _ if times > 1 => {
                    let why = format!(
                        "Cannot describe SCRAM credentials for the same user twice in a single request: {user}"
                    );
                    refused(user, ErrorCode::DuplicateResource, why)
                }
                Some(infos) => described(user, infos.clone()),
                None => {
                    let why = format!("Attempt to describe a user credential that does not exist: {user}");
                    refused(user, ErrorCode::ResourceNotFound, why)
                }
            };
            times.into_iter().map(result).collect()
        }
    };
    DescribeUserScramCredentialsResponse { results, ..DescribeUserScramCredentialsResponse::default() }
}
