//! Calls of contracts as people type them, and what contracts return, in the coding that Ethereum's tools use.
//!
//! A call is raw input behind `0x`, or a function's signature with its arguments: `'move(uint256,bytes32)' 3 0x…`. Types in
//! a second parenthesis say how the output is read: `'winner()(address)'`.

use std::path::Path;

use alloy_dyn_abi::{DynSolType, DynSolValue, FunctionExt, JsonAbiExt, Specifier};
use alloy_json_abi::{Constructor, Function, JsonAbi, Param};
use anyhow::{Context, anyhow, bail};
use byway_primitives::IdentityId;
use serde_json::Value;

/// The words that stand for the two parties' addresses.
pub const ME: &str = "me";
pub const PEER: &str = "peer";

/// Who the two parties are.
#[derive(Debug, Clone, Copy)]
pub struct Parties {
    pub me: IdentityId,
    pub peer: IdentityId,
}

/// A call that was typed.
#[derive(Debug, Clone)]
pub struct TypedCall {
    /// Selector and arguments.
    pub input: Vec<u8>,
    function: Option<Function>,
}

/// What a compiler has written.
#[derive(Debug, Clone)]
pub struct Compiled {
    create: Vec<u8>,
    /// What the constructor takes, if that is known.
    takes: Option<Vec<Param>>,
}

/// Whether some word stands for a party.
pub fn names_parties(words: &[String]) -> bool {
    words.iter().any(|word| word == ME || word == PEER)
}

impl TypedCall {
    /// `parties` are needed where [`names_parties`].
    pub fn read(words: &[String], parties: Option<Parties>) -> anyhow::Result<Self> {
        let (first, arguments) = words.split_first().context("a call is missing; write `'move(uint256)' 3`, or 0x…")?;
        if first.starts_with("0x") {
            if !arguments.is_empty() {
                bail!("{first} is the whole call already; leave the arguments out, or write the function's signature");
            }
            return Ok(Self { input: raw(first)?, function: None });
        }
        let function = Function::parse(first).map_err(|_| {
            anyhow!("`{first}` is no signature of a function; write name and types, such as 'move(uint256,bytes32)'")
        })?;
        let values = values(&function.inputs, arguments, parties)?;
        Ok(Self { input: function.abi_encode_input(&values)?, function: Some(function) })
    }

    /// What was returned, where the signature says how to read it.
    pub fn decode(&self, output: &[u8]) -> anyhow::Result<Option<Vec<Value>>> {
        let Some(function) = self.function.as_ref().filter(|function| !function.outputs.is_empty()) else {
            return Ok(None);
        };
        let values = function.abi_decode_output(output).map_err(|_| {
            let (types, output) = (types(&function.outputs), hex::encode(output));
            anyhow!(
                "the contract returned 0x{output}, which is not {types}; correct the types in the second parenthesis"
            )
        })?;
        Ok(Some(values.iter().map(json_of).collect()))
    }
}

impl Compiled {
    pub fn load(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{} can't be read; say where the compiled contract is", file.display()))?;
        Self::parse(&text).with_context(|| format!("{} can't be used", file.display()))
    }

    /// The code that a contract runs, where the compiler wrote that.
    pub fn load_running(file: &Path) -> anyhow::Result<Vec<u8>> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{} can't be read; say where the compiled contract is", file.display()))?;
        Self::parse_running(&text).with_context(|| format!("{} can't be used", file.display()))
    }

    pub fn parse_running(text: &str) -> anyhow::Result<Vec<u8>> {
        let text = text.trim();
        if !text.starts_with('{') {
            return digits(text);
        }
        let json: Value = serde_json::from_str(text).context("it is neither hex digits nor JSON; compile it again")?;
        let contract = only_contract(&json)?;
        let places = ["/evm/deployedBytecode/object", "/deployedBytecode/object", "/deployedBytecode", "/bin-runtime"];
        let code = places.iter().find_map(|place| contract.pointer(place)?.as_str());
        let missing = "there is no code in it that runs; have the compiler write `evm.deployedBytecode.object`";
        digits(code.context(missing)?)
    }

    /// Hex digits, or JSON as `solc`, its wrappers and `examples/contracts/compile.mjs` write it.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let text = text.trim();
        if !text.starts_with('{') {
            return Ok(Self { create: digits(text)?, takes: None });
        }
        let json: Value = serde_json::from_str(text).context("it is neither hex digits nor JSON; compile it again")?;
        let contract = only_contract(&json)?;
        let places = ["/create", "/evm/bytecode/object", "/bytecode/object", "/bytecode", "/bin"];
        let code = places.iter().find_map(|place| contract.pointer(place)?.as_str());
        let code = code.context("there is no code in it; have the compiler write `evm.bytecode.object`")?;
        let abi = contract.get("abi").map(|abi| serde_json::from_value::<JsonAbi>(abi.clone())).transpose();
        let abi = abi.context("its ABI is none; compile it again")?;
        let takes = abi.map(|abi| abi.constructor.map(|constructor| constructor.inputs).unwrap_or_default());
        Ok(Self { create: digits(code)?, takes })
    }

    /// The code with what its constructor takes behind it.
    pub fn with_arguments(&self, words: &[String], parties: Option<Parties>) -> anyhow::Result<Vec<u8>> {
        let takes_one = self.takes.as_ref().is_some_and(|takes| takes.len() == 1);
        let encoded = match (&self.takes, words.split_first()) {
            (_, Some((first, []))) if first.starts_with("0x") && !takes_one => raw(first)?,
            (Some(takes), _) => encode(takes.clone(), words, parties)?,
            (None, None) => Vec::new(),
            (None, Some((signature, arguments))) => {
                let signature = format!("constructor{}", signature.trim_start_matches("constructor"));
                let constructor = Constructor::parse(&signature).map_err(|_| {
                    anyhow!("the file has no ABI; write the types before the arguments: 'constructor(address,uint256)'")
                })?;
                encode(constructor.inputs, arguments, parties)?
            }
        };
        Ok([self.create.clone(), encoded].concat())
    }
}

