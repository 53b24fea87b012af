//! What the server costs: images a second over its sockets against batches in the same process, and requests put
//! together against each by itself. Clients and server share the machine.
//!
//! `cargo bench -p sconce-serve --bench throughput [-- FILTER]`. Prints; asserts nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sconce::prelude::*;
use sconce_serve::{ServeConfig, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long each number is measured.
const TIME: Duration = Duration::from_secs(8);

#[allow(clippy::print_stdout)]
fn main() -> Outcome<()> {
    sconce::threads::init()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let small = Model::build([1, 28, 28], |x| {
        x.conv2d(8, 3)
            .relu()
            .max_pool2d(2)
            .conv2d(16, 3)
            .relu()
            .max_pool2d(2)
            .flatten()
            .linear(64)
            .relu()
            .linear(10)
    })?;
    let resnet =
        models::create("resnet18_cifar", models::ModelConfig::default().num_classes(10).image([3, 32, 32]))?;
    let resnet20 = models::create("resnet20", models::ModelConfig::default())?;
    println!(
        "{:<10} {:>6} {:>10} {:>12} {:>10} {:>10} {:>8}",
        "model", "conns", "batch", "images/s", "p50 ms", "p99 ms", "ratio"
    );
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    // With as many connections as images in a batch, the next requests come when the last are answered; with twice as
    // many, they wait already.
    let cases = [("resnet18", resnet, 8, 8), ("resnet20", resnet20, 16, 32), ("small", small, 64, 128)];
    for (name, architecture, batch, connections) in cases {
        if !name.contains(&filter) {
            continue;
        }
        let net = architecture.init(Seed(1), &Device::Cpu)?;
        let process = in_process(&net, batch)?;
        println!("{name:<10} {:>6} {batch:>10} {process:>12.0} {:>10} {:>10} {:>8}", "-", "-", "-", "1.00");
        let mut last = 0.0;
        for most in [batch, 1] {
            let folder = tempfile::tempdir()?;
            save(folder.path(), &net, most)?;
            let measured = runtime.block_on(over_sockets(folder.path(), &net, connections))?;
            let (rate, p50, p99) = (measured.rate, measured.at(0.5), measured.at(0.99));
            let ratio = rate / process;
            println!(
                "{name:<10} {connections:>6} {most:>10} {rate:>12.0} {p50:>10.1} {p99:>10.1} {ratio:>8.2}"
            );
            if most == 1 {
                println!("{name:<10} batched against unbatched: {:.2}", last / rate);
            }
            last = rate;
        }
    }
    Ok(())
}

fn in_process(net: &Model, batch: usize) -> Outcome<f64> {
    let shape = [vec![batch], net.graph().nodes()[0].shape.clone()].concat();
    let x = Tensor::rand(0_f32, 1.0, shape, &Device::Cpu)?;
    net.forward(&x, Mode::Eval)?;
    let start = Instant::now();
    let mut images = 0;
    while start.elapsed() < TIME {
        // As the server does, down to numbers that can be sent.
        net.forward(&x, Mode::Eval)?.flatten_all()?.to_vec1::<f32>()?;
        images += batch;
    }
    Ok(images as f64 / start.elapsed().as_secs_f64())
}

fn save(folder: &Path, net: &Model, most: usize) -> Outcome<()> {
    let place = folder.join("net/1");
    fs::create_dir_all(&place)?;
    net.save(place.join("model.safetensors"))?;
    let settings = format!("{{\"batching\": {{\"max_batch_size\": {most}, \"max_delay_ms\": 5}}}}");
    Ok(fs::write(folder.join("net/config.json"), settings)?)
}

struct Measured {
    rate: f64,
    milliseconds: Vec<f64>,
}

impl Measured {
    fn at(&self, quantile: f64) -> f64 {
        let last = self.milliseconds.len().saturating_sub(1);
        self.milliseconds.get((quantile * last as f64) as usize).copied().unwrap_or(f64::NAN)
    }
}

async fn over_sockets(folder: &Path, net: &Model, connections: usize) -> Outcome<Measured> {
    let config =
        ServeConfig { models: folder.to_owned(), port: 0, grpc_port: None, ..ServeConfig::default() };
    let server = Server::start(config).await?;
    let request = Arc::new(request(net));
    let end = Instant::now() + TIME;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (address, request) = (server.http_address(), Arc::clone(&request));
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut times = Vec::new();
            let mut buffer = vec![0; 1 << 16];
            while Instant::now() < end {
                let start = Instant::now();
                stream.write_all(&request).await?;
                answer(&mut stream, &mut buffer).await?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
            Outcome::Ok(times)
        });
    }
    let start = Instant::now();
    let mut milliseconds = Vec::new();
    while let Some(times) = tasks.join_next().await {
        milliseconds.extend(times??);
    }
    let rate = milliseconds.len() as f64 / start.elapsed().as_secs_f64();
    milliseconds.sort_by(f64::total_cmp);
    server.shutdown().await;
    Ok(Measured { rate, milliseconds })
}

/// A request with one image in bytes, as clients that are in a hurry send it.
fn request(net: &Model) -> Vec<u8> {
    let input = &net.graph().nodes()[0];
    let values: usize = input.shape.iter().product();
    let [c, h, w] = input.shape[..] else { return Vec::new() };
    let head = format!(
        "{{\"inputs\":[{{\"name\":\"{}\",\"shape\":[1,{c},{h},{w}],\"datatype\":\"FP32\",\
         \"parameters\":{{\"binary_data_size\":{}}}}}],\"parameters\":{{\"binary_data_output\":true}}}}",
        input.name,
        4 * values
    );
    let mut request = format!(
        "POST /v2/models/net/infer HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n\
         inference-header-content-length: {}\r\n\r\n{head}",
        head.len() + 4 * values,
        head.len()
    )
    .into_bytes();
    (0..values).for_each(|at| request.extend_from_slice(&(at as f32 / values as f32).to_le_bytes()));
    request
}

/// Reads an answer, which has to be a good one.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Outcome<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err("the connection was closed".into());
        }
        filled += read;
        let Some(end) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&buffer[..end])?;
        if !head.starts_with("HTTP/1.1 200") {
            return Err(head.to_owned().into());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.ok_or("an answer without a length")?.parse()?;
        if filled >= end + 4 + length {
            return Ok(());
        }
    }
}
