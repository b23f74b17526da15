use kraft::image::MetadataImage;
use wire::Str;
use wire::records::metadata::{ClientQuotaRecord, EntityData, MetadataRecord};

use super::*;

const WINDOWS: Windows = Windows { count: 11, length_ms: 1_000 };

struct Fixture {
    image: MetadataImage,
    quotas: Quotas,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture { image: MetadataImage::default(), quotas: Quotas::new(WINDOWS) }
    }

    /// No value: it is removed.
    fn set(&mut self, entity: &[(&str, Option<&str>)], key: &str, value: Option<f64>) {
        let part = |(entity_type, name): &(&str, Option<&str>)| EntityData {
            entity_type: Str::from(*entity_type),
            entity_name: name.map(Str::from),
        };
        let record = ClientQuotaRecord {
            entity: entity.iter().map(part).collect(),
            key: Str::from(key),
            value: value.unwrap_or_default(),
            remove: value.is_none(),
        };
        self.image.apply(&MetadataRecord::ClientQuota(record)).expect("applied");
        self.quotas.publish(&self.image.client_quotas);
    }

    fn of(&self, seat: &mut Seat, user: &str, client_id: &str) -> Option<Arc<Meters>> {
        self.quotas.of(seat, user, client_id.as_bytes(), 0)
    }
}

const RATE: &str = "producer_byte_rate";

#[test]
fn who_shares_a_quota_shares_its_measurement_whatever_connection_it_comes_by() {
    let mut it = Fixture::new();
    assert!(!it.quotas.are_on());
    it.set(&[("user", None)], RATE, Some(1_000.0));
    assert!(it.quotas.are_on());
    let (mut one, mut other) = (Seat::default(), Seat::default());
    let first = it.of(&mut one, "u", "a").and_then(|meters| meters.produce.clone()).expect("a quota");
    let second = it.of(&mut other, "u", "b").and_then(|meters| meters.produce.clone()).expect("a quota");
    let anothers = it.of(&mut Seat::default(), "v", "a").and_then(|meters| meters.produce.clone());
    assert_eq!(first.record(10_000, 0), 0, "ten seconds' worth at once is the limit");
    assert_eq!(second.record(1_000, 0), 1_000);
    assert_eq!(anothers.expect("a quota").record(1_000, 0), 0);
    let measured = it.quotas.measured(0);
    let of_u = measured.iter().find(|one| one.who.user == "u").expect("measured");
    assert_eq!((of_u.per_second, of_u.throttled_ms, of_u.throttles), (1_100.0, 1_000, 1));
}

#[test]
fn a_change_holds_at_once_and_what_was_measured_stays() {
    let mut it = Fixture::new();
    let user: &[(&str, Option<&str>)] = &[("user", Some("u"))];
    it.set(user, RATE, Some(1_000.0));
    let mut seat = Seat::default();
    let produce = |it: &Fixture, seat: &mut Seat| it.of(seat, "u", "c").and_then(|all| all.produce.clone());
    assert_eq!(produce(&it, &mut seat).expect("a quota").record(10_000, 0), 0);
    it.set(user, RATE, Some(500.0));
    assert_eq!(produce(&it, &mut seat).expect("a quota").record(0, 0), 10_000);
    // A more special one begins anew.
    it.set(&[("user", Some("u")), ("client-id", Some("c"))], RATE, Some(2_000.0));
    assert_eq!(produce(&it, &mut seat).expect("a quota").record(20_000, 0), 0);
    it.set(&[("user", Some("u")), ("client-id", Some("c"))], RATE, None);
    it.set(user, RATE, None);
    assert!(it.of(&mut seat, "u", "c").is_none());
    assert!(!it.quotas.are_on());
}

#[test]
fn a_connection_that_calls_itself_otherwise_is_looked_up_again() {
    let mut it = Fixture::new();
    it.set(&[("client-id", Some("slow"))], "consumer_byte_rate", Some(7.0));
    let mut seat = Seat::default();
    assert!(it.of(&mut seat, "u", "fast").is_none());
    let slow = it.of(&mut seat, "u", "slow").expect("a quota");
    assert_eq!(slow.fetch.as_ref().map(|meter| meter.most()), Some(70.0));
    assert!(slow.produce.is_none() && slow.request.is_none());
    assert!(it.of(&mut seat, "u", "fast").is_none());
}

#[test]
fn a_percent_is_that_of_a_thread_and_mutations_alone_are_a_quota_too() {
    let mut it = Fixture::new();
    it.set(&[("user", Some("u"))], "request_percentage", Some(50.0));
    let request = it.of(&mut Seat::default(), "u", "").and_then(|all| all.request.clone()).expect("a quota");
    assert_eq!(request.record(5_000_000_000, 0), 0, "half of ten seconds");
    assert_eq!(request.record(500_000_000, 0), 1_000);
    it.set(&[("user", Some("m"))], "controller_mutation_rate", Some(2.0));
    let meters = it.of(&mut Seat::default(), "m", "c").expect("a quota");
    assert!(meters.produce.is_none() && meters.fetch.is_none() && meters.request.is_none());
    let who = Who { user: "m".into(), client_id: "".into() };
    assert_eq!(it.quotas.mutations("m", "c"), Some((who, 2.0)));
}

#[test]
fn client_ids_without_end_are_not_kept_without_end() {
    let mut it = Fixture::new();
    it.set(&[("client-id", None)], RATE, Some(1_000.0));
    for serial in 0..10_000 {
        let now_ms = serial * 100;
        let meters = it.quotas.of(&mut Seat::default(), "u", format!("c{serial}").as_bytes(), now_ms);
        meters.and_then(|all| all.produce.clone()).expect("a quota").record(1, now_ms);
    }
    let kept = it.quotas.state.lock().meters.len();
    assert!(kept <= METERS_KEPT, "{kept}");
}

#[test]
fn an_address_may_come_so_often_and_what_is_refused_does_not_count() {
    let mut it = Fixture::new();
    let address = |last: u8| IpAddr::from([10, 0, 0, last]);
    assert!(it.quotas.admit(address(1), 0), "nothing limits it");
    it.set(&[("ip", Some("10.0.0.1"))], "connection_creation_rate", Some(2.0));
    let admitted = |it: &Fixture, now_ms| (0..100).filter(|_| it.quotas.admit(address(1), now_ms)).count();
    assert_eq!(admitted(&it, 0), 20);
    assert!((0..100).all(|_| it.quotas.admit(address(2), 0)));
    assert!(!it.quotas.are_on(), "no client has one");
    assert_eq!(admitted(&it, 11_000), 20, "the windows are over");
}
