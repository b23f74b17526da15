//! Who speaks, and what they may do: principals, the authorizer, the audit of what it refused. Never a socket, a password or a key; who is
//! authenticated how is the rim's and the exchanges' business, the entries themselves are the image's.

pub(crate) mod audit;
pub(crate) mod authorizer;
pub(crate) mod delegation;
pub(crate) mod denied;
pub mod explaining;
pub mod principal;
pub mod sasl;
