//! What is asked before something is done that can't be undone.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::bail;

/// Asks a person, unless that was answered on the command line.
pub fn confirm(yes: bool, question: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    let is_terminal = stdin.is_terminal();
    // On standard error, which is there for people also where the output goes to a program.
    ask(question, is_terminal, &mut stdin.lock(), &mut std::io::stderr().lock())
}

fn ask(question: &str, is_terminal: bool, input: &mut impl BufRead, shown: &mut impl Write) -> anyhow::Result<()> {
    if !is_terminal {
        writeln!(shown, "{question}")?;
        bail!("there is nobody to ask, and nothing was done; add --yes if that is what is wanted");
    }
    write!(shown, "{question} [y/N] ")?;
    shown.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing was done"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one_and_where_nobody_is_there_it_has_to_be_on_the_command_line() {
        for (answer, is_terminal, is_yes) in [
            ("y\n", true, true),
            ("yes\n", true, true),
            ("\n", true, false),
            ("n\n", true, false),
            ("y\n", false, false),
        ] {
            let mut shown = Vec::new();
            let asked = ask("Pay it?", is_terminal, &mut answer.as_bytes(), &mut shown);
            assert_eq!(asked.is_ok(), is_yes, "{answer:?} {is_terminal}");
            assert!(String::from_utf8(shown).unwrap().starts_with("Pay it?"));
            assert_eq!(asked.is_err_and(|error| error.to_string().contains("--yes")), !is_terminal);
        }
        assert!(confirm(true, "Pay it?").is_ok());
    }
}
