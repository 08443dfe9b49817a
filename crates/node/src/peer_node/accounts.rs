//! Sub-accounts (row A13): budgets within one node, each with a token that opens little and spends up to a limit.
//!
//! The node has one purse. A sub-account is a label on what its sessions cost: the cost of a session is counted to the
//! sub-account whose token asked for it, as it grows and durably, so that no restart forgets it. A session gets no more than
//! what is left of the budget as its limit, and none is begun where nothing is left. Of a token only its hash is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use byway_access::session::SessionId;
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Batch, Hash, Space, Store, Time};
use serde::{Deserialize, Serialize};

use super::Actor;
use super::limits::BUDGET_SPENT;
use super::ways::{Connection, WayId};
use crate::api::{
    AccountNumber, Answer, ApiError, ConnectTarget, Pay, Period, Session, SubAccount, SubAccountCreate,
    SubAccountCreated,
};

const ACCOUNTS: Space = Space("sub-accounts");
const TOKEN: Context = Context("byway 1 node: token of a sub-account");
/// Sub-accounts of one node, revoked ones included.
const ACCOUNTS_MAX: usize = 10_000;
/// Sessions of one that are remembered; older ones are in the owner's list only.
const SESSIONS_MAX: usize = 1_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Tokens by their hashes, for the server that looks them up beside the task.
pub(super) type Tokens = Arc<RwLock<BTreeMap<Hash, AccountNumber>>>;

/// The sub-accounts, and who pays.
#[derive(Default)]
pub(super) struct Accounts {
    records: BTreeMap<AccountNumber, Record>,
    pub tokens: Tokens,
    /// On whose bill a session is that isn't the owner's.
    payers: BTreeMap<SessionId, AccountNumber>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    name: String,
    token: Hash,
    limit: Amount,
    per: Period,
    created: Time,
    revoked: bool,
    spent_in_all: Amount,
    /// What was spent in all when the period began, and which day that was.
    before: Amount,
    day: u64,
    /// Its sessions, the oldest first, and how much of each is counted.
    sessions: Vec<([u8; 16], Amount)>,
}

/// The sub-account that a token opens.
pub(super) fn bearer(tokens: &Tokens, token: &str) -> Option<AccountNumber> {
    tokens.read().unwrap_or_else(PoisonError::into_inner).get(&hash_of(token)).copied()
}

/// Looked up by its hash, so that how long that takes says nothing of the token.
fn hash_of(token: &str) -> Hash {
    TOKEN.hash(&[token.as_bytes()])
}

impl Record {
    fn view(&self, now: Time) -> SubAccount {
        SubAccount {
            name: self.name.clone(),
            limit: self.limit,
            per: self.per,
            spent: self.spent(now),
            spent_in_all: self.spent_in_all,
            created_ms: self.created,
            revoked: self.revoked,
        }
    }

    /// In the period that runs.
    fn spent(&self, now: Time) -> Amount {
        match self.per {
            Period::Day if now.0 / DAY_MS != self.day => Amount::ZERO,
            Period::Day => self.spent_in_all.saturating_sub(self.before),
            Period::Never => self.spent_in_all,
        }
    }

    /// What may still be spent: of one that was revoked, nothing.
    fn left(&self, now: Time) -> Amount {
        if self.revoked {
            return Amount::ZERO;
        }
        self.limit.saturating_sub(self.spent(now))
    }

    /// Counts what a session has cost so far; says whether that is more than before.
    fn count(&mut self, session: SessionId, cost: Amount, now: Time) -> bool {
        let Some((_, counted)) = self.sessions.iter_mut().rev().find(|(id, _)| *id == session.0) else { return false };
        let more = cost.saturating_sub(*counted);
        if more.is_zero() {
            return false;
        }
        *counted = cost;
        if now.0 / DAY_MS != self.day {
            (self.day, self.before) = (now.0 / DAY_MS, self.spent_in_all);
        }
        self.spent_in_all = self.spent_in_all.checked_add(more).unwrap_or(Amount::MAX);
        true
    }
}

impl Accounts {
    pub fn open(store: &impl Store) -> Self {
        let stored = store.scan_prefix(ACCOUNTS, &[]).into_iter();
        let records: BTreeMap<AccountNumber, Record> = stored
            .filter_map(|(key, value)| {
                let number = u32::from_be_bytes(key.try_into().ok()?);
                Some((AccountNumber(number), serde_json::from_slice(&value).ok()?))
            })
            .collect();
        let open = records.iter().filter(|(_, record)| !record.revoked);
        let tokens: BTreeMap<Hash, AccountNumber> = open.map(|(number, record)| (record.token, *number)).collect();
        let sessions = records.iter().flat_map(|(number, record)| record.sessions.iter().map(|(id, _)| (*id, *number)));
        let payers = sessions.map(|(id, number)| (SessionId(id), number)).collect();
        Self { records, tokens: Arc::new(RwLock::new(tokens)), payers }
    }

