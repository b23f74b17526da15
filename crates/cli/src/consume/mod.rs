//! `ottla consume` (and `ottla topic consume`): prints records, of chosen partitions or as a member of a group.

mod boundary;
mod printing;
mod sharing;
mod waiting;

use crate::args::ConnectArgs;
use crate::connect::{Cluster, block_on};
use crate::failure::{Exit, Failure, say};
use crate::serdes::{Decoding, ReadArgs};
use boundary::{Boundary, boundary};
use clap::Args;
use client::{
    Client, Consumer, ConsumerOptions, ConsumerRecord, IsolationLevel, OffsetReset, OffsetSpec, Str,
    TopicPartition,
};
use printing::{Printer, ShapeArgs};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant};
pub use waiting::told_to_stop;
use waiting::{FIRST_WARNING, LOOK_UP, stuck_for};

const AFTER: &str = r#"WHERE: beginning, end, stored (what the group has committed), an offset, -N (so many before the end),
s@TIME (the first record at or after it); TIME in milliseconds, or such as 2026-03-01T12:00:00Z

Examples:
  ottla consume orders --from-beginning -n 10
  ottla consume orders --offset -5 -e -f '%p %o %k %s\n'
  ottla consume orders --group billing
  ottla consume orders --share workers -n 1 --acknowledge reject
  ottla consume orders --value-format avro -o json       # by the schemas of a registry, which each record names

JSON (-o json): an object for each record, one a line
  {"topic":"orders","partition":0,"offset":417,"timestamp":1772366400000,"timestamp_type":"create","headers":[],
   "key":"42","value":"three apples"}
A record of a share group has "delivery_count":1 besides.
A key or value that is no UTF-8 is "key_hex" or "value_hex" instead; one that a schema describes is JSON itself: Avro's JSON
encoding, or Protobuf's JSON mapping with the defaults of fields that have no presence."#;

/// Arguments of `ottla consume`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct ConsumeArgs {
    /// Topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<Str>,
    /// Where to begin (see below), and where to stop: e@TIME
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true, value_parser = boundary)]
    offset: Vec<Boundary>,
    /// Begin with the first record
    #[arg(long, conflicts_with = "offset")]
    from_beginning: bool,
    /// Partitions; all without it
    #[arg(short, long, value_name = "N", value_delimiter = ',', conflicts_with = "group")]
    partition: Vec<i32>,
    /// Read as a member of this group, and commit
    #[arg(short, long, value_name = "GROUP")]
    group: Option<Str>,
    /// Read as a member of this share group, and acknowledge each record
    #[arg(
        long,
        value_name = "GROUP",
        conflicts_with_all = ["group", "offset", "from_beginning", "partition", "exit_at_end", "read_committed"]
    )]
    share: Option<Str>,
    /// What is said of each record that was printed; accept without it
    #[arg(long, value_name = "WORD", requires = "share")]
    acknowledge: Option<sharing::Word>,
    /// Stop after so many records
    #[arg(
        short = 'n',
        long,
        visible_short_alias = 'c',
        visible_alias = "max-messages",
        alias = "num-records",
        value_name = "N"
    )]
    max_records: Option<u64>,
    /// Stop at what was the end when reading began
    #[arg(short, long)]
    exit_at_end: bool,
    /// Stop when nothing has come for so long
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// Only records of committed transactions
    #[arg(long)]
    read_committed: bool,
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    formats: ReadArgs,
}

