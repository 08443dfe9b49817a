//! What the tunnel is for, and what it goes over: `byway tunnel`.

use std::fmt::Display;

use super::wallet::show;
use super::{Globals, Outcome, Switch, TunnelCommand};
use crate::api::*;
use crate::config::ProgramsInside;

pub async fn tunnel(globals: &Globals, command: TunnelCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    let settings: TunnelSettings = match command {
        TunnelCommand::Show => client.call("tunnel_settings", &Nothing {}).await?,
        TunnelCommand::Set(args) => {
            let request = TunnelSettingsSet {
                local_network: args.local_network.map(|switch| switch == Switch::On),
                outside: args.outside.map(|list| list.0),
                outside_domains: args.outside_domains.map(|list| list.0),
                inside: args.inside.map(|list| list.0),
                inside_domains: args.inside_domains.map(|list| list.0),
                name_servers: args.name_servers.map(|list| list.0),
                programs: args.programs.map(Into::into),
                relays: args.relays,
                needed: args.needed,
            };
            client.call("tunnel_settings_set", &request).await?
        }
    };
    show(globals, &settings, text)?;
    Ok(Outcome::Done)
}

fn text(settings: &TunnelSettings) -> String {
    let TunnelSettings { outside, outside_domains, inside, inside_domains, programs, .. } = settings;
    let mut lines = Vec::new();
    if settings.partial {
        lines.push("The tunnel is only for".to_owned());
        lines.extend(
            (*programs == ProgramsInside::OnlyInside).then(|| "  programs of `byway exec --inside`".to_owned()),
        );
        lines.extend(named("networks", inside));
        lines.extend(named("domains", inside_domains));
        lines.push("The rest of the machine is not protected.".to_owned());
    } else {
        lines.push("The tunnel is for everything but".to_owned());
        let before = lines.len();
        lines.extend(
            (*programs == ProgramsInside::AllButOutside).then(|| "  programs of `byway exec --outside`".to_owned()),
        );
        lines.extend(settings.local_network.then(|| "  the local network".to_owned()));
        lines.extend(named("networks", outside));
        lines.extend(named("domains", outside_domains));
        if lines.len() == before {
            lines = vec!["The tunnel is for everything.".to_owned()];
        }
    }
    let domains_decide = !outside_domains.is_empty() || !inside_domains.is_empty();
    if domains_decide && !settings.name_servers.is_empty() {
        let asked: Vec<String> = settings.name_servers.iter().map(ToString::to_string).collect();
        lines.push(format!("Names past it are asked of {}.", asked.join(", ")));
    }
    if let Some(slices) = &settings.slices {
        let Slices { relays, needed } = slices;
        lines.push(match relays {
            1 => "It goes over a relay.".to_owned(),
            _ => format!("It goes over {relays} relays, of which {needed} are enough."),
        });
    }
    if settings.closed {
        lines.push("The kill switch is on; what is changed here holds from the next tunnel on.".to_owned());
    }
    lines.join("\n") + "\n"
}

fn named(what: &str, list: &[impl Display]) -> Option<String> {
    let list: Vec<String> = list.iter().map(ToString::to_string).collect();
    (!list.is_empty()).then(|| format!("  {what} {}", list.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TunnelConfig;

    #[test]
    fn it_is_said_in_sentences() {
        let settings = |config| TunnelSettings::new(false, config);
        assert_eq!(text(&settings(TunnelConfig::default())), "The tunnel is for everything.\n");
        let outside_domains = vec!["a.example".parse().expect("a name"), "b.example".parse().expect("a name")];
        let config = TunnelConfig { outside_domains, local_network: true, ..TunnelConfig::default() };
        let expected = "The tunnel is for everything but\n  the local network\n  domains a.example, b.example\n";
        assert_eq!(text(&settings(config.clone())), expected);
        let name_servers = vec!["203.0.113.53".parse().expect("an address")];
        let config = TunnelConfig { name_servers, ..config };
        assert_eq!(text(&settings(config)), format!("{expected}Names past it are asked of 203.0.113.53.\n"));
        let inside = vec!["10.0.0.0/8".parse().expect("a network")];
        let config = TunnelConfig { inside, ..TunnelConfig::default() };
        let expected = "The tunnel is only for\n  networks 10.0.0.0/8\nThe rest of the machine is not protected.\n";
        assert_eq!(text(&settings(config)), expected);
    }
}
