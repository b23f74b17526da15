//! How each type of Kafka's schema is read and written: numbers, strings, bytes, arrays, nested structs.

use bytes::Bytes;

use super::decoder::ElementSize;
use super::{Decode, DecodeError, Decoder, Encode, Encoder, Struct};
use crate::{Str, Uuid};

macro_rules! plain {
    ($($type:ty, $size:literal, $read:ident, $write:expr;)*) => {$(
        impl Decode for $type {
            const MIN_SIZE: usize = $size;

            #[inline]
            fn decode_from(&mut self, from: &mut Decoder, _: i16, _: bool) -> Result<(), DecodeError> {
                *self = from.$read()?;
                Ok(())
            }
        }

        impl Encode for $type {
            #[inline]
            fn encode_to(&self, to: &mut Encoder, _: i16, _: bool) {
                $write(to, *self);
            }
        }
    )*};
}

plain! {
    i8, 1, i8, Encoder::i8;
    i16, 2, i16, Encoder::i16;
    u16, 2, u16, Encoder::u16;
    i32, 4, i32, Encoder::i32;
    u32, 4, u32, Encoder::u32;
    i64, 8, i64, Encoder::i64;
    f64, 8, f64, Encoder::f64;
    bool, 1, bool, |to: &mut Encoder, value: bool| to.i8(i8::from(value));
    Uuid, 16, uuid, |to: &mut Encoder, value: Uuid| to.raw(&value.0);
}

impl Decode for Str {
    const MIN_SIZE: usize = 1;

    #[inline]
    fn decode_from(&mut self, from: &mut Decoder, _: i16, _: bool) -> Result<(), DecodeError> {
        *self = from.nullable_string()?.ok_or(DecodeError::UnexpectedNull)?;
        Ok(())
    }
}

impl Encode for Str {
    #[inline]
    fn encode_to(&self, to: &mut Encoder, _: i16, _: bool) {
        to.nullable_string(Some(self));
    }
}

impl Decode for Option<Str> {
    const MIN_SIZE: usize = 1;

    #[inline]
    fn decode_from(&mut self, from: &mut Decoder, _: i16, nullable: bool) -> Result<(), DecodeError> {
        *self = legal(from.nullable_string()?, nullable)?;
        Ok(())
    }
}

impl Encode for Option<Str> {
    #[inline]
    fn encode_to(&self, to: &mut Encoder, _: i16, nullable: bool) {
        to.nullable_string(self.as_deref().or(if nullable { None } else { Some("") }));
    }
}

impl Decode for Bytes {
    const MIN_SIZE: usize = 1;

    #[inline]
    fn decode_from(&mut self, from: &mut Decoder, _: i16, _: bool) -> Result<(), DecodeError> {
        *self = from.nullable_bytes()?.ok_or(DecodeError::UnexpectedNull)?;
        Ok(())
    }
}

impl Encode for Bytes {
    #[inline]
    fn encode_to(&self, to: &mut Encoder, _: i16, _: bool) {
        to.nullable_bytes(Some(self));
    }
}

impl Decode for Option<Bytes> {
    const MIN_SIZE: usize = 1;

    #[inline]
    fn decode_from(&mut self, from: &mut Decoder, _: i16, nullable: bool) -> Result<(), DecodeError> {
        *self = legal(from.nullable_bytes()?, nullable)?;
        Ok(())
    }
}

impl Encode for Option<Bytes> {
    #[inline]
    fn encode_to(&self, to: &mut Encoder, _: i16, nullable: bool) {
        match self {
            None if !nullable => to.length_prefix(Some(0)),
            bytes => to.nullable_bytes(bytes.as_ref()),
        }
    }
}

impl<T: Decode + Default> Decode for Vec<T> {
    const MIN_SIZE: usize = 1;

    #[inline]
    fn decode_from(&mut self, from: &mut Decoder, version: i16, _: bool) -> Result<(), DecodeError> {
        let count = from.array_length(size_of_element::<T>())?.ok_or(DecodeError::UnexpectedNull)?;
        *self = elements(from, version, count)?;
        Ok(())
    }
}

impl<T: Encode> Encode for Vec<T> {
    #[inline]
    fn encode_to(&self, to: &mut Encoder, version: i16, _: bool) {
        to.length_prefix(Some(self.len()));
        for element in self {
            element.encode_to(to, version, false);
        }
    }
}

impl<T: Decode + Default> Decode for Option<Vec<T>> {
    const MIN_SIZE: usize = 1;

    #[inline]
    fn decode_from(&mut self, from: &mut Decoder, version: i16, nullable: bool) -> Result<(), DecodeError> {
        *self = match legal(from.array_length(size_of_element::<T>())?, nullable)? {
            Some(count) => Some(elements(from, version, count)?),
            None => None,
        };
        Ok(())
    }
}

impl<T: Encode> Encode for Option<Vec<T>> {
    #[inline]
    fn encode_to(&self, to: &mut Encoder, version: i16, nullable: bool) {
        match self {
            Some(elements) => elements.encode_to(to, version, nullable),
            None => to.length_prefix(if nullable { None } else { Some(0) }),
        }
    }
}

/// A nullable struct is a byte, 1 or -1, before the struct; in a tagged field an unsigned varint, 1 or 0.
impl<T: Struct> Decode for Option<T> {
    const MIN_SIZE: usize = 1;

    fn decode_from(&mut self, from: &mut Decoder, version: i16, nullable: bool) -> Result<(), DecodeError> {
        *self = None;
        if !nullable || from.i8()? >= 0 {
            self.insert(T::default()).decode_from(from, version, false)?;
        }
        Ok(())
    }

    fn decode_tagged(&mut self, from: &mut Decoder, version: i16, nullable: bool) -> Result<(), DecodeError> {
        *self = None;
        if !nullable || from.unsigned_varint()? as i32 > 0 {
            self.insert(T::default()).decode_from(from, version, false)?;
        }
        Ok(())
    }
}

impl<T: Struct> Encode for Option<T> {
    fn encode_to(&self, to: &mut Encoder, version: i16, nullable: bool) {
        if nullable {
            to.i8(if self.is_some() { 1 } else { -1 });
        }
        match self {
            Some(value) => value.encode_to(to, version, false),
            None if nullable => {}
            None => T::default().encode_to(to, version, false),
        }
    }

    fn encode_tagged(&self, to: &mut Encoder, version: i16, nullable: bool) {
        match self {
            None if nullable => to.unsigned_varint(0),
            Some(value) if nullable => {
                to.unsigned_varint(1);
                value.encode_to(to, version, false);
            }
            value => value.encode_to(to, version, false),
        }
    }
}

#[inline]
fn legal<T>(value: Option<T>, nullable: bool) -> Result<Option<T>, DecodeError> {
    if value.is_none() && !nullable { Err(DecodeError::UnexpectedNull) } else { Ok(value) }
}

#[inline]
fn size_of_element<T: Decode>() -> ElementSize {
    ElementSize { frame_bytes_min: T::MIN_SIZE, memory_bytes: size_of::<T>() }
}

/// Reads `count` elements; the decoder has made sure that they fit into the frame and the budget.
fn elements<T: Decode + Default>(
    from: &mut Decoder,
    version: i16,
    count: usize,
) -> Result<Vec<T>, DecodeError> {
    // Each is read where it stays: building it on the stack and moving it costs more than the reading.
    let mut elements = Vec::new();
    elements.resize_with(count, T::default);
    for element in &mut elements {
        element.decode_from(from, version, false)?;
    }
    Ok(elements)
}
