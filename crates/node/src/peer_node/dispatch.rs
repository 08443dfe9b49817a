//! From what happens to who deals with it, and from the market's effects to disk, links and task.

use byway_dialogue::{LinkProfile, RefusedBecause};
use byway_driver::disk::{DiskError, Durability};
use byway_driver::entropy;
use byway_driver::link::{Event as LinkEvent, Link, Path};
use byway_peer::market::MarketNews;
use byway_primitives::{Effect, Span, Token};

use super::{Actor, Arrival, Written};
use crate::api::Event;

impl Actor {
    pub(super) fn arrival(&mut self, arrival: Arrival) -> Result<(), DiskError> {
        match arrival {
            Arrival::Answer { member, answer } => self.answered(member, answer)?,
            Arrival::Submitted { id, result } => self.submitted(id, result),
            Arrival::Dialled { provider, through, result } => self.dialled(provider, through, result),
            Arrival::Used { provider, session, report } => self.used(provider, session, report),
            Arrival::Carried { session, target, carried } => self.carried(session, &target, carried),
            Arrival::TunnelBuilt { provider, session, result } => self.tunnel_built(provider, session, result),
            Arrival::TunnelFailed { session, why } => self.tunnel_lost(session, why),
            Arrival::Served { client, session, report } => self.was_served(client, session, report),
            Arrival::Included(id) => self.was_included(id),
            Arrival::Status { member, status, latency } => {
                self.kernel_view.insert(member, (status, latency));
            }
            Arrival::Pulse(pulse) => self.tell(Event::Pulse(self.pulse(&pulse))),
            Arrival::Unreachable { member } => {
                self.kernel_view.remove(&member);
            }
            Arrival::Wanted(way) => self.ensure_connected(way),
            Arrival::Plugged(event) => self.plugged_event(event),
            Arrival::Probed(way) => self.probed(way),
            Arrival::File(came) => self.file_came(came),
            Arrival::Indexed(index) => self.indexed(index),
            Arrival::ForwardGiven { place, port } => self.forward_given(place, port),
            Arrival::Exported { content, result } => self.exported(content, result),
            Arrival::Copied { channel, done } => self.copied(channel, done),
        }
        Ok(())
    }

    pub(super) fn link_event(&mut self, event: LinkEvent) {
        let now = self.clock.now();
        match event {
            // Where one through a hop leads is known once it is dialled, and nothing is said on it before.
            LinkEvent::Up(link) if link.profile().path == Path::Nested => {}
            LinkEvent::Up(link) => self.link_up(link),
            LinkEvent::Frame { link, frame } => {
                let id = byway_dialogue::LinkId(link.0);
                self.market.handle_frame(now, id, &frame, entropy::seed(), &self.market_journal);
            }
            LinkEvent::Stream { link, header, send, recv } => self.stream(link, &header, send, recv),
            LinkEvent::Down { link, reason } => {
                tracing::debug!(?link, %reason, "link down");
                let id = byway_dialogue::LinkId(link.0);
                self.link_handles.remove(&id);
                self.chain.link_down(id);
                self.market.handle_link_down(now, id, &self.market_journal);
            }
        }
    }

    /// Makes a link known to the market, once, however it came about.
    pub(super) fn link_up(&mut self, link: Link) {
        let id = byway_dialogue::LinkId(link.id().0);
        if self.link_handles.contains_key(&id) {
            return;
        }
        let round_trip = Span::millis(link.profile().rtt.as_millis() as u64);
        let known = byway_dialogue::Link { id, profile: LinkProfile::stream(round_trip), binding: *link.binding() };
        tokio::spawn(self.tunnelling.detours.clone().listen(link.clone()));
        self.link_handles.insert(id, link);
        self.market.handle_link_up(known);
    }

    pub(super) fn wake(&mut self) {
        let now = self.clock.now();
        if self.ledger_timer.goes_off(now) {
            let news = self.ledger.handle_wake(now);
            self.ledger_news(news);
        }
        if self.market_timer.goes_off(now) {
            self.market.handle_wake(now, &self.market_journal);
        }
    }

    pub(super) fn tick(&mut self) {
        self.look_at_kernel();
        self.look_at_pulse();
        self.tend();
        self.look_after_connections();
        self.forget_early_streams();
        self.look_after_plugged();
        self.look_after_budgets();
        self.look_after_limits();
        self.tend_provision();
        self.tend_asked();
        self.tend_quality();
        self.tend_probes();
        self.tend_exports();
        self.tend_channels();
        self.tend_holding();
        self.tend_asks();
        self.tend_room();
        self.tend_files();
        self.tend_devices();
        self.tend_there();
        self.tend_reminders();
        self.publish_served();
        self.publish_status();
    }

    pub(super) fn market_became_durable(&mut self, reached: Durability) -> Result<(), DiskError> {
        if let Some(error) = &reached.failed {
            return Err(error.clone());
        }
        self.market_durable = reached;
        while let Some((token, _, _)) = self.frames.front()
            && self.market_durable.covers(*token)
        {
            if let Some((_, link, frame)) = self.frames.pop_front() {
                self.send_frame(link, frame);
            }
        }
        while let Some((token, _)) = self.ledger_calls.front()
            && self.market_durable.covers(*token)
        {
            if let Some((_, news)) = self.ledger_calls.pop_front() {
                self.market_news(news);
            }
        }
        if let Some(token) = self.market_durable.token {
            self.market.handle_durable(self.clock.now(), token, &self.market_journal);
        }
        Ok(())
    }

