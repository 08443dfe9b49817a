//! UDP through the proxy and the exit.

use std::net::Ipv4Addr;

use tokio::net::UdpSocket;

use super::*;

/// A program that sends datagrams through the proxy.
struct Program {
    socket: UdpSocket,
    /// Where it was told to send.
    proxy: SocketAddr,
    _connection: TcpStream,
}

impl Program {
    async fn begin(rig: &Rig) -> Self {
        let mut connection = TcpStream::connect(rig.proxy).await.unwrap();
        connection.write_all(&[5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let mut reply = [0; 12];
        connection.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply[..6], [5, 0, 5, 0, 0, 1]);
        let ip: [u8; 4] = reply[6..10].try_into().unwrap();
        let proxy = SocketAddr::from((ip, u16::from_be_bytes([reply[10], reply[11]])));
        Self { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), proxy, _connection: connection }
    }

    async fn send(&self, host: &str, port: u16, payload: &[u8]) {
        self.socket.send_to(&socks_form(host, port, payload), self.proxy).await.unwrap();
    }

    async fn receive(&self) -> Vec<u8> {
        let mut bytes = vec![0; 65_535];
        let length = self.socket.recv(&mut bytes).await.unwrap();
        bytes.truncate(length);
        bytes
    }
}

fn socks_form(host: &str, port: u16, payload: &[u8]) -> Vec<u8> {
    let address = match host.parse() {
        Ok(IpAddr::V4(ip)) => [&[1][..], &ip.octets()].concat(),
        Ok(IpAddr::V6(ip)) => [&[4][..], &ip.octets()].concat(),
        Err(_) => [&[3, host.len() as u8], host.as_bytes()].concat(),
    };
    [&[0, 0, 0][..], &address, &port.to_be_bytes(), payload].concat()
}

async fn host(ip: Ipv4Addr) -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((ip, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Sends and has it answered with the same; where it came from.
async fn echo(program: &Program, name: &str, (host, port): &(UdpSocket, u16), payload: &[u8]) -> SocketAddr {
    program.send(name, *port, payload).await;
    let mut bytes = vec![0; 65_535];
    let (length, from) = host.recv_from(&mut bytes).await.unwrap();
    assert!(bytes[..length] == *payload);
    host.send_to(payload, from).await.unwrap();
    assert!(program.receive().await == socks_form("127.0.0.1", *port, payload), "it says who answered");
    from
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_go_to_hosts_by_address_and_by_name_and_come_back() {
    guarded(async {
        let mut rig = rig().await;
        rig.resolver.set("name.test", &[&["10.0.0.1", "127.0.0.1"]]);
        let (one, other) = (host(Ipv4Addr::LOCALHOST).await, host(Ipv4Addr::LOCALHOST).await);
        let program = Program::begin(&rig).await;
        for (name, length) in [("127.0.0.1", 1), ("name.test", 1_200), ("127.0.0.1", 60_000)] {
            echo(&program, name, &one, &vec![7; length]).await;
            echo(&program, name, &other, &vec![8; length]).await;
        }
        let asked = rig.resolver.asked.load(Ordering::SeqCst);
        echo(&program, "name.test", &one, b"again").await;
        assert_eq!(rig.resolver.asked.load(Ordering::SeqCst), asked, "a name is remembered for a while");
        let bytes = 2 * (1 + 1_200 + 60_000) + 5;
        assert_eq!(rig.client_meter.read(), Metered { up: bytes, down: bytes });
        assert_eq!(rig.provider_meter.read(), rig.client_meter.read(), "both sides count the payload");
        drop(program);
        assert_eq!(rig.carried.recv().await, Some(Outcome::Spliced(socks::Ended::Finished)));
        assert_eq!(rig.served.recv().await, Some(Outcome::Spliced(socks::Ended::Finished)), "with its connection");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_or_sends_a_datagram_unasked() {
    guarded(async {
        let rig = rig().await;
        rig.resolver.set("rebinding.test", &[&["10.0.0.1"]]);
        let (allowed, denied) = (host(Ipv4Addr::LOCALHOST).await, host(Ipv4Addr::new(127, 0, 0, 2)).await);
        let program = Program::begin(&rig).await;
        let exit_at = echo(&program, "127.0.0.1", &allowed, b"first").await;
        for name in ["127.0.0.2", "::ffff:127.0.0.2", "rebinding.test", "unknown.test"] {
            program.send(name, denied.1, b"to the provider's own network").await;
        }
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        stranger.send_to(b"pay for this", ("127.0.0.1", exit_at.port())).await.unwrap();
        let neighbour = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        neighbour.send_to(&socks_form("127.0.0.1", allowed.1, b"of another program"), program.proxy).await.unwrap();
        program.socket.send_to(b"no datagram of SOCKS", program.proxy).await.unwrap();
        echo(&program, "127.0.0.1", &allowed, b"second").await;
        assert!(denied.0.try_recv(&mut [0; 100]).is_err(), "what is denied is not reached");
        assert!(allowed.0.try_recv(&mut [0; 100]).is_err(), "the neighbour's went nowhere");
        let down = "firstsecond".len() as u64;
        assert_eq!(rig.client_meter.read().down, down, "only what was asked for");
        assert_eq!(rig.provider_meter.read().down, down);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_paid_for_is_dropped_and_not_counted() {
    guarded(async {
        let rig = rig_with(Limits::default(), 20).await;
        let there = host(Ipv4Addr::LOCALHOST).await;
        let program = Program::begin(&rig).await;
        let exit_at = echo(&program, "127.0.0.1", &there, b"eight by").await;
        there.0.send_to(b"more than is left", exit_at).await.unwrap();
        there.0.send_to(b"4444", exit_at).await.unwrap();
        assert!(program.receive().await.ends_with(b"4444"), "the one before found no room");
        assert_eq!(rig.provider_meter.read(), Metered { up: 8, down: 12 });
    })
    .await;
}
