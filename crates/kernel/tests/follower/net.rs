//! A client among seven kernel nodes of which some misbehave, under virtual time.

use byway_kernel::follower::{Answer, Client, ClientConfig, ClientNews, Lie, PROGRAMS, Request, Step};
use byway_primitives::{MemoryStore, Span, Time};
use byway_records::Height;

use crate::history::{HEIGHTS, HISTORY, MEMBERS};

pub const CONFIG: ClientConfig =
    ClientConfig { answer_wait_max: Span::seconds(8), retry_pause: Span::millis(500), stay_max: Span::seconds(30) };
/// How long an honest node keeps a question open that has no answer yet.
const HOLD: Span = Span::seconds(5);
/// From question to answer.
const TRIP: Span = Span::millis(10);

/// How a kernel node treats followers.
#[derive(Clone)]
pub enum Node {
    Honest,
    /// Can't be reached.
    Down,
    /// Never answers.
    Silent,
    /// Says at once that there is nothing new.
    Withholder,
    /// Gives one true step at a time, just before one would stop waiting for it.
    Slow,
    /// Tells the truth below a height, and then this.
    Liar(Height, Box<Step>),
    /// Answers another question.
    Confused,
}

pub struct Net {
    pub client: Client,
    pub store: MemoryStore,
    pub nodes: Vec<Node>,
    pub now: Time,
    /// Everyone who was asked, in order, and when.
    pub asked: Vec<(Time, u8)>,
    pub caught: Vec<(u8, Lie)>,
    pub question: Option<(u8, Request)>,
    pub wake: Option<Time>,
}

impl Net {
    /// Nodes as given, the rest honest; the client asks the first one first.
    pub fn new(nodes: impl IntoIterator<Item = (u8, Node)>) -> Self {
        let mut all = vec![Node::Honest; usize::from(MEMBERS)];
        nodes.into_iter().for_each(|(member, node)| all[usize::from(member)] = node);
        let store = MemoryStore::new();
        let client = Client::open(HISTORY.genesis.clone(), &PROGRAMS, CONFIG, 0, &store).expect("an empty store");
        let mut net = Self {
            client,
            store,
            nodes: all,
            now: Time(1_000),
            asked: Vec::new(),
            caught: Vec::new(),
            question: None,
            wake: None,
        };
        let news = net.client.handle_wake(net.now);
        net.hear(news);
        net
    }

    pub fn height(&self) -> u64 {
        self.client.follower().next_height().0 - 1
    }

    pub fn is_at_the_tip(&self) -> bool {
        self.height() == HEIGHTS
    }

    pub fn times_asked(&self, member: u8) -> usize {
        self.asked.iter().filter(|(_, asked)| *asked == member).count()
    }

    /// Takes in what the client says; gives how many steps forward that was.
    pub fn hear(&mut self, news: Vec<ClientNews>) -> usize {
        let mut advanced = 0;
        for news in news {
            match news {
                ClientNews::Ask { member, request } => {
                    let expected =
                        Request::Follow { from: self.client.follower().next_height(), programs: PROGRAMS.to_vec() };
                    assert_eq!((member, &request), (self.client.current(), &expected));
                    self.asked.push((self.now, member));
                    self.question = Some((member, request));
                }
                ClientNews::Advanced(advance) => {
                    self.store.apply(&advance.batch);
                    advanced += 1;
                }
                ClientNews::Caught { member, lie } => self.caught.push((member, lie)),
                ClientNews::Stopped(stop) => panic!("nobody left: {stop}"),
                ClientNews::WakeAt(time) => self.wake = Some(time),
            }
        }
        advanced
    }

    /// Lets the node that is asked do what it does; without a question, the client's wake-up comes.
    pub fn turn(&mut self) -> usize {
        let Some((member, Request::Follow { from, programs })) = self.question.take() else { return self.wake_up() };
        let truth = HISTORY.steps(from, &programs);
        let (after, steps) = match self.nodes[usize::from(member)].clone() {
            Node::Honest if truth.is_empty() => (HOLD, truth),
            Node::Honest => (TRIP, truth),
            Node::Withholder => (TRIP, Vec::new()),
            Node::Slow => (Span(CONFIG.answer_wait_max.0 - TRIP.0), truth.into_iter().take(1).collect()),
            Node::Liar(height, lie) => (TRIP, lying(truth, height, *lie)),
            Node::Confused => {
                self.now = self.now + TRIP;
                let news = self.client.handle_answer(self.now, member, Answer::Taken);
                return self.hear(news);
            }
            Node::Down => {
                let news = self.client.handle_failed(self.now, member);
                return self.hear(news);
            }
            Node::Silent => return self.wake_up(),
        };
        self.now = self.now + after;
        let news = self.client.handle_answer(self.now, member, Answer::Steps(steps));
        self.hear(news)
    }

    pub fn wake_up(&mut self) -> usize {
        let wake = self.wake.take().expect("a client that asks nobody says when it will");
        assert!(wake > self.now, "a wake-up lies ahead");
        self.now = wake;
        let news = self.client.handle_wake(self.now);
        self.hear(news)
    }

    /// Lets everyone go on until the client has all there is. A client that never gets there fails the test.
    pub fn arrive(&mut self) {
        for _ in 0..1_000 {
            if self.is_at_the_tip() {
                return;
            }
            self.turn();
        }
        panic!("the client hangs at {} with node {} after {:?}", self.height(), self.client.current(), self.now);
    }

    /// Lets so many turns pass.
    pub fn pass(&mut self, turns: usize) {
        for _ in 0..turns {
            self.turn();
        }
    }
}

/// The truth below `height`, then the lie.
fn lying(truth: Vec<Step>, height: Height, lie: Step) -> Vec<Step> {
    let below = truth.into_iter().filter(|step| step.certificate.checkpoint.height < height);
    below.chain([lie]).collect()
}
