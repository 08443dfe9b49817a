//! Sub-accounts: `byway account`.

use super::output::{ago, now};
use super::wallet::show;
use super::{AccountCommand, Globals, Outcome, PeriodArg, Table};
use crate::api::*;

pub async fn account(globals: &Globals, command: AccountCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        AccountCommand::Create { name, limit, per } => {
            let per = match per {
                PeriodArg::Day => Period::Day,
                PeriodArg::Never => Period::Never,
            };
            let request = SubAccountCreate { name, limit, per };
            let created: SubAccountCreated = client.call("sub_account_create", &request).await?;
            show(globals, &created, |created| format!("{}\n", created.token))?;
        }
        AccountCommand::List => {
            let accounts: Vec<SubAccount> = client.call("sub_account_list", &Nothing {}).await?;
            show(globals, &accounts, |accounts| accounts_text(accounts))?;
        }
        AccountCommand::Revoke { name } => {
            let revoked: SubAccount = client.call("sub_account_revoke", &SubAccountRevoke { name }).await?;
            show(globals, &revoked, |revoked| format!("{} opens nothing any more.\n", revoked.name))?;
        }
    }
    Ok(Outcome::Done)
}

fn accounts_text(accounts: &[SubAccount]) -> String {
    let mut table = Table::new(&["name", ">limit", "per", ">spent", ">in all", "made", "state"]);
    let now = now();
    for account in accounts {
        table.row([
            account.name.clone(),
            account.limit.to_string(),
            super::output::word(&account.per),
            account.spent.to_string(),
            account.spent_in_all.to_string(),
            ago(account.created_ms, now),
            if account.revoked { "revoked" } else { "open" }.to_owned(),
        ]);
    }
    table.text("There are no sub-accounts.")
}
