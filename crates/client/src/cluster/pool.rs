//! Connections to brokers, at most one per broker and pool. A broker answers one connection's requests in order, so
//! whoever sends requests that wait (fetches, joins) has a pool of its own and delays nobody else.

use super::connection::Connection;
use super::log_in::log_in;
use crate::error::Result;
use crate::options::{ClientOptions, random_seed};
use net::Backoff;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// One pool. Dropping it closes its connections once their answers are in.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    slots: Mutex<BTreeMap<i32, Arc<Slot>>>,
}

/// One broker's place. The inner lock is held while connecting, so that a broker is dialled once at a time.
#[derive(Debug)]
struct Slot {
    state: tokio::sync::Mutex<SlotState>,
    /// The newest connection, for those who only want a live one.
    latest: Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct SlotState {
    backoff: Backoff,
    /// No attempt before this, after a failure.
    not_before: Option<Instant>,
}

impl Pool {
    /// The live connection to a broker, made if there is none; `node` is only its place in the pool. Cancel-safe.
    pub(super) async fn connection_to(
        &self,
        options: &ClientOptions,
        node: i32,
        address: &str,
    ) -> Result<Connection> {
        let slot = self.slot(options, node);
        if let Some(live) = slot.live(address) {
            return Ok(live);
        }
        let mut state = slot.state.lock().await;
        if let Some(live) = slot.live(address) {
            return Ok(live);
        }
        if let Some(not_before) = state.not_before {
            tokio::time::sleep_until(not_before).await;
        }
        // Set before the attempt: one that is cancelled counts as failed.
        let wait = state.backoff.next_wait();
        state.not_before = Some(Instant::now() + wait);
        let mut connection = Connection::open(address, options).await?;
        if let Some(login) = options.security.login()?
            && let Some(lifetime) = log_in(&connection, &login, options.request_timeout).await?
        {
            connection.ends_after(lifetime);
        }
        state.backoff.reset();
        state.not_before = None;
        *slot.latest.lock() = Some(connection.clone());
        Ok(connection)
    }

    /// Any live connection to a node of the metadata (not to a bootstrap address).
    pub(crate) fn any_live(&self) -> Option<Connection> {
        let slots = self.slots.lock();
        let mut live =
            slots.iter().filter(|(node, _)| **node >= 0).filter_map(|(_, slot)| slot.latest.lock().clone());
        live.find(Connection::is_alive)
    }

    fn slot(&self, options: &ClientOptions, node: i32) -> Arc<Slot> {
        let make = || {
            let backoff =
                Backoff::new(options.reconnect_backoff, options.reconnect_backoff_max, random_seed());
            let state = tokio::sync::Mutex::new(SlotState { backoff, not_before: None });
            Arc::new(Slot { state, latest: Mutex::new(None) })
        };
        self.slots.lock().entry(node).or_insert_with(make).clone()
    }
}

impl Slot {
    /// The connection, if it is alive and still goes where the broker is now.
    fn live(&self, address: &str) -> Option<Connection> {
        self.latest
            .lock()
            .clone()
            .filter(|connection| connection.is_alive() && connection.address() == address)
    }
}
