//! The tunnel for real: its interface, sockets and processes in network namespaces, by way of its benchmark.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// What the benchmark prints; it takes root's rights, and a run without them fails.
fn bench(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_byway"));
    let output =
        command.args(["bench", "tunnel", "--json", "--seconds", "1", "--rounds", "1"]).args(arguments).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said} (the tests of the tunnel are to be run as root, with iproute2)");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A TCP stream comes through the paid tunnel, the free one and the library's device; the paid one has counted, or its
/// processes would have failed.
#[test]
fn a_stream_comes_through_each_tunnel_over_both_ips() {
    for arguments in [&[][..], &["--ipv6"]] {
        let report = bench(arguments);
        let fields =
            ["gbit_per_s", "gotatun_default_gbit_per_s", "ratio", "ratio_to_gotatun_default", "unpaid_gbit_per_s"];
        let printed: BTreeSet<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(printed, BTreeSet::from(fields));
        for field in fields {
            assert!(report[field].as_f64().unwrap() > 0.0, "{arguments:?}: {report}");
        }
    }
}