    pub(super) fn carry_out(&mut self) -> Result<(), DiskError> {
        while let Some(output) = self.market.poll() {
            match output {
                Effect::Persist { batch, token } => {
                    self.copying.note_journaled(token);
                    self.market_journal.write(batch, token)?;
                    self.market_written = Some(token);
                }
                Effect::Send { to, message, after } => {
                    match after.filter(|token| !self.market_durable.covers(*token)) {
                        Some(token) => self.frames.push_back((token, to, message)),
                        None => self.send_frame(to, message),
                    }
                }
                Effect::WakeAt(time) => drop(self.market_timer.set(time)),
                Effect::Notify(news) => self.market_tells(news),
            }
        }
        let written =
            Written { market: self.market_written, ledger: Some(self.ledger_token).filter(|token| *token != Token(0)) };
        for answered in std::mem::take(&mut self.answered) {
            // Whoever asked may have stopped waiting.
            let _ = answered.send(written);
        }
        Ok(())
    }

    /// What goes to the ledger goes when all that was written by then is durable, so that nobody has forgotten after a crash what
    /// the ledger was shown.
    fn market_tells(&mut self, news: MarketNews) {
        match self.market_written.filter(|token| !self.market_durable.covers(*token)) {
            Some(token) if news.goes_to_ledger() => self.ledger_calls.push_back((token, news)),
            _ => self.market_news(news),
        }
    }

    fn send_frame(&mut self, to: byway_dialogue::LinkId, frame: Vec<u8>) {
        let Some(link) = self.link_handles.get(&to).filter(|_| !self.is_past_hops(to)) else { return };
        if let Err(error) = link.try_send_frame(frame) {
            // A stream link that loses a frame is of no use any more; the dialogue goes on over the next one.
            tracing::debug!(%error, "a link can't take a frame; closing it");
            link.close();
        }
    }

    fn market_news(&mut self, news: MarketNews) {
        match news {
            MarketNews::Talking { peer, link } => {
                self.talking(peer, link);
                self.fetch_files();
                self.ask_what_was_to_be_asked(peer);
                self.ask_quality(peer);
            }
            MarketNews::Early { peer, bytes } => {
                self.market.handle_early(self.clock.now(), peer, &bytes, &self.market_journal);
            }
            MarketNews::Detached { peer } => self.detached(peer),
            MarketNews::Closed { peer, reason, link } => {
                tracing::debug!(%peer, %reason, "dialogue closed");
                if let Some(link) = link {
                    self.close_link(link);
                }
                self.dialogue_closed(peer, &reason.to_string());
            }
            MarketNews::Refused { peer, link, reason } => {
                self.close_link(link);
                // The peer is being talked to, or is about to be, over another link.
                if reason != RefusedBecause::Overtaken {
                    self.dialogue_refused(peer, &reason.to_string());
                }
            }
            MarketNews::LinkEnded { link, reason } => {
                tracing::debug!(?link, %reason, "link ended");
                self.close_link(link);
            }
            MarketNews::LinkUnwanted(link) => self.close_link(link),
            MarketNews::Malformed { peer, error } => tracing::warn!(%peer, %error, "a peer sent a malformed message"),
            MarketNews::Damaged { peer, error } => tracing::error!(%peer, error, "the journal with a peer is damaged"),
            MarketNews::Submit { peer, promise, call } => self.submit_settlement(peer, promise, *call),
            MarketNews::Using { provider, news } => self.using_news(provider, news),
            MarketNews::Serving { client, news } => self.serving_news(client, news),
            MarketNews::Payment { peer, news } => self.payment_news(peer, news),
            MarketNews::Channel { key, news } => self.channel_news(key, *news),
            MarketNews::Watching(news) => self.watching_news(news),
            MarketNews::Watched { channel } => self.watch_changed(channel),
            MarketNews::WatchAnswered { channel, tower } => self.watchtower_answered(channel, tower),
            MarketNews::Routing(news) => self.routing_news(news),
            MarketNews::Guarantee(news) => self.guarantee_news(*news),
            MarketNews::ChannelSaid { key, is_ours, message, round, bytes } => {
                self.note_message(key, is_ours, message, round, bytes);
            }
            MarketNews::ChannelFault { peer, fault } => {
                tracing::warn!(%peer, %fault, "a peer breaks the rules of a channel")
            }
            MarketNews::WarningsWanted { issuer } => self.warnings_wanted(issuer),
            MarketNews::Warned { issuer } => self.look_up_warnings(issuer),
            MarketNews::WarningFault { peer, fault } => {
                tracing::warn!(%peer, %fault, "a provider's word on a client is wrong")
            }
            MarketNews::QualityAsked { peer, start } => self.quality_asked(peer, start),
            MarketNews::Chat(news) => self.chat_news(news),
            MarketNews::Holding(news) => self.holding_news(news),
            MarketNews::Hired { host } => self.hired_changed(host),
            MarketNews::BotClient { client } => tracing::debug!(%client, "the bot's client stands otherwise"),
            MarketNews::HeldFor => self.name_holders(),
            MarketNews::HeldJudged { holder, judged } => self.holder_judged(holder, judged),
            MarketNews::HeldFault { holder, fault } => self.holder_at_fault(holder, fault),
            MarketNews::Whereabouts { peer, card } => self.peer_says_where(peer, *card),
            MarketNews::CardFault { peer, fault } => {
                tracing::warn!(%peer, %fault, "a peer says of itself what is not so")
            }
            MarketNews::QualityTold { peer, words } => self.quality_told(peer, words),
            MarketNews::QualityFault { peer, fault } => {
                tracing::warn!(%peer, %fault, "a peer passes on what nobody said of providers")
            }
        }
    }

    pub(super) fn close_link(&mut self, link: byway_dialogue::LinkId) {
        if let Some(link) = self.link_handles.get(&link) {
            link.close();
        }
    }
}
