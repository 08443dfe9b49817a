//! Who may import whom among our crates.
//!
//! The table is the architecture: a crate that isn't allowed to see another can't come to depend on it by accident.
//! Changing it is a design decision, so it wants a decision record.

use super::{Import, Manifest, Use, Violation};

const RULE: &str = "imports";

/// Every crate whose behaviour depends on its inputs alone.
pub const PURE: [&str; 14] = [
    "primitives",
    "crypto",
    "records",
    "ledger",
    "kernel",
    "vm",
    "channel",
    "dialogue",
    "access",
    "overlay",
    "storage",
    "custody",
    "chat",
    "peer",
];

/// What a package may import of ours.
enum Allowed {
    Only(&'static [&'static str]),
    /// [`PURE`], and these.
    PureAnd(&'static [&'static str]),
    Anything,
}

use Allowed::{Anything, Only, PureAnd};

/// One line per package.
const TABLE: [(&str, Allowed); 20] = [
    ("primitives", Only(&[])),
    ("crypto", Only(&["primitives"])),
    ("records", Only(&["primitives", "crypto"])),
    ("vm", Only(&["primitives", "crypto", "records"])),
    ("ledger", Only(&["primitives", "crypto", "records", "vm"])),
    ("kernel", Only(&["primitives", "crypto", "records", "ledger"])),
    ("dialogue", Only(&["primitives", "crypto", "records"])),
    ("channel", Only(&["primitives", "crypto", "records", "vm", "dialogue"])),
    ("access", Only(&["primitives", "crypto", "records", "dialogue"])),
    ("overlay", Only(&["primitives", "crypto", "records", "dialogue"])),
    ("storage", Only(&["primitives", "crypto", "records", "dialogue", "overlay"])),
    ("chat", Only(&["primitives", "crypto", "records", "dialogue", "overlay"])),
    ("custody", Only(&["primitives", "crypto", "records"])),
    ("peer", PureAnd(&[])),
    ("driver", Only(&["primitives", "crypto", "records"])),
    ("node", PureAnd(&["driver"])),
    ("sim", PureAnd(&[])),
    ("bench", Anything),
    ("fuzz", Anything),
    ("xtask", Only(&[])),
];

/// Checks what one package imports of ours.
pub fn check(manifest: &Manifest) -> Vec<Violation> {
    let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == manifest.name) else {
        return vec![Violation {
            file: manifest.file.clone(),
            line: 1,
            rule: RULE,
            message: format!(
                "`{}` has no line in the table of xtask/src/tidy/imports.rs; add what it may import",
                manifest.name
            ),
        }];
    };
    let local = manifest.imports.iter().filter(|import| import.is_local);
    let forbidden = local.filter(|import| !is_allowed(&manifest.name, allowed, import));
    forbidden.map(|import| manifest.violation(import, RULE, message(&manifest.name, allowed, import))).collect()
}

fn is_allowed(name: &str, allowed: &Allowed, import: &Import) -> bool {
    let imported = import.name.as_str();
    // Tests of a pure crate may build their scene from any other pure crate; a crate may also test itself.
    if import.usage == Use::Dev && PURE.contains(&name) && (PURE.contains(&imported) || imported == name) {
        return true;
    }
    match allowed {
        Only(names) => names.contains(&imported),
        PureAnd(names) => PURE.contains(&imported) || names.contains(&imported),
        Anything => true,
    }
}

fn message(name: &str, allowed: &Allowed, import: &Import) -> String {
    let may = match allowed {
        Only([]) => "no crate of ours".to_owned(),
        Only(names) => names.join(", "),
        PureAnd([]) => "the pure crates".to_owned(),
        PureAnd(names) => format!("the pure crates and {}", names.join(", ")),
        Anything => "anything".to_owned(),
    };
    let remedy = match import.usage {
        Use::Normal => "move what both need into a crate below both, usually `records` or `primitives`",
        Use::Dev => "a test that needs more belongs into `sim` or `node`",
    };
    format!("`{name}` may import {may}, not `{}`; {remedy}", import.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(name: &str, imported: &str, usage: Use) -> Vec<Violation> {
        let import = Import { name: imported.to_owned(), usage, is_local: true, is_wildcard: false, line: 4 };
        check(&Manifest { name: name.to_owned(), file: "Cargo.toml".into(), imports: vec![import] })
    }

    #[test]
    fn the_table_is_the_design() {
        for (name, imported, usage, allowed) in [
            ("crypto", "primitives", Use::Normal, true),
            ("primitives", "crypto", Use::Normal, false),
            ("kernel", "ledger", Use::Normal, true),
            ("access", "ledger", Use::Normal, false),
            ("access", "dialogue", Use::Normal, true),
            ("dialogue", "access", Use::Normal, false),
            ("chat", "storage", Use::Normal, false),
            ("ledger", "vm", Use::Normal, true),
            ("peer", "custody", Use::Normal, true),
            ("peer", "driver", Use::Normal, false),
            ("driver", "peer", Use::Normal, false),
            ("driver", "kernel", Use::Normal, false),
            ("node", "driver", Use::Normal, true),
            ("node", "sim", Use::Normal, false),
            ("sim", "peer", Use::Normal, true),
            ("sim", "driver", Use::Normal, false),
            ("sim", "driver", Use::Dev, false),
            ("kernel", "dialogue", Use::Dev, true),
            ("kernel", "sim", Use::Dev, false),
            ("kernel", "driver", Use::Dev, false),
            ("xtask", "primitives", Use::Normal, false),
        ] {
            let violations = check_one(name, imported, usage);
            assert_eq!(violations.is_empty(), allowed, "{name} imports {imported} as {usage:?}: {violations:?}");
        }
    }

    #[test]
    fn a_crate_without_a_line_is_refused() {
        let violations = check_one("newcomer", "primitives", Use::Normal);
        assert!(violations[0].message.contains("has no line in the table"), "{violations:?}");
    }

    #[test]
    fn crates_from_a_registry_are_not_its_business() {
        let import =
            Import { name: "driver".to_owned(), usage: Use::Normal, is_local: false, is_wildcard: false, line: 1 };
        let manifest = Manifest { name: "crypto".into(), file: "Cargo.toml".into(), imports: vec![import] };
        assert_eq!(check(&manifest), []);
    }

    /// No crate may reach itself, whatever else the table says.
    #[test]
    fn the_table_has_no_cycle() {
        let below = |name: &str| match TABLE.iter().find(|(row, _)| *row == name) {
            Some((_, Only(names))) => names.to_vec(),
            _ => Vec::new(),
        };
        for (name, _) in &TABLE {
            let mut reached = below(name);
            let mut next = 0;
            while next < reached.len() {
                assert_ne!(reached[next], *name, "{name} imports itself");
                let more: Vec<_> = below(reached[next]).into_iter().filter(|more| !reached.contains(more)).collect();
                reached.extend(more);
                next += 1;
            }
        }
    }
}