    fn of_name(&self, name: &str) -> Option<AccountNumber> {
        self.records.iter().find(|(_, record)| record.name == name).map(|(number, _)| *number)
    }
}

impl Actor {
    pub(super) fn sub_accounts(&self) -> Vec<SubAccount> {
        let now = self.clock.now();
        self.accounts.records.values().map(|record| record.view(now)).collect()
    }

    /// `token` was drawn at random.
    pub(super) fn create_sub_account(&mut self, request: SubAccountCreate, token: String) -> Answer<SubAccountCreated> {
        if self.accounts.of_name(&request.name).is_some() {
            return Err(ApiError::invalid_params("name", "there is, or was, a sub-account of this name"));
        }
        if self.accounts.records.len() >= ACCOUNTS_MAX {
            return Err(ApiError::busy("sub-accounts"));
        }
        let now = self.clock.now();
        let number = AccountNumber(self.accounts.records.keys().next_back().map_or(1, |last| last.0 + 1));
        let SubAccountCreate { name, limit, per } = request;
        let record = Record {
            name,
            token: hash_of(&token),
            limit,
            per,
            created: now,
            revoked: false,
            spent_in_all: Amount::ZERO,
            before: Amount::ZERO,
            day: now.0 / DAY_MS,
            sessions: Vec::new(),
        };
        let account = record.view(now);
        self.accounts.tokens.write().unwrap_or_else(PoisonError::into_inner).insert(record.token, number);
        self.accounts.records.insert(number, record);
        self.keep_sub_account(number);
        Ok(SubAccountCreated { account, token })
    }

    /// Its token opens nothing any more, and its session ends.
    pub(super) fn revoke_sub_account(&mut self, name: &str) -> Answer<SubAccount> {
        let unknown = || ApiError::invalid_params("name", "there is no such sub-account");
        let number = self.accounts.of_name(name).ok_or_else(unknown)?;
        let record = self.accounts.records.get_mut(&number).ok_or_else(unknown)?;
        record.revoked = true;
        let view = record.view(self.clock.now());
        self.accounts.tokens.write().unwrap_or_else(PoisonError::into_inner).remove(&record.token);
        self.keep_sub_account(number);
        for way in self.ways_of(number) {
            self.end_of_budget(way, "the sub-account that pays for the session was revoked");
        }
        Ok(view)
    }

    pub(super) fn sub_account(&self, number: AccountNumber) -> Answer<SubAccount> {
        let record = self.accounts.records.get(&number).ok_or_else(ApiError::internal)?;
        Ok(record.view(self.clock.now()))
    }

    /// Whatever is connected next by this way, to `target`, is on this bill. What is in use there on another one is left. Where
    /// nobody is to be found, what is in use and what waits for the user's word stay as they are, on their bill.
    pub(super) fn bill(&mut self, id: WayId, account: Option<AccountNumber>, target: &ConnectTarget) -> Answer<()> {
        self.check_payer(account)?;
        if let Some(over) = self.held_back(id) {
            // It waits for the user's word, and then goes on on the bill that it was on.
            return Err(over.error(self.spent_today()));
        }
        let is_kept = |connection: &Connection| matches!(connection, Connection::Connected(_) | Connection::Stopped(_));
        if self.ways.get(id).is_some_and(|way| is_kept(&way.connection)) {
            self.candidates(target, Pay::Auto)?;
        }
        let payer = self.ways.connected(id).and_then(|connected| self.payer_of(connected.session));
        if payer != account {
            self.leave_exit(id);
        }
        if let Some(way) = self.ways.get_mut(id) {
            way.payer = account;
        }
        if id == WayId::MAIN {
            self.bill_hops(account);
        }
        Ok(())
    }

    /// Whether anything may be paid for: by the limit of the day, and by a sub-account's budget.
    pub(super) fn check_payer(&self, account: Option<AccountNumber>) -> Answer<()> {
        let now = self.clock.now();
        if let Some(limit) = self.day_over() {
            return Err(ApiError::spending_limit("day", limit, self.spent_today()));
        }
        match account.and_then(|number| self.accounts.records.get(&number)) {
            Some(record) if record.revoked => Err(ApiError::account_revoked()),
            Some(record) if record.left(now).is_zero() => Err(ApiError::account_spent(record.limit)),
            _ => Ok(()),
        }
    }

    /// What a sub-account whose budget is used up, or left with too little for anything, is told.
    pub(super) fn budget_spent(&self, number: AccountNumber) -> ApiError {
        let limit = self.accounts.records.get(&number).map_or(Amount::ZERO, |record| record.limit);
        ApiError::account_spent(limit)
    }

    /// What a sub-account may still spend.
    pub(super) fn budget_left(&self, number: AccountNumber) -> Amount {
        self.accounts.records.get(&number).map_or(Amount::ZERO, |record| record.left(self.clock.now()))
    }

