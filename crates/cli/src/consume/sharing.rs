//! `ottla consume --share`: prints records as a member of a share group, and acknowledges each once it is printed.

use super::printing::Printer;
use super::waiting::{FIRST_WARNING, LOOK_UP, stuck_for, told_to_stop};
use crate::connect::{Cluster, block_on};
use crate::failure::{Failure, say};
use crate::refusal::{all_ok, finish, split};
use clap::ValueEnum;
use client::{Acknowledgement, AcknowledgementMode, AcquireMode, ShareConsumer, Str};
use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant};

/// What is said of each record that was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Word {
    /// It is done with
    Accept,
    /// It is for somebody else, or for another time
    Release,
    /// Nobody shall get it again: into the dead-letter queue of the group, if it has one
    Reject,
}

impl From<Word> for Acknowledgement {
    fn from(word: Word) -> Acknowledgement {
        match word {
            Word::Accept => Acknowledgement::Accept,
            Word::Release => Acknowledgement::Release,
            Word::Reject => Acknowledgement::Reject,
        }
    }
}

/// What is asked for.
pub(super) struct Sharing {
    pub topics: Vec<Str>,
    pub group: Str,
    /// Records.
    pub most: Option<u64>,
    /// How long nothing may come.
    pub idle: Duration,
    pub word: Word,
}

/// Prints until told to stop.
pub(super) fn run(sharing: Sharing, cluster: &Cluster, printer: &Printer) -> Result<(), Failure> {
    let mut options = cluster.share_options()?;
    options.group_id = sharing.group.clone();
    options.acknowledgement_mode = AcknowledgementMode::Explicit;
    options.fetch_max_wait = options.fetch_max_wait.min(cluster.limit() / 2);
    let most = sharing.most.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    if let Some(most) = most {
        // What is not printed must not be locked.
        options.acquire_mode = AcquireMode::RecordLimit;
        options.max_poll_records = options.max_poll_records.min(most.max(1));
    }
    block_on(async {
        let begin = async {
            let client = cluster.connect().await?;
            let described = client.admin().describe_topics(&sharing.topics).await?;
            let (_there, failure) = all_ok(described);
            finish(failure)?;
            Ok(client.share_consumer(options, sharing.topics.iter().cloned())?)
        };
        let consumer = tokio::select! {
            begun = cluster.within_limit(begin) => begun?,
            () = told_to_stop() => return Ok(()),
        };
        print_all(&sharing, consumer, printer, cluster.limit()).await
    })
}

async fn print_all(
    sharing: &Sharing,
    mut consumer: ShareConsumer,
    printer: &Printer,
    limit: Duration,
) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
    let mut left = sharing.most.unwrap_or(u64::MAX);
    let idle = sharing.idle;
    let word = Acknowledgement::from(sharing.word);
    let (mut last_record, mut warned) = (Instant::now(), false);
    let mut stop = std::pin::pin!(told_to_stop());
    let outcome = loop {
        if left == 0 {
            break Ok(());
        }
        let wait = idle.saturating_sub(last_record.elapsed()).min(LOOK_UP);
        let records = tokio::select! {
            records = consumer.poll(wait) => records,
            () = &mut stop => break Ok(()),
        };
        let records = match records {
            Ok(records) => records,
            Err(error) => break Err(error.into()),
        };
        for (target, outcome) in consumer.take_outcomes() {
            if let Err(error) = outcome {
                say(format_args!("warning: {target}: {}; such records come again", split(&error).1));
            }
        }
        if records.is_empty() {
            match consumer.standstill() {
                Some(standstill) if standstill.lasting >= limit => {
                    break Err(stuck_for(limit, &standstill.error));
                }
                Some(standstill) if !warned && standstill.lasting >= FIRST_WARNING => {
                    warned = true;
                    say(format_args!("warning: nothing comes: {}; still trying", standstill.error));
                }
                Some(_) => {}
                None => warned = false,
            }
            if last_record.elapsed() >= idle {
                break Ok(());
            }
            continue;
        }
        last_record = Instant::now();
        let mut printed = 0;
        for one in &records {
            let is_wanted = printed < left;
            if is_wanted {
                // Without closing: what nobody could read must not be acknowledged.
                printer.print_shared(&mut out, one)?;
                printed += 1;
            }
            let word = if is_wanted { word } else { Acknowledgement::Release };
            let record = &one.record;
            consumer.acknowledge(&record.topic, record.partition, record.offset, word)?;
        }
        out.flush()?;
        left -= printed;
    };
    // A cluster that is gone takes no acknowledgement either: the reason that is known already is the better one.
    match (outcome, consumer.close().await) {
        (Ok(()), said) => finish(all_ok(said?).1),
        (failed, _said) => failed,
    }
}
