//! Reading a message aloud: the third direction of the generated field lists, for tools that print what they find on
//! disk. Generic over the viewer, so that nothing of it is compiled into those that print nothing.

use crate::{Str, Uuid};
use bytes::Bytes;

/// Hears a value's parts in order.
pub trait Viewer {
    /// Nothing where something may be.
    fn null(&mut self);
    /// A boolean.
    fn boolean(&mut self, value: bool);
    /// A whole number of any width.
    fn integer(&mut self, value: i64);
    /// A floating point number.
    fn float(&mut self, value: f64);
    /// Text.
    fn text(&mut self, value: &str);
    /// Bytes that mean nothing here.
    fn bytes(&mut self, value: &Bytes);
    /// An id.
    fn uuid(&mut self, value: Uuid);
    /// A list begins.
    fn begin_list(&mut self);
    /// Its next element follows.
    fn element(&mut self);
    /// The list ends.
    fn end_list(&mut self);
    /// A struct begins.
    fn begin_fields(&mut self);
    /// Its next field follows; the name is the schema's in snake case.
    fn field(&mut self, name: &'static str);
    /// The struct ends.
    fn end_fields(&mut self);
}

/// A value that can be read aloud. Fields that the version does not have are left out, tagged ones also while they
/// have their default.
pub trait Show {
    /// Tells the viewer.
    fn show<V: Viewer>(&self, to: &mut V, version: i16);
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Show for $type {
            fn show<V: Viewer>(&self, to: &mut V, _: i16) {
                to.integer(i64::from(*self));
            }
        }
    )*};
}

integers! { i8 i16 u16 i32 u32 i64 }

impl Show for bool {
    fn show<V: Viewer>(&self, to: &mut V, _: i16) {
        to.boolean(*self);
    }
}

impl Show for f64 {
    fn show<V: Viewer>(&self, to: &mut V, _: i16) {
        to.float(*self);
    }
}

impl Show for Str {
    fn show<V: Viewer>(&self, to: &mut V, _: i16) {
        to.text(self);
    }
}

impl Show for Bytes {
    fn show<V: Viewer>(&self, to: &mut V, _: i16) {
        to.bytes(self);
    }
}

impl Show for Uuid {
    fn show<V: Viewer>(&self, to: &mut V, _: i16) {
        to.uuid(*self);
    }
}

impl<T: Show> Show for Option<T> {
    fn show<V: Viewer>(&self, to: &mut V, version: i16) {
        match self {
            Some(value) => value.show(to, version),
            None => to.null(),
        }
    }
}

impl<T: Show> Show for Vec<T> {
    fn show<V: Viewer>(&self, to: &mut V, version: i16) {
        to.begin_list();
        for value in self {
            to.element();
            value.show(to, version);
        }
        to.end_list();
    }
}
