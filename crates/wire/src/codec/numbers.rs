//! What the tests of views draw their requests from, do to their bytes, and demand of both ways to read them.

use super::DecodeError;
use std::fmt::Debug;

/// A small generator of numbers, the same in every run.
pub(crate) struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % end
    }

    /// Of lengths and letters that matter to the format.
    pub fn text(&mut self) -> String {
        let length = [0, 1, 9, 130][self.below(4) as usize];
        (0..length).map(|_| ['a', 'Z', '.', 'ä', '€'][self.below(5) as usize]).collect()
    }

    /// Perhaps cuts a body short, and puts up to three bytes that matter to the format among its first `reach`.
    pub fn damage(&mut self, body: &mut Vec<u8>, reach: usize) {
        if self.below(2) == 0 {
            body.truncate(self.below(body.len() as u64 + 1) as usize);
        }
        for _ in 0..self.below(4) {
            let at = self.below(body.len().clamp(1, reach) as u64) as usize;
            if let Some(byte) = body.get_mut(at) {
                *byte = [0, 1, 2, 0x7f, 0x80, 0xff, self.below(256) as u8][self.below(7) as usize];
            }
        }
    }

    /// Fewer than `most` bytes, small numbers more often than large ones.
    pub fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most)).map(|_| (self.below(256) >> self.below(9)) as u8).collect()
    }
}

/// Both ways to read a body say the same, or both refuse. Only what is no text is refused by the view alone: such a request is written
/// anew from what the generated decoder read, with U+FFFD in its place. Answers whether both read it.
pub(crate) fn read_alike<'r, G: Debug, V: Debug>(
    (body, version): (&[u8], i16),
    generated: &'r Result<G, DecodeError>,
    view: &Result<V, DecodeError>,
    say_the_same: impl FnOnce(&'r G, &V),
) -> bool {
    match (generated, view) {
        (Ok(generated), Ok(view)) => say_the_same(generated, view),
        (Err(_), Err(_)) => {}
        (Ok(generated), Err(DecodeError::InvalidUtf8)) => {
            assert!(
                format!("{generated:?}").contains('\u{fffd}'),
                "version {version}: {generated:?} is text"
            );
        }
        _ => panic!("version {version}: {generated:?} but {view:?} of {body:?}"),
    }
    view.is_ok()
}
