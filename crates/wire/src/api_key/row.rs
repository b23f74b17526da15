//! What is known of an API, and the macro that makes [`ApiKey`](super::ApiKey) of the generated rows.

/// On the listeners of a broker.
pub(super) const BROKER: u8 = 1;
/// On the listeners of a controller.
pub(super) const CONTROLLER: u8 = 2;
/// On either.
pub(super) const BOTH: u8 = 3;
/// No version is flexible.
pub(super) const NEVER: i16 = i16::MAX;

/// What the table says about one API.
#[derive(Debug)]
pub(crate) struct Row {
    pub name: &'static str,
    /// First and last.
    pub versions: (i16, i16),
    pub latest: i16,
    pub flexible_from: i16,
    pub listeners: u8,
    pub forwardable: bool,
    pub cluster_action: bool,
    pub throttle: Throttle,
}

/// Where an answer says how long its client is throttled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// It does not.
    Nowhere,
    /// So many bytes into its body, from a version on.
    At(usize, i16),
    /// Behind fields whose length differs, from a version on.
    Behind(i16),
}

macro_rules! api_keys {
    ($($key:literal $name:ident $low:literal..=$high:literal latest $latest:literal flexible $flexible:tt
        on $listeners:ident forwardable $forwardable:literal cluster_action $cluster_action:literal throttle $throttle:expr;)*) => {
        /// An API of the protocol. The number is the key on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $(#[allow(missing_docs)] $name = $key,)*
        }

        impl ApiKey {
            /// Every API, in the order of the keys.
            pub const ALL: &[ApiKey] = &[$(ApiKey::$name,)*];

            /// The API of this key.
            pub const fn from_i16(key: i16) -> Option<ApiKey> {
                match key {
                    $($key => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            pub(crate) const fn row(self) -> &'static $crate::api_key::row::Row {
                match self {
                    $(ApiKey::$name => const {
                        &$crate::api_key::row::Row {
                            name: stringify!($name),
                            versions: ($low, $high),
                            latest: $latest,
                            flexible_from: $flexible,
                            listeners: $listeners,
                            forwardable: $forwardable,
                            cluster_action: $cluster_action,
                            throttle: $throttle,
                        }
                    },)*
                }
            }
        }
    };
}

pub(super) use api_keys;
