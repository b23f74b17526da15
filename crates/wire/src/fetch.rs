//! Fetch, the request that consumers make all the time, without the structs of `messages::fetch`: the request is read where it lies
//! ([`FetchView`]), the answer written partition by partition ([`FetchAnswer`]). Neither knows more of the protocol than the generated
//! messages say: the tests hold both against those in every version.

mod answer;
mod view;

pub use answer::FetchAnswer;
pub use view::{FetchView, ForgottenView, WantedView};
