//! Every file of `testscripts/` says what it says. `OTTLA_UPDATE_SCRIPTS=1` writes down what is heard now. A share partition is
//! `group/topic/number`, a batch `first-last:state x count`.

use crate::group::tests::consumer::{Cluster, id_of, name_of};
use crate::hosted::memory::Memory;
use crate::hosted::{Hosted, HostedOptions};
use crate::machine::{Reply, ReplyToken};
use crate::share::records::{self, ShareValue};
use crate::share::{
    ShareAnswer, ShareCommand, ShareConfig, ShareMachine, SharePartition, ShareRecord, ShareSoft, StateBatch,
};
use std::path::Path;
use std::sync::Arc;
use wire::compress::DecompressLimit;
use wire::messages::initialize_share_group_state::PartitionData as ToInitialize;
use wire::messages::write_share_group_state::{PartitionData as ToWrite, StateBatch as WrittenBatch};
use wire::testing::{Command, check_scripts};
use wire::wall::Wall;
use wire::{ErrorCode, Str};

struct Rig {
    hosted: Hosted<ShareMachine>,
    log: Memory,
    now_ms: i64,
    high_watermark: i64,
    commit_at_once: bool,
    config: ShareConfig,
    cluster: Cluster,
    replies: Vec<Reply<ShareAnswer>>,
    seen_offset: i64,
    next_token: u64,
}

fn soft(config: ShareConfig, cluster: &Cluster) -> ShareSoft {
    ShareSoft::new(config, Wall::default(), Arc::new(cluster.clone()))
}

impl Rig {
    fn open() -> Rig {
        let (config, cluster) = (ShareConfig::default(), Cluster::default());
        let soft = soft(config, &cluster);
        let mut rig = Rig {
            hosted: Hosted::loading(ShareMachine::default(), soft, HostedOptions::default(), 0),
            log: Memory::default(),
            now_ms: 1_000_000,
            high_watermark: 0,
            commit_at_once: true,
            config,
            cluster,
            replies: Vec::new(),
            seen_offset: 0,
            next_token: 0,
        };
        rig.hosted.loaded(rig.now_ms, 0, 0, &mut rig.log, &mut rig.replies);
        rig
    }

    fn commit(&mut self) {
        self.high_watermark = self.log.end;
        self.hosted.advance(self.now_ms, self.high_watermark, &mut self.log, &mut self.replies);
    }

    /// A new leader loads what was not cut off.
    fn reload(&mut self, log_start_offset: i64) {
        let soft = soft(self.config, &self.cluster);
        self.log.batches.retain(|batch| batch.next_offset() > log_start_offset);
        let options = HostedOptions::default();
        self.hosted = Hosted::loading(ShareMachine::default(), soft, options, log_start_offset);
        for batch in &self.log.batches {
            assert_eq!(self.hosted.load(batch.bytes().clone(), self.high_watermark), []);
        }
        let (end, safe) = (self.log.end, self.high_watermark);
        self.hosted.loaded(self.now_ms, end, safe, &mut self.log, &mut self.replies);
    }

    fn wait(&mut self, milliseconds: i64, heard: &mut Vec<String>) {
        let until_ms = self.now_ms + milliseconds;
        while let Some(deadline_ms) = self.hosted.next_deadline().filter(|at_ms| *at_ms <= until_ms) {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.hosted.tick(self.now_ms, &mut self.log, &mut self.replies);
            if self.commit_at_once {
                self.commit();
            }
            self.hear(heard);
        }
        self.now_ms = until_ms;
    }

    fn say(&mut self, line: &str, heard: &mut Vec<String>) {
        let said = Command::parse(line);
        match said.verb {
            "topics" => {
                let topics = line.split_whitespace().skip(1).filter_map(|topic| topic.split_once('='));
                let topics = topics.map(|(name, many)| (Str::from(name), many.parse().unwrap()));
                self.cluster = Cluster { version: self.cluster.version + 1, topics: topics.collect() };
                if let Some(soft) = self.hosted.soft_mut() {
                    soft.view = Arc::new(self.cluster.clone());
                }
            }
            "config" => {
                self.config.updates_per_snapshot =
                    said.number("updates").unwrap_or(self.config.updates_per_snapshot);
                self.config.cold_snapshot_interval_ms =
                    said.number("cold").unwrap_or(self.config.cold_snapshot_interval_ms);
                self.config.prune_interval_ms = said.number("prune").unwrap_or(self.config.prune_interval_ms);
                self.reload(0);
            }
            "hold" => self.commit_at_once = false,
            "flow" => {
                self.commit_at_once = true;
                self.commit();
            }
            "wait" => self.wait(said.word(0).parse().unwrap(), heard),
            "close" => self.hosted.close(ErrorCode::NotCoordinator, &mut self.replies),
            "reload" => self.reload(said.number("from").unwrap_or(0)),
            _ => {
                self.next_token += 1;
                let (token, command) = (ReplyToken(self.next_token), command(&said));
                self.hosted.handle(self.now_ms, command, token, &mut self.log, &mut self.replies);
                if self.commit_at_once {
                    self.commit();
                }
            }
        }
        self.hear(heard);
    }

    fn hear(&mut self, heard: &mut Vec<String>) {
        for batch in self.log.batches.iter().filter(|batch| batch.base_offset >= self.seen_offset) {
            for record in batch.records(DecompressLimit::default()).unwrap() {
                let record = record.unwrap();
                let known = records::decode(record.key, record.value).unwrap().unwrap();
                heard.push(format!("log {}: {}", record.offset, written(&known)));
            }
        }
        self.seen_offset = self.log.end;
        heard.extend(self.replies.drain(..).map(|reply| format!("← {}", answered(&reply.answer))));
        if let Some(offset) = self.hosted.soft_mut().and_then(|soft| soft.trim.take()) {
            heard.push(format!("trim {offset}"));
        }
    }
}

