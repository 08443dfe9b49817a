//! `byway bench scan`: how fast a view key finds its outputs, on one core (row K2).
//!
//! Transactions are what wallets make: six outputs each, three for the payee and three of change. One in a hundred pays
//! the wallet that scans. The limit is one scalar multiplication per transaction and nothing else: whoever scans has to
//! compute what each transaction would share with it; what is above that is decompression, hashing and the view tags.

use std::time::Instant;

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::{GhostKey, ViewSecret, WalletSecret};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use serde::Serialize;

use super::network::seed;

/// Outputs for the payee, and as many of change.
const OUTPUTS: u32 = 3;
/// Every so many transactions one pays the wallet that scans.
const OURS_EVERY: u64 = 100;

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub transactions: u64,
    pub outputs: u64,
    /// Outputs that were found, which must be those that were made for the wallet.
    pub found: u64,
    pub scans_per_second_per_core: f64,
    pub outputs_per_second_per_core: f64,
    /// Bare scalar multiplications per second on one core, measured in this run.
    pub limit_per_second_per_core: f64,
}

/// R, and the outputs with their view tags.
type Made = (GhostKey, Vec<(u32, GhostKey, u8)>);

pub fn run(transactions: u64) -> anyhow::Result<Report> {
    let wallet = WalletSecret::from_seed(&seed(&[b"scanning wallet"]));
    let made: Vec<Made> = (0..transactions).map(|number| transaction(&wallet, number)).collect();
    let view = wallet.view_secret();
    let (began, found) = (Instant::now(), scan(&view, &made));
    let scanned = began.elapsed().as_secs_f64();
    let expected = transactions.div_ceil(OURS_EVERY) * u64::from(OUTPUTS);
    anyhow::ensure!(found == expected, "the scan found {found} outputs of {expected}");
    let outputs = transactions * u64::from(2 * OUTPUTS);
    Ok(Report {
        transactions,
        outputs,
        found,
        scans_per_second_per_core: transactions as f64 / scanned,
        outputs_per_second_per_core: outputs as f64 / scanned,
        limit_per_second_per_core: limit(transactions),
    })
}

fn transaction(ours: &WalletSecret, number: u64) -> Made {
    let numbered = |what: &[u8]| seed(&[what, &number.to_le_bytes()]);
    let stranger = |what: &[u8]| WalletSecret::from_seed(&numbered(what)).address();
    let payee = if number.is_multiple_of(OURS_EVERY) { ours.address() } else { stranger(b"payee") };
    let secret = TransactionSecret::from_seed(&numbered(b"transaction"));
    let to = |address, first: u32| (first..first + OUTPUTS).map(move |index| (index, address)).collect::<Vec<_>>();
    let outputs = [to(payee, 0), to(stranger(b"payer"), OUTPUTS)].concat().into_iter().map(|(index, address)| {
        let (key, tag) = secret.derive(&address, index);
        (index, key, tag)
    });
    (secret.public(), outputs.collect())
}

fn scan(view: &ViewSecret, made: &[Made]) -> u64 {
    made.iter().map(|(ghost, outputs)| view.owned(*ghost, outputs.iter().copied()).count() as u64).sum()
}

fn limit(count: u64) -> f64 {
    let scalar = Scalar::from_bytes_mod_order(seed(&[b"scalar"]));
    let mut point = EdwardsPoint::mul_base(&scalar);
    let began = Instant::now();
    for _ in 0..count {
        point *= scalar;
    }
    let took = began.elapsed().as_secs_f64();
    // Looked at, so that no compiler may leave the work out.
    std::hint::black_box(point);
    count as f64 / took
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_finds_what_was_made_for_it() {
        let report = run(201).unwrap();
        assert_eq!((report.transactions, report.outputs, report.found), (201, 1206, 9));
    }
}
