//! Numbers as people read them.

/// `1 h 02 min`, `3 min 20 s`, `5 s`.
pub fn duration(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest} s"),
        (0, _) => format!("{minutes} min {rest:02} s"),
        (1..24, _) => format!("{hours} h {minutes:02} min"),
        _ => format!("{} d {} h", hours / 24, hours % 24),
    }
}
