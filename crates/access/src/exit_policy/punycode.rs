//! Labels of names beyond ASCII as they stand in DNS (RFC 3492), so that a list may be written as people read it.
//!
//! Letters are made lower case by the rules of Unicode and not normalised further: whoever copies a name from the address line
//! of a browser gets the form that DNS has.

const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const BIAS: u32 = 72;
const FIRST: u32 = 128;

/// A label in lower case, in ASCII; `None` if it is too large for numbers of 32 bits.
pub(super) fn label(text: &str) -> Option<String> {
    let lower: Vec<u32> = text.chars().flat_map(char::to_lowercase).map(u32::from).collect();
    let plain: String = lower.iter().filter_map(|code| char::from_u32(*code)).filter(char::is_ascii).collect();
    if plain.len() == lower.len() {
        return Some(plain);
    }
    let (mut code, mut delta, mut bias) = (FIRST, 0u32, BIAS);
    let basic = plain.len() as u32;
    let mut handled = basic;
    let mut out = if plain.is_empty() { String::new() } else { plain + "-" };
    while (handled as usize) < lower.len() {
        let next = lower.iter().copied().filter(|known| *known >= code).min()?;
        delta = delta.checked_add((next - code).checked_mul(handled + 1)?)?;
        code = next;
        for known in &lower {
            if *known < code {
                delta = delta.checked_add(1)?;
            } else if *known == code {
                number(delta, bias, &mut out);
                bias = adapt(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        code += 1;
    }
    Some(format!("xn--{out}"))
}

/// A number of variable length.
fn number(mut value: u32, bias: u32, out: &mut String) {
    let mut step = BASE;
    loop {
        let threshold = step.saturating_sub(bias).clamp(T_MIN, T_MAX);
        if value < threshold {
            return out.push(digit(value));
        }
        out.push(digit(threshold + (value - threshold) % (BASE - threshold)));
        value = (value - threshold) / (BASE - threshold);
        step += BASE;
    }
}

fn digit(value: u32) -> char {
    char::from(if value < 26 { b'a' + value as u8 } else { b'0' + (value - 26) as u8 })
}

fn adapt(delta: u32, points: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / points;
    let mut steps = 0;
    while delta > ((BASE - T_MIN) * T_MAX) / 2 {
        delta /= BASE - T_MIN;
        steps += BASE;
    }
    steps + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples of RFC 3492, section 7.1, that have no capitals, and everyday ones.
    #[test]
    fn labels_are_as_in_the_standard() {
        for (text, expected) in [
            ("example", "example"),
            ("ExAmPle-1", "example-1"),
            ("münchen", "xn--mnchen-3ya"),
            ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"),
            ("почемужеонинеговорятпорусски", "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l"),
            ("3年b組金八先生", "xn--3b-ww4c5e180e575a65lsy2b"),
            ("ひとつ屋根の下2", "xn--2-u9tlzr9756bt3uc0v"),
        ] {
            assert_eq!(label(text).as_deref(), Some(expected), "{text}");
        }
    }
}