    /// On whose bill a session is; the owner's where it is `None`.
    pub(super) fn payer_of(&self, session: SessionId) -> Option<AccountNumber> {
        self.accounts.payers.get(&session).copied()
    }

    /// The ways whose session is on this bill.
    fn ways_of(&self, account: AccountNumber) -> Vec<WayId> {
        let connected = self.ways.ids(|way| matches!(way.connection, Connection::Connected(_)));
        let payer = |id: &WayId| self.ways.connected(*id).and_then(|connected| self.payer_of(connected.session));
        connected.into_iter().filter(|id| payer(id) == Some(account)).collect()
    }

    /// A session was opened that this account pays for.
    pub(super) fn bill_session(&mut self, session: SessionId, payer: Option<AccountNumber>) {
        let Some(number) = payer else { return };
        let Some(record) = self.accounts.records.get_mut(&number) else { return };
        if record.sessions.len() >= SESSIONS_MAX {
            let (oldest, _) = record.sessions.remove(0);
            self.accounts.payers.remove(&SessionId(oldest));
        }
        record.sessions.push((session.0, Amount::ZERO));
        self.accounts.payers.insert(session, number);
        self.keep_sub_account(number);
    }

    /// What a session has cost so far goes to the account that pays for it.
    pub(super) fn count_cost(&mut self, session: SessionId, cost: Amount) {
        let (now, payer) = (self.clock.now(), self.accounts.payers.get(&session).copied());
        if let Some(number) = payer
            && let Some(record) = self.accounts.records.get_mut(&number)
            && record.count(session, cost, now)
        {
            self.keep_sub_account(number);
        }
    }

    /// Counts what is in use, and ends it where the budget is used up.
    pub(super) fn look_after_budgets(&mut self) {
        let now = self.clock.now();
        for (_, view) in self.market.used_sessions(now) {
            self.count_cost(view.id, view.cost);
        }
        let spent = self.accounts.records.iter().filter(|(_, record)| record.left(now).is_zero());
        let spent: Vec<AccountNumber> = spent.map(|(number, _)| *number).collect();
        for way in spent.into_iter().flat_map(|number| self.ways_of(number)).collect::<Vec<_>>() {
            self.end_of_budget(way, BUDGET_SPENT);
        }
    }

    /// Whether the main way's session is on this bill.
    pub(super) fn is_billed(&self, account: AccountNumber) -> bool {
        self.session_in_use().and_then(|session| self.payer_of(session)) == Some(account)
    }

    pub(super) fn sessions_of(&self, account: AccountNumber, limit: usize) -> Vec<Session> {
        let ids = self.accounts.payers.iter().filter(|(_, payer)| **payer == account);
        let ids: Vec<String> = ids.map(|(id, _)| id.to_string()).collect();
        let own = self.session_records(usize::MAX).into_iter().filter(|session| ids.contains(&session.id.0));
        own.take(limit).collect()
    }

    /// Whoever pays for a way's session pays no more.
    pub(super) fn end_of_budget(&mut self, id: WayId, why: &str) {
        tracing::info!(why, "a budget is used up");
        if self.stop_paying(id) {
            self.fail_connection(id, why.to_owned());
        }
    }

    fn keep_sub_account(&mut self, number: AccountNumber) {
        let Some(record) = self.accounts.records.get(&number) else { return };
        let value = serde_json::to_vec(record).expect("a record of texts and numbers has a JSON form");
        let mut batch = Batch::new();
        batch.put(ACCOUNTS, number.0.to_be_bytes(), value);
        self.write_ledger(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_counts_each_cost_once_and_is_full_again_the_next_day() {
        let units = Amount::from_units;
        let mut record = Record {
            name: "shop".into(),
            token: Hash([0; 32]),
            limit: units(100),
            per: Period::Day,
            created: Time(0),
            revoked: false,
            spent_in_all: Amount::ZERO,
            before: Amount::ZERO,
            day: 0,
            sessions: vec![([1; 16], Amount::ZERO), ([2; 16], Amount::ZERO)],
        };
        let (first, second, stranger) = (SessionId([1; 16]), SessionId([2; 16]), SessionId([9; 16]));
        for (session, cost, at, left) in [
            (first, 30, 1, 70),
            (first, 30, 2, 70),
            (second, 50, 3, 20),
            (stranger, 90, 4, 20),
            (first, 60, 5, 0),
            (second, 51, DAY_MS + 1, 99),
        ] {
            record.count(session, units(cost), Time(at));
            assert_eq!(record.left(Time(at)), units(left), "{cost} at {at}");
        }
        assert_eq!(record.left(Time(2 * DAY_MS)), units(100));
        assert_eq!(record.spent_in_all, units(111));
        record.per = Period::Never;
        assert_eq!(record.left(Time(2 * DAY_MS)), Amount::ZERO);
    }
}