/// What a contract says where it does not return.
pub fn failure_text(output: &[u8]) -> String {
    let said = |signature: &str| {
        let function = Function::parse(signature).ok()?;
        let arguments = output.strip_prefix(function.selector().as_slice())?;
        function.abi_decode_input(arguments).ok()?.first().map(|value| text_of(&json_of(value)))
    };
    match (said("Error(string)"), said("Panic(uint256)")) {
        (Some(why), _) => why,
        (_, Some(number)) => format!("a check of the language failed (panic {number})"),
        _ if output.is_empty() => "it says no reason".to_owned(),
        _ => format!("0x{}", hex::encode(output)),
    }
}

/// A value as people read it.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => format!("[{}]", values.iter().map(text_of).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// The contract itself, where the compiler has written more around it.
fn only_contract(json: &Value) -> anyhow::Result<&Value> {
    let mut found = vec![json];
    if let Some(contracts) = json.get("contracts").and_then(Value::as_object) {
        // By file and name, or by both in one word.
        let holds_code =
            |value: &Value| value.get("abi").is_some() || value.get("evm").is_some() || value.get("bin").is_some();
        found = contracts
            .values()
            .flat_map(|value| match holds_code(value) {
                true => vec![value],
                false => value.as_object().into_iter().flat_map(|named| named.values()).collect(),
            })
            .collect();
    }
    match found[..] {
        [one] => Ok(one),
        _ => bail!("there are {} contracts in it; write the one that is meant into a file of its own", found.len()),
    }
}

fn encode(takes: Vec<Param>, words: &[String], parties: Option<Parties>) -> anyhow::Result<Vec<u8>> {
    let constructor =
        Constructor { inputs: takes, ..Constructor::parse("constructor()").map_err(|error| anyhow!("{error}"))? };
    Ok(constructor.abi_encode_input(&values(&constructor.inputs, words, parties)?)?)
}

fn values(params: &[Param], words: &[String], parties: Option<Parties>) -> anyhow::Result<Vec<DynSolValue>> {
    if params.len() != words.len() {
        let (wanted, given) = (types(params), words.len());
        bail!("it takes {} arguments {wanted}, and {given} are given; write one word for each", params.len());
    }
    params.iter().zip(words).map(|(param, word)| value(param, word, parties)).collect()
}

fn value(param: &Param, word: &str, parties: Option<Parties>) -> anyhow::Result<DynSolValue> {
    let of_type: DynSolType = param.resolve().map_err(|_| {
        anyhow!("`{}` is no type of an argument; write one such as uint256, address or bytes32", param.ty)
    })?;
    let named = match (word, parties) {
        (ME, Some(parties)) => Some(parties.me.to_string()),
        (PEER, Some(parties)) => Some(parties.peer.to_string()),
        _ => None,
    };
    let word = named.filter(|_| of_type == DynSolType::Address).unwrap_or_else(|| word.to_owned());
    of_type
        .coerce_str(&word)
        .map_err(|_| anyhow!("`{word}` is no {}; write {}", of_type.sol_type_name(), form_of(&of_type)))
}

