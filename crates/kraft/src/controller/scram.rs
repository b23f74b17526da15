//! AlterUserScramCredentials (KIP-554): which credential records a change deserves. Keys are derived here, so that what is written never
//! logs anybody in; who may ask is not asked here.

use super::decider::Decider;
use super::refusal::Refusal;
use std::collections::BTreeMap;
use wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult,
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use wire::records::metadata::{RemoveUserScramCredentialRecord, UserScramCredentialRecord};
use wire::sasl::scram::{MAX_ITERATIONS, MIN_ITERATIONS, Mechanism};
use wire::{ErrorCode, Str};

/// What becomes of a user's credentials.
enum Change<'a> {
    Remove(&'a ScramCredentialDeletion),
    Set(&'a ScramCredentialUpsertion, Mechanism),
}

impl Decider<'_> {
    /// One change for each user; somebody who is named twice is not changed at all.
    pub(super) fn alter_user_scram_credentials(
        &mut self,
        request: &AlterUserScramCredentialsRequest,
    ) -> AlterUserScramCredentialsResponse {
        self.atomic = true;
        let mut changes: BTreeMap<&Str, Result<Change<'_>, Refusal>> = BTreeMap::new();
        let deletions = request.deletions.iter().map(|asked| (&asked.name, self.deletion(asked)));
        let upsertions = request.upsertions.iter().map(|asked| (&asked.name, upsertion(asked)));
        for (user, change) in deletions.chain(upsertions) {
            let change = match changes.remove(user) {
                None => change,
                Some(Err(refusal)) => Err(refusal),
                Some(Ok(_)) => {
                    let what = "A user credential cannot be altered twice in the same request";
                    Err(Refusal::new(ErrorCode::DuplicateResource, what))
                }
            };
            changes.insert(user, change);
        }
        let mut done = Vec::new();
        let mut refused = Vec::new();
        for (user, change) in changes {
            let result = |error: ErrorCode, error_message| AlterUserScramCredentialsResult {
                user: user.clone(),
                error_code: error.code(),
                error_message,
            };
            match change {
                Err(refusal) => refused.push(result(refusal.error, refusal.text())),
                Ok(change) => {
                    self.write_credential(change);
                    done.push(result(ErrorCode::None, None));
                }
            }
        }
        done.extend(refused);
        AlterUserScramCredentialsResponse { results: done, ..Default::default() }
    }

    fn write_credential(&mut self, change: Change<'_>) {
        match change {
            Change::Remove(asked) => {
                let (name, mechanism) = (asked.name.clone(), asked.mechanism);
                self.write(RemoveUserScramCredentialRecord { name, mechanism }, 0);
            }
            Change::Set(asked, mechanism) => {
                let keys = mechanism.keys(&asked.salted_password);
                let record = UserScramCredentialRecord {
                    name: asked.name.clone(),
                    mechanism: asked.mechanism,
                    salt: asked.salt.clone(),
                    stored_key: keys.stored.into(),
                    server_key: keys.server.into(),
                    iterations: asked.iterations,
                };
                self.write(record, 0);
            }
        }
    }

    fn deletion<'a>(&self, asked: &'a ScramCredentialDeletion) -> Result<Change<'a>, Refusal> {
        mechanism(&asked.name, asked.mechanism)?;
        match self.image().scram.get(asked.mechanism, &asked.name) {
            Some(_) => Ok(Change::Remove(asked)),
            None => {
                let what = "Attempt to delete a user credential that does not exist";
                Err(Refusal::new(ErrorCode::ResourceNotFound, what))
            }
        }
    }
}

fn upsertion(asked: &ScramCredentialUpsertion) -> Result<Change<'_>, Refusal> {
    let mechanism = mechanism(&asked.name, asked.mechanism)?;
    let unacceptable = |what: &str| Err(Refusal::new(ErrorCode::UnacceptableCredential, what));
    if asked.iterations < MIN_ITERATIONS {
        return unacceptable("Too few iterations");
    }
    if asked.iterations > MAX_ITERATIONS {
        return unacceptable("Too many iterations");
    }
    Ok(Change::Set(asked, mechanism))
}

fn mechanism(user: &Str, id: i8) -> Result<Mechanism, Refusal> {
    if user.is_empty() {
        return Err(Refusal::new(ErrorCode::UnacceptableCredential, "Username must not be empty"));
    }
    let known = [Mechanism::Sha256, Mechanism::Sha512].into_iter().find(|mechanism| mechanism.id() == id);
    known.ok_or_else(|| Refusal::new(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism"))
}
