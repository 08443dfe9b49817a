//! The precompiled contracts, at addresses 1 to 4: those of Ethereum's first upgrade. Later ones are many times dearer to
//! execute for what they cost in gas, or in code that others don't agree with.
//!
//! The first, which recovers a signer, is by far the dearest of them. It is executed by the library that checks identities'
//! signatures too, which takes a third of the time of the one that `revm` would bring.
//!
//! One more is our own, at address 0xb1: it says what became of a virtual channel, by the evidence that comes with the call. Its input is the
//! channel's id; it gives what each of its parties was paid, a word each, or nothing where the evidence does not say.

use std::sync::OnceLock;

use byway_records::channel::ChannelOutcome;
use revm::context_interface::{Cfg, ContextTr};
use revm::handler::{EthPrecompiles, PrecompileProvider, precompile_output_to_interpreter_result};
use revm::interpreter::{CallInputs, InterpreterResult};
use revm::precompile::{
    EthPrecompileOutput, EthPrecompileResult, Precompile, PrecompileHalt, PrecompileId, PrecompileOutput,
    PrecompileResult, Precompiles, call_eth_precompile, u64_to_address,
};
use revm::primitives::{Address as EvmAddress, AddressSet, Bytes, U256, keccak256};
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};

use crate::execute::RULES;

/// As on Ethereum.
const RECOVERY_GAS: u64 = 3_000;
/// Digest, number of the recovery in a word, signature.
const RECOVERY_BYTES: usize = 128;

/// Where contracts learn what became of a virtual channel.
const OUTCOME: EvmAddress = u64_to_address(0xb1);
/// It looks through no more than a few outcomes.
const OUTCOME_GAS: u64 = 200;
const OUTCOME_BYTES: usize = 32;

/// What is precompiled, for one call.
pub(crate) struct Precompiled<'a> {
    same_for_all: EthPrecompiles,
    evidence: &'a [ChannelOutcome],
}

/// Named with the upgrade whose rules hold, or those of that would be put in their place.
pub(crate) fn precompiled(evidence: &[ChannelOutcome]) -> Precompiled<'_> {
    static ALL: OnceLock<Precompiles> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let mut all = Precompiles::homestead().clone();
        let outcome = Precompile::new(PrecompileId::custom("channel outcome"), OUTCOME, no_outcome);
        all.extend([Precompile::new(PrecompileId::EcRec, u64_to_address(1), run), outcome]);
        all
    });
    Precompiled { same_for_all: EthPrecompiles { precompiles: all, spec: RULES }, evidence }
}

impl<CTX: ContextTr> PrecompileProvider<CTX> for Precompiled<'_> {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: <CTX::Cfg as Cfg>::Spec) -> bool {
        PrecompileProvider::<CTX>::set_spec(&mut self.same_for_all, spec)
    }

    fn run(&mut self, context: &mut CTX, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        if inputs.bytecode_address != OUTCOME {
            return self.same_for_all.run(context, inputs);
        }
        let output = match outcome(self.evidence, &inputs.input.as_bytes(context), inputs.gas_limit) {
            Ok(output) => PrecompileOutput::new(output.gas_used, output.bytes, inputs.reservoir),
            Err(halt) => PrecompileOutput::halt(halt, inputs.reservoir),
        };
        Ok(Some(precompile_output_to_interpreter_result(output, inputs.gas_limit)))
    }

    fn warm_addresses(&self) -> &AddressSet {
        self.same_for_all.warm_addresses()
    }
}

/// What each party of the channel was paid; nothing where there is no evidence of that.
fn outcome(evidence: &[ChannelOutcome], input: &[u8], gas: u64) -> EthPrecompileResult {
    if gas < OUTCOME_GAS {
        return Err(PrecompileHalt::OutOfGas);
    }
    let found = evidence.iter().find(|outcome| input.len() == OUTCOME_BYTES && outcome.channel.0.0[..] == *input);
    let words = found.map(|outcome| outcome.paid.map(|paid| U256::from(paid.units()).to_be_bytes::<32>()));
    let bytes = words.map_or_else(Bytes::new, |words| words.concat().into());
    Ok(EthPrecompileOutput::new(OUTCOME_GAS, bytes))
}

/// What those without evidence would say.
fn no_outcome(input: &[u8], gas: u64, reservoir: u64) -> PrecompileResult {
    Ok(call_eth_precompile(|input, gas| outcome(&[], input, gas), input, gas, reservoir))
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
