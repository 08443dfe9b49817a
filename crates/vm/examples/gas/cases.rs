//! What each class of instructions costs at its worst: the operands that take longest, and around them as little as can be.

use byway_vm::Address;

use crate::assembly::{copy_top, op, push, push_word, repeated};

/// Where the code stands that is called, and the first of those that it calls.
pub const MAIN: Address = address(0xaaaa);
pub const OTHERS: u64 = 0x10_0000;
/// As large as code may be.
pub const LARGEST_CODE_BYTES: usize = 24 * 1024;
/// What a body that is repeated leaves, so that the call returns.
const LEAST: u64 = 200_000;

/// One thing to measure.
pub struct Case {
    pub name: String,
    pub code: Vec<u8>,
    pub storage: Vec<(u64, u64)>,
    /// Code of other contracts, from [`OTHERS`] on.
    pub others: Vec<Vec<u8>>,
    /// The witness shows what a call of the first of the others touches, and not what this one does.
    pub shows_more: bool,
}

pub const fn address(number: u64) -> Address {
    let mut bytes = [0; 20];
    let number = number.to_be_bytes();
    let mut index = 0;
    while index < 8 {
        bytes[12 + index] = number[index];
        index += 1;
    }
    Address(bytes)
}

pub fn all() -> Vec<Case> {
    let parts = [
        arithmetic(),
        surroundings(),
        memory(),
        hashing(),
        storage(),
        calls(),
        precompiled(),
        creation(),
        large_code(),
        large_witness(),
    ];
    parts.into_iter().flatten().collect()
}

/// `body` as often as there is gas for.
fn looped(name: impl Into<String>, setup: &[u8], body: &[u8], times: usize) -> Case {
    let code = repeated(setup, body, times, LEAST);
    Case { name: name.into(), code, storage: Vec::new(), others: Vec::new(), shows_more: false }
}

/// An instruction that takes these words, the first of them from the top, and gives one.
fn instruction(name: &str, byte: u8, words: &[[u8; 32]]) -> Case {
    let setup: Vec<u8> = words.iter().rev().flat_map(|word| push_word(*word)).collect();
    let body = [copy_top(words.len() as u8), vec![byte, op::POP]].concat();
    looped(name, &setup, &body, 64)
}

fn small(number: u8) -> [u8; 32] {
    let mut word = [0; 32];
    word[31] = number;
    word
}

fn arithmetic() -> Vec<Case> {
    let largest = [0xff; 32];
    let odd = [0xb7; 32];
    let (mut half, mut short, mut negative) = ([0xff; 32], [0xef; 32], [0xff; 32]);
    half[..15].fill(0);
    short[..24].fill(0);
    negative[0] = 0x80;
    let binary = [
        ("ADD", 0x01, largest, odd),
        ("MUL", 0x02, largest, odd),
        ("SUB", 0x03, odd, largest),
        ("DIV", 0x04, largest, half),
        ("DIV by a number of 64 bits", 0x04, largest, short),
        ("SDIV", 0x05, negative, half),
        ("MOD", 0x06, largest, half),
        ("SMOD", 0x07, negative, half),
        ("EXP of 32 bytes", 0x0a, odd, largest),
        ("EXP of one byte", 0x0a, odd, small(0xff)),
        ("SIGNEXTEND", 0x0b, small(7), odd),
        ("LT", 0x10, largest, odd),
        ("SGT", 0x13, negative, odd),
        ("EQ", 0x14, odd, odd),
        ("XOR", 0x18, largest, odd),
        ("BYTE", 0x1a, small(3), odd),
        ("SHL", 0x1b, small(77), odd),
        ("SAR", 0x1d, small(77), negative),
    ];
    let two = |(name, byte, first, second): (&str, u8, _, _)| instruction(name, byte, &[first, second]);
    let mut cases: Vec<Case> = binary.into_iter().map(two).collect();
    cases.push(instruction("ADDMOD", 0x08, &[largest, odd, half]));
    cases.push(instruction("MULMOD", 0x09, &[largest, odd, half]));
    cases.push(instruction("MULMOD by the largest", 0x09, &[odd, odd, largest]));
    cases.push(looped("JUMPDEST", &[], &[op::JUMPDEST], 4_000));
    cases.push(looped("PUSH32", &[], &[push_word(odd), vec![op::POP]].concat(), 64));
    cases.push(looped("SWAP16", &push(1).repeat(17), &[op::SWAP1 + 15], 256));
    cases.push(jumps());
    cases
}

