//! `kafka-groups`: groups of every kind, by type and protocol.

use super::joptsimple::{Opt, Read, Takes, opt};
use super::script::{Script, Style};
use super::terms::{self, End, ask, never_with, wrong};
use super::words::{columns, print_line, widest};
use client::admin::GroupListing;

/// The script.
pub const SCRIPT: Script = Script {
    name: "kafka-groups",
    style: Style::Options { options: OPTIONS, about: "This tool helps to list groups of all types.", run },
};

const OPTIONS: &[Opt] = &[
    terms::BOOTSTRAP,
    terms::COMMAND_CONFIG,
    terms::HELP,
    terms::VERSION,
    opt("list", Takes::Nothing, "list the groups"),
    opt("group-type", Takes::Text, "only groups of this type: classic, consumer, share, streams"),
    opt("protocol", Takes::Text, "only groups of this protocol"),
    opt("consumer", Takes::Nothing, "only groups of consumers, of any type"),
    opt("share", Takes::Nothing, "only share groups"),
    opt("streams", Takes::Nothing, "only streams groups"),
];

fn run(read: &Read) -> Result<(), End> {
    if !read.has("bootstrap-server") {
        return Err(End::Usage("Missing required option(s) [bootstrap-server]".to_owned()));
    }
    if !read.has("list") {
        return Err(End::Usage("Command must include exactly one action: --list.".to_owned()));
    }
    let filters = ["consumer", "share", "streams", "group-type", "protocol"];
    never_with(read, "consumer", &filters)?;
    never_with(read, "share", &filters)?;
    never_with(read, "streams", &filters)?;
    let kind = match read.value("group-type").map_err(wrong)? {
        Some(text) => Some(known(text)?),
        None => read.has("share").then_some("Share").or(read.has("streams").then_some("Streams")),
    };
    let protocol = read.value("protocol").map_err(wrong)?;
    let consumers = |group: &GroupListing| {
        group.group_type == "Consumer" || group.protocol_type == "consumer" || group.protocol_type.is_empty()
    };
    let shown = |group: &GroupListing| {
        kind.is_none_or(|kind| group.group_type == kind)
            && protocol.is_none_or(|protocol| group.protocol_type == protocol)
            && (!read.has("consumer") || consumers(group))
    };
    let groups = ask(read, async |admin| Ok(admin.list_groups(&[], &[]).await?))?;
    let groups: Vec<GroupListing> = groups.into_iter().filter(shown).collect();
    let width = |of: fn(&GroupListing) -> &str| widest(groups.iter().map(of), 20);
    let widths = [
        width(|group| &group.group_id),
        width(|group| &group.group_type),
        width(|group| &group.protocol_type),
    ];
    print_line(&columns(&["GROUP", "TYPE", "PROTOCOL"], &widths))?;
    for group in &groups {
        let cells = [&*group.group_id, &*group.group_type, &*group.protocol_type];
        // A blank more than in the headline, as in Kafka's.
        print_line(&format!("{} ", columns(&cells, &widths)))?;
    }
    Ok(())
}

fn known(text: &str) -> Result<&'static str, End> {
    let types = ["Classic", "Consumer", "Share", "Streams"];
    types.into_iter().find(|kind| kind.eq_ignore_ascii_case(text)).ok_or_else(|| {
        let told = "--group-type must be a valid group type.";
        End::Usage(told.to_owned())
    })
}
