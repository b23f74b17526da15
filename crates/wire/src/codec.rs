//! Reading and writing Kafka's message format: the traits behind every generated struct, and the one macro that
//! turns a generated field list into reading, writing and telling. Knows no message by name.

mod cursor;
mod decoder;
mod encoder;
mod kinds;
mod show;

#[cfg(test)]
pub(crate) mod numbers;
#[cfg(test)]
mod tests;

pub(crate) use cursor::Cursor;
pub use decoder::{DecodeError, DecodeLimits, Decoder, Tags};
pub use encoder::{Encoder, Never, Rope};
pub use show::{Show, Viewer};

/// How a value is read in place of its default. `version` is the message's; strings and arrays ask the decoder whether
/// it is a flexible one.
pub trait Decode {
    /// The fewest bytes that any version of this value takes: bounds declared element counts.
    const MIN_SIZE: usize;

    /// Reads the value. `nullable`: whether null is legal here in this version.
    fn decode_from(&mut self, from: &mut Decoder, version: i16, nullable: bool) -> Result<(), DecodeError>;

    /// Reads the value as a tagged field's content; only nullable structs look different there.
    #[inline]
    fn decode_tagged(&mut self, from: &mut Decoder, version: i16, nullable: bool) -> Result<(), DecodeError> {
        self.decode_from(from, version, nullable)
    }
}

/// How a value is written. Never fails: what a version cannot carry is left out, null where null is illegal becomes
/// empty.
pub trait Encode {
    /// Writes the value. `nullable`: whether null is legal here in this version.
    fn encode_to(&self, to: &mut Encoder, version: i16, nullable: bool);

    /// Writes the value as a tagged field's content; only nullable structs look different there.
    #[inline]
    fn encode_tagged(&self, to: &mut Encoder, version: i16, nullable: bool) {
        self.encode_to(to, version, nullable);
    }
}

/// A generated struct: a message, or a part of one. `Default` gives Kafka's defaults.
pub trait Struct: Decode + Encode + Show + Default {}

/// A request, response or persisted record.
pub trait Message: Struct {
    /// Kafka's name of the message.
    const NAME: &'static str;
    /// The lowest version with a schema.
    const MIN_VERSION: i16;
    /// The highest version with a schema.
    const MAX_VERSION: i16;
    /// The first version with compact strings and tagged fields (KIP-482); `i16::MAX` when there is none.
    const FLEXIBLE_FROM: i16;

    /// Reads a body of this version. Bytes after the message are left in the decoder.
    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        if !(Self::MIN_VERSION..=Self::MAX_VERSION).contains(&version) {
            return Err(DecodeError::UnsupportedVersion);
        }
        from.set_flexible(version >= Self::FLEXIBLE_FROM);
        let mut message = Self::default();
        message.decode_from(from, version, false)?;
        Ok(message)
    }

    /// Writes the body in this version.
    ///
    /// # Panics
    /// When the message has no such version: a bug of the caller, who has negotiated the version before.
    fn encode(&self, to: &mut Encoder, version: i16) {
        let supported = (Self::MIN_VERSION..=Self::MAX_VERSION).contains(&version);
        assert!(supported, "{} has no version {version}", Self::NAME);
        to.set_flexible(version >= Self::FLEXIBLE_FROM);
        self.encode_to(to, version, false);
    }

    /// Writes the body in this version into one buffer of its own.
    fn to_bytes(&self, version: i16) -> bytes::Bytes {
        let mut to = Encoder::new();
        self.encode(&mut to, version);
        to.into_bytes()
    }
}

/// One visitor per struct: from the list of its fields in wire order, with the versions each is in, comes the reading,
/// the writing and the telling. `min` is the struct's smallest encoding. A field line is
/// `name [if <in this version>] [, null <null is legal>];`, a tag line is
/// `<tag> name [if <in this version>] [, null <null is legal>], default <left out when equal to>;`.
macro_rules! fields {
    ($name:ident($version:ident) min $min:literal {
        $($field:ident $(if $present:expr)? $(, null $null:expr)?;)*
    } tags {
        $($tag:literal $tagged:ident $(if $tag_present:expr)? $(, null $tag_null:expr)?, default $default:expr;)*
    }) => {
        impl $crate::codec::Decode for $name {
            const MIN_SIZE: usize = $min;

            #[allow(unused_variables, reason = "a struct whose fields are in every version")]
            fn decode_from(
                &mut self,
                from: &mut $crate::codec::Decoder,
                $version: i16,
                _: bool,
            ) -> Result<(), $crate::codec::DecodeError> {
                $(if true $(&& $present)? {
                    $crate::codec::Decode::decode_from(&mut self.$field, from, $version, false $(|| $null)?)?;
                })*
                if from.flexible() && let Some(tags) = from.tags()? {
                    self.decode_tags(from, $version, tags)?;
                }
                Ok(())
            }
        }

        impl $name {
            /// Apart, so that the usual struct without tagged fields is read by lean code.
            #[inline(never)]
            #[allow(unused_variables, reason = "a struct without tagged fields passes over all")]
            fn decode_tags(
                &mut self,
                from: &mut $crate::codec::Decoder,
                $version: i16,
                mut tags: $crate::codec::Tags,
            ) -> Result<(), $crate::codec::DecodeError> {
                while let Some(tag) = from.next_tag(&mut tags)? {
                    match tag {
                        $($tag if true $(&& $tag_present)? => {
                            $crate::codec::Decode::decode_tagged(&mut self.$tagged, from, $version, false $(|| $tag_null)?)?
                        })*
                        _ => from.skip_tag(&tags)?,
                    }
                }
                Ok(())
            }
        }

        impl $crate::codec::Encode for $name {
            #[allow(unused_variables, reason = "a struct whose fields are in every version")]
            fn encode_to(&self, to: &mut $crate::codec::Encoder, $version: i16, _: bool) {
                $(if true $(&& $present)? {
                    $crate::codec::Encode::encode_to(&self.$field, to, $version, false $(|| $null)?);
                })*
                if to.flexible() {
                    let count = 0 $(+ u32::from(self.$tagged != $default $(&& $tag_present)?))*;
                    to.unsigned_varint(count);
                    $(if self.$tagged != $default $(&& $tag_present)? {
                        let start = to.begin_tag($tag);
                        $crate::codec::Encode::encode_tagged(&self.$tagged, to, $version, false $(|| $tag_null)?);
                        to.end_tag(start);
                    })*
                }
            }
        }

        impl $crate::codec::Show for $name {
            #[allow(unused_variables, reason = "a struct whose fields are in every version")]
            fn show<V: $crate::codec::Viewer>(&self, to: &mut V, $version: i16) {
                to.begin_fields();
                $(if true $(&& $present)? {
                    to.field(stringify!($field));
                    $crate::codec::Show::show(&self.$field, to, $version);
                })*
                $(if self.$tagged != $default $(&& $tag_present)? {
                    to.field(stringify!($tagged));
                    $crate::codec::Show::show(&self.$tagged, to, $version);
                })*
                to.end_fields();
            }
        }

        impl $crate::codec::Struct for $name {}
    };
}

/// Names a struct as a message of these versions.
macro_rules! message {
    ($name:ident $min:literal..=$max:literal flexible $flexible:expr) => {
        impl $crate::codec::Message for $name {
            const NAME: &'static str = stringify!($name);
            const MIN_VERSION: i16 = $min;
            const MAX_VERSION: i16 = $max;
            const FLEXIBLE_FROM: i16 = $flexible;
        }
    };
}

pub(crate) use {fields, message};