/// How a value of a type is written.
fn form_of(of_type: &DynSolType) -> String {
    match of_type {
        DynSolType::Bool => "true or false".to_owned(),
        DynSolType::Uint(_) => "a number that fits, whole or with a unit, such as 3, 0x1f or 1.5ether".to_owned(),
        DynSolType::Int(_) => "a number that fits, such as 3 or -3".to_owned(),
        DynSolType::Address => format!("40 hex digits, `{ME}` or `{PEER}`"),
        DynSolType::FixedBytes(count) => format!("{} hex digits behind 0x", 2 * count),
        DynSolType::Array(inner) | DynSolType::FixedArray(inner, _) => format!("[…, …], each {}", form_of(inner)),
        DynSolType::Tuple(_) => "(…, …), a value for each type".to_owned(),
        _ => "hex digits behind 0x".to_owned(),
    }
}

fn types(params: &[Param]) -> String {
    let types: Vec<String> = params.iter().map(|param| param.selector_type().into_owned()).collect();
    format!("({})", types.join(","))
}

fn json_of(value: &DynSolValue) -> Value {
    match value {
        DynSolValue::Bool(is_so) => Value::Bool(*is_so),
        DynSolValue::Int(number, _) => number.to_string().into(),
        DynSolValue::Uint(number, _) => number.to_string().into(),
        DynSolValue::FixedBytes(word, count) => hex_text(&word[..*count]),
        DynSolValue::Address(address) => hex_text(address.as_slice()),
        DynSolValue::Function(function) => hex_text(function.as_slice()),
        DynSolValue::Bytes(bytes) => hex_text(bytes),
        DynSolValue::String(text) => text.clone().into(),
        DynSolValue::Array(values) | DynSolValue::FixedArray(values) | DynSolValue::Tuple(values) => {
            values.iter().map(json_of).collect()
        }
    }
}

fn hex_text(bytes: &[u8]) -> Value {
    format!("0x{}", hex::encode(bytes)).into()
}

fn raw(word: &str) -> anyhow::Result<Vec<u8>> {
    hex::decode(word.trim_start_matches("0x"))
        .map_err(|_| anyhow!("`{word}` is not whole bytes in hex; write two digits for each byte"))
}

