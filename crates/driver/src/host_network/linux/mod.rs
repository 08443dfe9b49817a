//! Linux: nftables, policy routing, `/etc/resolv.conf`, control groups.

mod cgroup;
mod closed;
mod names;
mod nft;
mod resolver;
mod routes;
mod script;
mod settings;
mod shared;
mod state;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Mutex;

pub use cgroup::{Group, enter};
pub use routes::TABLE;
pub use script::{CLIENT_TABLE, SHARING_TABLE};
pub use state::STATE_FILE;

use super::{
    Allowed, ClientPlan, HostNetwork, HostNetworkError, Programs, Removed, ResolverStatus, Sender, SharingPlan, Status,
    Transport, Tunnel,
};
use cgroup::GroupPath;
use names::{Named, Names, Side};
use resolver::{ResolverFile, Restored};
use routes::Routes;
use settings::Setting;
use state::{BootId, State, StateFile};

const RESOLVER_FILE: &str = "/etc/resolv.conf";

/// The network of the namespace that this process is in.
pub struct LinuxNetwork {
    state: StateFile,
    resolver: ResolverFile,
    names: Names,
    /// One change at a time; changes are several steps.
    changing: Mutex<()>,
}

impl LinuxNetwork {
    /// With the state file in `folder`, the node's, which must exist by the first change.
    pub fn new(folder: &Path) -> Self {
        Self::with_resolver_file(folder, PathBuf::from(RESOLVER_FILE))
    }

    /// With another resolver file than the machine's.
    pub fn with_resolver_file(folder: &Path, resolver: PathBuf) -> Self {
        Self {
            state: StateFile::new(folder),
            resolver: ResolverFile::at(resolver),
            names: Names::default(),
            changing: Mutex::new(()),
        }
    }

    async fn protect_now(&self, plan: &ClientPlan) -> Result<(), HostNetworkError> {
        plan.check()?;
        let _changing = self.changing.lock().await;
        let mut state = self.state.read()?;
        state.boot = BootId::now();
        state.programs = Some(plan.programs);
        state.tunnel = plan.tunnel.as_ref().map(|tunnel| tunnel.interface.clone());
        note(&mut state, Setting::SourceMark);
        let outside = self.outside_servers(&state, plan)?;
        let plan = &with_servers(plan, &outside);
        state.domains.clone_from(&plan.domains);
        state.endpoints = plan.allowed.iter().map(|allowed| (allowed.transport, allowed.to)).collect();
        self.state.write(&state)?;

        self.names.follow(plan, &outside, |named| client_table(plan, named)).await?;

        let routes = Routes::open()?;
        if let Some(tunnel) = &plan.tunnel {
            self.set_up(&mut state, &routes, tunnel).await?;
        }
        routes.apply(plan).await?;
        // Where the kernel hasn't got it, nothing filters by it.
        if Setting::SourceMark.read() == Some(0) {
            Setting::SourceMark.write(1)?;
        }
        match &plan.tunnel {
            _ if !plan.domains.is_empty() => self.resolve_at(&mut state, &[names::ADDRESS.ip()]),
            Some(tunnel) if plan.programs != Programs::OnlyInside => self.resolve_at(&mut state, &tunnel.resolvers),
            // Without domains that matter, programs outside ask whom they asked before.
            _ if plan.programs == Programs::OnlyInside => {
                self.resolve_as_before(&mut state)?;
                self.state.write(&state)
            }
            // While there is no tunnel nothing resolves; the file stays as it is, so that nothing else is asked after.
            _ => Ok(()),
        }
    }

    /// Who is asked for names outside, where domains decide.
    fn outside_servers(&self, state: &State, plan: &ClientPlan) -> Result<Vec<SocketAddr>, HostNetworkError> {
        if plan.domains.is_empty() {
            return Ok(Vec::new());
        }
        let now = if self.resolver.is_ours() { None } else { Some(self.resolver.now()?) };
        let own = now.as_ref().or(state.resolver.as_ref());
        Ok(names::outside_servers(&plan.name_servers, self.resolver.path(), own))
    }

    /// Addresses of the tunnel's interface, and no others of ours.
    async fn set_up(&self, state: &mut State, routes: &Routes, tunnel: &Tunnel) -> Result<(), HostNetworkError> {
        let name = &tunnel.interface;
        let interface = routes.interface(name).await?;
        let new = tunnel.addresses.iter().filter(|address| !interface.addresses.contains(address));
        let new: Vec<_> = new.copied().collect();
        state.addresses.extend(new.iter().map(|address| (name.clone(), *address)));
        if !interface.is_up && !state.raised.contains(name) {
            state.raised.push(name.clone());
        }
        self.state.write(state)?;
        for address in &new {
            routes.add_address(&interface, address).await?;
        }
        if !interface.is_up {
            routes.raise(&interface).await?;
        }
        let (kept, old): (Vec<_>, Vec<_>) = std::mem::take(&mut state.addresses)
            .into_iter()
            .partition(|(of, address)| of == name && tunnel.addresses.contains(address));
        for (of, address) in &old {
            routes.remove_address(of, address).await?;
        }
        state.addresses = kept;
        self.state.write(state)
    }

