//! Metadata, whose answer is as long as a cluster is large, without the structs of `messages::metadata`: the request is read where it
//! lies ([`MetadataView`]), the answer written topic by topic ([`MetadataAnswer`]). Neither knows more of the protocol than the
//! generated messages say: the tests hold both against those in every version.

mod answer;
mod view;

pub use answer::{MetadataAnswer, TopicHead};
pub use view::{AskedTopic, MetadataView};
