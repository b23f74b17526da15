//! `Uuid`: topic ids, directory ids, incarnation ids (KIP-516), with Kafka's 22-character text form.
//! Draws no random numbers itself: whoever wants a new id brings the bits.

use crate::base64::URL_SAFE;
use std::fmt;
use std::str::FromStr;

/// 128 bits, printed as unpadded base64url. Ordered like Kafka's: as two signed 64-bit halves.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// No id.
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// The topic id of `__cluster_metadata`.
    pub const METADATA_TOPIC_ID: Uuid = Uuid::reserved(1);
    /// The directory id of a replica made before directories were assigned (KIP-858).
    pub const MIGRATING_DIRECTORY: Uuid = Uuid::ZERO;
    /// The directory id of a replica whose log directory is not chosen yet (KIP-858).
    pub const UNASSIGNED_DIRECTORY: Uuid = Uuid::reserved(1);
    /// The directory id of a replica whose log directory is lost (KIP-858).
    pub const LOST_DIRECTORY: Uuid = Uuid::reserved(2);
    /// Ids below this one (as a number) are set aside for Kafka itself; never hand them out.
    const RESERVED: u128 = 100;

    const fn reserved(number: u8) -> Uuid {
        let mut bytes = [0; 16];
        bytes[15] = number;
        Uuid(bytes)
    }

    /// From the two halves that Java's `Uuid` is made of.
    pub const fn from_halves(most: u64, least: u64) -> Uuid {
        Uuid((((most as u128) << 64) | least as u128).to_be_bytes())
    }

    /// Makes a version-4 id of 128 random bits; `None` when Kafka would throw them away: a reserved id, or a text form
    /// that begins with a dash and so reads as an option on a command line. The caller draws again.
    pub fn from_random(bits: u128) -> Option<Uuid> {
        let version = (bits & !(0xf << 76)) | (0x4 << 76);
        let variant = (version & !(0b11 << 62)) | (0b10 << 62);
        let uuid = Uuid(variant.to_be_bytes());
        let dash = uuid.0[0] >> 2 == 62;
        if variant < Uuid::RESERVED || dash { None } else { Some(uuid) }
    }

    /// True for the all-zero id, Kafka's "none given".
    pub fn is_zero(&self) -> bool {
        *self == Uuid::ZERO
    }

    fn halves(&self) -> (i64, i64) {
        let number = u128::from_be_bytes(self.0);
        ((number >> 64) as i64, number as i64)
    }
}

impl PartialOrd for Uuid {
    fn partial_cmp(&self, other: &Uuid) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Uuid {
    fn cmp(&self, other: &Uuid) -> std::cmp::Ordering {
        self.halves().cmp(&other.halves())
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&URL_SAFE.encode(&self.0))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not 22 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUuid;

impl fmt::Display for InvalidUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id: 22 characters of base64url wanted")
    }
}

impl std::error::Error for InvalidUuid {}

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Uuid, InvalidUuid> {
        let text = text.strip_suffix("==").unwrap_or(text);
        if text.len() != 22 {
            return Err(InvalidUuid);
        }
        let bytes = URL_SAFE.decode(text).ok_or(InvalidUuid)?;
        bytes.try_into().map(Uuid).map_err(|_| InvalidUuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_kafkas() {
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid::METADATA_TOPIC_ID.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        let uuid = Uuid::from_halves(0x8b5f_7fd9_1c3a_4e2d, 0xb4c1_0a5e_77aa_90fe);
        assert_eq!(uuid.to_string(), "i19_2Rw6Ti20wQped6qQ_g");
        assert_eq!(uuid.to_string().parse(), Ok(uuid));
        assert_eq!(Uuid::LOST_DIRECTORY.to_string(), "AAAAAAAAAAAAAAAAAAAAAg");
    }

    #[test]
    fn orders_by_signed_halves() {
        assert!(Uuid::from_halves(u64::MAX, 0) < Uuid::ZERO);
        assert!(Uuid::from_halves(0, u64::MAX) < Uuid::from_halves(0, 1));
    }

    #[test]
    fn refuses_text_of_another_shape() {
        assert_eq!("short".parse::<Uuid>(), Err(InvalidUuid));
        assert_eq!("AAAAAAAAAAAAAAAAAAAA/+".parse::<Uuid>(), Err(InvalidUuid));
    }

    #[test]
    fn random_ids_are_version_four_and_never_begin_with_a_dash() {
        let uuid = Uuid::from_random(u128::MAX >> 3).unwrap();
        assert_eq!(uuid.0[6] >> 4, 4);
        assert_eq!(uuid.0[8] >> 6, 0b10);
        assert_eq!(Uuid::from_random(62 << 122), None);
    }
}
