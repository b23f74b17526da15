//! A topic of schemas as it is now, asked by a registry's own paths. Joins no group, makes no topic, writes nothing: for whoever wants what a registry left
//! behind, whoever wrote it.

use crate::json::Json;
use crate::rest::{self, Body, Method, Refusal, Request, Rules, read_target};
use crate::topic::{self, Replica};
use crate::{Fault, Options};
use client::{Client, ClientOptions};
use std::fmt;

/// What a topic held when it was read.
pub struct Snapshot {
    replica: Replica,
    rules: Rules,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({})", self.replica.offset())
    }
}

impl Snapshot {
    /// Reads a topic to the end that it has now.
    pub async fn read(client: ClientOptions, topic: &str) -> Result<Snapshot, Fault> {
        let client = Client::with_options(client).await?;
        let options = Options { topic: topic.to_owned(), ..Options::default() };
        Ok(Snapshot { replica: topic::replay(&client, &options).await?, rules: Rules::default() })
    }

    /// What GET answers.
    pub fn get(&self, target: &str) -> Result<Json, Refusal> {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let (segments, query) = read_target(path, query);
        let request = Request {
            method: Method::Get,
            segments,
            query,
            body: Vec::new(),
            takes_unknown: false,
            rights: Default::default(),
        };
        let reply = rest::answer(&self.replica.state.read(), &self.rules, &request)?.reply;
        Ok(match reply.body {
            Body::Json(json) => json,
            Body::Text(text) => Json::String(text),
            Body::Empty => Json::Null,
        })
    }
}