/// The compiler's code.
fn digits(text: &str) -> anyhow::Result<Vec<u8>> {
    if text.contains("__") {
        bail!(
            "the code needs libraries that are not linked; channels have none, so write their functions as internal ones"
        );
    }
    let code = hex::decode(text.trim_start_matches("0x"))
        .map_err(|_| anyhow!("its code is not hex digits, two for each byte; compile it again"))?;
    if code.is_empty() {
        bail!("its code is empty; an interface or an abstract contract can't be created");
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTIES: Parties = Parties { me: IdentityId([0x11; 20]), peer: IdentityId([0x22; 20]) };

    fn call(words: &[&str]) -> anyhow::Result<TypedCall> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        TypedCall::read(&words, Some(PARTIES))
    }

    fn word(end: &str) -> String {
        format!("{end:0>64}")
    }

    fn padded(start: &str) -> String {
        format!("{start:0<64}")
    }

    /// The examples of Solidity's own specification of the coding.
    #[test]
    fn arguments_are_coded_as_the_specification_says() {
        for (words, expected) in [
            (&["baz(uint32,bool)", "69", "true"][..], ["cdcd77c0".to_owned(), word("45"), word("1")].concat()),
            (
                &["bar(bytes3[2])", "[0x616263,0x646566]"],
                ["fce353f6".to_owned(), padded("616263"), padded("646566")].concat(),
            ),
            (
                &["sam(bytes,bool,uint256[])", "0x64617665", "true", "[1, 2, 3]"],
                [
                    ["a5643bf2".to_owned(), word("60"), word("1"), word("a0"), word("4"), padded("64617665")].concat(),
                    [word("3"), word("1"), word("2"), word("3")].concat(),
                ]
                .concat(),
            ),
            (
                &[
                    "f(uint256,uint32[],bytes10,bytes)",
                    "0x123",
                    "[0x456,0x789]",
                    "0x31323334353637383930",
                    "0x48656c6c6f2c20776f726c6421",
                ],
                [
                    ["8be65246".to_owned(), word("123"), word("80"), padded("31323334353637383930"), word("e0")]
                        .concat(),
                    [word("2"), word("456"), word("789"), word("d"), padded("48656c6c6f2c20776f726c6421")].concat(),
                ]
                .concat(),
            ),
            (
                &["transfer(address,uint256)", "peer", "10"],
                ["a9059cbb".to_owned(), word(&"22".repeat(20)), word("a")].concat(),
            ),
            (&["0x4e71d92d"], "4e71d92d".to_owned()),
        ] {
            assert_eq!(hex::encode(call(words).expect("it fits").input), expected, "{words:?}");
        }
    }

    #[test]
    fn numbers_may_be_negative_and_money_in_coins() {
        assert_eq!(hex::encode(&call(&["set(int8)", "-2"]).expect("it fits").input[4..]), "f".repeat(63) + "e");
        let typed = call(&["pay(uint256)", "1.5ether"]).expect("it fits");
        assert_eq!(hex::encode(&typed.input[4..]), word(&format!("{:x}", 1_500_000_000_000_000_000_u64)));
    }

    #[test]
    fn what_is_returned_is_read_by_the_types_in_the_second_parenthesis() {
        let output = hex::decode([word("5"), word("60"), word("1"), word("2"), padded("6869")].concat()).expect("hex");
        let typed = call(&["look()(int8,string,bool)"]).expect("it fits");
        assert_eq!(typed.decode(&output).expect("it fits"), Some(vec!["5".into(), "hi".into(), true.into()]));
        let lists = call(&["look()(uint8[2],(bool,bytes1))"]).expect("it fits");
        let output = hex::decode([word("1"), word("2"), word("0"), padded("7f")].concat()).expect("hex");
        let values = lists.decode(&output).expect("it fits").expect("there are types");
        assert_eq!(values.iter().map(text_of).collect::<Vec<_>>(), ["[1, 2]", "[false, 0x7f]"]);
        assert_eq!(call(&["look()"]).expect("it fits").decode(&output).expect("no types"), None);
        let wrong = typed.decode(&[1, 2]).expect_err("it is too short").to_string();
        assert!(wrong.contains("0x0102, which is not (int8,string,bool)"), "{wrong}");
    }

    #[test]
    fn why_a_call_reverts_is_said() {
        let said = ["08c379a0".to_owned(), word("20"), word("9"), padded("6e6f74206f70656e21")].concat();
        for (output, expected) in [
            (said, "not open!".to_owned()),
            (["4e487b71".to_owned(), word("11")].concat(), "a check of the language failed (panic 17)".to_owned()),
            (String::new(), "it says no reason".to_owned()),
            ("08c379a0".to_owned(), "0x08c379a0".to_owned()),
        ] {
            assert_eq!(failure_text(&hex::decode(output).expect("hex")), expected);
        }
    }

    #[test]
    fn code_is_found_in_what_compilers_write() {
        let abi = r#"[{"type": "constructor", "stateMutability": "nonpayable", "inputs": [{"name": "who", "type": "address"}, {"name": "count", "type": "uint8"}]}]"#;
        let whole = ["6001".to_owned(), word(&"11".repeat(20)), word("3")].concat();
        for (text, words, expected) in [
            ("6001\n".to_owned(), &[][..], "6001"),
            ("0x6001".to_owned(), &["0x07"], "600107"),
            ("6001".to_owned(), &["constructor(address,uint8)", "me", "3"], &whole),
            ("6001".to_owned(), &["(address,uint8)", "me", "3"], &whole),
            (format!(r#"{{"create": "6001", "abi": {abi}}}"#), &["me", "3"], &whole),
            (format!(r#"{{"bytecode": {{"object": "0x6001"}}, "abi": {abi}}}"#), &["me", "3"], &whole),
            (format!(r#"{{"bytecode": "0x6001", "abi": {abi}}}"#), &["0x07"], "600107"),
            (
                format!(
                    r#"{{"contracts": {{"A.sol": {{"A": {{"evm": {{"bytecode": {{"object": "6001"}}}}, "abi": {abi}}}}}}}}}"#
                ),
                &["me", "3"],
                &whole,
            ),
            (format!(r#"{{"contracts": {{"A.sol:A": {{"bin": "6001", "abi": {abi}}}}}}}"#), &["me", "3"], &whole),
            (r#"{"create": "6001", "abi": []}"#.to_owned(), &[], "6001"),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let code = Compiled::parse(&text).and_then(|compiled| compiled.with_arguments(&words, Some(PARTIES)));
            assert_eq!(hex::encode(code.unwrap_or_else(|error| panic!("{text}: {error:#}"))), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_code_is_refused_with_a_remedy() {
        for (text, remedy) in [
            ("", "an interface or an abstract contract"),
            ("xyz", "compile it again"),
            ("{", "compile it again"),
            ("{}", "evm.bytecode.object"),
            (r#"{"create": "60__$lib$__01"}"#, "as internal ones"),
            (r#"{"contracts": {"A.sol:A": {"bin": "60"}, "A.sol:B": {"bin": "61"}}}"#, "into a file of its own"),
        ] {
            let error = format!("{:#}", Compiled::parse(text).expect_err(text));
            assert!(error.contains(remedy), "{text}: {error}");
        }
        let compiled = Compiled::parse("6001").expect("it is code");
        let error = compiled.with_arguments(&["3".to_owned()], None).expect_err("types are missing").to_string();
        assert!(error.contains("constructor(address,uint256)"), "{error}");
    }
}
