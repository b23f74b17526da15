use wire::codec::Message;
fn main() {
    let d = wire::messages::init_producer_id::InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        ..Default::default()
    };
    for v in 0..=6 {
        println!("{v} {:02x?}", d.to_bytes(v));
    }
    println!("{:?}", wire::ApiKey::InitProducerId.versions());
}
