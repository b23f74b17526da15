//! SASL at the door of a listener: what it offers, who is known by it, and the way of a connection from its first byte to a principal.
//! The exchanges themselves are `wire::sasl`'s; sockets, and the pause after a failure, are the rim's. KIP-43, 84, 152, 368.

mod bearer;
mod entrance;
mod logins;
mod terms;

pub use bearer::{Jwks, Source, Verifier};
pub use entrance::{Entrance, Handled};
pub(crate) use logins::{LogIn, Next};
pub use logins::{Login, Logins};
pub use terms::SaslTerms;
