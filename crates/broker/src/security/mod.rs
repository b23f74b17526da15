//! Who speaks, and what they may do: principals and the authorizer. Never a socket, a password or a key; who is authenticated how is the
//! rim's and the exchanges' business, the entries themselves are the image's.

pub mod principal;