/// A jump to the next instruction, and the next, …
fn jumps() -> Case {
    let mut body = vec![op::JUMPDEST];
    for _ in 0..1_000 {
        let next = body.len() as u16 + 4;
        body.extend([op::PUSH1 + 1]);
        body.extend(next.to_be_bytes());
        body.extend([op::JUMP, op::JUMPDEST]);
    }
    let again = [push(LEAST), vec![op::GAS, op::GT], push(0), vec![op::JUMPI, op::STOP]].concat();
    Case { code: [body, again].concat(), ..looped("JUMP", &[], &[], 0) }
}

fn surroundings() -> Vec<Case> {
    let nothing_taken = [
        ("ADDRESS", 0x30),
        ("ORIGIN", 0x32),
        ("CALLER", 0x33),
        ("CALLVALUE", 0x34),
        ("CALLDATASIZE", 0x36),
        ("GASPRICE", 0x3a),
        ("COINBASE", 0x41),
        ("TIMESTAMP", 0x42),
        ("NUMBER", 0x43),
        ("PREVRANDAO", 0x44),
        ("CHAINID", 0x46),
        ("SELFBALANCE", 0x47),
        ("BLOBBASEFEE", 0x4a),
        ("MSIZE", 0x59),
        ("GAS", 0x5a),
    ];
    let mut cases: Vec<Case> = nothing_taken.into_iter().map(|(name, byte)| instruction(name, byte, &[])).collect();
    cases.push(instruction("CALLDATALOAD", 0x35, &[small(3)]));
    cases.push(instruction("BLOCKHASH", 0x40, &[small(39)]));
    cases.push(looped("BLOCKHASH of many", &push(1), &[0x80, 0x40, op::POP], 64));
    cases.push(instruction("BLOBHASH", 0x49, &[small(0)]));
    let accounts = [("BALANCE", op::BALANCE), ("EXTCODESIZE", op::EXTCODESIZE), ("EXTCODEHASH", op::EXTCODEHASH)];
    for (name, byte) in accounts {
        cases.push(instruction(&format!("{name}, known"), byte, &[small(0x77)]));
        cases.push(looped(format!("{name}, new"), &push(OTHERS), &next_and(&[byte, op::POP]), 32));
    }
    cases
}

/// Counts the word on top up by one, and has `rest` take a copy of it.
fn next_and(rest: &[u8]) -> Vec<u8> {
    [&push(1)[..], &[op::ADD, op::DUP1], rest].concat()
}

fn memory() -> Vec<Case> {
    let mut cases = vec![
        looped("MLOAD", &[], &[op::PUSH0, 0x51, op::POP], 64),
        looped("MSTORE", &[], &[op::PUSH0, op::PUSH0, op::MSTORE], 64),
        looped("MSTORE8", &[], &[op::PUSH0, op::PUSH0, op::MSTORE8], 64),
        looped("memory that grows by a word", &push(0), &[next_word(), vec![op::PUSH0, 0x81, op::MSTORE]].concat(), 32),
    ];
    for bytes in [32, 1_024, 32_768] {
        let to_begin = [push(bytes), vec![op::PUSH0, op::PUSH0]].concat();
        for (name, byte) in [("MCOPY", op::MCOPY), ("CALLDATACOPY", op::CALLDATACOPY), ("CODECOPY", op::CODECOPY)] {
            cases.push(looped(format!("{name} of {bytes} bytes"), &[], &[&to_begin[..], &[byte]].concat(), 8));
        }
        let other = [to_begin, push(OTHERS), vec![op::EXTCODECOPY]].concat();
        cases.push(Case {
            others: vec![vec![op::JUMPDEST; LARGEST_CODE_BYTES]],
            ..looped(format!("EXTCODECOPY of {bytes} bytes"), &[], &other, 8)
        });
    }
    for topics in [0, 4] {
        for bytes in [0, 1_024] {
            let taken = [push(0).repeat(topics.into()), push(bytes), push(0)].concat();
            cases.push(looped(
                format!("LOG{topics} of {bytes} bytes"),
                &[],
                &[taken, vec![op::LOG0 + topics]].concat(),
                8,
            ));
        }
    }
    let grows = [push(0), push(22_000), vec![op::MSTORE, op::STOP]].concat();
    cases.push(Case {
        others: vec![grows],
        ..looped("CALL that grows memory", &[], &call(op::STATICCALL, OTHERS, 0), 32)
    });
    cases
}

