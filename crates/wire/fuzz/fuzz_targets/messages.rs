//! Any bytes as any message: the first two choose the message, the third its version, the rest is the body. What can be
//! read must come out of a second round unchanged.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wire::codec::{DecodeLimits, Decoder, Message};

type Feed = fn(u8, Bytes);

macro_rules! catalog {
    ($($message:ty;)*) => {
        pub const ALL: &[super::Feed] = &[$(super::feed::<$message>,)*];
    };
}

#[path = "../../tests/catalog.rs"]
mod catalog;

fn feed<M: Message>(version: u8, body: Bytes) {
    let version = M::MIN_VERSION + i16::from(version) % (M::MAX_VERSION - M::MIN_VERSION + 1);
    let limits = DecodeLimits { max_allocation_bytes: 1 << 24, ..DecodeLimits::for_frame(body.len()) };
    if let Ok(message) = M::decode(&mut Decoder::new(body, limits), version) {
        let written = message.to_bytes(version);
        let again = M::decode(&mut Decoder::of(written.clone()), version).expect("what was written can be read");
        assert_eq!(again.to_bytes(version), written, "{} v{version}", M::NAME);
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let [high, low, version, body @ ..] = bytes {
        let number = usize::from(u16::from_be_bytes([*high, *low])) % catalog::ALL.len();
        catalog::ALL[number](*version, Bytes::copy_from_slice(body));
    }
});
