//! What configuration files say, and what is said of those that are wrong.

use super::*;

const PEER: &str = "role = \"peer\"\nnetwork = \"network.json\"\n";
const KERNEL: &str = "role = \"kernel\"\nnetwork = \"network.json\"\n[kernel]\nlisten = \"0.0.0.0:7100\"\n";
const PROVIDER: &str = "[provider]\ncountry = \"de\"\nasn = 64496\nprice_per_mb = \"0.01\"\nbandwidth_bps = 1\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/byway/config.toml"))
}

fn plugged(service: &str, more: &str) -> String {
    let section = format!("[[provider.plugged]]\nservice = \"{service}\"\nprice_per_mb = \"1\"\n{more}\n");
    format!("{PEER}{PROVIDER}services = []\n{section}")
}

#[test]
fn a_service_that_plugs_in_is_enough_and_its_paths_count_from_the_file() {
    let config = parse(&plugged("http-fetch", "command = [\"./fetch\", \"-v\"]")).unwrap();
    let (service, selling) = config.provider.unwrap().plugged[0].selling().unwrap();
    assert_eq!(Some(service), Service::of_name("http-fetch"));
    let crate::plugged::Source::Command { command, .. } = selling.source else { panic!("a command") };
    assert_eq!(command, ["/etc/byway/./fetch", "-v"]);
}

#[test]
fn the_example_is_valid_and_shows_the_defaults() {
    let example = include_str!("../../../../config.example.toml");
    let config = parse(example).unwrap();
    let plain = parse(PEER).unwrap();
    assert_eq!((config.proxy, config.rpc, config.page), (plain.proxy, plain.rpc, plain.page));
    assert_eq!((config.link.listen, config.log), (plain.link.listen, plain.log));
    // With every comment sign before a key removed it is still valid, so that no key in it is misspelt.
    let uncommented: String =
        example.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).flat_map(|line| [line, "\n"]).collect();
    assert!(parse(&uncommented).unwrap().provider.is_some());
}

/// A key that can't be is refused with a list of those that can, for each section.
#[test]
fn the_example_shows_every_key() {
    let example = include_str!("../../../../config.example.toml");
    let lines: Vec<&str> = example.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect();
    let heads: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with('[')).collect();
    let mut missing = Vec::new();
    for head in heads {
        let name = lines[head].trim_matches(['[', ']']);
        let own = lines[head + 1..].iter().take_while(|line| !line.starts_with('['));
        let own: Vec<&str> = own.map(|line| line.trim_start_matches("# ")).collect();
        let mut wrong = lines.clone();
        wrong.insert(head + 1, "no_such_key = 1");
        let error = parse(&wrong.join("\n")).unwrap_err().to_string();
        let (_, expected) = error.split_once("expected ").unwrap_or_else(|| panic!("{name}: {error}"));
        // The example itself is named, too.
        for key in expected.split('`').skip(1).step_by(2).filter(|key| !key.contains('.')) {
            let is_section = lines.iter().any(|line| line.trim_matches(['[', ']']) == format!("{name}.{key}"));
            let is_key = own.iter().any(|line| line.starts_with(&format!("{key} =")));
            missing.extend((!is_section && !is_key).then(|| format!("{name}.{key}")));
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "config.example.toml does not show these");
}

#[test]
fn the_kernel_nodes_example_is_valid_with_and_without_what_it_proposes() {
    let example = include_str!("../../../../deploy/kernel.example.toml");
    let plain = parse(example).unwrap().kernel.unwrap();
    assert_eq!((plain.rpc, plain.metrics), (None, None), "nothing is opened unasked");
    assert_eq!(plain.keep_epochs.number(), Some(7));
    let archive = parse(&format!("{KERNEL}keep_epochs = \"all\"")).unwrap().kernel.unwrap();
    assert_eq!(archive.keep_epochs.number(), None);
    let all: String = example.lines().map(|line| format!("{}\n", line.strip_prefix("#: ").unwrap_or(line))).collect();
    let all = parse(&all).unwrap().kernel.unwrap();
    assert_eq!(all.rpc.map(|rpc| rpc.access), Some(KernelRpcAccess::Token));
    assert!(all.metrics.unwrap().listen.ip().is_loopback());
}

