//! What is said in a dialogue with a transaction coordinator, and what is heard.
//!
//! ```text
//! > verb transactional-id [key=value…]     a request; its answer may come much later
//! > markers [x-0=ERROR|lost|gone…]         the host answers what was wished: NONE where nothing is said
//! > settle                                 the host answers everything, until nothing is wished any more
//! > exhaust id                             InitProducerId, so often that no epoch is left
//! > wait 3s                                time passes, deadlines fire
//! > hold / commit / flow                   stop committing; commit what was appended; commit at once again
//! > close / truncate / reload              the leader goes; what was not committed is lost; a new one loads the log
//! > config key=value…                      settings of the coordinator, before anything else
//! > answers-only                           the log, wishes and events are not shown
//! ```
//! A producer's id and epoch are those that it was told last, if a request does not say others.

use super::rig::Rig;
use super::words::{self, Names};
use crate::pattern::Pattern;
use crate::transaction::{
    MarkerOutcome, MarkersAnswer, Transaction, TransactionAnswer, TransactionCommand, TransactionConfig,
    TransactionRecord, keep_matching, pattern_of,
};
use std::collections::BTreeMap;
use std::str::FromStr;
use wire::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use wire::messages::add_partitions_to_txn::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use wire::messages::end_txn::EndTxnRequest;
use wire::messages::init_producer_id::InitProducerIdRequest;
use wire::messages::list_transactions::ListTransactionsRequest;
use wire::testing::{Command, replay};
use wire::{ErrorCode, Str};

/// Says all of it again and returns what the file should look like.
pub fn play(script: &str) -> String {
    let mut player = Player::new();
    replay(script, |said| {
        player.say(said);
        player.hear()
    })
}

/// Says it all, answers whatever is wished, and returns what was written.
pub fn records_of(said: &[&str]) -> Vec<TransactionRecord> {
    let mut player = Player::new();
    for said in said {
        player.say(said);
        player.hear();
    }
    player.rig.entries(0).into_iter().map(|(_, record)| record).collect()
}

struct Player {
    rig: Rig,
    names: Names,
    /// By token: the verb and the transactional id.
    asked: BTreeMap<u64, (String, Str)>,
    /// What each producer was told last.
    producers: BTreeMap<Str, (i64, i16)>,
    patterns: BTreeMap<u64, Pattern>,
    next_token: u64,
    seen_offset: i64,
    seen_wishes: usize,
    answers_only: bool,
    lines: Vec<String>,
}

impl Player {
    fn new() -> Player {
        Player {
            rig: Rig::open(TransactionConfig::default()),
            names: Names::default(),
            asked: BTreeMap::new(),
            producers: BTreeMap::new(),
            patterns: BTreeMap::new(),
            next_token: 0,
            seen_offset: 0,
            seen_wishes: 0,
            answers_only: false,
            lines: Vec::new(),
        }
    }

    fn hear(&mut self) -> Vec<String> {
        self.note();
        std::mem::take(&mut self.lines)
    }

    /// Collects what was appended, wished, told and answered since the last time.
    fn note(&mut self) {
        let mut lines = Vec::new();
        for (offset, record) in self.rig.entries(self.seen_offset) {
            lines.push(words::record(&mut self.names, offset, &record));
        }
        self.seen_offset = self.rig.log.end;
        for event in std::mem::take(&mut self.rig.events) {
            lines.push(words::event(&mut self.names, &event));
        }
        for wish in &self.rig.wishes[self.seen_wishes.min(self.rig.wishes.len())..] {
            lines.push(words::wish(&mut self.names, wish));
        }
        self.seen_wishes = self.rig.wishes.len();
        if !self.answers_only {
            self.lines.append(&mut lines);
        }
        for reply in self.rig.taken() {
            let (verb, id) = self.asked.get(&reply.token.0).cloned().unwrap();
            let told = match &reply.answer {
                TransactionAnswer::InitProducerId(told) => {
                    (told.error_code, told.producer_id, told.producer_epoch)
                }
                TransactionAnswer::EndTxn(told) => (told.error_code, told.producer_id, told.producer_epoch),
                _ => (-1, -1, -1),
            };
            if told.0 == 0 && told.1 != -1 {
                self.producers.insert(id, (told.1, told.2));
            }
            let mut answer = reply.answer;
            if let TransactionAnswer::List(listed) = &mut answer {
                // As the handler does.
                keep_matching(listed, self.patterns.remove(&reply.token.0).as_ref());
            }
            let answer = words::answer(&mut self.names, &answer);
            self.lines.push(format!("{verb} ← {answer}"));
        }
    }