    fn resolve_at(&self, state: &mut State, resolvers: &[IpAddr]) -> Result<(), HostNetworkError> {
        if resolvers.is_empty() {
            return Ok(());
        }
        if !self.resolver.is_ours() {
            state.resolver = Some(self.resolver.now()?);
            self.state.write(state)?;
        }
        self.resolver.point_inside(resolvers)
    }

    /// Puts the resolver file back, if it is known what it was.
    fn resolve_as_before(&self, state: &mut State) -> Result<Option<Removed>, HostNetworkError> {
        Ok(match state.resolver.take() {
            Some(before) => Some(match self.resolver.restore(&before)? {
                Restored::Done => Removed::Resolver,
                Restored::LeftAlone => Removed::ResolverLeft,
            }),
            None => self.resolver.is_ours().then_some(Removed::ResolverOrphaned),
        })
    }

    async fn release_now(&self) -> Result<Vec<Removed>, HostNetworkError> {
        let _changing = self.changing.lock().await;
        let mut state = self.state.read()?;
        let mut removed = Vec::new();
        self.release_noted(&mut state, &mut removed).await?;
        self.state.write(&state)?;
        Ok(removed)
    }

    async fn release_noted(&self, state: &mut State, removed: &mut Vec<Removed>) -> Result<(), HostNetworkError> {
        removed.extend(self.resolve_as_before(state)?);
        let routes = Routes::open()?;
        let (rules, ways) = routes.clear().await?;
        removed.extend((rules > 0).then_some(Removed::Rules(rules)));
        removed.extend((ways > 0).then_some(Removed::Routes(ways)));
        for (name, address) in std::mem::take(&mut state.addresses) {
            routes.remove_address(&name, &address).await?;
            removed.push(Removed::Address(address, name));
        }
        for name in std::mem::take(&mut state.raised) {
            routes.lower(&name).await?;
        }
        put_back(state, removed, |setting| !setting.is_for_sharing())?;
        (state.programs, state.tunnel, state.endpoints, state.domains) = (None, None, Vec::new(), Vec::new());
        if nft::delete_table(CLIENT_TABLE).await? {
            removed.push(Removed::KillSwitch);
        }
        self.names.close().await;
        cgroup::remove_empty();
        Ok(())
    }

    async fn share_now(&self, plan: &SharingPlan) -> Result<(), HostNetworkError> {
        plan.check()?;
        let _changing = self.changing.lock().await;
        let mut state = self.state.read()?;
        state.boot = BootId::now();
        state.sharing = Some(plan.interface.clone());
        let accept: Vec<_> = plan.uplinks.iter().cloned().map(Setting::AcceptRouters).collect();
        accept.iter().cloned().chain([Setting::ForwardV4, Setting::ForwardV6]).for_each(|s| note(&mut state, s));
        self.state.write(&state)?;
        // Kept from everything before anything is forwarded.
        nft::carry_out(&shared::table(plan)).await?;
        for setting in accept {
            // A machine that forwards stops listening to router advertisements, unless this is 2.
            if setting.read() == Some(1) {
                setting.write(2)?;
            }
        }
        for setting in [Setting::ForwardV4, Setting::ForwardV6] {
            if setting.read() == Some(0) {
                setting.write(1)?;
            }
        }
        Ok(())
    }

    async fn unshare_now(&self) -> Result<Vec<Removed>, HostNetworkError> {
        let _changing = self.changing.lock().await;
        let mut state = self.state.read()?;
        let mut removed = Vec::new();
        self.unshare_noted(&mut state, &mut removed).await?;
        self.state.write(&state)?;
        Ok(removed)
    }

    async fn unshare_noted(&self, state: &mut State, removed: &mut Vec<Removed>) -> Result<(), HostNetworkError> {
        // Forwarding ends before what restricts it.
        put_back(state, removed, Setting::is_for_sharing)?;
        state.sharing = None;
        if nft::delete_table(SHARING_TABLE).await? {
            removed.push(Removed::Sharing);
        }
        Ok(())
    }

