//! The quorum-state file: what a replica must not forget of its elections (KIP-595, 853). Owns its JSON, byte for byte as Kafka
//! writes it; never the disk.

use super::voters::ReplicaKey;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use wire::Uuid;

/// The durable part of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectionState {
    /// The epoch; never goes back.
    pub epoch: i32,
    /// Its leader, if one was known.
    pub leader_id: Option<i32>,
    /// Whom this replica voted for in it.
    pub voted: Option<ReplicaKey>,
    /// Only kept in version 0 (static voters).
    pub voters: BTreeSet<i32>,
}

/// The file cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidQuorumState(pub &'static str);

impl std::fmt::Display for InvalidQuorumState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "invalid quorum-state: {}", self.0)
    }
}

impl std::error::Error for InvalidQuorumState {}

impl ElectionState {
    /// Before anything happened.
    pub fn unknown(voters: BTreeSet<i32>) -> Self {
        ElectionState { epoch: 0, leader_id: None, voted: None, voters }
    }

    /// The file's content. Version 0 belongs to kraft.version 0, version 1 to the dynamic quorum.
    pub fn to_json(&self, version: i16) -> String {
        let (leader, epoch) = (self.leader_id.unwrap_or(-1), self.epoch);
        let voted = self.voted.map_or(-1, |key| key.id);
        if version >= 1 {
            let directory = self.voted.map_or(Uuid::ZERO, |key| key.directory_or_zero());
            return format!(
                "{{\"leaderId\":{leader},\"leaderEpoch\":{epoch},\"votedId\":{voted},\"votedDirectoryId\":\"{directory}\",\"data_version\":1}}"
            );
        }
        let mut voters = String::new();
        for id in &self.voters {
            let comma = if voters.is_empty() { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(voters, "{comma}{{\"voterId\":{id}}}");
        }
        format!(
            "{{\"clusterId\":\"\",\"leaderId\":{leader},\"leaderEpoch\":{epoch},\"votedId\":{voted},\"appliedOffset\":0,\
             \"currentVoters\":[{voters}],\"data_version\":0}}"
        )
    }

    /// Reads either version.
    pub fn from_json(content: &[u8]) -> Result<ElectionState, InvalidQuorumState> {
        let text = std::str::from_utf8(content).map_err(|_| InvalidQuorumState("not UTF-8"))?;
        let mut fields = Json { rest: text };
        let mut state = ElectionState { epoch: -1, leader_id: None, voted: None, voters: BTreeSet::new() };
        let (mut voted_id, mut voted_directory, mut version) = (-1, Uuid::ZERO, None);
        fields.object(|fields, key| {
            match key {
                "leaderId" => state.leader_id = Some(fields.number()?).filter(|id| *id >= 0),
                "leaderEpoch" => state.epoch = fields.number()?,
                "votedId" => voted_id = fields.number()?,
                "votedDirectoryId" => {
                    voted_directory = fields
                        .string()?
                        .parse()
                        .map_err(|_| InvalidQuorumState("votedDirectoryId is no id"))?;
                }
                "currentVoters" => fields.array(|fields| {
                    fields.object(|fields, key| {
                        if key != "voterId" {
                            return Err(InvalidQuorumState("unexpected field of a voter"));
                        }
                        state.voters.insert(fields.number()?);
                        Ok(())
                    })
                })?,
                "data_version" => version = Some(fields.number()?),
                "clusterId" => drop(fields.string()?),
                "appliedOffset" => drop(fields.number()?),
                _ => return Err(InvalidQuorumState("unexpected field")),
            }
            Ok(())
        })?;
        match version {
            Some(0 | 1) => {}
            Some(_) => return Err(InvalidQuorumState("data_version is above 1")),
            None => return Err(InvalidQuorumState("no data_version")),
        }
        if state.epoch < 0 {
            return Err(InvalidQuorumState("no leaderEpoch"));
        }
        state.voted = (voted_id >= 0).then(|| ReplicaKey::new(voted_id, voted_directory));
        Ok(state)
    }
}

/// As much JSON as this file uses: objects, arrays, integers, strings without escapes.
struct Json<'a> {
    rest: &'a str,
}

type Parsed<T> = Result<T, InvalidQuorumState>;

impl<'a> Json<'a> {
    fn object(&mut self, mut field: impl FnMut(&mut Self, &'a str) -> Parsed<()>) -> Parsed<()> {
        self.sequence('{', '}', |json| {
            let key = json.string()?;
            json.expect(':')?;
            field(json, key)
        })
    }

    fn array(&mut self, item: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        self.sequence('[', ']', item)
    }

    fn sequence(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Parsed<()>,
    ) -> Parsed<()> {
        self.expect(open)?;
        if self.skip(close) {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.skip(close) {
                return Ok(());
            }
            self.expect(',')?;
        }
    }

    fn string(&mut self) -> Parsed<&'a str> {
        self.expect('"')?;
        let (text, rest) = self.rest.split_once('"').ok_or(InvalidQuorumState("a string does not end"))?;
        if text.contains('\\') {
            return Err(InvalidQuorumState("an escape in a string"));
        }
        self.rest = rest;
        Ok(text)
    }

    fn number(&mut self) -> Parsed<i32> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().map_err(|_| InvalidQuorumState("a number was expected"))
    }

    fn expect(&mut self, wanted: char) -> Parsed<()> {
        if self.skip(wanted) { Ok(()) } else { Err(InvalidQuorumState("not the expected JSON")) }
    }

    fn skip(&mut self, wanted: char) -> bool {
        match self.rest.trim_start().strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Kafka 4.4 wrote them: static voters, then a dynamic quorum.
    const STATIC: &str = r#"{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#;
    const DYNAMIC: &str = r#"{"leaderId":1,"leaderEpoch":2,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#;

    #[test]
    fn writes_what_kafka_writes_and_reads_it_back() {
        let state = |json: &str| ElectionState::from_json(json.as_bytes());
        let fixed = ElectionState { epoch: 1, leader_id: Some(1), voted: None, voters: BTreeSet::from([1]) };
        assert_eq!(state(STATIC), Ok(fixed.clone()));
        assert_eq!(fixed.to_json(0), STATIC);
        let dynamic = ElectionState { epoch: 2, leader_id: Some(1), voted: None, voters: BTreeSet::new() };
        assert_eq!(state(DYNAMIC), Ok(dynamic.clone()));
        assert_eq!(dynamic.to_json(1), DYNAMIC);
        let voted = ElectionState {
            epoch: 7,
            leader_id: None,
            voted: Some(ReplicaKey::new(3, Uuid::METADATA_TOPIC_ID)),
            voters: BTreeSet::new(),
        };
        assert_eq!(state(&voted.to_json(1)), Ok(voted));
    }

    #[test]
    fn refuses_what_is_not_a_quorum_state() {
        for broken in
            ["", "{", "[]", "{}", r#"{"leaderEpoch":1}"#, r#"{"leaderEpoch":1,"data_version":2}"#, "\u{0}"]
        {
            assert!(ElectionState::from_json(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
