//! Answers and records as one line each, short enough to be read in a script.

use crate::controller::ControllerAnswer;
use crate::image::{MetadataImage, PartitionImage, VersionedRecord};
use crate::raft::control::data_records;
use bytes::Bytes;
use wire::messages::alter_partition_reassignments::ReassignablePartitionResponse;
use wire::record_batch::RecordBatch;
use wire::records::metadata::MetadataRecord;
use wire::{Str, Uuid};

fn error(code: i16, message: Option<&Str>) -> String {
    match (code, message) {
        (0, None) => "ok".to_owned(),
        (code, None) => format!("error {code}"),
        (code, Some(message)) => format!("error {code} {message}"),
    }
}

/// One line per thing that was asked about.
pub(super) fn shown_answer(answer: &ControllerAnswer) -> String {
    let lines: Vec<String> = match answer {
        ControllerAnswer::CreateTopics(r) => r
            .topics
            .iter()
            .map(|t| {
                let configs = t.configs.as_ref().map_or(0, Vec::len);
                let hidden = if t.topic_config_error_code == 0 {
                    String::new()
                } else {
                    format!(" configs error {}", t.topic_config_error_code)
                };
                let made = format!(
                    " partitions={} rf={} configs={configs}{hidden}",
                    t.num_partitions, t.replication_factor
                );
                let made = if t.error_code == 0 { made } else { String::new() };
                format!("{}: {}{made}", t.name, error(t.error_code, t.error_message.as_ref()))
            })
            .collect(),
        ControllerAnswer::DeleteTopics(r) => {
            let name = |name: &Option<Str>| name.as_ref().map_or("-".to_owned(), |name| name.to_string());
            r.responses
                .iter()
                .map(|t| format!("{}: {}", name(&t.name), error(t.error_code, t.error_message.as_ref())))
                .collect()
        }
        ControllerAnswer::CreatePartitions(r) => r
            .results
            .iter()
            .map(|t| format!("{}: {}", t.name, error(t.error_code, t.error_message.as_ref())))
            .collect(),
        ControllerAnswer::IncrementalAlterConfigs(r) => r
            .responses
            .iter()
            .map(|t| {
                format!(
                    "{}:{}: {}",
                    t.resource_type,
                    t.resource_name,
                    error(t.error_code, t.error_message.as_ref())
                )
            })
            .collect(),
        ControllerAnswer::AlterConfigs(r) => r
            .responses
            .iter()
            .map(|t| {
                format!(
                    "{}:{}: {}",
                    t.resource_type,
                    t.resource_name,
                    error(t.error_code, t.error_message.as_ref())
                )
            })
            .collect(),
        ControllerAnswer::RegisterBroker(r) => {
            vec![format!("{} epoch={}", error(r.error_code, None), r.broker_epoch)]
        }
        ControllerAnswer::BrokerHeartbeat(r) => vec![format!(
            "{} caught-up={} fenced={} shut-down={}",
            error(r.error_code, None),
            r.is_caught_up,
            r.is_fenced,
            r.should_shut_down
        )],
        ControllerAnswer::AllocateProducerIds(r) => {
            vec![format!(
                "{} start={} len={}",
                error(r.error_code, None),
                r.producer_id_start,
                r.producer_id_len
            )]
        }
        ControllerAnswer::CreateAcls(r) => {
            r.results.iter().map(|acl| error(acl.error_code, acl.error_message.as_ref())).collect()
        }
        ControllerAnswer::DeleteAcls(r) => {
            let said = |r: &wire::messages::delete_acls::DeleteAclsFilterResult| {
                format!("{} gone={}", error(r.error_code, r.error_message.as_ref()), r.matching_acls.len())
            };
            r.filter_results.iter().map(said).collect()
        }
        ControllerAnswer::AlterUserScramCredentials(r) => r
            .results
            .iter()
            .map(|user| format!("{}: {}", user.user, error(user.error_code, user.error_message.as_ref())))
            .collect(),
        ControllerAnswer::AlterClientQuotas(r) => {
            r.entries.iter().map(|entry| error(entry.error_code, entry.error_message.as_ref())).collect()
        }
        ControllerAnswer::CreateDelegationToken(r) => vec![error(r.error_code, None)],
        ControllerAnswer::RenewDelegationToken(r) => vec![error(r.error_code, None)],
        ControllerAnswer::ExpireDelegationToken(r) => vec![error(r.error_code, None)],
        ControllerAnswer::UpdateFeatures(r) => vec![error(r.error_code, r.error_message.as_ref())],
        ControllerAnswer::UnregisterBroker(r) => vec![error(r.error_code, r.error_message.as_ref())],
        ControllerAnswer::RegisterController(r) => vec![error(r.error_code, r.error_message.as_ref())],
        ControllerAnswer::UnregisterController(r) => vec![error(r.error_code, r.error_message.as_ref())],
        ControllerAnswer::AlterPartition(r) => {
            let top = (r.error_code != 0).then(|| error(r.error_code, None));
            let all = r.topics.iter().flat_map(|t| &t.partitions).map(|p| match p.error_code {
                0 => format!(
                    "ok leader={}@{} isr={:?} epoch={}",
                    p.leader_id, p.leader_epoch, p.isr, p.partition_epoch
                ),
                code => error(code, None),
            });
            top.into_iter().chain(all).collect()
        }
        ControllerAnswer::AlterPartitionReassignments(r) => {
            let line = |name: &Str, p: &ReassignablePartitionResponse| {
                format!("{name}-{}: {}", p.partition_index, error(p.error_code, p.error_message.as_ref()))
            };
            let all = r.responses.iter().flat_map(|t| t.partitions.iter().map(|p| line(&t.name, p)));
            all.collect()
        }
        ControllerAnswer::ElectLeaders(r) => {
            let top = (r.error_code != 0).then(|| error(r.error_code, None));
            let all = r.replica_election_results.iter().flat_map(|t| {
                let line = |p: &wire::messages::elect_leaders::PartitionResult| {
                    format!(
                        "{}-{}: {}",
                        t.topic,
                        p.partition_id,
                        error(p.error_code, p.error_message.as_ref())
                    )
                };
                t.partition_result.iter().map(line).collect::<Vec<_>>()
            });
            top.into_iter().chain(all).collect()
        }
        ControllerAnswer::AssignReplicasToDirs(r) => {
            let top = (r.error_code != 0).then(|| error(r.error_code, None));
            let all = r.directories.iter().flat_map(|d| &d.topics).flat_map(|t| &t.partitions);
            top.into_iter().chain(all.map(|p| error(p.error_code, None))).collect()
        }
    };
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The state of a partition.
pub(super) fn shown_partition(p: &PartitionImage) -> String {
    let mut line = format!("leader={}@{} isr={:?}", p.leader, p.leader_epoch, p.isr);
    let lists = [
        ("elr", &p.elr),
        ("last-known", &p.last_known_elr),
        ("adding", &p.adding_replicas),
        ("removing", &p.removing_replicas),
    ];
    for (name, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
        line.push_str(&format!(" {name}={list:?}"));
    }
    format!("{line} replicas={:?} epoch={} {:?}", p.replicas, p.partition_epoch, p.leader_recovery_state)
}

/// The records of batches, one line each; topics by name where the image still knows them.
pub(super) fn shown_batches(content: Bytes, image: &MetadataImage) -> String {
    let mut lines = String::new();
    for batch in RecordBatch::split(content).unwrap_or_default() {
        let values = data_records(&batch).unwrap_or_default();
        for (_, value) in values {
            let record = VersionedRecord::decode(value).unwrap_or_else(|error| panic!("{error}"));
            lines.push_str(&format!(
                "+ {}/{} {}\n",
                record.record.name().trim_end_matches("Record"),
                record.version,
                shown_record(&record.record, image)
            ));
        }
    }
    lines
}

/// A directory by the number it was made of.
fn directory(id: &Uuid) -> String {
    match *id {
        Uuid::UNASSIGNED_DIRECTORY => "unassigned".to_owned(),
        Uuid::ZERO => "migrating".to_owned(),
        id => format!("{}", id.0[15]),
    }
}

fn directories(ids: &[Uuid]) -> String {
    format!("[{}]", ids.iter().map(directory).collect::<Vec<_>>().join(","))
}

fn shown_record(record: &MetadataRecord, image: &MetadataImage) -> String {
    let topic = |id: &Uuid| image.topics.by_id(*id).map_or("?".to_owned(), |topic| topic.name.to_string());
    match record {
        MetadataRecord::Topic(r) => r.name.to_string(),
        MetadataRecord::RemoveTopic(_) | MetadataRecord::NoOp(_) => String::new(),
        MetadataRecord::Config(r) => {
            format!(
                "{}:{} {}={:?}",
                r.resource_type,
                r.resource_name,
                r.name,
                r.value.as_ref().map(|v| v.to_string())
            )
        }
        MetadataRecord::Partition(r) => format!(
            "{}-{} replicas={:?} isr={:?} leader={} dirs={}",
            topic(&r.topic_id),
            r.partition_id,
            r.replicas,
            r.isr,
            r.leader,
            directories(&r.directories)
        ),
        MetadataRecord::PartitionChange(r) => {
            let mut line = format!("{}-{}", topic(&r.topic_id), r.partition_id);
            if r.leader != -2 {
                line.push_str(&format!(" leader={}", r.leader));
            }
            let lists = [
                ("isr", &r.isr),
                ("elr", &r.eligible_leader_replicas),
                ("last-known", &r.last_known_elr),
                ("replicas", &r.replicas),
                ("removing", &r.removing_replicas),
                ("adding", &r.adding_replicas),
            ];
            for (name, list) in lists {
                line.push_str(&list.as_ref().map_or(String::new(), |list| format!(" {name}={list:?}")));
            }
            if r.leader_recovery_state != -1 {
                line.push_str(&format!(" recovery={}", r.leader_recovery_state));
            }
            line + &r.directories.as_ref().map_or(String::new(), |ids| format!(" dirs={}", directories(ids)))
        }
        MetadataRecord::RegisterBroker(r) => format!(
            "{} epoch={} fenced={} shutdown={} dirs={} rack={:?}",
            r.broker_id,
            r.broker_epoch,
            r.fenced,
            r.in_controlled_shutdown,
            directories(&r.log_dirs),
            r.rack.as_ref().map(|rack| rack.to_string())
        ),
        MetadataRecord::BrokerRegistrationChange(r) => {
            let mut line = format!("{} epoch={}", r.broker_id, r.broker_epoch);
            if r.fenced != 0 {
                line.push_str(if r.fenced > 0 { " fence" } else { " unfence" });
            }
            if r.in_controlled_shutdown != 0 {
                line.push_str(" controlled-shutdown");
            }
            if !r.log_dirs.is_empty() {
                line.push_str(&format!(" dirs={}", directories(&r.log_dirs)));
            }
            line + &r
                .cordoned_log_dirs
                .as_ref()
                .map_or(String::new(), |ids| format!(" cordoned={}", directories(ids)))
        }
        MetadataRecord::UnregisterBroker(r) => format!("{} epoch={}", r.broker_id, r.broker_epoch),
        MetadataRecord::ProducerIds(r) => format!("next={} broker={}", r.next_producer_id, r.broker_id),
        MetadataRecord::FeatureLevel(r) => format!("{}={}", r.name, r.feature_level),
        MetadataRecord::ClearElr(r) => r.topic_name.to_string(),
        other => format!("{other:?}"),
    }
}
