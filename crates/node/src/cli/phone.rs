//! Phones that open this node: `byway phone`.

use qrcodegen::{QrCode, QrCodeEcc};

use super::output::{ago, now};
use super::wallet::show;
use super::{Globals, Outcome, PhoneCommand, Table};
use crate::api::*;

/// Light modules around a code, without which cameras don't find it.
const QUIET: i32 = 2;

pub async fn phone(globals: &Globals, command: PhoneCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        PhoneCommand::Link { name } => {
            let invitation: PhoneInvitation = client.call("phone_link", &PhoneLink { name }).await?;
            show(globals, &invitation, invitation_text)?;
        }
        PhoneCommand::List => {
            let status: PhoneStatus = client.call("phone_list", &Nothing {}).await?;
            show(globals, &status, status_text)?;
        }
        PhoneCommand::Unlink { name } => {
            let phone: Phone = client.call("phone_unlink", &PhoneUnlink { name }).await?;
            show(globals, &phone, |phone| format!("{} opens this node no more.\n", phone.name))?;
        }
    }
    Ok(Outcome::Done)
}

fn invitation_text(invitation: &PhoneInvitation) -> String {
    let PhoneInvitation { url, fingerprint, .. } = invitation;
    format!(
        "{}\n{url}\n\n\
         Scan this with a phone in the same network; it opens once, within five minutes. The phone's browser will warn of a certificate\n\
         that nobody vouches for. Look at it there, and go on only if its SHA-256 fingerprint is this one:\n\n{}\n",
        drawn(url),
        lines_of(fingerprint),
    )
}

/// Two lines of a fingerprint, as wide as a terminal.
fn lines_of(fingerprint: &str) -> String {
    let pairs: Vec<&str> = fingerprint.split(':').collect();
    pairs.chunks(16).map(|half| format!("  {}\n", half.join(":"))).collect()
}

/// A QR code in characters that are two modules high, light on dark: terminals mostly are dark. Nothing where it would be too long.
pub(super) fn drawn(text: &str) -> String {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Low) else { return String::new() };
    let is_light = |x: i32, y: i32| !code.get_module(x, y);
    let end = code.size() + QUIET;
    let mut lines = String::new();
    for y in (-QUIET..end).step_by(2) {
        for x in -QUIET..end {
            // Below the last line there is nothing.
            lines.push(match (is_light(x, y), y + 1 < end && is_light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        lines.push('\n');
    }
    lines
}

fn status_text(status: &PhoneStatus) -> String {
    let mut table = Table::new(&["name", "linked"]);
    for phone in &status.phones {
        table.row([phone.name.clone(), ago(phone.linked_ms, now())]);
    }
    let phones = table.text("No phone is linked.");
    match (&status.url, &status.fingerprint) {
        (Some(url), Some(fingerprint)) => format!("{phones}\n{url}\n{}", lines_of(fingerprint)),
        _ => format!("{phones}\nNo door is open for phones: `[phone]` in the configuration.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read back module by module, the drawing is the code with its border.
    #[test]
    fn a_code_is_drawn_whole() {
        let text = "https://192.168.1.20:7072/#link=abcdefghijklmnop";
        let code = QrCode::encode_text(text, QrCodeEcc::Low).unwrap();
        let lines: Vec<Vec<char>> = drawn(text).lines().map(|line| line.chars().collect()).collect();
        let side = code.size() + 2 * QUIET;
        assert_eq!(lines.len() as i32, (side + 1) / 2);
        for y in 0..side {
            for x in 0..side {
                let shown = lines[y as usize / 2][x as usize];
                let is_light = if y % 2 == 0 { "█▀" } else { "█▄" }.contains(shown);
                assert_eq!(is_light, !code.get_module(x - QUIET, y - QUIET), "at {x}, {y}");
            }
        }
    }

    #[test]
    fn a_fingerprint_takes_two_lines_and_loses_nothing() {
        let pairs: Vec<String> = (0..32).map(|byte| format!("{byte:02X}")).collect();
        let lines = lines_of(&pairs.join(":"));
        assert_eq!(lines.lines().count(), 2);
        assert_eq!(lines.lines().flat_map(|line| line.trim().split(':')).collect::<Vec<_>>(), pairs);
    }
}
