//! The nodes' own connections to one another: what a node asks of its rim is carried by the simulated network, and what comes of it is
//! told to the node. Never looks into a frame; draws only for what the network draws for.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use broker::rim::{LinkId, Outward};
use broker::{Node, PeerAddress};
use bytes::Bytes;

use crate::host::Door;
use crate::network;
use crate::pipes::Wire;
use crate::world::World;

/// Carries what the nodes have asked for since the last step.
pub fn carry(world: &World) {
    for (index, machine) in world.machines.iter().enumerate() {
        loop {
            let Some(outward) = machine.borrow().next_outward() else { break };
            match outward {
                Outward::Connect(link, address) => connect(world, index, link, address),
                Outward::Send(link, frame) => {
                    let wire = machine.borrow_mut().links().and_then(|links| links.get(&link).cloned());
                    if let Some(Some(wire)) = wire {
                        wire.send_up(world, Bytes::from(frame.concat()));
                    }
                }
                Outward::Disconnect(link) => {
                    let wire = machine.borrow_mut().links().and_then(|links| links.remove(&link));
                    wire.flatten().into_iter().for_each(|wire| wire.reset());
                }
            }
        }
    }
}

fn connect(world: &World, from: usize, link: LinkId, address: PeerAddress) {
    let mut machine = world.machine_at(from).borrow_mut();
    let Some(node) = machine.node() else { return };
    machine.links().into_iter().for_each(|links| drop(links.insert(link, None)));
    let dial = Dial { world: world.clone(), from, boot: machine.boots(), link, node };
    world.spawn(dial.run(address));
}

/// One connection, as the machine that opened it sees it.
struct Dial {
    world: World,
    from: usize,
    /// The process that asked for it.
    boot: u64,
    link: LinkId,
    node: Node,
}

impl Dial {
    async fn run(self, address: PeerAddress) {
        let delay_ms = self.world.draw(|random| random.between(0, 3));
        self.world.sleep(delay_ms).await;
        let Some(wire) = self.reach(&address).await else { return self.ended() };
        self.awake().await;
        if !self.is_wanted() {
            return wire.reset();
        }
        if let Some(links) = self.world.machine_at(self.from).borrow_mut().links() {
            links.insert(self.link, Some(Rc::clone(&wire)));
        }
        self.node.link_opened(self.shown_ms(), self.link);
        self.touch();
        loop {
            let frame = poll_fn(|context| match wire.take_down(&self.world, context) {
                Some(frame) => Poll::Ready(Some(frame)),
                None if wire.is_closed() => Poll::Ready(None),
                None => Poll::Pending,
            })
            .await;
            self.awake().await;
            if !self.is_wanted() {
                return wire.reset();
            }
            let Some(frame) = frame else { return self.ended() };
            self.node.link_received(self.shown_ms(), self.link, frame.slice(4..));
            self.touch();
        }
    }

    /// Knocks: both directions have to be whole, and the door open.
    async fn reach(&self, address: &PeerAddress) -> Option<Rc<Wire>> {
        let (to, door) = self.target(address)?;
        for direction in [(self.from, to), (to, self.from)] {
            poll_fn(|context| {
                let held = self.world.links.borrow_mut().holds_up(Some(direction), context.waker());
                if held { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
        }
        if !self.is_wanted() {
            return None;
        }
        network::accept(&self.world, to, door, Wire::between(self.from, to))
    }

    fn target(&self, address: &PeerAddress) -> Option<(usize, Door)> {
        let mut machines = self.world.machines.iter().enumerate();
        machines.find_map(|(index, machine)| Some((index, machine.borrow().host.door(address)?)))
    }

    /// The process is still the one that asked, and has not given the connection up.
    fn is_wanted(&self) -> bool {
        let mut machine = self.world.machine_at(self.from).borrow_mut();
        machine.boots() == self.boot && machine.links().is_some_and(|links| links.contains_key(&self.link))
    }

    /// It came to its end, or did not come about.
    fn ended(&self) {
        if self.is_wanted() {
            self.world.machine_at(self.from).borrow_mut().links().map(|links| links.remove(&self.link));
            self.node.link_closed(self.shown_ms(), self.link);
            self.touch();
        }
    }

    fn touch(&self) {
        self.world.touched.set(Some(self.from));
    }

    fn shown_ms(&self) -> i64 {
        self.world.machine_at(self.from).borrow().clock.shows(self.world.now_ms())
    }

    async fn awake(&self) {
        poll_fn(|context| {
            let sleeps = self.world.machine_at(self.from).borrow_mut().sleeps(context.waker());
            if sleeps { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}
