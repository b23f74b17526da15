//! A broker's life towards the controller: register, heartbeat, be unfenced, leave in order (KIP-631, KIP-841). Pure: it
//! is told the time, the image and the answers, and says what to send next.
//!
//! ```text
//! Unregistered ──registered──► Fenced ──unfenced──► Running ──leave()──► Leaving ──let go──► Gone
//!       ▲                        │ stale epoch         │                    │
//!       └────────────────────────┴─────────────────────┘                    └── no controller in time ──► Gone
//! ```

use wire::messages::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use wire::messages::broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse};
use wire::{ErrorCode, Uuid};

/// Where the broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Unregistered,
    Fenced,
    Running,
    Leaving { give_up_ms: i64 },
    Gone,
}

/// What to send to the controller.
#[derive(Debug, PartialEq)]
pub(crate) enum Wish {
    Register(Box<BrokerRegistrationRequest>),
    Heartbeat(BrokerHeartbeatRequest),
}

/// The broker's side of registration and heartbeats.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    phase: Phase,
    /// What registers, but for what changes between attempts.
    registration: BrokerRegistrationRequest,
    interval_ms: i64,
    /// -1 before the first registration.
    epoch: i64,
    next_send_ms: i64,
    /// Why the controller did not take the last registration.
    refused: Option<ErrorCode>,
    /// A request is out; nothing else is sent until it is answered.
    is_waiting: bool,
    offline: Vec<Uuid>,
    /// Directories that take no new replicas (KIP-1066).
    cordoned: Vec<Uuid>,
    /// Since when the controller has not confirmed that it knows of a failed directory.
    unheard_since_ms: Option<i64>,
    /// The heartbeat that is out tells of all of them.
    tells_all: bool,
    /// `log.dir.failure.timeout.ms`
    failure_timeout_ms: i64,
}

/// Time before a refused request is sent again.
const RETRY_MS: i64 = 50;
/// How long a leaving broker waits for a controller to let it go (Kafka: `controlled.shutdown` gives up after 5 minutes
/// without an answer; the process that asked has usually less patience).
const LEAVE_TIMEOUT_MS: i64 = 300_000;

impl Lifecycle {
    pub fn new(registration: BrokerRegistrationRequest, interval_ms: i64) -> Lifecycle {
        Lifecycle {
            phase: Phase::Unregistered,
            registration,
            interval_ms,
            epoch: -1,
            next_send_ms: i64::MIN,
            refused: None,
            is_waiting: false,
            offline: Vec::new(),
            cordoned: Vec::new(),
            unheard_since_ms: None,
            tells_all: false,
            failure_timeout_ms: 30_000,
        }
    }

