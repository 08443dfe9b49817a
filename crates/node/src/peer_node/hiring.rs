//! Bots on the market (rows A1, M11): the offer of this node's, and those that it has hired. All that there is to do is done by
//! [`byway_chat::hiring`], which the market carries; what the ledger is told, and who becomes a contact, is said here.

use byway_chat::hiring::{
    BotCard, BotClientView, BotTerms, CARD_PROTOCOL, HIRES_MAX, Hire, HireRefusal, HireView, Hires,
};
use byway_peer::market::{Hiring, Market};
use byway_primitives::codec::decode_exact;
use byway_primitives::{Amount, Encode, IdentityId, Time};
use byway_records::offer::{Contact, Offer, Service};

use super::Actor;
use crate::api::{
    Answer, ApiError, BotClient, BotDismiss, BotFind, BotHire, BotHireMake, BotOffer, BotOfferMake, BotOffered,
    BotStatus, ErrorKind, Event,
};

/// What is allowed beyond what was spent, where nobody says how much.
const ANSWERS_DEFAULT: u128 = 10;

/// Has a market offer and hire bots.
pub(super) fn open(
    market: &mut Market,
    now: Time,
    store: &impl byway_primitives::Store,
) -> Result<(), byway_chat::hiring::HiringDamaged> {
    market.have_hiring(now, store)
}

impl Actor {
    fn hiring(&self) -> &Hiring {
        self.market.hiring().expect("it was opened with it")
    }

    fn hires(&self) -> &Hires {
        self.hiring().hires()
    }

    pub(super) fn offer_bot(&mut self, request: &BotOfferMake) -> Answer<BotStatus> {
        let about = request.about.as_deref().unwrap_or_default();
        let card = BotCard::new(&request.name, about, request.commands.clone());
        let card = card.map_err(|fault| {
            let field = match fault {
                byway_chat::hiring::CardFault::Name => "name",
                byway_chat::hiring::CardFault::About => "about",
                byway_chat::hiring::CardFault::Commands => "commands",
            };
            ApiError::invalid_params(field, fault)
        })?;
        if request.price.is_zero() {
            return Err(ApiError::invalid_params(
                "price",
                "what costs nothing is not sold; `--in-all` lets a bot answer everybody",
            ));
        }
        let terms = BotTerms { card, price: request.price };
        self.market.offer_bot(self.clock.now(), Some(terms), &self.market_journal);
        Ok(self.bot_status())
    }

    pub(super) fn withdraw_bot(&mut self) -> BotStatus {
        self.market.offer_bot(self.clock.now(), None, &self.market_journal);
        self.bot_status()
    }

    /// What an answer of this node's bot costs, if one is offered.
    pub(super) fn bot_price(&self) -> Option<Amount> {
        self.hiring().host().terms().map(|terms| terms.price)
    }

    /// What the offer of this node's bot says of it.
    pub(super) fn bot_contact(&self) -> Option<Contact> {
        let terms = self.hiring().host().terms()?;
        Some(Contact { protocol: CARD_PROTOCOL.to_owned(), data: terms.card.to_bytes() })
    }

    pub(super) fn find_bots(&self, request: &BotFind) -> Vec<BotOffer> {
        let word = request.word.as_ref().map(|word| word.to_lowercase());
        let has = |offer: &BotOffer| {
            let texts = [&offer.name, &offer.about].into_iter().chain(&offer.commands);
            word.as_ref().is_none_or(|word| texts.into_iter().any(|text| text.to_lowercase().contains(word)))
        };
        let priced = self.priced(Service::BOT).into_iter();
        priced.filter_map(|(bot, price)| self.bot_offer_of(bot, price)).filter(has).collect()
    }

    fn bot_offer_of(&self, bot: IdentityId, price: Amount) -> Option<BotOffer> {
        let card = self.bot_card(bot)?;
        Some(BotOffer {
            bot,
            name: card.name().to_owned(),
            about: card.about().to_owned(),
            commands: card.commands().to_vec(),
            price,
            score: self.score_of(bot),
            hired: self.hires().hire_of(bot).is_some_and(|view| !view.is_leaving),
        })
    }

    fn bot_card(&self, bot: IdentityId) -> Option<BotCard> {
        let offers = self.index.of_provider(bot).map(|published| &published.offer.offer);
        offers.filter(|offer| offer.service == Service::BOT).find_map(card_of)
    }

