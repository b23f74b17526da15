//! Default values of every message survive every version.

use wire::codec::{Decoder, Message};

struct Defaults(usize);

impl super::Visitor for Defaults {
    fn visit<M: Message + std::fmt::Debug + Clone + PartialEq>(&mut self) {
        for version in M::MIN_VERSION..=M::MAX_VERSION {
            let bytes = M::default().to_bytes(version);
            assert!(bytes.len() >= M::MIN_SIZE, "{} v{version}", M::NAME);
            let mut from = Decoder::of(bytes.clone());
            let read = M::decode(&mut from, version)
                .unwrap_or_else(|error| panic!("{} v{version}: {error}", M::NAME));
            assert_eq!(from.finish(), Ok(()), "{} v{version}", M::NAME);
            assert_eq!(read.to_bytes(version), bytes, "{} v{version}", M::NAME);
            self.0 += 1;
        }
    }
}

#[test]
fn defaults_come_back_from_every_version_of_every_message() {
    let mut defaults = Defaults(0);
    super::catalog::every(&mut defaults);
    assert!(defaults.0 > 600, "{} versions", defaults.0);
}
