//! One end of a long line: packets between an interface in this process's namespace and the other end, each so long on its
//! way.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::super::process::{ip, say_ready, until_told};

const INTERFACE: &str = "line";
const BITS: u8 = 30;
const MTU: u16 = 1500;
/// Packets on their way at one time; more are lost, as on any line.
const QUEUE: usize = 4096;

/// Carries packets until this process is told to end. The other end is at `there`, from when it is ready on.
pub async fn carry(address: Ipv4Addr, delay: Duration, here: &Path, there: &Path) -> anyhow::Result<()> {
    let device = tun_rs::DeviceBuilder::new().name(INTERFACE).mtu(MTU).ipv4(address, BITS, None);
    let device = Arc::new(device.build_async().context("the line's interface")?);
    ip(&["route", "add", "default", "dev", INTERFACE]).await?;
    let socket = Arc::new(UnixDatagram::bind(here).context("the line's socket")?);
    let (arrives, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(QUEUE);
    let sending = {
        let (device, socket, there) = (device.clone(), socket.clone(), there.to_owned());
        tokio::spawn(async move {
            let mut packet = [0; MTU as usize];
            while let Ok(length) = device.recv(&mut packet).await {
                // There is nobody at the other end yet, or not any more.
                let _ = socket.send_to(&packet[..length], &there).await;
            }
        })
    };
    let taking = tokio::spawn(async move {
        let mut packet = [0; MTU as usize];
        while let Ok((length, _)) = socket.recv_from(&mut packet).await {
            // What finds no room is lost.
            let _ = arrives.try_send((Instant::now() + delay, packet[..length].to_vec()));
        }
    });
    let receiving = tokio::spawn(async move {
        while let Some((at, packet)) = arriving.recv().await {
            sleep_until(at).await;
            // A packet that the system doesn't take is lost.
            let _ = device.send(&packet).await;
        }
    });
    say_ready();
    until_told().await?;
    [sending, taking, receiving].iter().for_each(|task| task.abort());
    Ok(())
}
