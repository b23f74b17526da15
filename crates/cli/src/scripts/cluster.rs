//! `kafka-cluster`: the cluster's id, a broker taken out of it, its endpoints. Its options stand behind a verb, as argparse has it.

use super::argparse::{self, Flag, Parsed};
use super::script::{Script, Style};
use super::terms::{End, Fault, ask_at};
use super::words::{columns, print_line, widest};
use crate::failure::say;
use client::Admin;

/// The script.
pub const SCRIPT: Script = Script { name: "kafka-cluster", style: Style::Words(run) };

const VERBS: &[argparse::Verb] = &[
    argparse::Verb { name: "cluster-id", flags: PLAIN },
    argparse::Verb { name: "unregister", flags: UNREGISTER },
    argparse::Verb { name: "list-endpoints", flags: ENDPOINTS },
];

const BOOTSTRAP: Flag = Flag { names: &["-b", "--bootstrap-server"], value: true };
const CONTROLLER: Flag = Flag { names: &["-C", "--bootstrap-controller"], value: true };
const FILE: Flag = Flag { names: &["--command-config", "-c", "--config"], value: true };
const PLAIN: &[Flag] = &[BOOTSTRAP, CONTROLLER, FILE];
const UNREGISTER: &[Flag] = &[BOOTSTRAP, CONTROLLER, FILE, Flag { names: &["-i", "--id"], value: true }];
const ENDPOINTS: &[Flag] =
    &[BOOTSTRAP, CONTROLLER, FILE, Flag { names: &["--include-fenced-brokers"], value: false }];

fn run(words: &[String]) -> Result<(), End> {
    let parsed = argparse::read("kafka-cluster", VERBS, words)?;
    if parsed.has("-C") {
        say(
            "--bootstrap-controller is not understood by Ottla's kafka-cluster: name a broker with --bootstrap-server",
        );
        return Err(End::Exit(1));
    }
    let server = parsed.value("-b").ok_or_else(|| {
        argparse::wrong(
            "kafka-cluster",
            "one of the arguments --bootstrap-server/-b --bootstrap-controller/-C is required",
        )
    })?;
    ask_at(server, parsed.value("--command-config"), async |admin| act(&parsed, admin).await)
}

async fn act(parsed: &Parsed, admin: &Admin) -> Result<(), End> {
    match parsed.verb {
        "cluster-id" => {
            let cluster = admin.describe_cluster(false).await?;
            Ok(print_line(&format!("Cluster ID: {}", cluster.cluster_id))?)
        }
        "unregister" => {
            let id = parsed
                .value("-i")
                .ok_or_else(|| argparse::wrong("kafka-cluster", "argument --id/-i is required"))?;
            let id = id.parse::<i32>().map_err(|_| {
                argparse::wrong(
                    "kafka-cluster",
                    &format!("argument --id/-i: could not convert '{id}' to Integer (32-bit signed)"),
                )
            })?;
            // Java's exception is all that is told.
            admin.unregister_broker(id).await.map_err(|error| {
                say(Fault::from(error).shown());
                End::Exit(1)
            })?;
            Ok(print_line(&format!("Broker {id} is no longer registered."))?)
        }
        _endpoints => {
            let cluster = admin.describe_cluster(parsed.has("--include-fenced-brokers")).await?;
            let width = |of: &dyn Fn(&client::admin::ClusterNode) -> String, least: usize| {
                let cells: Vec<String> = cluster.nodes.iter().map(of).collect();
                widest(cells.iter().map(String::as_str), least)
            };
            let rack = |node: &client::admin::ClusterNode| {
                node.rack.as_ref().map_or_else(|| "null".to_owned(), ToString::to_string)
            };
            let widths = [10, width(&|node| node.host.to_string(), 9), 10, width(&rack, 10), 10, 15];
            print_line(&columns(&["ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"], &widths))?;
            for node in &cluster.nodes {
                let state = if node.fenced { "fenced" } else { "unfenced" };
                let (id, port) = (node.id.to_string(), node.port.to_string());
                print_line(&columns(&[&id, &node.host, &port, &rack(node), state, "broker"], &widths))?;
            }
            Ok(())
        }
    }
}
