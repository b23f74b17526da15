//! A coordinator of any kind that this node hosts, and in which topic each lives.

use coordinator::group::{DeletedTopic, GroupMachine};
use coordinator::share::ShareMachine;
use coordinator::transaction::TransactionMachine;
use std::sync::Arc;
use wire::ErrorCode;

use super::group_view::GroupView;
use super::host::{Host, Load, Step};
use super::kinds::{Kind, Opening, Question};
#[cfg(test)]
use super::tally::TallyMachine;
use crate::replica::Replica;

/// A coordinator of any kind, on its partition.
pub(crate) enum Coordinator {
    Group(Box<Host<GroupMachine>>),
    Transaction(Box<Host<TransactionMachine>>),
    Share(Box<Host<ShareMachine>>),
    #[cfg(test)]
    Tally(Box<Host<TallyMachine>>),
}

/// The same for every kind.
macro_rules! each {
    ($coordinator:expr, $host:ident => $what:expr) => {
        match $coordinator {
            Coordinator::Group($host) => $what,
            Coordinator::Transaction($host) => $what,
            Coordinator::Share($host) => $what,
            #[cfg(test)]
            Coordinator::Tally($host) => $what,
        }
    };
}

impl Coordinator {
    /// Whether partitions of this topic have coordinators here.
    pub fn lives_in(topic: &str) -> bool {
        #[cfg(test)]
        if topic == TallyMachine::TOPIC {
            return true;
        }
        [GroupMachine::TOPIC, TransactionMachine::TOPIC, ShareMachine::TOPIC].contains(&topic)
    }

    /// The coordinator of a partition of this topic, still to be loaded; `None` where nothing is coordinated.
    pub fn open(topic: &str, opening: &Opening<'_>) -> Option<Coordinator> {
        match topic {
            GroupMachine::TOPIC => Some(Coordinator::Group(Box::new(Host::new(opening)))),
            TransactionMachine::TOPIC => Some(Coordinator::Transaction(Box::new(Host::new(opening)))),
            ShareMachine::TOPIC => Some(Coordinator::Share(Box::new(Host::new(opening)))),
            #[cfg(test)]
            TallyMachine::TOPIC => Some(Coordinator::Tally(Box::new(Host::new(opening)))),
            _ => None,
        }
    }

    /// See [`Host::ask`]. A question that belongs elsewhere is refused.
    pub fn ask(&mut self, now_ms: i64, question: Question, replica: &mut Replica, step: &mut Step) {
        match (self, question) {
            (Coordinator::Group(host), Question::Group(asked)) => host.ask(now_ms, asked, replica, step),
            (Coordinator::Group(host), Question::GroupMarker(marker)) => {
                host.complete_transaction(now_ms, marker, replica, step);
            }
            (Coordinator::Transaction(host), Question::Transaction(asked)) => {
                host.ask(now_ms, asked, replica, step);
            }
            (Coordinator::Share(host), Question::Share(asked)) => host.ask(now_ms, asked, replica, step),
            #[cfg(test)]
            (Coordinator::Tally(host), Question::Tally(asked)) => host.ask(now_ms, asked, replica, step),
            (_, question) => question.refuse(ErrorCode::NotCoordinator),
        }
    }

    /// The finalized level of `transaction.version` is this.
    pub fn set_transaction_version(&mut self, level: i16) {
        if let Coordinator::Transaction(host) = self {
            host.soft_mut().into_iter().for_each(|soft| soft.config.transaction_version = level);
        }
    }

    /// Groups and what they share see the cluster so from now on.
    pub fn set_group_view(&mut self, view: &Arc<GroupView>) {
        match self {
            Coordinator::Group(host) => {
                host.soft_mut().into_iter().for_each(|soft| soft.view = view.clone());
            }
            Coordinator::Share(host) => {
                host.soft_mut().into_iter().for_each(|soft| soft.view = view.clone());
            }
            Coordinator::Transaction(_) => {}
            #[cfg(test)]
            Coordinator::Tally(_) => {}
        }
    }

    /// See [`Kind::topics_deleted`].
    pub fn topics_deleted(&self, topics: &[DeletedTopic]) -> Option<Question> {
        each!(self, host => host.topics_deleted(topics))
    }

    pub fn is_loading(&self) -> bool {
        each!(self, host => host.is_loading())
    }

    /// See [`Host::load`].
    pub fn load(&mut self, now_ms: i64, replica: &mut Replica, step: &mut Step) -> Load {
        each!(self, host => host.load(now_ms, replica, step))
    }

    /// See [`Host::tick`].
    pub fn tick(&mut self, now_ms: i64, replica: &mut Replica, step: &mut Step) {
        each!(self, host => host.tick(now_ms, replica, step))
    }

    /// When [`Coordinator::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<i64> {
        each!(self, host => host.next_deadline())
    }

    /// True while answers wait for the partition's safe offset.
    pub fn is_waiting(&self) -> bool {
        each!(self, host => host.is_waiting())
    }

    /// See [`Host::advance`].
    pub fn advance(&mut self, now_ms: i64, replica: &mut Replica, step: &mut Step) {
        each!(self, host => host.advance(now_ms, replica, step))
    }

    /// See [`Host::close`].
    pub fn close(&mut self, error: ErrorCode, step: &mut Step) {
        each!(self, host => host.close(error, step))
    }
}
