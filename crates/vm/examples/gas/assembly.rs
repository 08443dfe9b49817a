//! Code of the virtual machine, written by hand.

/// Instructions that are used by name; others stand in the tables of the cases.
pub mod op {
    pub const STOP: u8 = 0x00;
    pub const ADD: u8 = 0x01;
    pub const GT: u8 = 0x11;
    pub const KECCAK256: u8 = 0x20;
    pub const BALANCE: u8 = 0x31;
    pub const CALLDATACOPY: u8 = 0x37;
    pub const CODECOPY: u8 = 0x39;
    pub const EXTCODESIZE: u8 = 0x3b;
    pub const EXTCODECOPY: u8 = 0x3c;
    pub const EXTCODEHASH: u8 = 0x3f;
    pub const POP: u8 = 0x50;
    pub const MSTORE: u8 = 0x52;
    pub const MSTORE8: u8 = 0x53;
    pub const SLOAD: u8 = 0x54;
    pub const SSTORE: u8 = 0x55;
    pub const JUMP: u8 = 0x56;
    pub const JUMPI: u8 = 0x57;
    pub const GAS: u8 = 0x5a;
    pub const JUMPDEST: u8 = 0x5b;
    pub const TSTORE: u8 = 0x5d;
    pub const MCOPY: u8 = 0x5e;
    pub const PUSH0: u8 = 0x5f;
    pub const PUSH1: u8 = 0x60;
    pub const DUP1: u8 = 0x80;
    pub const SWAP1: u8 = 0x90;
    pub const LOG0: u8 = 0xa0;
    pub const CREATE: u8 = 0xf0;
    pub const CALL: u8 = 0xf1;
    pub const CALLCODE: u8 = 0xf2;
    pub const DELEGATECALL: u8 = 0xf4;
    pub const STATICCALL: u8 = 0xfa;
    pub const REVERT: u8 = 0xfd;
    pub const SELFDESTRUCT: u8 = 0xff;
}

/// Puts a number on the stack.
pub fn push(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let used = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    [&[op::PUSH0 + used.len() as u8], used].concat()
}

/// Puts 32 bytes on the stack.
pub fn push_word(word: [u8; 32]) -> Vec<u8> {
    [&[op::PUSH1 + 31], &word[..]].concat()
}

/// Copies the `count` uppermost words.
pub fn copy_top(count: u8) -> Vec<u8> {
    vec![op::DUP1 + count - 1; count.into()]
}

/// `body` over and over, as long as there is more gas than `least`.
pub fn repeated(setup: &[u8], body: &[u8], times: usize, least: u64) -> Vec<u8> {
    let begin = setup.len() as u64;
    let bodies = body.repeat(times);
    let again = [push(least), vec![op::GAS, op::GT], push(begin), vec![op::JUMPI, op::STOP]].concat();
    [setup, &[op::JUMPDEST], &bodies, &again].concat()
}