#[test]
fn either_price_is_enough_and_what_is_paid_for_names_the_limit() {
    for prices in ["price_per_mb = \"1\"", "price_per_second = \"1\"", "price_per_mb = \"1\"\nprice_per_second = \"1\""]
    {
        let provider = PROVIDER.replace("price_per_mb = \"0.01\"", prices);
        assert!(parse(&format!("{PEER}{provider}")).is_ok(), "{prices}");
    }
    let by = |text: &str| parse(&format!("{PEER}[buying]\n{text}")).unwrap().buying.max_price();
    assert_eq!(by("max_price_per_mb = \"1\""), Some(Amount::from_coins(1)));
    assert_eq!(by("per = \"second\"\nmax_price_per_second = \"2\""), Some(Amount::from_coins(2)));
    assert_eq!(by("per = \"second\""), None);
}

#[test]
fn a_price_too_many_is_said_before_it_is_left_out() {
    let better = |count: usize| {
        let one = |index: usize| format!("{{ min_reputation = {index}, price_per_mb = \"1\" }}");
        (0..count).map(one).collect::<Vec<_>>().join(", ")
    };
    let config = |count| parse(&format!("{PEER}{PROVIDER}better_prices = [{}]\n", better(count)));
    assert!(config(15).is_ok());
    assert!(config(16).unwrap_err().to_string().contains("`provider.better_prices`"));
}

#[test]
fn paths_count_from_the_file() {
    let config = parse(&format!("dir = \"data\"\n{PEER}[backup]\nfile = \"books\"")).unwrap();
    let backup = config.backup.unwrap().settings();
    assert_eq!((backup.file.as_path(), backup.every.0), (Path::new("/etc/byway/books"), 600_000));
    assert_eq!(config.dir.unwrap(), Path::new("/etc/byway/data"));
    assert_eq!(config.network.unwrap(), Path::new("/etc/byway/network.json"));
}

#[test]
fn errors_name_the_key_the_value_and_a_remedy() {
    for (text, expected) in [
        ("", &["missing field `role`"][..]),
        ("role = \"boss\"", &["boss", "peer"]),
        ("role = \"peer\"", &["`network`", "(missing)", "genesis file"]),
        ("role = \"kernel\"\nnetwork = \"n\"", &["`kernel`", "(missing)", "add [kernel]"]),
        ("role = \"relay\"", &["`relay`", "add [relay]"]),
        (&format!("{PEER}[kernel]\nlisten = \"0.0.0.0:1\""), &["`kernel`", "(present)", "remove it"]),
        (&format!("{PEER}[relay]\nlisten = \"0.0.0.0:1\""), &["`relay`", "remove it"]),
        (&format!("{PEER}prxoy = 1"), &["unknown field `prxoy`", "config.example.toml"]),
        (&format!("{PEER}[proxy]\nlisten = \"0.0.0.0:1080\""), &["`proxy.listen`", "0.0.0.0:1080", "127.0.0.1"]),
        (&format!("{PEER}[rpc]\nlisten = \"192.168.1.2:7071\""), &["`rpc.listen`", "192.168.1.2:7071"]),
        (&format!("{PEER}[rpc]\nlisten = \"127.0.0.1:7070\""), &["`page.listen`", "choose another port"]),
        (&format!("{PEER}[rpc]\nlisten = \"localhost\""), &["localhost", "socket address"]),
        (&format!("{KERNEL}keep_epochs = 0"), &["keep_epochs = 0", "from 1 on"]),
        (&format!("{KERNEL}keep_epochs = \"none\""), &["none", "\"all\""]),
        (&format!("{KERNEL}[kernel.rpc]\nlisten = \"0.0.0.0:7101\""), &["`kernel.rpc.listen`", "public"]),
        (&format!("{KERNEL}[kernel.rpc]\nlisten = \"127.0.0.1:1\"\naccess = \"all\""), &["all", "public"]),
        (
            &format!("{KERNEL}[kernel.rpc]\nlisten = \"127.0.0.1:7\"\n[kernel.metrics]\nlisten = \"127.0.0.1:7\""),
            &["`kernel.metrics.listen`", "choose another port"],
        ),
        (&format!("{PEER}[metrics]\nlisten = \"0.0.0.0:9100\""), &["`metrics.listen`", "127.0.0.1"]),
        (&format!("{PEER}[link]\nrelay = \"example.org\""), &["`link.relay`", "example.org", "https://"]),
        (&format!("{PEER}[backup]\nfile = \"b\"\nevery = \"10\""), &["every = \"10\"", "30m"]),
        (&format!("{KERNEL}[backup]\nfile = \"b\""), &["`backup`", "(present)", "kernel backup"]),
        (&format!("{PEER}[link]\npublic = [\"0.0.0.0:7300\"]"), &["`link.public`", "0.0.0.0:7300", "forwards"]),
        (&format!("{PEER}[log]\nlevel = \"=\""), &["`log.level`", "info"]),
        (&format!("{PEER}[hub]\npeer_payments_max = 25"), &["`hub.peer_payments_max`", "24"]),
        (&format!("{PEER}[hub]\ndelta_seconds = 599"), &["`hub.delta_seconds`", "600"]),
        (&format!("{PEER}[hub]\ndelta_seconds = 3601"), &["`hub.delta_seconds`", "3600"]),
        (&format!("{PEER}[spending]\nday_max = 5.5"), &["day_max = 5.5", "string"]),
        (&format!("{PEER}[spending]\nday_max = \"five\""), &["day_max = \"five\"", "decimal number"]),
        (&format!("{PEER}[buying]\ncountry = \"Germany\""), &["Germany", "two letters"]),
        (&format!("{PEER}[ledger]\naddresses = [\"k1\"]"), &["k1", "name=host:port"]),
        (&format!("{PEER}[ledger]\ncheckpoint = \"12\""), &["checkpoint = \"12\"", "HEIGHT:DIGEST"]),
        (&format!("{PEER}{}", PROVIDER.replace("= 1\n", "= 0\n")), &["`provider.bandwidth_bps`", "100000000"]),
        (
            &format!("{PEER}{}", PROVIDER.replace("price_per_mb = \"0.01\"\n", "")),
            &["`provider.price_per_mb`", "price_per_second"],
        ),
        (
            &format!("{PEER}[buying]\nper = \"second\"\nmax_price_per_mb = \"1\""),
            &["`buying.max_price_per_mb`", "`per`"],
        ),
        (&format!("{PEER}[buying]\nper = \"hour\""), &["hour", "`second`"]),
        (&format!("{PEER}{PROVIDER}services = [\"bot\"]"), &["`provider.services`", "bot", "socks"]),
        (&format!("{PEER}{PROVIDER}services = []"), &["`provider.services`", "nothing"]),
        (&plugged("fetch", "command = [\"x\"]"), &["`provider.plugged.service`", "fetch", "such as http-fetch"]),
        (&plugged("a-b", ""), &["`provider.plugged.service`", "no program", "`command`", "`socket`"]),
        (&plugged("a-b", "command = [\"x\"]\nsocket = \"s\""), &["a-b", "two programs"]),
        (&plugged("a-b", "command = []"), &["`provider.plugged.command`", "no program"]),
        (&format!("{PEER}{PROVIDER}exit_allow = [\"10.0.0.0/40\"]"), &["10.0.0.0/40", "address"]),
        (&format!("{PEER}{PROVIDER}exit_allow = [\"*:25\"]"), &["`provider.exit_allow`", "*:25"]),
        (&format!("{PEER}{PROVIDER}exit_deny = [\"a b\"]"), &["a b", "example.com"]),
        (&format!("{PEER}{PROVIDER}rate_max_bps = 7"), &["`provider.rate_max_bps`", "7"]),
        (&format!("{PEER}{PROVIDER}clients_max = 0"), &["`provider.clients_max`", "0"]),
    ] {
        let error = parse(text).map(|_| ()).expect_err(text).to_string();
        assert!(error.contains("/etc/byway/config.toml"), "{error}");
        for part in expected {
            assert!(error.contains(part), "{part:?} is missing in: {error}");
        }
    }
}