    /// How long the controller may not hear of a failed directory.
    pub fn failure_timeout(&mut self, timeout_ms: i64) {
        self.failure_timeout_ms = timeout_ms;
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Which life of the broker this is.
    pub fn incarnation_id(&self) -> Uuid {
        self.registration.incarnation_id
    }

    /// The epoch of the registration, -1 without one.
    pub fn broker_epoch(&self) -> i64 {
        self.epoch
    }

    /// Why the controller did not take the last registration.
    pub fn refused(&self) -> Option<ErrorCode> {
        self.refused
    }

    /// When [`Lifecycle::step`] has something to do.
    pub fn next_deadline(&self) -> Option<i64> {
        match self.phase {
            Phase::Gone => None,
            Phase::Unregistered | Phase::Fenced | Phase::Running | Phase::Leaving { .. } => {
                (!self.is_waiting).then_some(self.next_send_ms)
            }
        }
    }

    /// A log directory died: the controller hears of it at once.
    pub fn directories_failed(&mut self, now_ms: i64, offline: Vec<Uuid>) {
        self.registration.log_dirs.retain(|id| !offline.contains(id));
        self.offline = offline;
        self.tells_all = false;
        self.unheard_since_ms.get_or_insert(now_ms);
        self.next_send_ms = i64::MIN;
    }

    /// Other directories are cordoned now: the controller hears of it at once.
    pub fn cordoned(&mut self, cordoned: Vec<Uuid>) {
        if self.cordoned != cordoned {
            self.cordoned = cordoned;
            self.next_send_ms = i64::MIN;
        }
    }

    /// When the broker gives up, for the controller takes replicas in a dead directory for living ones.
    pub fn gives_up_at(&self) -> Option<i64> {
        self.unheard_since_ms.map(|since_ms| since_ms.saturating_add(self.failure_timeout_ms))
    }

    /// The controller may take this broker for dead: it is told at once that it lives.
    pub fn controller_hung_up(&mut self, now_ms: i64) {
        self.next_send_ms = self.next_send_ms.min(now_ms);
    }

    /// Asks to leave.
    pub fn leave(&mut self, now_ms: i64) {
        match self.phase {
            Phase::Unregistered => self.phase = Phase::Gone,
            Phase::Fenced | Phase::Running => {
                self.phase = Phase::Leaving { give_up_ms: now_ms.saturating_add(LEAVE_TIMEOUT_MS) };
                self.next_send_ms = i64::MIN;
            }
            Phase::Leaving { .. } | Phase::Gone => {}
        }
    }

    /// What is to be sent now. `image_offset` is the last offset of the published image.
    pub fn step(&mut self, now_ms: i64, image_offset: i64) -> Option<Wish> {
        if self.is_waiting || now_ms < self.next_send_ms {
            return None;
        }
        let wish = match self.phase {
            Phase::Gone => return None,
            Phase::Unregistered => Wish::Register(Box::new(self.registration.clone())),
            Phase::Leaving { give_up_ms } if now_ms >= give_up_ms => {
                self.phase = Phase::Gone;
                return None;
            }
            Phase::Fenced | Phase::Running | Phase::Leaving { .. } => {
                Wish::Heartbeat(self.heartbeat(image_offset))
            }
        };
        self.is_waiting = true;
        self.tells_all = true;
        self.next_send_ms = now_ms.saturating_add(self.interval_ms);
        Some(wish)
    }

    fn heartbeat(&self, image_offset: i64) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker_id: self.registration.broker_id,
            broker_epoch: self.epoch,
            current_metadata_offset: image_offset,
            // Until the image holds this very registration, clients must not be sent here.
            want_fence: image_offset < self.epoch,
            want_shut_down: matches!(self.phase, Phase::Leaving { .. }),
            offline_log_dirs: self.offline.clone(),
            cordoned_log_dirs: Some(self.cordoned.clone()),
        }
    }

    pub fn registered(&mut self, now_ms: i64, response: &BrokerRegistrationResponse) {
        self.is_waiting = false;
        if response.error_code == ErrorCode::None.code() {
            self.epoch = response.broker_epoch;
            self.refused = None;
            // It told of those that work, and of no others.
            self.heard();
            self.phase = Phase::Fenced;
            self.next_send_ms = now_ms;
        } else {
            let error = ErrorCode::from_code(response.error_code);
            self.refused = Some(error);
            tracing::debug!(?error, "the controller did not register this broker; trying again");
            self.next_send_ms = now_ms.saturating_add(RETRY_MS);
        }
    }

    fn heard(&mut self) {
        if self.tells_all {
            self.unheard_since_ms = None;
        }
    }

    pub fn heartbeat_answered(&mut self, now_ms: i64, response: &BrokerHeartbeatResponse) {
        self.is_waiting = false;
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => self.heard(),
            ErrorCode::StaleBrokerEpoch | ErrorCode::BrokerIdNotRegistered
                if !matches!(self.phase, Phase::Leaving { .. }) =>
            {
                self.phase = Phase::Unregistered;
                self.next_send_ms = now_ms;
                return;
            }
            _ => {
                self.next_send_ms = now_ms.saturating_add(RETRY_MS);
                return;
            }
        }
        match self.phase {
            Phase::Leaving { .. } if response.should_shut_down => self.phase = Phase::Gone,
            Phase::Leaving { .. } => self.next_send_ms = now_ms.saturating_add(RETRY_MS),
            Phase::Fenced if !response.is_fenced => {
                tracing::info!(epoch = self.epoch, "unfenced: clients are welcome");
                self.phase = Phase::Running;
            }
            // Not caught up yet: the image will be newer in a moment.
            Phase::Fenced => self.next_send_ms = now_ms.saturating_add(RETRY_MS),
            Phase::Running if response.is_fenced => self.phase = Phase::Fenced,
            Phase::Running | Phase::Unregistered | Phase::Gone => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifecycle() -> Lifecycle {
        Lifecycle::new(BrokerRegistrationRequest { broker_id: 1, ..Default::default() }, 2_000)
    }

    fn heartbeat(wish: Option<Wish>) -> BrokerHeartbeatRequest {
        match wish {
            Some(Wish::Heartbeat(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn ok(is_fenced: bool, should_shut_down: bool) -> BrokerHeartbeatResponse {
        BrokerHeartbeatResponse { is_caught_up: true, is_fenced, should_shut_down, ..Default::default() }
    }

    /// Registered with epoch 7 and unfenced at time 0.
    fn running() -> Lifecycle {
        let mut lifecycle = lifecycle();
        assert!(matches!(lifecycle.step(0, -1), Some(Wish::Register(_))));
        lifecycle.registered(0, &BrokerRegistrationResponse { broker_epoch: 7, ..Default::default() });
        assert!(heartbeat(lifecycle.step(0, 3)).want_fence, "the image does not hold the registration yet");
        lifecycle.heartbeat_answered(0, &ok(true, false));
        assert!(!heartbeat(lifecycle.step(RETRY_MS, 7)).want_fence);
        lifecycle.heartbeat_answered(RETRY_MS, &ok(false, false));
        assert_eq!(lifecycle.phase(), Phase::Running);
        lifecycle
    }

    #[test]
    fn registers_catches_up_and_beats_at_its_interval() {
        let mut lifecycle = running();
        assert_eq!(lifecycle.step(RETRY_MS, 7), None);
        assert_eq!(lifecycle.next_deadline(), Some(RETRY_MS + 2_000));
        heartbeat(lifecycle.step(RETRY_MS + 2_000, 9));
    }

    #[test]
    fn why_it_was_not_registered_is_known_until_it_is() {
        let mut lifecycle = lifecycle();
        let error_code = ErrorCode::DuplicateBrokerRegistration.code();
        assert!(lifecycle.step(0, -1).is_some() && lifecycle.refused().is_none());
        lifecycle.registered(0, &BrokerRegistrationResponse { error_code, ..Default::default() });
        assert_eq!(lifecycle.refused(), Some(ErrorCode::DuplicateBrokerRegistration));
        assert!(lifecycle.step(RETRY_MS, -1).is_some());
        lifecycle.registered(RETRY_MS, &BrokerRegistrationResponse { broker_epoch: 7, ..Default::default() });
        assert_eq!(lifecycle.refused(), None);
    }

    #[test]
    fn leaves_when_the_controller_lets_it_go() {
        let mut lifecycle = running();
        lifecycle.leave(100);
        assert!(heartbeat(lifecycle.step(100, 7)).want_shut_down);
        lifecycle.heartbeat_answered(100, &ok(false, false));
        assert!(heartbeat(lifecycle.step(100 + RETRY_MS, 7)).want_shut_down);
        lifecycle.heartbeat_answered(200, &ok(true, true));
        assert_eq!(lifecycle.phase(), Phase::Gone);
        assert_eq!(lifecycle.next_deadline(), None);
    }

    #[test]
    fn a_failed_directory_is_told_until_the_controller_has_heard() {
        let dead = Uuid::from_halves(4, 4);
        let mut lifecycle = running();
        lifecycle.failure_timeout(1_000);
        assert_eq!(lifecycle.gives_up_at(), None);
        let before = heartbeat(lifecycle.step(5_000, 7));
        assert!(before.offline_log_dirs.is_empty());
        lifecycle.directories_failed(5_010, vec![dead]);
        // The answer to a heartbeat that did not tell proves nothing.
        lifecycle.heartbeat_answered(5_020, &ok(false, false));
        assert_eq!(lifecycle.gives_up_at(), Some(6_010));
        assert_eq!(heartbeat(lifecycle.step(5_020, 7)).offline_log_dirs, [dead]);
        lifecycle.heartbeat_answered(5_030, &ok(false, false));
        assert_eq!(lifecycle.gives_up_at(), None);
    }

    #[test]
    fn cordoned_directories_are_told_at_once() {
        let id = Uuid::from_halves(4, 4);
        let mut lifecycle = running();
        lifecycle.cordoned(vec![id]);
        assert_eq!(heartbeat(lifecycle.step(RETRY_MS + 1, 7)).cordoned_log_dirs, Some(vec![id]));
        lifecycle.heartbeat_answered(RETRY_MS + 2, &ok(false, false));
        lifecycle.cordoned(vec![id]);
        assert_eq!(lifecycle.step(RETRY_MS + 3, 7), None);
    }

    #[test]
    fn a_stale_epoch_registers_anew() {
        let mut lifecycle = running();
        heartbeat(lifecycle.step(5_000, 7));
        let stale =
            BrokerHeartbeatResponse { error_code: ErrorCode::StaleBrokerEpoch.code(), ..Default::default() };
        lifecycle.heartbeat_answered(5_000, &stale);
        assert!(matches!(lifecycle.step(5_000, 7), Some(Wish::Register(_))));
    }
}
