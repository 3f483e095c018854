//! Probing for the path MTU without ICMP (RFC 4821, RFC 8899), as Linux does it: a longer segment goes out in the middle of other
//! data, and its fate decides. Sizes are those of packets without IP and TCP header: segment sizes before options.

use crate::clock::Us;
use crate::{CaState, Connection, MtuProbing, Transmit};
use tidewire_wire::Seq;

/// How long the result of a search is believed.
const INTERVAL_US: Us = 600_000_000;
/// A search ends when its range is smaller than this.
const THRESHOLD: u32 = 8;
/// The least segment size that black holes are answered with.
const FLOOR: u32 = 48;
/// IP and TCP header.
const HEADERS: u32 = 40;

/// The state of the search.
#[derive(Debug)]
pub(crate) struct MtuSearch {
    pub enabled: bool,
    /// The path takes this, and does not take more than that.
    pub low: u32,
    pub high: u32,
    /// The size under test, and the sequence numbers of the segment that tests it.
    probe: Option<(u32, Seq, Seq)>,
    stamp_us: Us,
}

/// What comes of an attempt to probe.
pub(crate) enum Probe {
    /// No probe now: data goes out as usual.
    No,
    /// More room is needed: nothing goes out.
    Wait,
    /// It is ready to go.
    Sent,
}

impl Connection {
    fn option_bytes(&self) -> u32 {
        if self.flags.timestamps { crate::handshake::TIMESTAMP_BYTES } else { 0 }
    }

    /// The segment size of a packet size.
    fn mss_of(&self, size: u32) -> u32 {
        size.min(u32::from(self.peer_mss)).saturating_sub(self.option_bytes()).max(FLOOR)
    }

    /// A connection begins.
    pub(crate) fn init_mtu_search(&mut self) {
        if self.config.mtu_probing == MtuProbing::Off {
            return;
        }
        let low = u32::from(self.config.base_mss) + self.option_bytes();
        let high = u32::from(self.peer_mss).min(u32::from(self.config.mss));
        let enabled = self.config.mtu_probing == MtuProbing::Always;
        let stamp_us = self.tx.now_us;
        self.rare.get_or_insert_default().mtu = Some(MtuSearch { enabled, low, high, probe: None, stamp_us });
    }

    fn search(&mut self) -> Option<&mut MtuSearch> {
        self.rare.as_mut()?.mtu.as_mut()
    }

    /// What the search says about the segment size.
    pub(crate) fn searched_mss(&mut self, path: u32) -> Option<u32> {
        let search = self.search()?;
        search.high = search.high.min(path);
        let (enabled, low) = (search.enabled, search.low);
        enabled.then(|| self.mss_of(low))
    }

    /// Retransmissions have gone on for so long that the path may swallow large packets.
    pub(crate) fn on_black_hole(&mut self) {
        let (base, options, now) = (u32::from(self.config.base_mss), self.option_bytes(), self.tx.now_us);
        let Some(low) = self.search().map(|search| search.low) else { return };
        let half = self.mss_of(low) >> 1;
        let Some(search) = self.search() else { return };
        if search.enabled {
            search.low = half.min(base).max(FLOOR) + options;
        } else {
            (search.enabled, search.stamp_us) = (true, now);
        }
        self.sync_mss();
    }

    /// Sends a probe if the time for one has come.
    pub(crate) fn probe_mtu(&mut self, to: &mut Transmit) -> Probe {
        let Some(search) = self.search().filter(|search| search.enabled && search.probe.is_none()) else {
            return Probe::No;
        };
        let (low, high) = (search.low, search.high);
        let sacking = self.rx.ooo.is_some() || self.rx.dsack.is_some();
        if self.tx.ca_state != CaState::Open || self.tx.cwnd < 11 || sacking {
            return Probe::No;
        }
        let size = self.mss_of((low + high) >> 1);
        if size > self.mss_of(high) || high.saturating_sub(low) < THRESHOLD {
            self.search_again();
            return Probe::No;
        }
        let needed = size + (self.tx.reordering + 1) * self.tx.mss;
        if self.buf.unsent() < u64::from(needed) || self.tx.snd_wnd < needed {
            return Probe::No;
        }
        if (self.tx.snd_nxt + needed).after(self.tx.wnd_end()) {
            return Probe::Wait;
        }
        let in_flight = self.tx.in_flight();
        if in_flight + 2 > self.tx.cwnd {
            return if in_flight == 0 { Probe::No } else { Probe::Wait };
        }
        let (seq, end) = (self.tx.snd_nxt, self.tx.snd_nxt + size);
        let options = self.option_bytes();
        if let Some(search) = self.search() {
            search.probe = Some((size + options, seq, end));
        }
        // It stands for two packets, and is no short segment.
        let short = self.tx.snd_sml;
        self.send_new(size, false, to);
        self.tx.snd_sml = short;
        self.tx.cwnd -= 1;
        Probe::Sent
    }

    /// The range was searched a while ago: the path may have changed.
    fn search_again(&mut self) {
        let (now, mss) = (self.tx.now_us, self.tx.mss + self.option_bytes());
        let top = u32::from(self.peer_mss);
        let Some(search) = self.search() else { return };
        if now - search.stamp_us >= INTERVAL_US {
            (search.low, search.high, search.stamp_us) = (mss, top, now);
        }
    }

    /// Something was acknowledged: the probe, perhaps.
    pub(crate) fn check_mtu_probe(&mut self) {
        let una = self.tx.snd_una;
        let Some(search) = self.search() else { return };
        let Some((size, _, _)) = search.probe.filter(|probe| !probe.2.after(una)) else { return };
        (search.low, search.probe) = (size, None);
        let tx = &mut self.tx;
        tx.prior_ssthresh = tx.current_ssthresh();
        let options = if self.flags.timestamps { crate::handshake::TIMESTAMP_BYTES } else { 0 };
        tx.cwnd = (tx.cwnd * (tx.mss + options + HEADERS) / (size + HEADERS)).max(1);
        tx.cwnd_cnt = 0;
        tx.cwnd_stamp_us = tx.now_us;
        tx.ssthresh = tx.current_ssthresh();
        self.sync_mss();
    }

    /// Recovery is about to begin. Returns whether only the probe was lost: then the window is not reduced.
    pub(crate) fn mtu_probe_failed(&mut self) -> bool {
        let una = self.tx.snd_una;
        let calm = self.tx.ca_state < CaState::Cwr;
        let Some(search) = self.search() else { return false };
        let Some((size, _, _)) = search.probe.filter(|probe| calm && probe.1 == una) else { return false };
        (search.high, search.probe) = (size - 1, None);
        self.tx.cwnd += 1;
        self.simple_retransmit();
        true
    }
}