fn next_word() -> Vec<u8> {
    [push(32), vec![op::ADD]].concat()
}

fn hashing() -> Vec<Case> {
    let sizes = [0, 1, 32, 64, 135, 136, 1_024, 65_536];
    let hash = |bytes| [push(bytes), vec![op::PUSH0, op::KECCAK256, op::POP]].concat();
    sizes.into_iter().map(|bytes| looped(format!("KECCAK256 of {bytes} bytes"), &[], &hash(bytes), 8)).collect()
}

fn storage() -> Vec<Case> {
    let many: Vec<(u64, u64)> = (0..100).map(|slot| (1_000_000 + slot, 7)).collect();
    let once = |name: &str, body: &[u8]| Case {
        code: [push(1_000_000 - 1), body.repeat(many.len()), vec![op::STOP]].concat(),
        storage: many.clone(),
        ..looped(name, &[], &[], 0)
    };
    vec![
        instruction("SLOAD, known", op::SLOAD, &[small(1)]),
        Case {
            storage: vec![(1, 1)],
            ..looped("SLOAD, new and absent", &push(1_000), &next_and(&[op::SLOAD, op::POP]), 32)
        },
        once("SLOAD, new and there", &next_and(&[op::SLOAD, op::POP])),
        looped("SSTORE, known", &push(5), &[push(1), vec![op::ADD, op::DUP1, op::PUSH0, op::SSTORE]].concat(), 32),
        looped("SSTORE, new", &push(1_000), &next_and(&[op::DUP1, op::SSTORE]), 8),
        once("SSTORE, another number", &next_and(&[op::DUP1, op::SSTORE])),
        once("SSTORE, zero", &[push(1), vec![op::ADD, op::PUSH0, 0x81, op::SSTORE]].concat()),
        instruction("TLOAD", 0x5c, &[small(1)]),
        looped("TSTORE", &[], &[op::PUSH0, op::PUSH0, op::TSTORE], 64),
        looped("TSTORE, new", &push(1_000), &next_and(&[op::DUP1, op::TSTORE]), 32),
    ]
}

/// A call with all gas and `input_bytes` of input, from which nothing is taken.
fn call(byte: u8, to: u64, input_bytes: u64) -> Vec<u8> {
    let value = if byte == op::CALL || byte == op::CALLCODE { push(0) } else { Vec::new() };
    [push(0), push(0), push(input_bytes), push(0), value, push(to), vec![op::GAS, byte, op::POP]].concat()
}

fn calls() -> Vec<Case> {
    let kinds = [
        ("CALL", op::CALL),
        ("CALLCODE", op::CALLCODE),
        ("DELEGATECALL", op::DELEGATECALL),
        ("STATICCALL", op::STATICCALL),
    ];
    let mut cases = Vec::new();
    for (name, byte) in kinds {
        cases.push(looped(format!("{name} of nobody"), &[], &call(byte, 0x77, 0), 32));
        cases.push(Case {
            others: vec![vec![op::STOP]],
            ..looped(format!("{name} of a contract"), &[], &call(byte, OTHERS, 0), 32)
        });
    }
    cases.push(Case {
        others: vec![vec![op::STOP; LARGEST_CODE_BYTES]],
        ..looped("STATICCALL of the largest contract", &[], &call(op::STATICCALL, OTHERS, 0), 32)
    });
    // A call of one that calls itself, as deep as its gas lets it, again and again.
    let deep = [call(op::STATICCALL, OTHERS, 0), vec![op::STOP]].concat();
    for gas in [20_000, 60_000] {
        let input = [push(0).repeat(4), push(OTHERS), push(gas), vec![op::STATICCALL, op::POP]].concat();
        let name = format!("STATICCALL of one that calls itself with {gas} gas");
        cases.push(Case { others: vec![deep.clone()], ..looped(name, &[], &input, 1) });
    }
    cases.push(Case {
        code: [call(op::STATICCALL, 0xaaaa, 0), vec![op::STOP]].concat(),
        ..looped("STATICCALL of itself", &[], &[], 0)
    });
    let reverts = [push(1), push(0), vec![op::TSTORE], push(0), push(0), vec![op::REVERT]].concat();
    cases.push(Case {
        others: vec![reverts],
        ..looped("CALL that writes and reverts", &[], &call(op::CALL, OTHERS, 0), 32)
    });
    cases
}

