//! A host and a hirer, what they say to each other, and a conversation that both have.

use std::collections::VecDeque;

use byway_chat::hiring::{
    BotCard, BotHost, BotTerms, By, Hire, HireMessage, HireRefusal, HireStep, HireView, Hires, HostNews, HostStep,
};
use byway_chat::mls::RoomId;
use byway_primitives::{Amount, IdentityId, MemoryStore, Span, Time};

pub const HOST: IdentityId = IdentityId([1; 20]);
pub const HIRER: IdentityId = IdentityId([2; 20]);
pub const START: Time = Time(1_800_000_000_000);
pub const PRICE: u64 = 10;
const ROOM: RoomId = RoomId([7; 32]);

pub fn amount(units: u64) -> Amount {
    Amount::from_units(units.into())
}

pub fn terms(price: u64) -> BotTerms {
    BotTerms { card: BotCard::new("oracle", "Answers.", vec!["help".to_owned()]).unwrap(), price: amount(price) }
}

pub struct Rig {
    pub now: Time,
    pub host: BotHost,
    pub hires: Hires,
    host_disk: MemoryStore,
    hirer_disk: MemoryStore,
    /// Who said what stands in each place: whether it was the hirer.
    pub said: Vec<bool>,
    pub promised: Amount,
    pub earned: Amount,
    /// Whether what is spent is promised too.
    pub pays: bool,
    to_host: VecDeque<HireMessage>,
    to_hirer: VecDeque<HireMessage>,
}

impl Rig {
    /// Both talk, and have a conversation in which nothing was said; a bot is offered, and not hired.
    pub fn new() -> Self {
        let (host_disk, hirer_disk) = (MemoryStore::new(), MemoryStore::new());
        let mut rig = Self {
            now: START,
            host: BotHost::load(&host_disk).unwrap(),
            hires: Hires::load(&hirer_disk).unwrap(),
            host_disk,
            hirer_disk,
            said: Vec::new(),
            promised: Amount::ZERO,
            earned: Amount::ZERO,
            pays: true,
            to_host: VecDeque::new(),
            to_hirer: VecDeque::new(),
        };
        rig.host.set_terms(Some(terms(PRICE)), |_| Amount::ZERO);
        rig.connect();
        rig
    }

    /// The same, and it is hired, for so many answers.
    pub fn hired(answers: u64) -> Self {
        let mut rig = Self::new();
        rig.hire(answers);
        rig.settle();
        rig
    }

    pub fn hire(&mut self, answers: u64) {
        let hire = Hire { price_max: amount(PRICE), spent_max: amount(PRICE * answers) };
        self.hires.hire(self.now, HOST, hire);
    }

    pub fn connect(&mut self) {
        self.host.handle_connected(HIRER);
        self.hires.handle_connected(self.now, HOST);
    }

    /// What both have not written is gone, and what is under way as well.
    pub fn restart(&mut self) {
        self.to_host.clear();
        self.to_hirer.clear();
        self.host = BotHost::load(&self.host_disk).unwrap();
        self.hires = Hires::load(&self.hirer_disk).unwrap();
        self.connect();
    }

    pub fn credit(&self) -> Amount {
        self.promised.saturating_sub(self.earned)
    }

    pub fn view(&self) -> HireView {
        self.hires.hire_of(HOST).unwrap()
    }

    /// How many of the hirer's messages the bot was given.
    pub fn given(&self) -> usize {
        let released = self.host.clients().next().map_or(0, |view| view.released);
        self.said.iter().take(released as usize).filter(|is_hirers| **is_hirers).count()
    }

    /// Says something, which stands in both conversations at once.
    pub fn say(&mut self, by_hirer: bool) {
        self.said.push(by_hirer);
        self.settle();
    }

    /// The bot is there for as long as there is something for it to do, and answers each message.
    pub fn answer_all(&mut self) {
        for _ in 0..self.said.len() + 1 {
            let before = self.given();
            self.work();
            if self.given() > before {
                self.say(false);
            }
        }
    }

    pub fn work(&mut self) {
        let credit = self.credit();
        self.host.work(self.now, |_| credit);
        self.settle();
    }

    pub fn wait(&mut self, span: Span) {
        self.now = self.now + span;
        self.hires.handle_wake(self.now);
        self.settle();
    }

    /// The host says something that it made up.
    pub fn lie(&mut self, message: HireMessage) {
        self.hires.handle_message(HOST, message);
        self.carry_hirer();
    }

    /// Everything that is under way arrives, and everything that follows.
    pub fn settle(&mut self) {
        for _ in 0..1_000 {
            self.look();
            self.carry_hirer();
            self.carry_host();
            match (self.to_host.pop_front(), self.to_hirer.pop_front()) {
                (None, None) => return,
                (to_host, to_hirer) => {
                    let credit = self.credit();
                    to_host.into_iter().for_each(|it| self.host.handle_message(self.now, HIRER, it, credit));
                    to_hirer.into_iter().for_each(|it| self.hires.handle_message(HOST, it));
                }
            }
        }
        panic!("they talk for ever");
    }

    /// Both look at the conversation.
    fn look(&mut self) {
        let messages = self.said.len() as u64;
        while let Some(from) = self.hires.look_from(HOST, ROOM, START, messages) {
            self.hires.said(HOST, from, if self.said[from as usize] { By::Us } else { By::Them });
        }
        while let Some(from) = self.host.look_from(HIRER, ROOM, START, messages) {
            let credit = self.credit();
            self.host.said(HIRER, from, if self.said[from as usize] { By::Them } else { By::Us }, credit);
            self.carry_host();
        }
    }

    fn carry_hirer(&mut self) {
        let HireStep { batch, sends, spent, .. } = self.hires.take_step();
        self.hirer_disk.apply(&batch);
        for (_, total, _) in spent.into_iter().filter(|_| self.pays) {
            self.promised = self.promised.max(total);
            let credit = self.credit();
            self.host.handle_credit(HIRER, credit);
        }
        self.to_host.extend(sends.into_iter().map(|(_, message)| message));
    }

    fn carry_host(&mut self) {
        let HostStep { batch, sends, news } = self.host.take_step();
        self.host_disk.apply(&batch);
        for news in news {
            if let HostNews::Earned { total, .. } = news {
                self.earned = self.earned.max(total);
            }
        }
        self.to_hirer.extend(sends.into_iter().map(|(_, message)| message));
    }

    pub fn refusal(&self) -> Option<HireRefusal> {
        self.view().refusal
    }
}
