//! How texts read, and that there is nothing in them but text.

use std::fmt::Write;

use byway_chat::content::limits::TEXT_BYTES_MAX;
use byway_chat::content::markdown::{Block, DEPTH_MAX, Inline, parse, plain};
use proptest::prelude::*;

/// The tree in one line: `p(…)`, `*(…)`, `**(…)`, `~(…)`, `[text](address)`, `@(identity)`, `|` for a new line.
fn line(blocks: &[Block]) -> String {
    blocks
        .iter()
        .map(|block| match block {
            Block::Paragraph(inlines) => format!("p({})", inline(inlines)),
            Block::Quote(blocks) => format!("q({})", line(blocks)),
            Block::Code { language, code } => format!("code {}({})", language.as_deref().unwrap_or("-"), code),
            Block::List { start, items } => {
                let items: Vec<_> = items.iter().map(|item| line(item)).collect();
                format!("{}({})", start.map_or("ul".to_owned(), |start| format!("ol {start}")), items.join(", "))
            }
        })
        .collect()
}

fn inline(inlines: &[Inline]) -> String {
    inlines.iter().fold(String::new(), |mut out, one| {
        let written = match one {
            Inline::Text(text) => write!(out, "{text}"),
            Inline::Break => write!(out, "|"),
            Inline::Emphasis(inner) => write!(out, "*({})", inline(inner)),
            Inline::Strong(inner) => write!(out, "**({})", inline(inner)),
            Inline::Strike(inner) => write!(out, "~({})", inline(inner)),
            Inline::Code(code) => write!(out, "`{code}`"),
            Inline::Link(link) => write!(out, "[{}]({})", inline(&link.text), link.to.href()),
            Inline::Mention(identity) => write!(out, "@({identity})"),
        };
        written.expect("a string takes all");
        out
    })
}

fn check(source: &str, expected: &str) {
    assert_eq!(line(&parse(source)), expected, "{source}");
}

#[test]
fn texts_read_as_markdown() {
    for (source, expected) in [
        ("hello\nworld", "p(hello|world)"),
        ("one\n\ntwo", "p(one)p(two)"),
        ("*a* **b** ~~c~~ `d < e`", "p(*(a) **(b) ~(c) `d < e`)"),
        ("> said\n\nno", "q(p(said))p(no)"),
        ("- a\n- b\n  1. c\n  2. d", "ul(p(a), p(b)ol 1(p(c), p(d)))"),
        ("```rust\nlet a = 1;\n\nlet b;\n```", "code rust(let a = 1;\n\nlet b;\n)"),
        ("    indented", "code -(indented)"),
        ("# Loud", "p(**(Loud))"),
        ("a_b_c * 2 * 3", "p(a_b_c * 2 * 3)"),
        ("| a | b |\n|---|---|", "p(| a | b |||---|---|)"),
        ("", ""),
        ("   \n\n  ", ""),
        (
            "[@Ada](mention:0202020202020202020202020202020202020202)!",
            "p(@(0202020202020202020202020202020202020202)!)",
        ),
        ("[@Ada](mention:02)", "p(@Ada)"),
    ] {
        check(source, expected);
    }
}

#[test]
fn addresses_are_links_where_they_can_be_followed() {
    for (source, expected) in [
        ("[here](https://example.org/a)", "p([here](https://example.org/a))"),
        ("<https://example.org>", "p([https://example.org](https://example.org/))"),
        ("<ada@example.org>", "p([ada@example.org](mailto:ada@example.org))"),
        (
            "see https://example.org/a_b_(c)?d=1#e, please",
            "p(see [https://example.org/a_b_(c)?d=1#e](https://example.org/a_b_(c)?d=1#e), please)",
        ),
        ("(http://example.org)", "p(([http://example.org](http://example.org/)))"),
        ("**https://example.org**", "p(**([https://example.org](https://example.org/)))"),
        ("`https://example.org`", "p(`https://example.org`)"),
        ("xhttps://example.org", "p(xhttps://example.org)"),
        ("[mail](mailto:ada@example.org?body=x&attach=/etc/passwd)", "p([mail](mailto:ada@example.org))"),
    ] {
        check(source, expected);
    }
}

