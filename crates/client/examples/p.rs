use client::*;
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let n: usize = args[2].parse().unwrap();
    let c = Client::connect(&args[1]).await?;
    let p = c.producer().compression(Compression::from_name(&args[3]).unwrap()).batch_bytes(65536).build()?;
    let t = std::time::Instant::now();
    let mut ds = Vec::new();
    for i in 0..n {
        ds.push(
            p.enqueue(
                Record::new("t1").key(format!("k{i}")).value(format!("value number {i} {}", "x".repeat(80))),
            )
            .await?,
        );
    }
    p.flush().await;
    let mut last = None;
    for d in ds {
        last = Some(d.await?);
    }
    println!("{:?} {:?}", last, t.elapsed());
    Ok(())
}