    fn say(&mut self, said: &str) {
        let args = Args(Command::parse(said));
        match args.0.verb {
            "wait" => self.wait(args.0.word(0)),
            "hold" => self.rig.commit_at_once = false,
            "commit" => self.rig.commit(self.rig.log.end),
            "flow" => {
                self.rig.commit_at_once = true;
                self.rig.commit(self.rig.log.end);
            }
            "close" => self.rig.close(),
            "truncate" => {
                self.rig.truncate();
                self.seen_offset = self.rig.log.end;
            }
            "reload" => {
                self.rig.wishes.clear();
                self.seen_wishes = 0;
                self.rig.reload();
            }
            "refuse-writes" => self.rig.log.not_ready = Some(ErrorCode::NotEnoughReplicas),
            "take-writes" => self.rig.log.not_ready = None,
            "no-ids" => self.rig.grants_ids = false,
            "ids" => {
                self.rig.grants_ids = true;
                self.rig.host(TransactionCommand::ProducerIdsGranted { ids: 500..510 });
            }
            "config" => self.configure(&args),
            "answers-only" => self.answers_only = true,
            "twins" => self.compare_twins(),
            "markers" => self.markers(&args),
            "settle" => self.settle(),
            "exhaust" => self.exhaust(&args),
            _ => self.ask(&args),
        }
    }

    fn ask(&mut self, args: &Args<'_>) {
        let id = args.id();
        let token = self.token(args.0.verb, id.clone());
        let transactional_id_pattern = args.0.text("pattern").map(Str::from);
        match pattern_of(&ListTransactionsRequest { transactional_id_pattern, ..Default::default() }) {
            Ok(pattern) => drop(pattern.map(|pattern| self.patterns.insert(token, pattern))),
            Err(error) => {
                let line = format!("list ← ListTransactions {} unknown=[] []", error.name());
                return self.lines.push(line);
            }
        }
        let (producer_id, producer_epoch) = self.producers.get(&id).copied().unwrap_or((-1, -1));
        let producer_id = args.0.text("id").map_or(producer_id, |name| self.names.number(name));
        let producer_epoch = args.number("epoch", producer_epoch);
        let command = match args.0.verb {
            "init" | "exhaust" => TransactionCommand::InitProducerId {
                api_version: args.number("v", 5),
                request: InitProducerIdRequest {
                    transactional_id: Some(id),
                    transaction_timeout_ms: args.number("timeout", 60_000),
                    producer_id: args.0.text("id").map_or(-1, |name| self.names.number(name)),
                    producer_epoch: args.number("epoch", -1),
                    enable2_pc: args.0.has("2pc"),
                    keep_prepared_txn: args.0.has("keep"),
                },
            },
            "add" => TransactionCommand::AddPartitions {
                api_version: args.number("v", 3),
                transaction: AddPartitionsToTxnTransaction {
                    transactional_id: id,
                    producer_id,
                    producer_epoch,
                    verify_only: args.0.has("verify"),
                    topics: args.topics(),
                },
            },
            "add-offsets" => TransactionCommand::AddOffsets {
                api_version: args.number("v", 4),
                request: AddOffsetsToTxnRequest {
                    transactional_id: id,
                    producer_id,
                    producer_epoch,
                    group_id: Str::from(args.0.text("group").unwrap_or("g")),
                },
                partition: 0,
            },
            "end" => TransactionCommand::EndTxn {
                api_version: args.number("v", 5),
                request: EndTxnRequest {
                    transactional_id: id,
                    producer_id,
                    producer_epoch,
                    committed: args.0.has("commit"),
                },
            },
            "describe" => TransactionCommand::Describe {
                transactional_ids: args.0.words.iter().map(|word| text(word)).collect(),
            },
            "list" => TransactionCommand::List {
                states: args.items("states").into_iter().map(Str::from).collect(),
                producer_ids: args.items("ids").into_iter().map(|name| self.names.number(name)).collect(),
                duration_ms: args.number("duration", -1),
            },
            other => panic!("nobody says {other} here"),
        };
        self.rig.handle(command, token);
        // Time passes between requests, and what is due at once is done.
        self.rig.now_ms += 1;
        self.rig.tick();
    }

    fn token(&mut self, verb: &str, id: Str) -> u64 {
        self.next_token += 1;
        self.asked.insert(self.next_token, (verb.to_owned(), id));
        self.next_token
    }