#[test]
fn nothing_executes_and_nothing_is_fetched() {
    for (source, expected) in [
        ("<script>alert(1)</script>", "p(<script>alert(1)</script>)"),
        ("a <img src=x onerror=alert(1)> b", "p(a <img src=x onerror=alert(1)> b)"),
        ("<div>\n*a*\n</div>", "p(<div>|*a*|</div>)"),
        ("[a](javascript:alert(1))", "p(a)"),
        ("[a](JaVaScRiPt:alert(1))", "p(a)"),
        ("[a](data:text/html,x)", "p(a)"),
        ("[a](file:///etc/passwd)", "p(a)"),
        ("[a](/relative)", "p(a)"),
        ("[a](//example.org)", "p(a)"),
        ("[a](https://bank.example@evil.example)", "p(a)"),
        ("![cat](https://example.org/cat.png)", "p([cat](https://example.org/cat.png))"),
        ("![cat](data:image/png;base64,xx)", "p(cat)"),
        ("[![cat](https://a.example/c.png)](https://b.example)", "p([cat](https://b.example/))"),
        ("&lt;b&gt; &amp;", "p(<b> &)"),
        ("a&#8238;b&#x200b;c&#0;", "p(abc\u{fffd})"),
        ("[a&#8238;b](https://c.example)", "p([ab](https://c.example/))"),
        (
            "[](https://c.example) [&#8203;](https://d.example)",
            "p([https://c.example/](https://c.example/) [https://d.example/](https://d.example/))",
        ),
        ("a\u{202e}b\u{200b}c\u{0}d\u{2066}e", "p(abcde)"),
    ] {
        check(source, expected);
    }
}

fn depth(blocks: &[Block]) -> usize {
    let of_inlines = |inlines: &[Inline]| inline_depth(inlines);
    let of_block = |block: &Block| match block {
        Block::Paragraph(inlines) => of_inlines(inlines),
        Block::Quote(blocks) => depth(blocks),
        Block::List { items, .. } => 1 + items.iter().map(|item| depth(item)).max().unwrap_or(0),
        Block::Code { .. } => 0,
    };
    blocks.iter().map(|block| 1 + of_block(block)).max().unwrap_or(0)
}

fn inline_depth(inlines: &[Inline]) -> usize {
    let of = |one: &Inline| match one {
        Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Strike(inner) => 1 + inline_depth(inner),
        Inline::Link(link) => 1 + inline_depth(&link.text),
        _ => 0,
    };
    inlines.iter().map(of).max().unwrap_or(0)
}

/// The deepest and the longest that anyone could write comes to an end, is no deeper than it may be, and loses no word.
#[test]
fn what_is_too_deep_goes_on_in_one_level() {
    let fill = |part: &str| part.repeat(TEXT_BYTES_MAX / part.len());
    for (name, source) in [
        ("quotes", format!("{}end", ">".repeat(8000))),
        ("lists", (0..150).map(|depth| format!("{}- a\n", " ".repeat(depth * 2))).collect::<String>() + "\nend"),
        ("items", "- ".repeat(5000) + "end"),
        ("emphasis", "*a **b ".repeat(1000) + &"** *".repeat(1000) + " end"),
        ("brackets", fill("[") + "end"),
        ("pictures", fill("![") + "end"),
        (
            "references",
            "[a]: https://example.org/".to_owned() + &"x".repeat(2000) + "\n\n" + &"[a] ".repeat(3000) + "end",
        ),
        ("ticks", (1..150).map(|count| "`".repeat(count) + " ").collect::<String>() + "end"),
        ("addresses", fill("http://a.b/)")[..TEXT_BYTES_MAX - 20].to_owned() + " end"),
        ("brackets of an address", "http://a.b/".to_owned() + &")".repeat(16000) + " end"),
        ("html", fill("<a ").replace("<a <a <a <a <a <a <a <a <a <a ", "<a ") + "end"),
    ] {
        let tree = parse(&source);
        assert!(depth(&tree) <= DEPTH_MAX + 1, "{name}: {}", depth(&tree));
        let shown = plain(&tree);
        assert!(
            source.len() > TEXT_BYTES_MAX || shown.ends_with("end"),
            "{name}: {}",
            &shown[shown.len().saturating_sub(20)..]
        );
        assert!(shown.len() <= 16 * TEXT_BYTES_MAX, "{name}: {}", shown.len());
    }
}

#[test]
fn a_text_without_its_marks() {
    let source = "# A\n\n- *b* [c](https://d.example)\n- `e`\n\n> f\n\n[@Ada](mention:0202020202020202020202020202020202020202) g";
    assert_eq!(plain(&parse(source)), "A\nb c\ne\nf\n@ g");
}

proptest! {
    #[test]
    fn no_text_upsets_the_reader(source in "([a-z ]|[*_~`>\\[\\]()!<#\\-\n\t\\\\]|http://a\\.b|&#8238;|&#x200b;|\\PC){0,200}") {
        let tree = parse(&source);
        prop_assert!(depth(&tree) <= DEPTH_MAX + 1);
        let shown = plain(&tree);
        let is_clean = |c: char| matches!(c, '\n' | '\t') || !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        prop_assert!(shown.chars().all(is_clean), "{:?}", shown);
    }
}
