//! People who talk, each with a node of its own.

use serde_json::Value;
use tempfile::TempDir;

use super::byway::Node;
use super::process::{Process, write};
use super::{PATIENCE, SOON, free_ports};

/// The group that several are in, where there is one.
pub const GROUP: &str = "Five";
const PASSPHRASE: &str = "correct horse battery staple";

/// A network in one process, and people who have joined it by its link.
pub struct Place {
    pub up: Process,
    pub node: Node,
    link: String,
    /// Last, so that it goes when the processes have ended.
    pub folder: TempDir,
}

impl Place {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("network");
        let dir_text = dir.display().to_string();
        let arguments =
            ["--dir", &dir_text, "up", "--alone", "--ports", "auto", "--providers", "1", "--kernel-nodes", "4"];
        let mut up = Process::new("up", folder.path().join("up.log"), &arguments);
        up.start_ready();
        let node = Node::new(dir, None);
        let link = node.json(&["network", "link"])["link"].as_str().unwrap().to_owned();
        Self { up, node, link, folder }
    }

    /// Each listens for links at a port of its own, also after a restart.
    pub fn joined<const N: usize>(&self, names: [&'static str; N]) -> [Person; N] {
        let ports = free_ports::<N>();
        std::array::from_fn(|index| self.join(names[index], ports[index]))
    }

    pub fn join(&self, name: &'static str, port: u16) -> Person {
        let path = |name: &str| self.folder.path().join(name);
        let (dir, passphrase) = (path(name), path("passphrase"));
        write(&passphrase, PASSPHRASE);
        let node = Node::new(&dir, Some(&passphrase));
        node.json(&["join", &self.link]);
        let file = dir.join("config.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        let here = config.replace("listen = \"0.0.0.0:0\"", &format!("listen = \"127.0.0.1:{port}\""));
        assert_ne!(here, config);
        write(&file, &format!("{here}\n[chat]\nname = \"{name}\"\n[log]\nlevel = \"warn,byway_node=debug\"\n"));
        let (dir, passphrase) = (dir.display().to_string(), passphrase.display().to_string());
        let arguments = ["--dir", &dir, "--passphrase-file", &passphrase, "run", "--ports", "auto"];
        Person { name, node, process: Process::new(name, path(&format!("{name}.log")), &arguments) }
    }

    /// Gives somebody coins, and has them registered.
    pub fn register(&self, person: &Person) {
        let address = person.node.json(&["wallet", "address"])["address"].as_str().unwrap().to_owned();
        self.node.json(&["wallet", "send", &address, "5", "--wait"]);
        person.node.until(&format!("{} is registered", person.name), SOON, &["status"], |status| {
            let is_registered = status["identity"]["registered"] == true;
            if !is_registered {
                // Until the coins have come, and while it is on its way, this is refused.
                person.node.run(&["identity", "register"]);
            }
            is_registered.then_some(())
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("what is left of the people lies in {}", self.folder.path().display());
        }
    }
}

/// Somebody with a node.
pub struct Person {
    pub name: &'static str,
    pub node: Node,
    pub process: Process,
}

impl Person {
    /// Somebody whose process is another's to start and stop.
    pub fn of(name: &'static str, node: Node) -> Self {
        let log = node.dir.join("nothing.log");
        Self { name, node, process: Process::new(name, log, &[]) }
    }

    pub fn identity(&self) -> String {
        self.node.json(&["status"])["identity"]["id"].as_str().unwrap().to_owned()
    }

    pub fn says(&self, to: &str, text: &str) {
        self.node.json(&["chat", "send", to, text]);
    }

    /// All messages of a conversation, the oldest first.
    pub fn until_read<T>(&self, what: &str, with: &str, seen: impl Fn(&[Value]) -> Option<T>) -> T {
        let what = format!("{} reads {what}", self.name);
        self.node.until(&what, PATIENCE, &["chat", "read", with, "--limit", "200"], |items| seen(items.as_array()?))
    }

    /// Waits until these are the messages of a conversation: all, each once, and in this order.
    pub fn until_texts(&self, with: &str, expected: &[&str]) {
        self.until_read(&format!("{expected:?}"), with, |items| (texts(items) == expected).then_some(()));
    }

    /// The same, whatever their order.
    pub fn until_all(&self, with: &str, expected: &[String]) {
        let expected = sorted(expected);
        self.until_read(&format!("{expected:?}"), with, |items| (sorted(&texts(items)) == expected).then_some(()));
    }

    pub fn until_contact(&self, other: &str, what: &str, is_it: impl Fn(&Value) -> bool) {
        self.node.until(what, PATIENCE, &["chat", "contacts"], |people| {
            people.as_array()?.iter().find(|person| person["name"] == other).filter(|person| is_it(person)).map(|_| ())
        });
    }

    /// Waits until all that was said to somebody is known to be with them.
    pub fn until_nothing_waits_for(&self, other: &str) {
        self.until_contact(other, &format!("nothing waits for {other}"), |person| person["waiting"] == 0);
    }

    /// Becomes a contact of somebody by a link of theirs.
    pub fn meets(&self, other: &Person) {
        let invite = other.node.json(&["chat", "invite", "--note", self.name]);
        self.node.json(&["chat", "accept", invite["link"].as_str().unwrap()]);
        let is_contact = |person: &Value| person["standing"] == "contact" && person["conversation"].is_string();
        self.until_contact(other.name, "the other has agreed", is_contact);
        other.until_contact(self.name, "the other is known", is_contact);
    }

    /// Waits until so many are in the group, and this one among them.
    pub fn until_members(&self, count: usize) {
        self.node.until(
            &format!("{} sees {count} in the group", self.name),
            PATIENCE,
            &["chat", "group", "members", GROUP],
            |talk| (talk["member"] == true && talk["members"].as_array()?.len() == count).then_some(()),
        );
    }
}

pub fn texts(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["text"].as_str().unwrap()).collect()
}

pub fn sorted<T: AsRef<str>>(texts: &[T]) -> Vec<&str> {
    let mut texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    texts.sort_unstable();
    texts
}
