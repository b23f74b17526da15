//! `ottla dlq redrive`: dead letters go back where they came from, in transactions that also note how far the queue is dealt with: killed
//! at any moment, a record is written back once, or still waits.

use super::letters::{Letter, dealt_with_by, letters_table, queue_of, read, source};
use crate::args::OutputArgs;
use crate::failure::{Exit, Failure, say};
use crate::output::counted;
use clap::Args;
use client::{Client, CommittedOffset, GroupMembership, Record, Str, TopicPartition, TransactionalProducer};
use std::collections::BTreeMap;

const AFTER_REDRIVE: &str = r#"Examples:
  ottla dlq redrive workers --dry-run
  ottla dlq redrive workers -n 10

Records go back to their topic and partition, at its end, with key, value and headers; where the queue has no copy they are
read from where they lie. It happens in transactions: stopped in the middle, what was written back is not written again.

JSON: as of `ottla dlq show`, without key and value."#;

/// Arguments of `ottla dlq redrive`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_REDRIVE)]
pub(super) struct RedriveArgs {
    /// Share group
    #[arg(value_name = "GROUP")]
    group: Str,
    /// So many at most, the first ones
    #[arg(short = 'n', long, value_name = "N")]
    max_records: Option<usize>,
    /// Leave behind what is neither in the queue nor in its topic any more
    #[arg(long)]
    skip_gone: bool,
    /// Only show what would be written back
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Letters of one transaction.
const AT_ONCE: usize = 500;

pub(super) async fn redrive(args: RedriveArgs, client: &Client) -> Result<(), Failure> {
    let admin = client.admin();
    let mut left = args.max_records.unwrap_or(usize::MAX);
    if args.dry_run {
        let queue = queue_of(&admin, &args.group).await?;
        let (letters, _) = read(client, &queue, &args.group, left).await?;
        restore(client, &letters, args.skip_gone).await?;
        letters_table(&letters, false).print_or_say(args.output.output, "(no dead letters)")?;
        say("(nothing has been written; without --dry-run these go back)");
        return Ok(());
    }
    // Whoever was killed in the middle left a transaction open: it is ended before anything is looked at.
    let producer = client.transactional(format!("ottla.dlq.{}", args.group));
    let mut producer = producer.build_transactional().await?;
    // What comes while this runs, rejected once more perhaps, is for another run.
    let mut queue = queue_of(&admin, &args.group).await?;
    let mut done = Vec::new();
    let mut outcome = Ok(());
    while outcome.is_ok() && left > 0 && queue.unseen() > 0 {
        let (letters, behind) = read(client, &queue, &args.group, left.min(AT_ONCE)).await?;
        outcome = write_back(client, &mut producer, &args, &letters, &behind).await;
        if outcome.is_ok() {
            left -= letters.len();
            done.extend(letters);
            for (target, at) in behind {
                if let Some((from, _)) = queue.waiting.get_mut(&target) {
                    *from = at;
                }
            }
        }
    }
    letters_table(&done, false).print_or_say(args.output.output, "(no dead letters)")?;
    outcome
}

/// All of it, and that it is dealt with, or nothing.
async fn write_back(
    client: &Client,
    producer: &mut TransactionalProducer,
    args: &RedriveArgs,
    letters: &[Letter],
    behind: &BTreeMap<TopicPartition, i64>,
) -> Result<(), Failure> {
    let records = restore(client, letters, args.skip_gone).await?;
    let nobody = GroupMembership {
        group_id: dealt_with_by(&args.group),
        generation: -1,
        member_id: Str::default(),
        instance_id: None,
    };
    let transaction = producer.begin().await?;
    for record in records.into_iter().flatten() {
        // One that is lost has the commit fail.
        drop(transaction.enqueue(record).await?);
    }
    let positions = behind.iter().map(|(target, at)| (target.clone(), CommittedOffset::new(*at)));
    transaction.send_offsets(&nobody, &positions.collect()).await?;
    Ok(transaction.commit().await?)
}

/// The records as they were; `None` for one that is nowhere any more, where that was allowed.
async fn restore(
    client: &Client,
    letters: &[Letter],
    skip_gone: bool,
) -> Result<Vec<Option<Record>>, Failure> {
    let (mut records, mut gone) = (Vec::with_capacity(letters.len()), Vec::new());
    for letter in letters {
        if !letter.is_bare() {
            records.push(Some(letter.restored(None)));
            continue;
        }
        let source = source(client, letter).await?;
        if source.is_none() {
            gone.push(format!("{} at offset {}", letter.origin, letter.origin_offset));
        }
        records.push(source.map(|source| letter.restored(Some(&source))));
    }
    if !gone.is_empty() && !skip_gone {
        let first = gone.first().map_or("", String::as_str);
        let why = format!(
            "{} not copied into the queue and gone from its topic: {first}",
            counted(gone.len(), "record")
        );
        return Err(Failure::new("not all of it can be written back", why)
            .exit(Exit::NotFound)
            .try_this("--skip-gone leaves such records behind; errors.deadletterqueue.copy.record.enable=true copies the next ones"));
    }
    Ok(records)
}
