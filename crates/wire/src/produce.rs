//! Produce, the one request that is made for every record, without the structs of `messages::produce`: the request is read where it
//! lies ([`ProduceView`]), the answer written once and its results filled in ([`ProduceAnswer`]). Neither knows more of the protocol
//! than the generated messages say: the tests hold both against those in every version.

mod answer;
mod view;

pub use answer::{AnswerLine, ProduceAnswer, Produced};
pub use view::{PartitionView, ProduceView, TopicView};
