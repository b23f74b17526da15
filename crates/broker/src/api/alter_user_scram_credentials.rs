//! AlterUserScramCredentials at the controller (KIP-554).

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
};

use crate::call::{Call, UnlessGone};

pub(super) async fn handle(
    call: Call,
    request: AlterUserScramCredentialsRequest,
) -> UnlessGone<AlterUserScramCredentialsResponse> {
    let command = ControllerCommand::AlterUserScramCredentials(request);
    let Some(ControllerAnswer::AlterUserScramCredentials(response)) = call.decided(command).await else {
        return UnlessGone(None);
    };
    for result in response.results.iter().filter(|result| result.error_code == 0) {
        call.note_change(|| format!("SCRAM credential of {} changed", result.user));
    }
    UnlessGone(Some(response))
}
