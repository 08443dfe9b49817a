//! Who may read a secret on Windows, where that is no part of how a file is made.
//!
//! A file has the rights of the folder it is made in. In the user's own data folder these are right: the user, the system and
//! its administrators. Anywhere else (`--dir D:\byway`) everyone may read. So whatever is secret gets these three and nobody
//! else, as long as it is empty. The system's own program for that is asked, since its functions need code that this
//! workspace forbids; the user is named by number, because names are translated and may be strange.

/// The system itself, and its administrators, who can take what they want anyway.
const SYSTEM: &str = "S-1-5-18";
const ADMINISTRATORS: &str = "S-1-5-32-544";

/// What is asked for: whether what a folder will hold has the same rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
}

/// What the program is told beside the path, for a user of this number.
fn arguments(user: &str, kind: Kind) -> Vec<String> {
    let inherited = match kind {
        Kind::File => "",
        Kind::Folder => "(OI)(CI)",
    };
    let mut arguments = vec!["/inheritance:r".to_owned(), "/q".to_owned()];
    for who in [user, SYSTEM, ADMINISTRATORS] {
        arguments.extend(["/grant:r".to_owned(), format!("*{who}:{inherited}F")]);
    }
    arguments
}

/// The user's number in what `whoami /user /fo csv /nh` prints: `"machine\name","S-1-5-21-…"`.
fn user_in(line: &str) -> Option<&str> {
    let number = line.trim().rsplit(',').next()?.strip_prefix('"')?.strip_suffix('"')?;
    let is_number = number.strip_prefix("S-1-")?.split('-').all(|part| part.parse::<u64>().is_ok());
    is_number.then_some(number)
}

#[cfg(windows)]
pub use system::restrict;

#[cfg(windows)]
mod system {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::sync::OnceLock;

    use super::{Kind, arguments, user_in};

    /// Who runs this process; it doesn't change.
    static USER: OnceLock<String> = OnceLock::new();

    /// Leaves `path`, which is there, to its user, the system and its administrators.
    ///
    /// # Errors
    /// It can't be done, for instance since the disk's file system knows no rights.
    pub fn restrict(path: &Path, kind: Kind) -> io::Result<()> {
        let failed =
            |why: String| io::Error::other(format!("access to {} can't be kept to its owner: {why}", path.display()));
        let user = user().map_err(|error| failed(error.to_string()))?;
        let mut command = program("icacls.exe");
        let output = command.arg(path).args(arguments(user, kind)).stdin(Stdio::null()).output();
        let output = output.map_err(|error| failed(format!("icacls.exe can't be run: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    fn user() -> io::Result<&'static str> {
        if let Some(user) = USER.get() {
            return Ok(user);
        }
        let output = program("whoami.exe").args(["/user", "/fo", "csv", "/nh"]).stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let user = user_in(&text).ok_or_else(|| io::Error::other("whoami.exe doesn't say who the user is"))?;
        Ok(USER.get_or_init(|| user.to_owned()))
    }

    /// One of the system's own programs, wherever the search path leads.
    fn program(name: &str) -> Command {
        let system = std::env::var_os("SystemRoot").map_or_else(|| PathBuf::from(r"C:\Windows"), PathBuf::from);
        Command::new(system.join("System32").join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_number() {
        for (line, expected) in [
            ("\"desk\\ann\",\"S-1-5-21-1-2-3-1001\"\r\n", Some("S-1-5-21-1-2-3-1001")),
            ("\"desk\\ann, \"\"the\"\" boss\",\"S-1-5-21-7\"", Some("S-1-5-21-7")),
            ("\"nt authority\\system\",\"S-1-5-18\"", Some("S-1-5-18")),
            ("\"desk\\ann\",\"S-1-5-x:F\"", None),
            ("\"desk\\ann\",\"S-1-\"", None),
            ("desk\\ann", None),
            ("", None),
        ] {
            assert_eq!(user_in(line), expected, "{line}");
        }
    }

    #[test]
    fn three_may_and_nobody_else() {
        let common = ["/inheritance:r", "/q"];
        for (kind, rights) in [(Kind::File, "F"), (Kind::Folder, "(OI)(CI)F")] {
            let asked = arguments("S-1-5-21-7", kind);
            assert_eq!(asked[..2], common);
            let granted: Vec<&str> = asked[2..].chunks(2).map(|pair| pair[1].as_str()).collect();
            let expected = ["S-1-5-21-7", "S-1-5-18", "S-1-5-32-544"].map(|who| format!("*{who}:{rights}"));
            assert_eq!(granted, expected);
            assert!(asked[2..].chunks(2).all(|pair| pair[0] == "/grant:r"));
        }
    }
}