    async fn reset_now(&self) -> Result<Vec<Removed>, HostNetworkError> {
        let _changing = self.changing.lock().await;
        // What a damaged file said is lost, but it must not keep a machine closed.
        let mut state = self.state.read().or_else(|error| match error {
            HostNetworkError::State { .. } => Ok(State::default()),
            error => Err(error),
        })?;
        let mut removed = Vec::new();
        self.unshare_noted(&mut state, &mut removed).await?;
        self.release_noted(&mut state, &mut removed).await?;
        self.state.remove()?;
        Ok(removed)
    }

    async fn status_now(&self) -> Result<Status, HostNetworkError> {
        let (rules, routes) = Routes::open()?.count().await?;
        let state = self.state.read()?;
        let (is_closed, is_sharing) = (nft::has_table(CLIENT_TABLE).await?, nft::has_table(SHARING_TABLE).await?);
        let in_force = |is: bool, told: Vec<String>| if is { told } else { Vec::new() };
        let noted = in_force(is_closed, state.told_of_client());
        // Whoever has written it since, has done so for another network.
        let domains = if is_closed { state.domains.clone() } else { Vec::new() };
        let named = match state.programs {
            Some(programs) if !domains.is_empty() => names::in_force(Side::of(programs)).await?,
            _ => Vec::new(),
        };
        let is_outdated = self.names.are_answered().await && !self.resolver.is_ours();
        Ok(Status {
            is_closed,
            is_sharing,
            is_lost: (state.programs.is_some() && !is_closed) || (state.sharing.is_some() && !is_sharing),
            is_outdated,
            programs: state.programs.filter(|_| is_closed),
            domains,
            named,
            rules,
            routes,
            resolver: match (self.resolver.is_ours(), &state.resolver) {
                (false, _) => ResolverStatus::Own,
                (true, Some(_)) => ResolverStatus::Inside,
                (true, None) => ResolverStatus::Orphaned,
            },
            noted: noted.into_iter().chain(in_force(is_sharing, state.told_of_sharing())).collect(),
        })
    }
}

/// `plan`, under which those may be asked.
fn with_servers(plan: &ClientPlan, outside: &[SocketAddr]) -> ClientPlan {
    let to = |transport| outside.iter().map(move |to| Allowed { transport, to: *to, sender: Sender::Marked });
    let allowed = to(Transport::Udp).chain(to(Transport::Tcp)).chain(plan.allowed.iter().copied()).collect();
    ClientPlan { allowed, ..plan.clone() }
}

fn client_table(plan: &ClientPlan, named: Option<&Named<'_>>) -> Result<String, HostNetworkError> {
    Ok(match plan.programs {
        Programs::All => closed::machine(plan, None, named),
        Programs::AllButOutside => closed::machine(plan, Some(&GroupPath::open(Group::Outside)?), named),
        Programs::OnlyInside => match GroupPath::open(Group::Inside) {
            Ok(group) => closed::programs(plan, Some(&group), named),
            // Programs can't be told apart here, and needn't where the plan names something else.
            Err(_) if !plan.inside.is_empty() || named.is_some() => closed::programs(plan, None, named),
            Err(error) => return Err(error),
        },
    })
}

/// Notes what `setting` is, unless that was noted before.
fn note(state: &mut State, setting: Setting) {
    if !state.settings.iter().any(|(noted, _)| *noted == setting) {
        state.settings.extend(setting.read().map(|before| (setting, before)));
    }
}

fn put_back(
    state: &mut State,
    removed: &mut Vec<Removed>,
    is_meant: impl Fn(&Setting) -> bool,
) -> Result<(), HostNetworkError> {
    let (meant, kept): (Vec<_>, Vec<_>) =
        std::mem::take(&mut state.settings).into_iter().partition(|(setting, _)| is_meant(setting));
    state.settings = kept;
    for (setting, before) in meant.into_iter().rev() {
        // An uplink may be gone, and one that is as it was needs nothing.
        if setting.read().is_some_and(|now| now != before) {
            setting.write(before)?;
            removed.push(Removed::Setting(setting.to_string()));
        }
    }
    Ok(())
}

impl HostNetwork for LinuxNetwork {
    fn protect<'a>(&'a self, plan: &'a ClientPlan) -> BoxFuture<'a, Result<(), HostNetworkError>> {
        self.protect_now(plan).boxed()
    }

    fn release(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>> {
        self.release_now().boxed()
    }

    fn share<'a>(&'a self, plan: &'a SharingPlan) -> BoxFuture<'a, Result<(), HostNetworkError>> {
        self.share_now(plan).boxed()
    }

    fn unshare(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>> {
        self.unshare_now().boxed()
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, HostNetworkError>> {
        self.status_now().boxed()
    }

    fn reset(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>> {
        self.reset_now().boxed()
    }
}
