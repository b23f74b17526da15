//! The audit: one line of JSON for everything that the authorizer refused, for whoever failed to authenticate, and for every change of who may
//! do what, who is who, or of a configuration. Owns the form of the line and its bound: so many in a second of each kind, and the next
//! one counts those that were left out. Never a secret: names and rules only.

use std::fmt::Write;

use kraft::image::AclImage;
use parking_lot::Mutex;
use wire::ApiKey;

use super::authorizer::{Asker, Operation, Resource, Rule};
use crate::telling::Ration;

/// Lines of a kind in a second: somebody who is refused a thousand times drowns neither the log nor the other kinds.
const LINES_PER_SECOND: u32 = 50;

/// The audit of one node.
#[derive(Debug)]
pub(crate) struct Audit {
    /// By [`Event`].
    rations: [Mutex<Ration>; EVENTS],
}

/// What a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Denied,
    NotAuthenticated,
    Changed,
}

const EVENTS: usize = 3;

impl Event {
    fn name(self) -> &'static str {
        match self {
            Event::Denied => "denied",
            Event::NotAuthenticated => "not-authenticated",
            Event::Changed => "changed",
        }
    }
}

/// Who did not get in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stranger<'a> {
    /// The address, as connections name it (`/127.0.0.1`).
    pub host: &'a str,
    pub listener: &'a str,
    /// Who it says it is, where it said so.
    pub claimed: Option<&'a str>,
}

/// What was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub asker: Asker<'a>,
    pub listener: &'a str,
    pub api_key: ApiKey,
    pub correlation_id: i32,
}

impl Audit {
    /// Nothing told yet.
    pub fn new() -> Audit {
        Audit { rations: [const { Mutex::new(Ration::new(LINES_PER_SECOND)) }; EVENTS] }
    }

    /// Somebody may not do what they asked for.
    pub fn denied(
        &self,
        now_ms: i64,
        asked: Asked<'_>,
        operation: Operation,
        resource: Resource<'_>,
        rule: &Rule,
    ) {
        self.tell(now_ms, Event::Denied, asked, |line| {
            field(line, "operation", &format!("{operation:?}"));
            field(line, "resource_type", &format!("{:?}", resource.kind()));
            field(line, "resource", resource.name());
            field(line, "rule", &shown_rule(rule));
        });
    }

    /// Somebody changed who may do what, or who is who, or how a thing is configured.
    pub fn changed(&self, now_ms: i64, asked: Asked<'_>, what: &str) {
        self.tell(now_ms, Event::Changed, asked, |line| field(line, "what", what));
    }

    /// Somebody did not prove who it is, and is closed for it.
    pub fn not_authenticated(&self, now_ms: i64, who: Stranger<'_>, why: &str) {
        self.line(now_ms, Event::NotAuthenticated, |line| {
            field(line, "host", who.host.trim_start_matches('/'));
            field(line, "listener", who.listener);
            who.claimed.into_iter().for_each(|claimed| field(line, "claimed", claimed));
            field(line, "why", why);
        });
    }

    fn tell(&self, now_ms: i64, event: Event, asked: Asked<'_>, more: impl FnOnce(&mut String)) {
        self.line(now_ms, event, |line| {
            field(line, "principal", &asked.asker.principal.to_string());
            field(line, "host", asked.asker.address());
            field(line, "listener", asked.listener);
            field(line, "request", &format!("{:?}", asked.api_key));
            field(line, "correlation_id", &asked.correlation_id.to_string());
            more(line);
        });
    }

    fn line(&self, now_ms: i64, event: Event, more: impl FnOnce(&mut String)) {
        let Some(ration) = self.rations.get(event as usize) else { return };
        let taken = ration.lock().take(now_ms);
        let Some(left_out) = taken else { return };
        let mut line = String::from("{");
        field(&mut line, "event", event.name());
        more(&mut line);
        line.push('}');
        tracing::info!("audit {line}{left_out}");
    }
}

/// The rule as a sentence's worth.
pub(crate) fn shown_rule(rule: &Rule) -> String {
    match rule {
        Rule::SuperUser => "super.users".to_owned(),
        Rule::NotReady => "the metadata is not read yet".to_owned(),
        Rule::NothingAllows => "no entry allows it".to_owned(),
        Rule::NothingSaid => "allow.everyone.if.no.acl.found".to_owned(),
        Rule::Entry(acl) => shown_entry(acl),
    }
}

/// An entry, its numbers as Kafka's.
fn shown_entry(acl: &AclImage) -> String {
    let AclImage { resource_type, resource_name, pattern_type, principal, host, operation, permission_type } =
        acl;
    format!(
        "acl resource_type={resource_type} name={resource_name} pattern_type={pattern_type} principal={principal} \
         host={host} operation={operation} permission_type={permission_type}"
    )
}

/// Texts from outside are cut here: an entry of the log has a bound.
const SHOWN_MAX: usize = 300;

fn field(line: &mut String, name: &str, value: &str) {
    if line.len() > 1 {
        line.push(',');
    }
    let _ = write!(line, "\"{name}\":\"");
    for one in value.chars().take(SHOWN_MAX) {
        match one {
            '"' | '\\' => {
                line.push('\\');
                line.push(one);
            }
            one if one.is_control() => {
                let _ = write!(line, "\\u{:04x}", u32::from(one));
            }
            one => line.push(one),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_outside_stays_within_its_quotes() {
        let mut line = String::from("{");
        field(&mut line, "a", "x\"},{\"event\":\"forged\n\u{1b}\\");
        field(&mut line, "b", &"é".repeat(40_000));
        assert!(line.starts_with(r#"{"a":"x\"},{\"event\":\"forged\u000a\u001b\\","b":"é"#), "{line}");
        assert_eq!(line.chars().filter(|one| *one == 'é').count(), SHOWN_MAX);
    }
}