    /// Hires a bot, and asks its host to be a contact: who has hired it is one.
    pub(super) fn hire_bot(&mut self, request: &BotHireMake) -> Answer<BotStatus> {
        let bot = request.bot;
        if bot == self.me() {
            return Err(ApiError::invalid_params("bot", "that is this node itself"));
        }
        let offer = self.find_bots(&BotFind::default()).into_iter().find(|offer| offer.bot == bot);
        let price = offer.ok_or_else(|| ApiError::bot_not_found(bot))?.price;
        let price_max = request.price_max.unwrap_or(price);
        if price > price_max {
            return Err(ApiError::bot_too_dear(bot, price));
        }
        if self.hires().hires().filter(|view| view.host != bot).count() >= HIRES_MAX {
            return Err(ApiError::too_many_bots(HIRES_MAX));
        }
        let spent = self.hires().spent_on(bot);
        let usual = price_max.mul_div_ceil(ANSWERS_DEFAULT, 1).and_then(|more| spent.checked_add(more));
        let spent_max = request.limit.or(usual).unwrap_or(Amount::MAX);
        let is_new = self.hires().hire_of(bot).is_none();
        if is_new && spent.checked_add(price).is_none_or(|least| least > spent_max) {
            let why =
                format_args!("{spent} WAY is spent on it so far, and an answer costs {price}: allow more than that");
            return Err(ApiError::invalid_params("limit", why));
        }
        self.ask_host(bot)?;
        let hire = Hire { price_max, spent_max };
        self.market.hire_bot(self.clock.now(), bot, hire, &self.market_journal);
        self.reach_channel_peers();
        Ok(self.bot_status())
    }

    fn ask_host(&mut self, bot: IdentityId) -> Answer<()> {
        match self.accept_in_chat(&crate::api::ChatAccept { who: bot.to_string() }) {
            Err(error) if error.kind != ErrorKind::ChatAlreadyContact => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(super) fn dismiss_bot(&mut self, request: &BotDismiss) -> Answer<BotStatus> {
        let bot = request.bot;
        if self.hires().hire_of(bot).is_none_or(|view| view.is_leaving) {
            return Err(ApiError::bot_not_hired(bot));
        }
        self.market.dismiss_bot(self.clock.now(), bot, &self.market_journal);
        Ok(self.bot_status())
    }

    /// The program of this node's bot is there: what it may be given.
    pub(super) fn have_bot_work(&mut self) -> Answer<Vec<BotClient>> {
        if self.bot_price().is_none() {
            return Err(ApiError::no_bot_offered());
        }
        self.market.have_bot_work(self.clock.now(), &self.market_journal);
        Ok(self.bot_clients())
    }

    fn bot_clients(&self) -> Vec<BotClient> {
        let client = |of: BotClientView| BotClient {
            client: of.client,
            conversation: of.room.map(|room| hex::encode(room.0)),
            begins: of.begins,
            released: of.released,
            waiting: of.waiting,
            answered: of.answered,
            earned: of.earned,
        };
        self.hiring().host().clients().map(client).collect()
    }

    pub(super) fn bot_status(&self) -> BotStatus {
        let host = self.hiring().host();
        let offer = host.terms().map(|terms| BotOffered {
            name: terms.card.name().to_owned(),
            about: terms.card.about().to_owned(),
            commands: terms.card.commands().to_vec(),
            price: terms.price,
            listed: self.bot_card(self.me()).as_ref() == Some(&terms.card),
        });
        let hired = self.hires().hires().map(|view| self.bot_hire(&view)).collect();
        BotStatus { offer, clients: self.bot_clients(), earned: host.earned(), hired }
    }

    fn bot_hire(&self, view: &HireView) -> BotHire {
        let bot = view.host;
        let person = self.market.chats().and_then(|chats| chats.people().get(bot));
        let called = || person.map(|person| person.shown_name().to_owned()).unwrap_or_default();
        let is_there = self.market.is_talking_to(bot);
        let is_served = is_there && view.bill.is_some() && view.refusal.is_none() && !view.is_leaving;
        BotHire {
            bot,
            name: self.bot_card(bot).map_or_else(called, |card| card.name().to_owned()),
            conversation: person.and_then(|person| person.direct).map(|room| hex::encode(room.0)),
            served: is_served,
            price_max: view.hire.price_max,
            limit: view.hire.spent_max,
            spent: view.spent,
            price: view.bill.map(|bill| bill.price),
            asked: view.asked,
            answered: view.answered,
            waiting: view.bill.map_or(0, |bill| bill.waiting),
            overcharged: view.claimed,
            refusal: view.refusal.map(|refusal| refusal.word().to_owned()),
            problem: problem(view, is_there),
        }
    }

    /// Somebody whose bot is hired here, or its host, says where one stands.
    pub(super) fn hired_changed(&mut self, bot: IdentityId) {
        if let Some(view) = self.hires().hire_of(bot) {
            self.tell(Event::Bot(self.bot_hire(&view)));
        }
    }
}

/// What an offer says of its bot.
fn card_of(offer: &Offer) -> Option<BotCard> {
    let contact = offer.contacts.iter().find(|contact| contact.protocol == CARD_PROTOCOL)?;
    decode_exact(&contact.data).ok()
}

fn problem(view: &HireView, is_there: bool) -> Option<String> {
    if view.is_leaving {
        return Some("it has not heard yet that it is dismissed".to_owned());
    }
    if view.claimed > 0 {
        return Some(format!("it wants to be paid for {} answers that it has not given", view.claimed));
    }
    if view.is_spent {
        return Some("all that you allowed is spent; `byway bot hire` with a higher --limit allows more".to_owned());
    }
    match view.refusal {
        Some(HireRefusal::Unpaid) if view.bill.is_none() => None,
        Some(refusal) => Some(refusal.to_string()),
        None if !is_there => Some("its host is not there now".to_owned()),
        None => None,
    }
}
