//! Whether what a broker says of the cluster is new: without a majority of voters nobody leads the metadata quorum, and brokers tell what
//! they knew last. Owns the question and its words.

use crate::failure::{Exit, Failure};
use crate::refusal::split;
use client::admin::QuorumDescription;
use client::{Admin, Error, ErrorCode};
use std::future::Future;
use std::time::Duration;

/// How long an address may keep silent before it counts as one where nobody speaks.
const SILENCE: Duration = Duration::from_secs(2);

/// The metadata quorum, or why nobody can be asked about it. Half of the limit is left for what else a command asks.
pub async fn quorum(admin: &Admin) -> Result<QuorumDescription, Leaderless> {
    quorum_within(admin, admin.limit() / 2).await
}

async fn quorum_within(admin: &Admin, limit: Duration) -> Result<QuorumDescription, Leaderless> {
    match admin.trying_for(limit).describe_quorum().await {
        Ok(quorum) => Ok(quorum),
        Err(error) => Err(Leaderless { unreached: unreached(admin).await, error }),
    }
}

/// Nobody answered for the metadata quorum.
pub struct Leaderless {
    /// What came instead of an answer.
    pub error: Error,
    /// Addresses at which nobody speaks, and why.
    pub unreached: Vec<(String, String)>,
}

impl Leaderless {
    /// True where the answer itself is the trouble: refused, or an API that the broker does not have.
    pub fn is_answered(&self) -> bool {
        let code = self.error.code();
        let says_no = code.is_some_and(|code| !code.is_retriable() && code != ErrorCode::RequestTimedOut);
        says_no || matches!(self.error, Error::Unsupported { .. } | Error::Malformed { .. })
    }

    /// Why, as one line.
    pub fn why(&self) -> String {
        match self.unreached.is_empty() {
            true => split(&self.error).1,
            false => {
                let each = self.unreached.iter().map(|(address, why)| format!("{address}: {why}"));
                each.collect::<Vec<_>>().join("; ")
            }
        }
    }

    /// What to try.
    pub fn hint(&self) -> &'static str {
        match self.unreached.is_empty() {
            true => "the brokers' own logs say what they wait for",
            false => "start what does not answer: a majority of the voters has to run",
        }
    }
}

impl From<Leaderless> for Failure {
    fn from(leaderless: Leaderless) -> Failure {
        if leaderless.is_answered() {
            return Failure::from(leaderless.error);
        }
        Failure::new("nobody leads the metadata quorum", leaderless.why())
            .exit(Exit::Timeout)
            .try_this(leaderless.hint())
    }
}

/// What `work` finds, and a failure to end with where that may be old: nobody leads the quorum that could have changed it.
pub async fn dated<T>(
    admin: &Admin,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<(T, Option<Failure>), Failure> {
    // One after the other: a broker answers a connection in order, and the answer about a quorum without a leader is long in coming.
    let found = work.await?;
    let led = quorum_within(admin, admin.limit() / 4).await;
    let old = led.err().filter(|leaderless| !leaderless.is_answered()).map(|leaderless| {
        let why = format!("nobody leads the metadata quorum: {}", leaderless.why());
        Failure::new("what is shown may be old", why).try_this(leaderless.hint())
    });
    Ok((found, old))
}

async fn unreached(admin: &Admin) -> Vec<(String, String)> {
    let each = admin.trying_for(SILENCE).reach().await.into_iter();
    each.filter_map(|(address, outcome)| Some((address, reason(&outcome.err()?)))).collect()
}

/// Why somebody does not speak, without the address.
pub fn reason(error: &Error) -> String {
    match error {
        Error::Timeout { last: Some(last), .. } => reason(last),
        Error::Timeout { .. } => "silent".to_owned(),
        other => other.reason(),
    }
}