fn partition_of(text: &str) -> SharePartition {
    let parts: Vec<&str> = text.split('/').collect();
    let partition = parts[2].parse().unwrap();
    SharePartition { group: Str::from(parts[0]), topic_id: id_of(parts[1]), partition }
}

fn command(said: &Command<'_>) -> ShareCommand {
    let (state_epoch, leader_epoch) = (said.number("state").unwrap_or(0), said.number("leader").unwrap_or(0));
    let start_offset = said.number("start").unwrap_or(-1);
    if said.verb == "gone" {
        return ShareCommand::TopicsDeleted { topics: vec![id_of(said.word(0))] };
    }
    let of = partition_of(said.word(0));
    match said.verb {
        "initialize" => {
            let data = ToInitialize { partition: of.partition, state_epoch, start_offset };
            ShareCommand::Initialize { of, data }
        }
        "read" => ShareCommand::Read { of, leader_epoch },
        "summary" => ShareCommand::Summary { of },
        "delete" => ShareCommand::Delete { of },
        "write" => {
            let batch = |text: &&str| {
                let (offsets, state) = text.split_once(':').unwrap();
                let ((first, last), (state, count)) =
                    (offsets.split_once('-').unwrap(), state.split_once('x').unwrap());
                WrittenBatch {
                    first_offset: first.parse().unwrap(),
                    last_offset: last.parse().unwrap(),
                    delivery_state: state.parse().unwrap(),
                    delivery_count: count.parse().unwrap(),
                }
            };
            let data = ToWrite {
                partition: of.partition,
                state_epoch,
                leader_epoch,
                start_offset,
                delivery_complete_count: said.number("done").unwrap_or(-1),
                state_batches: said.words.get(1..).unwrap_or_default().iter().map(batch).collect(),
            };
            ShareCommand::Write { of, data }
        }
        other => panic!("{other} is nothing that can be said"),
    }
}

fn batches(batches: impl Iterator<Item = StateBatch>) -> String {
    let batch = |batch: StateBatch| {
        format!(
            "{}-{}:{}x{}",
            batch.first_offset, batch.last_offset, batch.delivery_state, batch.delivery_count
        )
    };
    format!("[{}]", batches.map(batch).collect::<Vec<_>>().join(" "))
}

fn written(record: &ShareRecord) -> String {
    let of = &record.of;
    let of = format!("{}/{}/{}", of.group, name_of(of.topic_id), of.partition);
    match &record.value {
        None => format!("{of} tombstone"),
        Some(ShareValue::Snapshot(value)) => format!(
            "{of} snapshot {} state={} leader={} start={} done={} {} at {} {}",
            value.snapshot_epoch,
            value.state_epoch,
            value.leader_epoch,
            value.start_offset,
            value.delivery_complete_count,
            batches(value.batches.iter().copied()),
            value.create_timestamp_ms,
            value.write_timestamp_ms,
        ),
        Some(ShareValue::Update(value)) => format!(
            "{of} update {} leader={} start={} done={} {}",
            value.snapshot_epoch,
            value.leader_epoch,
            value.start_offset,
            value.delivery_complete_count,
            batches(value.batches.iter().copied()),
        ),
    }
}

fn error(code: i16, message: Option<&Str>) -> String {
    let message = message.map(|message| format!(" {:?}", message.as_str())).unwrap_or_default();
    format!("{}{message}", ErrorCode::from_code(code).name())
}

fn answered(answer: &ShareAnswer) -> String {
    match answer {
        ShareAnswer::Initialize(said) => error(said.error_code, said.error_message.as_ref()),
        ShareAnswer::Write(said) => error(said.error_code, said.error_message.as_ref()),
        ShareAnswer::Delete(said) => error(said.error_code, said.error_message.as_ref()),
        ShareAnswer::Read(said) if said.error_code == 0 => {
            let own = said.state_batches.iter().map(|batch| StateBatch {
                first_offset: batch.first_offset,
                last_offset: batch.last_offset,
                delivery_state: batch.delivery_state,
                delivery_count: batch.delivery_count,
            });
            format!("NONE state={} start={} {}", said.state_epoch, said.start_offset, batches(own))
        }
        ShareAnswer::Read(said) => error(said.error_code, said.error_message.as_ref()),
        ShareAnswer::Summary(said) if said.error_code == 0 => format!(
            "NONE state={} leader={} start={} done={}",
            said.state_epoch, said.leader_epoch, said.start_offset, said.delivery_complete_count
        ),
        ShareAnswer::Summary(said) => error(said.error_code, said.error_message.as_ref()),
        ShareAnswer::Done => "Done".to_owned(),
    }
}

fn play(script: &str) -> String {
    let mut rig = Rig::open();
    let mut output = String::new();
    for line in script.lines() {
        if line.starts_with('#') {
            output += &format!("{line}\n");
        }
        if let Some(said) = line.strip_prefix("> ") {
            let mut heard = Vec::new();
            rig.say(said, &mut heard);
            output += &format!("{line}\n");
            heard.iter().for_each(|line| output += &format!("{line}\n"));
        }
    }
    output
}

#[test]
fn every_script_is_answered_as_written() {
    check_scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/share/testscripts"), play);
}
