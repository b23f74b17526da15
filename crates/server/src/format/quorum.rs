//! Who votes first: `--standalone`, `--initial-controllers`, `--no-initial-controllers` (KIP-853).

use wire::Uuid;
use wire::records::raft::{Endpoint, KRaftVersionFeature, VotersRecord, VotersRecordVoter};

use crate::random;
use crate::settings::Settings;

/// Which of the three flags was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum QuorumChoice {
    /// None: `controller.quorum.voters` says who votes.
    #[default]
    FromConfiguration,
    /// `-s`
    Standalone,
    /// `-I id@host:port:directory,…`
    InitialControllers(String),
    /// `-N`
    NoInitialControllers,
}

/// A first voter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialController {
    /// Its node id.
    pub id: i32,
    /// Its controller endpoint.
    pub host: String,
    /// Its controller endpoint.
    pub port: u16,
    /// The id its metadata directory will have.
    pub directory_id: Uuid,
}

/// The first voters, if the quorum is a dynamic one that begins here.
pub fn initial_voters(
    settings: &Settings,
    choice: &QuorumChoice,
) -> Result<Option<Vec<InitialController>>, String> {
    let voters = match choice {
        QuorumChoice::NoInitialControllers => return Ok(None),
        QuorumChoice::FromConfiguration if settings.roles.controller && settings.voters.is_empty() => {
            return Err("Because controller.quorum.voters is not set on this controller, you must specify one of the \
                        following: --standalone, --initial-controllers, or --no-initial-controllers."
                .to_owned());
        }
        QuorumChoice::FromConfiguration => return Ok(None),
        QuorumChoice::InitialControllers(text) => parse(text)?,
        QuorumChoice::Standalone => vec![standalone(settings)?],
    };
    if !settings.voters.is_empty() {
        return Err("You cannot specify controller.quorum.voters and format the node with --initial-controllers or \
                    --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and \
                    specify controller.quorum.bootstrap.servers instead."
            .to_owned());
    }
    Ok(Some(voters))
}

fn standalone(settings: &Settings) -> Result<InitialController, String> {
    if !settings.roles.controller {
        return Err("You can only use --standalone on a controller.".to_owned());
    }
    let endpoint = settings.controller_advertised.first().ok_or("No controller listeners found.")?;
    Ok(InitialController {
        id: settings.node_id,
        host: endpoint.host.clone().unwrap_or_else(|| "localhost".to_owned()),
        port: endpoint.port,
        directory_id: random::uuid().map_err(|e| e.to_string())?,
    })
}

fn parse(text: &str) -> Result<Vec<InitialController>, String> {
    text.split(',').map(parse_one).collect()
}

/// `id@host:port:directory`
fn parse_one(text: &str) -> Result<InitialController, String> {
    let (id, rest) = text.split_once('@').ok_or("No @ found in dynamic voter string.")?;
    let id = id.parse().map_err(|_| format!("Failed to parse node id in dynamic voter string {text}"))?;
    let (address, directory) = rest.rsplit_once(':').ok_or("No colon following port could be found.")?;
    let (host, port) = address.rsplit_once(':').ok_or("No colon following hostname could be found.")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err("Failed to parse hostname in dynamic voter string.".to_owned());
    }
    Ok(InitialController {
        id,
        host: host.to_owned(),
        port: port.parse().map_err(|_| format!("Failed to parse port in dynamic voter string {text}"))?,
        directory_id: directory
            .parse()
            .map_err(|_| format!("Failed to parse directory ID in dynamic voter string {text}"))?,
    })
}

/// The record that makes them voters.
pub fn voters_record(voters: &[InitialController], settings: &Settings) -> VotersRecord {
    let name = settings.controller_names.first().map_or("CONTROLLER", String::as_str);
    let one = |voter: &InitialController| VotersRecordVoter {
        voter_id: voter.id,
        voter_directory_id: voter.directory_id,
        endpoints: vec![Endpoint { name: name.into(), host: voter.host.as_str().into(), port: voter.port }],
        kraft_version_feature: KRaftVersionFeature { min_supported_version: 0, max_supported_version: 1 },
    };
    VotersRecord { version: 0, voters: voters.iter().map(one).collect() }
}