/// Prints until told to stop.
pub fn run(args: ConsumeArgs, connection: &ConnectArgs) -> Result<(), Failure> {
    let printer = Printer::new(&args.shape, args.formats.decoded())?;
    let decoding = Decoding::new(&args.formats)?;
    let cluster = Cluster::new(connection)?;
    if let Some(group) = args.share.clone() {
        if decoding.is_some() {
            return Err(Failure::usage(
                "--share prints records as they are",
                "a record that no schema decodes has no word yet",
            )
            .try_this("--group, or no --value-format"));
        }
        let sharing = sharing::Sharing {
            topics: args.topics,
            group,
            most: args.max_records,
            idle: args.timeout_ms.map_or(Duration::MAX, Duration::from_millis),
            word: args.acknowledge.unwrap_or(sharing::Word::Accept),
        };
        return sharing::run(sharing, &cluster, &printer);
    }
    let mut options = cluster.consumer_options()?;
    options.group_id = args.group.clone().or(options.group_id);
    // Printing must not create what it looks for.
    options.allow_auto_create_topics = false;
    let most = usize::try_from(args.max_records.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    options.max_poll_records = options.max_poll_records.max(10_000).min(most.max(1));
    options.fetch_max_wait = options.fetch_max_wait.min(cluster.limit() / 2);
    if args.read_committed {
        options.isolation = IsolationLevel::ReadCommitted;
    }
    block_on(async {
        let limit = cluster.limit();
        let begin = async {
            let client = cluster.connect().await?;
            let leaderless = Vec::new();
            Job { client, args, options, printer, limit, leaderless }.begin().await
        };
        // Nothing is printed yet, and nothing to be committed: there is only the end.
        let (job, consumer, ends) = tokio::select! {
            begun = cluster.within_limit(begin) => begun?,
            () = told_to_stop() => return Ok(()),
        };
        job.print_all(consumer, ends, decoding).await
    })
}

struct Job {
    client: Client,
    args: ConsumeArgs,
    options: ConsumerOptions,
    printer: Printer,
    /// How long nothing may work.
    limit: Duration,
    /// Partitions that had no leader when reading began.
    leaderless: Vec<TopicPartition>,
}

/// Offsets at which partitions are done.
type Ends = BTreeMap<TopicPartition, i64>;

impl Job {
    /// Finds out where to begin and to stop.
    async fn begin(mut self) -> Result<(Job, Consumer, Option<Ends>), Failure> {
        let mut targets;
        (targets, self.leaderless) = self.targets().await?;
        if let Some(words) = self.without_a_leader() {
            if self.stops() && self.leaderless.len() == targets.len() {
                return Err(self.unread());
            }
            say(format_args!("warning: {words}, so that nothing comes from there"));
        }
        if self.stops() {
            // Where they end cannot be known, and waiting has no place here: `print_all` says that they are missing.
            targets.retain(|target| !self.leaderless.contains(target));
        }
        let ends = self.ends(&targets).await?;
        let begin = if self.args.from_beginning { Some(Boundary::Beginning) } else { self.first() };
        if begin == Some(Boundary::Beginning) {
            self.options.offset_reset = OffsetReset::Earliest;
        }
        let builder = match &self.options.group_id {
            Some(group) => self.client.consumer(group.clone()),
            None => self.client.reader(),
        };
        let builder = builder.options(self.options.clone());
        let consumer = match &self.options.group_id {
            Some(_) => builder.topics(self.args.topics.iter().cloned()).build()?,
            None => {
                let consumer = builder.partitions(targets.iter().cloned()).build()?;
                self.seek(&consumer, begin, &targets).await?;
                consumer
            }
        };
        Ok((self, consumer, ends))
    }

    fn first(&self) -> Option<Boundary> {
        self.args.offset.iter().copied().find(|boundary| !matches!(boundary, Boundary::Until(_)))
    }

    /// True where reading has an end.
    fn stops(&self) -> bool {
        self.args.exit_at_end || self.args.offset.iter().any(|place| matches!(place, Boundary::Until(_)))
    }

    /// Which partitions have no leader, in words; `None` where all have one.
    fn without_a_leader(&self) -> Option<String> {
        let names: Vec<String> = self.leaderless.iter().map(ToString::to_string).collect();
        let have = if names.len() == 1 { "has" } else { "have" };
        (!names.is_empty()).then(|| format!("{} {have} no leader at present", names.join(", ")))
    }

    fn unread(&self) -> Failure {
        let why = self.without_a_leader().unwrap_or_default();
        Failure::new("not all partitions were read", why)
            .exit(Exit::Partial)
            .try_this("ottla quorum doctor, for who has to come back")
    }

    /// Every partition of the topics, or those chosen; and those of them that have no leader.
    async fn targets(&self) -> Result<(Vec<TopicPartition>, Vec<TopicPartition>), Failure> {
        let mut described = self.client.admin().describe_topics(&self.args.topics).await?;
        let (mut targets, mut leaderless) = (Vec::new(), Vec::new());
        for name in &self.args.topics {
            let topic = described.remove(name).unwrap_or_else(|| unreachable!("it was asked for"))?;
            let all: Vec<i32> = (0..topic.partition_count()).collect();
            let chosen = if self.args.partition.is_empty() { &all } else { &self.args.partition };
            for &partition in chosen {
                let target = TopicPartition::new(name.clone(), partition);
                let Some(one) = topic.partition(partition) else {
                    let why = format!("topic {name:?} has {} partitions", all.len());
                    return Err(Failure::new(format!("no partition {partition}"), why)
                        .exit(Exit::NotFound)
                        .try_this(format!("ottla topic describe {name}")));
                };
                if one.leader.is_none() {
                    leaderless.push(target.clone());
                }
                targets.push(target);
            }
        }
        Ok((targets, leaderless))
    }

    /// Where to stop, if anywhere: at the present end, or at a time.
    async fn ends(&self, targets: &[TopicPartition]) -> Result<Option<Ends>, Failure> {
        let until = self.args.offset.iter().find_map(|place| match place {
            Boundary::Until(ms) => Some(*ms),
            Boundary::Beginning
            | Boundary::End
            | Boundary::Stored
            | Boundary::At(_)
            | Boundary::BeforeEnd(_)
            | Boundary::Since(_) => None,
        });
        if until.is_none() && !self.args.exit_at_end {
            return Ok(None);
        }
        let mut ends = self.list(targets, OffsetSpec::Latest).await?;
        if let Some(ms) = until {
            for (target, offset) in self.list(targets, OffsetSpec::Timestamp(ms)).await? {
                if offset >= 0 {
                    ends.insert(target, offset);
                }
            }
        }
        Ok(Some(ends))
    }

    async fn list(&self, targets: &[TopicPartition], spec: OffsetSpec) -> Result<Ends, Failure> {
        // Who has no leader would be asked for until the limit.
        let led = targets.iter().filter(|target| !self.leaderless.contains(target));
        let wanted = led.map(|target| (target.clone(), spec)).collect();
        let listed = self.client.admin().list_offsets(&wanted, self.options.isolation).await;
        listed.into_iter().map(|(target, found)| Ok((target, found?.offset))).collect()
    }

    async fn seek(
        &self,
        consumer: &Consumer,
        begin: Option<Boundary>,
        targets: &[TopicPartition],
    ) -> Result<(), Failure> {
        let (mut begins, mut ends) = (Ends::new(), Ends::new());
        if matches!(begin, Some(Boundary::BeforeEnd(_) | Boundary::At(_))) {
            begins = self.list(targets, OffsetSpec::Earliest).await?;
            ends = self.list(targets, OffsetSpec::Latest).await?;
        }
        for target in targets {
            match begin {
                None | Some(Boundary::Stored | Boundary::Until(_)) => {}
                Some(Boundary::Beginning) => consumer.seek_to(target, OffsetSpec::Earliest)?,
                Some(Boundary::End) => consumer.seek_to(target, OffsetSpec::Latest)?,
                Some(Boundary::At(offset)) => match begins.get(target).zip(ends.get(target)) {
                    Some((&first, &end)) => {
                        let there = offset.clamp(first, end);
                        if there != offset {
                            say(format_args!(
                                "warning: {target} goes from {first} to {end}: {offset} is not there, {there} is read"
                            ));
                        }
                        consumer.seek(target, there)?;
                    }
                    None => consumer.seek(target, offset)?,
                },
                Some(Boundary::BeforeEnd(back)) => match begins.get(target).zip(ends.get(target)) {
                    Some((&first, &end)) => consumer.seek(target, (end - back).max(first))?,
                    None => consumer.seek_to(target, OffsetSpec::Latest)?,
                },
                Some(Boundary::Since(ms)) => consumer.seek_to(target, OffsetSpec::Timestamp(ms))?,
            }
        }
        Ok(())
    }

    async fn print_all(
        &self,
        mut consumer: Consumer,
        ends: Option<Ends>,
        mut decoding: Option<Decoding>,
    ) -> Result<(), Failure> {
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
        let mut left = self.args.max_records.unwrap_or(u64::MAX);
        let idle = self.args.timeout_ms.map_or(Duration::MAX, Duration::from_millis);
        let (mut last_record, mut warned) = (Instant::now(), false);
        let mut stop = std::pin::pin!(told_to_stop());
        let outcome = loop {
            if left == 0 || ends.as_ref().is_some_and(|ends| is_done(&consumer, ends)) {
                break Ok(());
            }
            // A short wait: the end may be reached without another record (control batches count too), and somebody
            // may have to hear why nothing comes.
            let wait = idle.saturating_sub(last_record.elapsed()).min(LOOK_UP);
            let records = tokio::select! {
                records = consumer.poll(wait) => records?,
                () = &mut stop => break Ok(()),
            };
            if records.is_empty() {
                match consumer.standstill() {
                    Some(standstill) if standstill.lasting >= self.limit => {
                        break Err(stuck_for(self.limit, &standstill.error));
                    }
                    Some(standstill) if !warned && standstill.lasting >= FIRST_WARNING => {
                        warned = true;
                        say(format_args!("warning: nothing comes: {}; still trying", standstill.error));
                    }
                    Some(_) => {}
                    None => warned = false,
                }
                if ends.is_none() && last_record.elapsed() >= idle {
                    break Ok(());
                }
                continue;
            }
            last_record = Instant::now();
            let printed =
                self.print_some(&consumer, records, ends.as_ref(), left, &mut out, decoding.as_mut()).await;
            let flushed = out.flush().map_err(Failure::from);
            match printed.and_then(|count| flushed.map(|()| count)) {
                Ok(count) => left -= count,
                // Without closing: what nobody could read must not be committed.
                Err(failure) => return Err(failure),
            }
        };
        // A cluster that is gone takes no commit either: the reason that is known already is the better one.
        match (outcome, consumer.close().await) {
            (Ok(()), closed) => {
                closed?;
                if self.stops() && !self.leaderless.is_empty() { Err(self.unread()) } else { Ok(()) }
            }
            (failed, _closed) => failed,
        }
    }

    /// Prints what is wanted of these records, and goes back before the first of each partition that is not.
    async fn print_some(
        &self,
        consumer: &Consumer,
        records: Vec<ConsumerRecord>,
        ends: Option<&Ends>,
        left: u64,
        out: &mut impl Write,
        mut decoding: Option<&mut Decoding>,
    ) -> Result<u64, Failure> {
        let mut count = 0;
        let mut unwanted = Ends::new();
        for mut record in records {
            let target = TopicPartition::new(record.topic.clone(), record.partition);
            let past_end = ends.and_then(|ends| ends.get(&target)).is_some_and(|&end| record.offset >= end);
            if past_end || count == left {
                unwanted.entry(target).or_insert(record.offset);
                continue;
            }
            if let Some(decoding) = &mut decoding
                && !decoding.decode(&mut record).await?
            {
                continue;
            }
            self.printer.print(out, &record)?;
            count += 1;
        }
        for (target, offset) in unwanted {
            // Revoked meanwhile: then its position is no longer ours to keep.
            let _gone = consumer.seek(&target, offset);
        }
        Ok(count)
    }
}

/// In a group only the partitions that this member has count.
fn is_done(consumer: &Consumer, ends: &Ends) -> bool {
    let assigned = consumer.assignment();
    // Those without an end had no leader.
    let reached = |target: &TopicPartition| {
        let Some(&end) = ends.get(target) else { return true };
        consumer.position(target).is_some_and(|position| position >= end)
    };
    !assigned.is_empty() && assigned.iter().all(reached)
}