#[test]
fn what_a_system_has_not_is_refused_and_the_rest_is_sold() {
    let linux = System { has_firewall: true, has_program_sockets: true };
    let macos = System { has_firewall: false, ..linux };
    let windows = System { has_program_sockets: false, ..macos };
    let selling = |services: &str| format!("{PEER}{PROVIDER}services = [{services}]");
    let (tunnel, socks) = (selling("\"socks\", \"tunnel\""), selling("\"socks\", \"relay\""));
    let plugged = plugged("a-b", "socket = \"s\"");
    for (text, system, expected) in [
        (&tunnel, linux, None),
        (&tunnel, macos, Some(["`provider.services` = tunnel", "needs Linux for now", "\"socks\""])),
        (&tunnel, windows, Some(["`provider.services` = tunnel", "needs Linux for now", "\"socks\""])),
        (&socks, windows, None),
        (&plugged, macos, None),
        (&plugged, windows, Some(["`provider.plugged.service` = a-b", "Unix sockets", "Linux or macOS"])),
        (&PEER.to_owned(), windows, None),
    ] {
        let refused = parse(text).unwrap().check_system(system).err();
        let refused = refused.map(|problem| problem.in_file(Path::new("config.toml")).to_string());
        match (&refused, expected) {
            (None, None) => {}
            (Some(error), Some(parts)) => assert!(parts.iter().all(|part| error.contains(part)), "{error}"),
            _ => panic!("{system:?}: {refused:?}\n{text}"),
        }
    }
}
