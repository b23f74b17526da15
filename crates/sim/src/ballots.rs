//! Votes as they pass over the network: who asked whom in which epoch, and whether it was granted. Reads frames, never writes one.

use bytes::Bytes;
use wire::ApiKey;
use wire::codec::{Decoder, Message};
use wire::frame::{HeaderView, decode_response};
use wire::messages::vote::{VoteRequest, VoteResponse};

/// A vote that was asked for; pre-votes are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ballot {
    pub epoch: i32,
    pub candidate: i32,
    version: i16,
}

impl Ballot {
    /// What a request asks for, if it asks for a vote.
    pub fn of_request(frame: &Bytes) -> Option<Ballot> {
        let header = HeaderView::parse(frame).ok().filter(|header| header.api_key == ApiKey::Vote)?;
        let mut body = Decoder::of(frame.slice(header.length..));
        let request = VoteRequest::decode(&mut body, header.api_version).ok()?;
        let partition = request.topics.first()?.partitions.first().filter(|partition| !partition.pre_vote)?;
        Some(Ballot {
            epoch: partition.replica_epoch,
            candidate: partition.replica_id,
            version: header.api_version,
        })
    }

    /// Whether the answer (length prefix and all) grants it.
    pub fn is_granted(&self, answer: &Bytes) -> bool {
        let answer = decode_response::<VoteResponse>(answer.slice(4..), ApiKey::Vote, self.version);
        let granted =
            answer.ok().and_then(|(_, answer)| Some(answer.topics.first()?.partitions.first()?.vote_granted));
        granted == Some(true)
    }
}
