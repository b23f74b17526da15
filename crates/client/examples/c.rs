use client::*;
struct L(String);
impl RebalanceListener for L {
    fn assigned<'a>(&'a self, _c: &'a ConsumerHandle, p: &'a [TopicPartition]) -> ListenerFuture<'a> {
        Box::pin(async move { println!("{} assigned {p:?}", self.0) })
    }
    fn revoked<'a>(&'a self, _c: &'a ConsumerHandle, p: &'a [TopicPartition]) -> ListenerFuture<'a> {
        Box::pin(async move { println!("{} revoked {p:?}", self.0) })
    }
}
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let c = Client::connect(&args[1]).await?;
    let name = args[4].clone();
    let secs: u64 = args[5].parse().unwrap();
    let mut k = c
        .consumer(&*args[2])
        .topics(args[3].split(','))
        .offset_reset(OffsetReset::Earliest)
        .property("partition.assignment.strategy", &args[6])?
        .on_rebalance(std::sync::Arc::new(L(name.clone())))
        .build()?;
    let end = std::time::Instant::now() + std::time::Duration::from_secs(secs);
    let mut n = 0u64;
    let t = std::time::Instant::now();
    let mut last = t.elapsed();
    while std::time::Instant::now() < end {
        let r = k.poll(std::time::Duration::from_millis(500)).await?;
        if !r.is_empty() {
            last = t.elapsed();
        }
        n += r.len() as u64;
    }
    println!(
        "{name} got {n} in {last:?}; {:?}",
        k.delivered().iter().map(|(t, o)| (t.to_string(), o.offset)).collect::<Vec<_>>()
    );
    k.close().await?;
    Ok(())
}
