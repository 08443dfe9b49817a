//! Programs outside the tunnel, or alone inside it, told by their control group (cgroup v2).
//!
//! A socket belongs to the group in which it was made, and children to that of their parent, so one entry at the start
//! of a program is enough, and no other program can be taken for it. Only root enters a group.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::host_network::HostNetworkError;

/// Where `nft` looks for groups; what isn't below can't be named in a rule.
const ROOT: &str = "/sys/fs/cgroup";

/// A group that programs are put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Past the tunnel, while the rest is inside.
    Outside,
    /// Inside, while the rest is not.
    Inside,
}

impl Group {
    fn name(self) -> &'static str {
        match self {
            Self::Outside => "byway-outside",
            Self::Inside => "byway-inside",
        }
    }
}

/// A group as rules name it.
pub(super) struct GroupPath {
    folder: PathBuf,
    /// Relative to [`ROOT`].
    name: String,
}

impl GroupPath {
    /// The group, made if there is none.
    pub(super) fn open(group: Group) -> Result<Self, HostNetworkError> {
        let path = Self::find(group)?;
        match fs::create_dir(&path.folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(HostNetworkError::file("make the control group", &path.folder, error))
            }
            _ => Ok(path),
        }
    }

    fn find(group: Group) -> Result<Self, HostNetworkError> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|_| HostNetworkError::NoCgroup)?;
        let mount = mount_of(&mounts).ok_or(HostNetworkError::NoCgroup)?;
        let folder = mount.join(group.name());
        let name = folder.strip_prefix(ROOT).expect("the mount is below the root");
        Ok(Self { name: name.to_string_lossy().into_owned(), folder: folder.clone() })
    }

    /// The condition of a rule. Groups are at level 1, right below the hierarchy's root.
    pub(super) fn matching(&self) -> String {
        format!("socket cgroupv2 level 1 \"{}\"", self.name)
    }
}

/// Moves this process into `group`, whose rules then hold for it and for what it becomes. Root only.
pub fn enter(group: Group) -> Result<(), HostNetworkError> {
    let processes = GroupPath::open(group)?.folder.join("cgroup.procs");
    fs::write(&processes, "0").map_err(|error| HostNetworkError::file("enter the control group", &processes, error))
}

/// Removes the groups that no program is in any more.
pub(super) fn remove_empty() {
    for group in [Group::Outside, Group::Inside] {
        if let Ok(path) = GroupPath::find(group) {
            // Programs that still run in it keep it, which harms nobody: without rules it is a group like any other.
            let _ = fs::remove_dir(path.folder);
        }
    }
}

/// The mount point of the second version's hierarchy, of its very root, below [`ROOT`].
fn mount_of(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, Path::new(fields.next()?));
        let is_plain = point.strip_prefix(ROOT).ok()?.to_str()?.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (system.starts_with("cgroup2 ") && root == "/" && is_plain).then(|| point.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_found_where_nft_can_name_it() {
        for (mounts, expected) in [
            ("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", Some("/sys/fs/cgroup")),
            (
                "30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw\n41 30 0:36 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw",
                Some("/sys/fs/cgroup/unified"),
            ),
            ("30 23 0:26 / /mnt/groups rw - cgroup2 cgroup2 rw\n", None),
            ("30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", None),
            ("", None),
        ] {
            assert_eq!(mount_of(mounts), expected.map(PathBuf::from), "{mounts}");
        }
    }
}