/// The contracts at addresses 1 to 4. What the first is given is a signature as good as any: its key is recovered.
fn precompiled() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, to, sizes) in
        [("SHA-256", 2, [0, 55, 32_768]), ("RIPEMD-160", 3, [0, 55, 32_768]), ("identity", 4, [0, 1_024, 32_768])]
    {
        for bytes in sizes {
            cases.push(looped(
                format!("{name} of {bytes} bytes"),
                &[],
                &call(op::STATICCALL, to, bytes),
                if bytes > 1_024 { 1 } else { 8 },
            ));
        }
    }
    let put = |place: u64, word: [u8; 32]| [push_word(word), push(place), vec![op::MSTORE]].concat();
    let mut r = [0; 32];
    // The abscissa of the generator, so that there is a point to recover.
    for (byte, digits) in r.iter_mut().zip(GENERATOR.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).expect("digits"), 16).expect("digits");
    }
    let setup = [put(0, [0x5a; 32]), put(32, small(27)), put(64, r), put(96, [0x33; 32])].concat();
    cases.push(looped("recovery of a signer", &setup, &call(op::STATICCALL, 1, 128), 16));
    let wrong = [put(0, [0x5a; 32]), put(32, small(27)), put(64, small(5)), put(96, [0x33; 32])].concat();
    cases.push(looped("recovery of no signer", &wrong, &call(op::STATICCALL, 1, 128), 16));
    cases
}

const GENERATOR: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn creation() -> Vec<Case> {
    let create = |bytes: u64| [push(bytes), push(0), push(0), vec![op::CREATE, op::POP]].concat();
    let filled = [push(49_152), push(0), push(0), vec![op::CODECOPY]].concat();
    let jumpdests = [vec![op::JUMPDEST; 4_096], filled.clone()].concat();
    let ends = [push_word([0; 32]), push(0), vec![op::MSTORE]].concat();
    let mut dies = [0; 32];
    dies[..2].copy_from_slice(&[0x30, op::SELFDESTRUCT]);
    let dies = [push_word(dies), push(0), vec![op::MSTORE]].concat();
    vec![
        looped("CREATE of nothing", &[], &create(0), 1),
        looped("CREATE with the longest input", &[jumpdests, ends].concat(), &create(49_152), 1),
        looped("CREATE and SELFDESTRUCT", &dies, &create(32), 1),
    ]
}

/// As many contracts with the largest code as a witness shows, each looked at once.
fn large_code() -> Vec<Case> {
    const CONTRACTS: usize = 90;
    let code = |mark: usize| {
        let mut code = vec![op::JUMPDEST; LARGEST_CODE_BYTES];
        code[0] = op::STOP;
        code[1..9].copy_from_slice(&(mark as u64).to_be_bytes());
        code
    };
    let once = |name: &str, rest: &[u8], others: Vec<Vec<u8>>| Case {
        code: [push(OTHERS - 1), next_and(rest).repeat(others.len()), vec![op::STOP]].concat(),
        others,
        ..looped(name, &[], &[], 0)
    };
    let alike = || vec![code(0); CONTRACTS];
    let different = || (0..CONTRACTS).map(code).collect::<Vec<_>>();
    let called: Vec<u8> = [vec![op::PUSH0; 4], vec![op::DUP1 + 4, op::GAS, op::STATICCALL, op::POP, op::POP]].concat();
    vec![
        once("STATICCALL of large contracts, all alike", &called, alike()),
        once("STATICCALL of large contracts, all different", &called, different()),
        once("EXTCODESIZE of large contracts, all alike", &[op::EXTCODESIZE, op::POP], alike()),
        once("EXTCODESIZE of large contracts, all different", &[op::EXTCODESIZE, op::POP], different()),
    ]
}

/// A call that does nothing, on a witness of as many entries as fit into one.
fn large_witness() -> Vec<Case> {
    const ENTRIES: u64 = 1_480;
    let reads: Vec<u8> = (1..=ENTRIES).flat_map(|slot| [push(slot), vec![op::SLOAD, op::POP]].concat()).collect();
    vec![Case {
        code: vec![op::STOP],
        others: vec![reads],
        storage: (1..=ENTRIES).map(|slot| (slot, 1)).collect(),
        shows_more: true,
        ..looped("a large witness", &[], &[], 0)
    }]
}
