//! A client's end of a connection: encoded requests out, decoded answers in, several in flight. What a lost answer means is
//! for the client to decide.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use wire::codec::Message;
use wire::frame::{RequestHeader, decode_response, encode_request};
use wire::{ApiKey, Str};

use crate::host::Door;
use crate::invariants;
use crate::network;
use crate::pipes::Wire;
use crate::world::World;

/// The connection ended or the answer did not come in time: nobody knows what became of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// How long a client rests before it connects again.
const RECONNECT_MS: i64 = 20;

/// An open connection.
pub struct Socket {
    machine: usize,
    world: World,
    wire: Rc<Wire>,
    last_correlation_id: Cell<i32>,
    expected: RefCell<VecDeque<i32>>,
    name: Str,
}

/// A request on its way.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    key: ApiKey,
    version: i16,
    correlation_id: i32,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.wire.reset();
    }
}

impl Socket {
    /// Connects to the only machine, however long its node is away.
    pub async fn connect(world: &World, name: &str) -> Socket {
        loop {
            if let Some(socket) = Socket::to(world, 0, name) {
                return socket;
            }
            world.sleep(RECONNECT_MS).await;
        }
    }

    /// Connects to a machine, if its node takes clients.
    pub fn to(world: &World, machine: usize, name: &str) -> Option<Socket> {
        let wire = network::accept(world, machine, Door::Broker, Wire::default())?;
        Some(Socket {
            machine,
            world: world.clone(),
            wire,
            last_correlation_id: Cell::new(0),
            expected: RefCell::default(),
            name: Str::from(name),
        })
    }

    /// Whose node answers.
    pub fn machine(&self) -> usize {
        self.machine
    }

    /// Sends a request and waits for its answer.
    pub async fn ask<Q: Message, A: Message>(
        &self,
        key: ApiKey,
        version: i16,
        request: &Q,
    ) -> Result<A, Lost> {
        let asked = self.begin(key, version, request);
        self.answer(asked).await
    }

    /// Sends a request; its answer is taken later, in order.
    pub fn begin<Q: Message>(&self, key: ApiKey, version: i16, request: &Q) -> Asked {
        let asked = self.send(key, version, request);
        self.expected.borrow_mut().push_back(asked.correlation_id);
        asked
    }

    /// Sends a request that has no answer (acks=0).
    pub fn send<Q: Message>(&self, key: ApiKey, version: i16, request: &Q) -> Asked {
        let correlation_id = self.last_correlation_id.get() + 1;
        self.last_correlation_id.set(correlation_id);
        let header = RequestHeader {
            api_key: key,
            api_version: version,
            correlation_id,
            client_id: Some(self.name.clone()),
        };
        self.wire.send_up(&self.world, Bytes::from(encode_request(&header, request).concat()));
        Asked { key, version, correlation_id }
    }

    /// Waits for the answer of the oldest request that has none yet.
    pub async fn answer<A: Message>(&self, asked: Asked) -> Result<A, Lost> {
        let patience_ms = self.world.shape.cluster.patience_ms;
        let until_ms = self.world.now_ms() + patience_ms;
        let mut timeout = Box::pin(self.world.sleep(patience_ms));
        let bytes = poll_fn(|context| {
            if self.wire.is_closed() {
                return Poll::Ready(Err(Lost));
            }
            if let Some(bytes) = self.wire.take_down(&self.world, context) {
                return Poll::Ready(Ok(bytes));
            }
            timeout.as_mut().poll(context).map(|()| Err(Lost))
        })
        .await;
        if bytes.is_err() {
            if self.world.now_ms() >= until_ms {
                self.world.tell(&format!("{} gives up waiting for {}", self.name, asked.key.name()));
            }
            self.wire.reset();
        }
        let frame = bytes?.slice(4..);
        let expected = self.expected.borrow_mut().pop_front();
        match decode_response::<A>(frame, asked.key, asked.version) {
            Ok((correlation_id, answer)) if Some(correlation_id) == expected => Ok(answer),
            Ok((correlation_id, _)) => {
                let detail = format!("{} answered {correlation_id}, not {expected:?}", asked.key.name());
                self.world.check(invariants::answers_come_in_order(&detail));
                Err(Lost)
            }
            Err(error) => {
                let detail = format!("{} version {}: {error:?}", asked.key.name(), asked.version);
                self.world.check(invariants::answers_come_in_order(&detail));
                Err(Lost)
            }
        }
    }

    /// False once the connection has ended.
    pub fn is_open(&self) -> bool {
        !self.wire.is_closed()
    }
}
