//! Chores of the workspace: `cargo xtask <chore>`.
//!
//! Owns the command table and nothing else; every chore lives in its own file. Never part of the product:
//! no crate depends on this one.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a chore runner starts processes, waits for them and reads the clock"
)]
// A reader may go away: `words` writes.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod broker;
mod codegen;
mod configuration;
mod differential;
mod floor;
mod network;
mod oracle;
mod package;
mod process;
mod provision;
mod stages;
mod tally;
mod tidy;
mod trio;
mod words;
mod workspace;

use std::process::ExitCode;
use words::complain;

/// One chore: its name, what it does, and the function that does it.
struct Chore {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> anyhow::Result<bool>,
}

/// Every chore there is; a new one is one row here and one file beside this one.
const CHORES: &[Chore] = &[
    Chore {
        name: "bench",
        about: "the table of figures beside the floor; `--list` names cells, `--against kafka` or HOST:PORT adds a broker",
        run: bench::command,
    },
    Chore {
        name: "configuration",
        about: "the tables of configuration keys to docs/configuration.md; `--check` only tells whether it is fresh",
        run: configuration::command,
    },
    Chore { name: "floor", about: "the least a broker can do, for `bench`", run: floor::command },
    Chore {
        name: "test",
        about: "what CI runs; `--list` names stages, `test STAGE…` picks some, `--against=kafka` proves the tests",
        run: stages::command,
    },
    Chore {
        name: "codegen",
        about: "crates/wire/schema/*.msg to Rust; `--check` only tells whether it is fresh",
        run: codegen::command,
    },
    Chore {
        name: "schema-facts",
        about: "the schemas as the reference jars have them; `--check` only tells which differ",
        run: differential::facts::command,
    },
    Chore {
        name: "config-facts",
        about: "configuration keys that the reference jars define otherwise; `--check` fails if there are any",
        run: differential::configs::command,
    },
    Chore {
        name: "differential",
        about: "[seed] [cases]: every message in every version against the reference jars",
        run: differential::command,
    },
    Chore {
        name: "avro",
        about: "[seed] [pairs]: pairs of Avro schemas before our comparison and Avro's own library",
        run: differential::avro::command,
    },
    Chore {
        name: "tidy",
        about: "import rules, file heads, sizes, dependencies; `--shrink` rewrites the ratchet",
        run: tidy::command,
    },
    Chore {
        name: "trio",
        about: "three nodes (ottla or kafka): up, one killed and restarted, one stalled, stopped; says how long each took",
        run: trio::command,
    },
    Chore {
        name: "package",
        about: "a .deb, an OCI image, a wheel, an npm package and a bill of materials of the release binary; `--binary=FILE` takes one that is there",
        run: package::command,
    },
    Chore { name: "oracle", about: "installs the reference broker and says where", run: oracle::command },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(chore) = arguments.first().and_then(|name| CHORES.iter().find(|chore| chore.name == name))
    else {
        complain("usage: cargo xtask <chore> [arguments]\n");
        for chore in CHORES {
            complain(format_args!("  {:<14} {}", chore.name, chore.about));
        }
        return ExitCode::from(2);
    };
    match (chore.run)(&arguments[1..]) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(format_args!("cargo xtask {}: {error:#}", chore.name));
            ExitCode::FAILURE
        }
    }
}
