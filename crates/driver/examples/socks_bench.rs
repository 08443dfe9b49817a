//! Measures one stream through SOCKS, link and exit against a bare QUIC stream, in one process over loopback.
//!
//! `cargo run --release -p byway-driver --example socks_bench [MEGABYTES]` prints one JSON object. Source and sink are
//! plain TCP on the measured path, as they are in use; the bare stream has neither.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use byway_crypto::noise::StaticKey;
use byway_driver::exit::{self, Exit, SystemResolver};
use byway_driver::gate::Gate;
use byway_driver::link::{Config, Event, Limits, Link, Links};
use byway_driver::meter::Meter;
use byway_driver::socks::{self, Reply, StreamHeader, carry};
use byway_primitives::Decode;
use iroh::endpoint::presets;
use iroh::{Endpoint, EndpointAddr, RelayMode, TransportAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const BUFFER_BYTES: usize = 256 * 1024;

#[tokio::main]
async fn main() -> Outcome<()> {
    let megabytes: u64 = std::env::args().nth(1).map_or(Ok(1000), |text| text.parse())?;
    let bytes = megabytes * 1_000_000;
    let baseline = bare_stream(bytes).await?;
    let through = through_exit(bytes).await?;
    let ratio = through / baseline;
    println!(
        "{{\"megabytes\": {megabytes}, \"mb_per_s\": {through:.1}, \"baseline_mb_per_s\": {baseline:.1}, \"ratio\": {ratio:.3}}}"
    );
    Ok(())
}

/// Megabytes per second of one stream between two endpoints of the library, with its own settings.
async fn bare_stream(bytes: u64) -> Outcome<f64> {
    let endpoint = || {
        let builder = Endpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled).clear_ip_transports();
        Outcome::Ok(builder.alpns(vec![b"bench".to_vec()]).bind_addr("127.0.0.1:0")?.bind())
    };
    let (client, server) = (endpoint()?.await?, endpoint()?.await?);
    let address = server.bound_sockets().into_iter().map(TransportAddr::Ip);
    let address = EndpointAddr::from_parts(server.id(), address);
    let sending = tokio::spawn(async move {
        let connection = server.accept().await.ok_or("closed")?.await?;
        let (mut send, _recv) = connection.accept_bi().await?;
        let (chunk, mut left) = (vec![7; BUFFER_BYTES], bytes);
        while left > 0 {
            let now = left.min(BUFFER_BYTES as u64);
            send.write_all(&chunk[..now as usize]).await?;
            left -= now;
        }
        send.finish()?;
        connection.closed().await;
        Outcome::Ok(())
    });
    let connection = client.connect(address, b"bench").await?;
    let (mut send, mut recv) = connection.open_bi().await?;
    let begun = Instant::now();
    send.write_all(b"go").await?;
    let (mut chunk, mut total) = (vec![0; BUFFER_BYTES], 0);
    while let Some(count) = recv.read(&mut chunk).await? {
        total += count as u64;
    }
    let speed = megabytes_per_second(total, begun);
    whole(total, bytes)?;
    connection.close(0u32.into(), b"");
    sending.await??;
    Ok(speed)
}

/// Megabytes per second of one download by a program through the SOCKS listener.
async fn through_exit(bytes: u64) -> Outcome<f64> {
    let (client, mut client_events) = Links::bind(config(1)).await?;
    let (provider, provider_events) = Links::bind(config(2)).await?;
    let contact = provider.contact(StaticKey([0; 32])).ok_or("no address")?;
    let link = client.connect(&contact).await?;
    tokio::spawn(provide(provider_events));
    tokio::spawn(async move { while client_events.recv().await.is_some() {} });
    let proxy = proxy(link).await?;
    let source = source(bytes).await?;

    let mut program = TcpStream::connect(proxy).await?;
    let request = [&[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1][..], &source.to_be_bytes()].concat();
    let begun = Instant::now();
    program.write_all(&request).await?;
    let mut reply = [0; 12];
    program.read_exact(&mut reply).await?;
    match Reply::from_byte(reply[3])? {
        Reply::Succeeded => {}
        refused => return Err(refused.into()),
    }
    let (mut chunk, mut total) = (vec![0; BUFFER_BYTES], 0);
    loop {
        match program.read(&mut chunk).await? {
            0 => break,
            count => total += count as u64,
        }
    }
    let speed = megabytes_per_second(total, begun);
    whole(total, bytes)?;
    Ok(speed)
}

fn config(seed: u8) -> Config {
    let loopback = (IpAddr::from([127, 0, 0, 1]), 0).into();
    Config { bind: vec![loopback], relay: None, seed: [seed; 32], limits: Limits::default() }
}

async fn provide(mut events: mpsc::Receiver<Event>) -> Outcome<()> {
    let policy = |addresses: &[IpAddr], _port| Ok(addresses.to_vec());
    let exit = Exit::new(Arc::new(SystemResolver::new()?), Arc::new(policy), exit::Limits::default());
    while let Some(event) = events.recv().await {
        let Event::Stream { header, send, recv, .. } = event else { continue };
        let header = StreamHeader::from_bytes(&header)?;
        let exit = exit.clone();
        tokio::spawn(async move { exit.serve(&header.wanted, send, recv, &Gate::unlimited(), &Meter::new()).await });
    }
    Ok(())
}

async fn proxy(link: Link) -> Outcome<std::net::SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(socks::serve(listener, socks::server::Limits::default(), move |request| {
        let link = link.clone();
        async move {
            carry(request, &link, [1; 16], &Gate::unlimited(), &Meter::new()).await;
        }
    }));
    Ok(address)
}

/// A server that sends `bytes` to whoever connects.
async fn source(bytes: u64) -> Outcome<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let (chunk, mut left) = (vec![7; BUFFER_BYTES], bytes);
        while left > 0 {
            let now = left.min(BUFFER_BYTES as u64);
            stream.write_all(&chunk[..now as usize]).await?;
            left -= now;
        }
        stream.shutdown().await
    });
    Ok(port)
}

fn whole(total: u64, expected: u64) -> Outcome<()> {
    if total == expected { Ok(()) } else { Err(format!("{total} of {expected} bytes came").into()) }
}

fn megabytes_per_second(bytes: u64, begun: Instant) -> f64 {
    bytes as f64 / 1e6 / begun.elapsed().as_secs_f64()
}
