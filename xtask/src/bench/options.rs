//! What the command line of `cargo xtask bench` asks for: which cells, how many runs, against whom.

use super::contender::{Contender, KAFKA, STRANGER, Who};

/// What the command line says.
pub struct Options {
    /// The cells that are wanted; all if there are none.
    pub cells: Vec<String>,
    /// Runs that count, after the one that is thrown away.
    pub runs: usize,
    /// Volume of a throughput run.
    pub megabytes: usize,
    /// How many partitions the cells of a cluster make that make many; as many as their names say if there is nothing.
    pub partitions: Option<i32>,
    /// The file for every value.
    pub json: Option<String>,
    /// Whether Apache Kafka takes part.
    pub kafka: bool,
    /// The address of a broker that runs already and takes part.
    pub stranger: Option<String>,
    /// The one contender that takes part, where there is one of this name.
    pub only: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cells: Vec::new(),
            runs: 5,
            megabytes: 400,
            partitions: None,
            json: None,
            kafka: false,
            stranger: None,
            only: None,
        }
    }
}

impl Options {
    /// Whether the cell of this name is to be measured.
    pub fn wants(&self, cell: &str) -> bool {
        self.cells.is_empty() || self.cells.iter().any(|wanted| cell == wanted)
    }

    /// Those of a cell who take part: Kafka and strangers only if they were asked for; a stranger goes wherever Kafka would.
    pub fn present(&self, contenders: &[Contender]) -> Vec<Contender> {
        let mut present: Vec<Contender> = contenders
            .iter()
            .filter(|contender| contender.who != Who::Kafka || self.kafka)
            .copied()
            .collect();
        if self.stranger.is_some() && contenders.iter().any(|contender| contender.name == KAFKA.name) {
            present.push(STRANGER);
        }
        if let Some(only) = &self.only {
            present.retain(|contender| contender.name == only);
        }
        present
    }
}
