//! The usual answers of ApiVersions, made once per image: it is the first request of every connection, and nearly always the same.

use std::sync::Arc;

use parking_lot::Mutex;
use wire::Str;

use crate::connection::Software;

/// Answers without an error: the same bytes for everybody who asks in the same version on the same kind of listener, as long as
/// the image stands.
#[derive(Default)]
pub(crate) struct Greetings {
    answers: Mutex<Vec<Greeting>>,
    /// Libraries that clients are made with: few, however many connections there are.
    software: Mutex<Vec<Arc<Software>>>,
}

/// Libraries that are remembered; of more each connection has its own.
const SOFTWARE_MAX: usize = 32;

/// What answers differ by, besides the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GreetingKey {
    pub version: i16,
    /// On a controller's listener.
    pub controller: bool,
}

struct Greeting {
    asked: GreetingKey,
    image_offset: i64,
    /// With the length before it; the correlation id is whoever's came first.
    frame: Vec<u8>,
}

/// Where the correlation id stands: the header of these answers is always the plain one.
const CORRELATION_ID: std::ops::Range<usize> = 4..8;

impl Greetings {
    /// The answer of this image, for the request with this correlation id.
    pub fn get(&self, asked: GreetingKey, image_offset: i64, correlation_id: i32) -> Option<Vec<u8>> {
        let greetings = self.answers.lock();
        let greeting = greetings.iter().find(|it| it.asked == asked && it.image_offset == image_offset)?;
        let mut frame = greeting.frame.clone();
        frame.get_mut(CORRELATION_ID)?.copy_from_slice(&correlation_id.to_be_bytes());
        Some(frame)
    }

    /// A library by its name and version, the same for all who use it.
    pub fn software(&self, name: &str, version: &str) -> Arc<Software> {
        let mut all = self.software.lock();
        if let Some(known) = all.iter().find(|it| it.name == *name && it.version == *version) {
            return Arc::clone(known);
        }
        let software = Arc::new(Software { name: Str::from(name), version: Str::from(version) });
        if all.len() < SOFTWARE_MAX {
            all.push(Arc::clone(&software));
        }
        software
    }

    /// At most one per version and kind of listener is kept.
    pub fn keep(&self, asked: GreetingKey, image_offset: i64, frame: &[u8]) {
        let mut greetings = self.answers.lock();
        greetings.retain(|it| it.asked != asked);
        greetings.push(Greeting { asked, image_offset, frame: frame.to_vec() });
    }
}
