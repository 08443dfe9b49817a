//! The precompiled contracts, at addresses 1 to 4: those of Ethereum's first upgrade. Later ones are many times dearer to
//! execute for what they cost in gas, or in code that others don't agree with.
//!
//! The first, which recovers a signer, is by far the dearest of them. It is executed by the library that checks identities'
//! signatures too, which takes a third of the time of the one that `revm` would bring.

use std::sync::OnceLock;

use revm::handler::EthPrecompiles;
use revm::precompile::{
    EthPrecompileOutput, EthPrecompileResult, Precompile, PrecompileHalt, PrecompileId, PrecompileResult, Precompiles,
    call_eth_precompile, u64_to_address,
};
use revm::primitives::{Bytes, keccak256};
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};

use crate::execute::RULES;

/// As on Ethereum.
const RECOVERY_GAS: u64 = 3_000;
/// Digest, number of the recovery in a word, signature.
const RECOVERY_BYTES: usize = 128;

/// Named with the upgrade whose rules hold, or those of that would be put in their place.
pub(crate) fn precompiled() -> EthPrecompiles {
    static ALL: OnceLock<Precompiles> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let mut all = Precompiles::homestead().clone();
        all.extend([Precompile::new(PrecompileId::EcRec, u64_to_address(1), run)]);
        all
    });
    EthPrecompiles { precompiles: all, spec: RULES }
}

fn run(input: &[u8], gas: u64, reservoir: u64) -> PrecompileResult {
    Ok(call_eth_precompile(recovery, input, gas, reservoir))
}

/// The address of who signed a digest; nothing where nobody did.
fn recovery(input: &[u8], gas: u64) -> EthPrecompileResult {
    if gas < RECOVERY_GAS {
        return Err(PrecompileHalt::OutOfGas);
    }
    let mut whole = [0; RECOVERY_BYTES];
    let given = input.len().min(RECOVERY_BYTES);
    whole[..given].copy_from_slice(&input[..given]);
    let output = signer(&whole).map(|address| Bytes::copy_from_slice(&address)).unwrap_or_default();
    Ok(EthPrecompileOutput::new(RECOVERY_GAS, output))
}

fn signer(input: &[u8; RECOVERY_BYTES]) -> Option<[u8; 32]> {
    let (digest, rest) = input.split_first_chunk::<32>()?;
    let (number, signature) = rest.split_first_chunk::<32>()?;
    let number = match number.split_last() {
        Some((27, zeros)) if *zeros == [0; 31] => RecoveryId::Zero,
        Some((28, zeros)) if *zeros == [0; 31] => RecoveryId::One,
        _ => return None,
    };
    let signature = RecoverableSignature::from_compact(signature, number).ok()?;
    let key = signature.recover(Message::from_digest(*digest)).ok()?;
    let mut address = keccak256(&key.serialize_uncompressed()[1..]).0;
    address[..12].fill(0);
    Some(address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use revm::precompile::secp256k1::ec_recover_run;

    use super::*;

    /// Half of the group's order, above which signatures have a second form, and the order itself.
    const NEAR_ORDER: [&str; 3] = [
        "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1",
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140",
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    ];

    fn word() -> impl Strategy<Value = Vec<u8>> {
        let near = prop::sample::select(&NEAR_ORDER[..]).prop_map(|digits| hex::decode(digits).expect("digits"));
        prop_oneof![4 => prop::collection::vec(any::<u8>(), 32), 1 => near, 1 => Just(vec![0; 32])]
    }

    fn number() -> impl Strategy<Value = Vec<u8>> {
        (26u8..30, 0u8..8).prop_map(|(number, first)| {
            let mut word = vec![0; 32];
            (word[0], word[31]) = (first.saturating_sub(6), number);
            word
        })
    }

    proptest! {
        #[test]
        fn a_signer_is_recovered_as_elsewhere(
            digest in word(), number in number(), r in word(), s in word(), length in 0usize..160, is_whole in any::<bool>(),
        ) {
            let mut input = [digest, number, r, s, vec![1; 32]].concat();
            input.truncate(if is_whole { RECOVERY_BYTES } else { length });
            for gas in [RECOVERY_GAS - 1, RECOVERY_GAS, 100_000] {
                prop_assert_eq!(recovery(&input, gas), ec_recover_run(&input, gas));
            }
        }
    }
}
