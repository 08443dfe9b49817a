//! The machine's resolver file, `/etc/resolv.conf`: replaced while a tunnel is up, and put back as it was.
//!
//! The first line of ours is how it is known again, so that what somebody else has written in the meantime (a DHCP client,
//! NetworkManager) is never overwritten by a backup. Where the file is a symbolic link (`systemd-resolved`), the link is
//! what is replaced and restored, never what it points to. Replacing is by renaming, so a reader sees the one or the other;
//! where that is impossible because the file is a mount of its own (containers, network namespaces), it is written in
//! place.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::host_network::HostNetworkError;

const MARKER: &str =
    "# Written by Byway while its tunnel is up; `byway firewall reset` puts back what was here before.\n";
/// The C library reads three.
const RESOLVERS_USED: usize = 3;
/// The longest file that is kept to be put back, in bytes. Real ones have some hundred.
pub(super) const RESOLVER_BYTES_MAX: usize = 64 * 1024;
const LINK_BYTES_MAX: usize = 4096;

/// What the resolver file was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Before {
    Absent,
    Link(String),
    File(Vec<u8>),
}

/// What putting back came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restored {
    Done,
    /// It wasn't ours any more.
    LeftAlone,
}

#[derive(Debug, Clone)]
pub(super) struct ResolverFile {
    path: PathBuf,
}

impl ResolverFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is there now.
    pub(super) fn now(&self) -> Result<Before, HostNetworkError> {
        self.read().map_err(|error| HostNetworkError::file("read", &self.path, error))
    }

    pub(super) fn is_ours(&self) -> bool {
        matches!(self.read(), Ok(Before::File(text)) if text.starts_with(MARKER.as_bytes()))
    }

    /// Has the machine ask `resolvers` and nobody else. What is there now must have been noted.
    pub(super) fn point_inside(&self, resolvers: &[IpAddr]) -> Result<(), HostNetworkError> {
        let mut text = MARKER.to_owned();
        for resolver in resolvers.iter().take(RESOLVERS_USED) {
            let _ = writeln!(text, "nameserver {resolver}");
        }
        self.put(&Before::File(text.into_bytes()))
    }

    /// Puts back what was there before.
    pub(super) fn restore(&self, before: &Before) -> Result<Restored, HostNetworkError> {
        if !self.is_ours() {
            return Ok(Restored::LeftAlone);
        }
        self.put(before).map(|()| Restored::Done)
    }

    fn read(&self) -> io::Result<Before> {
        let kind = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Before::Absent),
            metadata => metadata?.file_type(),
        };
        let too_much = || io::Error::new(ErrorKind::InvalidData, "it is too long, or no text, to be kept");
        if kind.is_symlink() {
            let target = fs::read_link(&self.path)?;
            let target = target.to_str().filter(|target| is_link(target)).ok_or_else(too_much)?;
            return Ok(Before::Link(target.to_owned()));
        }
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(RESOLVER_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > RESOLVER_BYTES_MAX { Err(too_much()) } else { Ok(Before::File(bytes)) }
    }

    fn put(&self, content: &Before) -> Result<(), HostNetworkError> {
        let fresh = self.path.with_extension("conf.byway-new");
        let replaced = make(&fresh, content).and_then(|made| match made {
            true => fs::rename(&fresh, &self.path),
            false => remove(&self.path),
        });
        let put = match (replaced, content) {
            (Err(error), Before::File(bytes)) if error.kind() == ErrorKind::ResourceBusy => {
                let _ = fs::remove_file(&fresh);
                fs::write(&self.path, bytes)
            }
            (replaced, _) => replaced,
        };
        put.map_err(|error| HostNetworkError::file("write", &self.path, error))
    }
}

/// Makes `content` at `path`; false if there is nothing to be made.
fn make(path: &Path, content: &Before) -> io::Result<bool> {
    remove(path)?;
    match content {
        Before::Absent => return Ok(false),
        Before::Link(target) => symlink(target, path)?,
        Before::File(bytes) => {
            use std::os::unix::fs::PermissionsExt;
            fs::write(path, bytes)?;
            // Every program reads it, whatever this process lets others read of what it makes.
            fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(true)
}

/// For which it is well if there is nothing.
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn is_link(target: &str) -> bool {
    (1..=LINK_BYTES_MAX).contains(&target.len()) && !target.contains(['\n', '\r', '\0'])
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Link(target) => write!(f, "link {target}"),
            Self::File(bytes) => {
                f.write_str("file ")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl FromStr for Before {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(' ') {
            None if text == "absent" => Ok(Self::Absent),
            Some(("link", target)) if is_link(target) => Ok(Self::Link(target.to_owned())),
            Some(("file", digits)) => from_hex(digits).map(Self::File).ok_or(()),
            _ => Err(()),
        }
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2)
        || digits.len() > 2 * RESOLVER_BYTES_MAX
        || !digits.bytes().all(|d| d.is_ascii_hexdigit())
    {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_is_put_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("resolv.conf");
        let file = ResolverFile::at(path.clone());
        let resolvers: Vec<IpAddr> =
            ["10.77.0.1", "fd77::1"].iter().map(|ip| ip.parse().expect("an address")).collect();
        for before in [
            Before::Absent,
            Before::File(b"nameserver 192.168.1.1\nsearch home\n".to_vec()),
            Before::Link("../run/systemd/resolve/stub-resolv.conf".into()),
        ] {
            file.put(&before).expect("puts");
            assert_eq!(file.now().expect("reads"), before);
            assert_eq!(file.restore(&Before::Absent).expect("not ours"), Restored::LeftAlone);
            file.point_inside(&resolvers).expect("writes");
            assert!(file.is_ours());
            let text = fs::read_to_string(&path).expect("reads");
            assert_eq!(text, format!("{MARKER}nameserver 10.77.0.1\nnameserver fd77::1\n"));
            assert_eq!(file.restore(&before).expect("restores"), Restored::Done);
            assert_eq!(file.now().expect("reads"), before);
            assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), usize::from(before != Before::Absent));
        }
    }

    #[test]
    fn what_a_link_points_to_is_never_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, target) = (folder.path().join("resolv.conf"), folder.path().join("stub"));
        fs::write(&target, MARKER).expect("writes");
        symlink("stub", &path).expect("links");
        let file = ResolverFile::at(path);
        assert!(!file.is_ours(), "a link isn't ours, whatever it points to");
        file.point_inside(&[]).expect("writes");
        assert!(file.is_ours());
        assert_eq!(fs::read_to_string(&target).expect("reads"), MARKER);
    }
}