    fn markers(&mut self, args: &Args<'_>) {
        let outcome = |topic: &Str, partition: i32| match args.0.text(&format!("{topic}-{partition}")) {
            None => MarkerOutcome::Answered(ErrorCode::None),
            Some("lost") => MarkerOutcome::NotReached,
            Some("gone") => MarkerOutcome::Gone,
            Some(name) => {
                let named = (0..200).map(ErrorCode::from_code).find(|error| error.name() == name);
                MarkerOutcome::Answered(named.unwrap_or_else(|| panic!("no error is called {name}")))
            }
        };
        for wish in std::mem::take(&mut self.rig.wishes) {
            let outcomes = wish.partitions.iter().map(|(topic, partition)| {
                let outcome = outcome(topic, partition);
                (topic.clone(), partition, outcome)
            });
            self.rig.host(TransactionCommand::MarkersAnswered(MarkersAnswer {
                outcomes: outcomes.collect(),
                transactional_id: wish.transactional_id.clone(),
                producer: wish.producer,
                coordinator_epoch: args.number("by", wish.coordinator_epoch),
            }));
        }
        self.seen_wishes = 0;
    }

    fn settle(&mut self) {
        while !self.rig.wishes.is_empty() {
            self.note();
            self.markers(&Args(Command::parse("markers")));
            self.rig.tick();
        }
    }

    /// As if its producer had begun that often.
    fn exhaust(&mut self, args: &Args<'_>) {
        let id = args.id();
        let known = self.rig.hosted.committed().get(&id).cloned();
        let last = known.unwrap_or_else(|| {
            let producer_id = self.rig.next_producer_id;
            self.rig.next_producer_id += 1;
            Transaction::unused(producer_id, 60_000, self.rig.now_ms)
        });
        let last =
            Transaction { producer_epoch: i16::MAX - 2, previous_producer_id: last.producer_id, ..last };
        self.rig.append(&id, last);
        self.rig.close();
        self.rig.reload();
        self.seen_offset = self.rig.log.end;
        self.ask(args);
    }

    fn wait(&mut self, time: &str) {
        let milliseconds = match time.strip_suffix("ms") {
            Some(number) => number.parse::<i64>().unwrap(),
            None => time.strip_suffix('s').unwrap().parse::<i64>().unwrap() * 1_000,
        };
        let until_ms = self.rig.now_ms + milliseconds;
        while let Some(deadline_ms) = self.rig.hosted.next_deadline().filter(|at_ms| *at_ms <= until_ms) {
            if self.rig.log.not_ready.is_some() && deadline_ms <= self.rig.now_ms {
                break;
            }
            self.rig.now_ms = self.rig.now_ms.max(deadline_ms);
            self.rig.tick();
            let at = self.lines.len();
            self.note();
            if self.lines.len() > at && !self.answers_only {
                self.lines.insert(at, format!("at +{}ms", self.rig.now_ms - words::START_MS));
            }
        }
        self.rig.now_ms = until_ms;
    }

    fn configure(&mut self, args: &Args<'_>) {
        let config = &mut self.rig.config;
        config.transaction_version = args.number("version", config.transaction_version);
        config.id_expiration_ms = args.number("expiration", config.id_expiration_ms);
        config.expiration_interval_ms = args.number("interval", config.expiration_interval_ms);
        config.max_timeout_ms = args.number("max_timeout", config.max_timeout_ms);
        config.two_phase_commit = args.0.has("2pc");
        config.max_batch_bytes = args.number("max_batch", config.max_batch_bytes);
        self.rig.reload();
        self.rig.coordinator_epoch = 0;
    }

    fn compare_twins(&mut self) {
        assert!(self.rig.hosted.is_settled(), "the twins are only equal when all is committed");
        let (pending, committed) = self.rig.hosted.twins();
        assert_eq!(pending, committed);
        self.lines.push(format!("equal, {} transactional ids", committed.len()));
    }
}

fn text(word: &str) -> Str {
    if word == "''" { Str::new() } else { Str::from(word) }
}

/// What a command of a script says in a coordinator's words.
struct Args<'a>(Command<'a>);

impl<'a> Args<'a> {
    fn id(&self) -> Str {
        text(self.0.word(0))
    }

    fn number<T: FromStr>(&self, key: &str, default: T) -> T {
        self.0.number(key).unwrap_or(default)
    }

    fn items(&self, key: &str) -> Vec<&'a str> {
        let items = |text: &'a str| text.split(',').filter(|item| !item.is_empty()).collect();
        self.0.text(key).map(items).unwrap_or_default()
    }

    /// Topics with partitions among the plain words after the transactional id.
    fn topics(&self) -> Vec<AddPartitionsToTxnTopic> {
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for word in self.0.words.iter().skip(1) {
            if let Some((topic, number)) = word.rsplit_once('-')
                && let Ok(number) = number.parse()
            {
                topics.entry(topic).or_default().push(number);
            }
        }
        let topic = |(name, partitions)| AddPartitionsToTxnTopic { name: Str::from(name), partitions };
        topics.into_iter().map(topic).collect()
    }
}
