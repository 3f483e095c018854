//! Voice over packets: codecs, the E-model (ITU-T G.107, 06/2015), and a playout buffer that decides what comes too late.
//!
//! ```text
//!   frames --network--> Playout --loss, bursts, delay from mouth to ear--> EModel --> R, MOS
//! ```

use libm::{exp, log10, pow};
use tidewire_units::{Instant, Span};

/// A speech codec, as it is sent over RTP.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Codec {
    /// Its name in scripts.
    pub name: &'static str,
    /// Bytes of speech in a packet.
    pub payload: u32,
    /// How much speech a packet holds.
    pub packet_time: Span,
    /// What the coder must hear beyond the packet before it can encode it.
    pub look_ahead: Span,
    /// Equipment impairment factor (ITU-T G.113 appendix I).
    pub ie: f64,
    /// Robustness against random packet loss (ITU-T G.113 appendix I).
    pub bpl: f64,
}

const fn codec(name: &'static str, payload: u32, ms: u64, ahead_us: u64, ie: f64, bpl: f64) -> Codec {
    let (packet_time, look_ahead) = (Span::from_ms(ms), Span::from_us(ahead_us));
    Codec { name, payload, packet_time, look_ahead, ie, bpl }
}

/// The codecs that are known. Those without robustness of their own in G.113 have that of a codec of their kind: G.729 that of
/// G.729A, GSM FR that of G.711 without concealment.
pub const CODECS: [Codec; 8] = [
    codec("g711", 160, 20, 0, 0.0, 4.3),
    codec("g711_plc", 160, 20, 0, 0.0, 25.1),
    codec("g726_32", 80, 20, 0, 7.0, 4.3),
    codec("g728", 40, 20, 625, 7.0, 4.3),
    codec("g729", 20, 20, 5000, 10.0, 19.0),
    codec("g729a_vad", 20, 20, 5000, 11.0, 19.0),
    codec("g723_1", 24, 30, 7500, 15.0, 16.1),
    codec("gsm_efr", 31, 20, 0, 5.0, 10.0),
];

impl Codec {
    /// Bytes of the header of RTP (RFC 3550 section 5.1).
    pub const RTP: u32 = 12;

    /// The codec of that name.
    pub fn named(name: &str) -> Option<Codec> {
        CODECS.into_iter().find(|codec| codec.name == name)
    }

    /// Bits of speech a second.
    pub fn bits_per_s(&self) -> f64 {
        f64::from(self.payload) * 8.0 / self.packet_time.as_secs_f64()
    }
}

/// The parameters of the E-model, with the defaults of G.107 table 2. Delays in ms, levels in dB.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct EModel {
    /// Send and receive loudness ratings.
    pub slr: f64,
    /// Receive loudness rating.
    pub rlr: f64,
    /// Sidetone masking rating.
    pub stmr: f64,
    /// D-value of the telephone, sending side.
    pub ds: f64,
    /// Listener sidetone rating.
    pub lstr: f64,
    /// Talker echo loudness rating.
    pub telr: f64,
    /// Weighted echo path loss.
    pub wepl: f64,
    /// Mean one-way delay of the echo path.
    pub t: f64,
    /// Round-trip delay in a four-wire loop.
    pub tr: f64,
    /// Absolute delay in connections without echo.
    pub ta: f64,
    /// Quantization distortion units.
    pub qdu: f64,
    /// Equipment impairment factor.
    pub ie: f64,
    /// Robustness against packet loss.
    pub bpl: f64,
    /// Random packet loss, in per cent.
    pub ppl: f64,
    /// Mean length of bursts of losses, as a multiple of that of random losses; 1 for random.
    pub burst_r: f64,
    /// Circuit noise referred to 0 dBr.
    pub nc: f64,
    /// Noise floor at the receiving side.
    pub nfor: f64,
    /// Room noise at the sending side.
    pub ps: f64,
    /// Room noise at the receiving side.
    pub pr: f64,
    /// Advantage factor.
    pub a: f64,
}

impl Default for EModel {
    fn default() -> EModel {
        EModel {
            slr: 8.0,
            rlr: 2.0,
            stmr: 15.0,
            ds: 3.0,
            lstr: 18.0,
            telr: 65.0,
            wepl: 110.0,
            t: 0.0,
            tr: 0.0,
            ta: 0.0,
            qdu: 1.0,
            ie: 0.0,
            bpl: 4.3,
            ppl: 0.0,
            burst_r: 1.0,
            nc: -70.0,
            nfor: -64.0,
            ps: 35.0,
            pr: 35.0,
            a: 0.0,
        }
    }
}

/// A rating and what it is made of (G.107 equation 7-1).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rating {
    /// R = Ro - Is - Id - Ie-eff + A.
    pub r: f64,
    /// Signal against noise.
    pub ro: f64,
    /// Impairments that come with the voice: level, sidetone, quantization.
    pub is: f64,
    /// Impairments by delay: echo of the talker, of the listener, delay itself.
    pub id: f64,
    /// Impairments by the codec and by losses.
    pub ie_eff: f64,
}

/// Losses in per cent for which G.107 has bursts.
const MOST_IN_BURSTS: f64 = 2.0;

fn db(x: f64) -> f64 {
    pow(10.0, x / 10.0)
}

fn root(x: f64, n: f64) -> f64 {
    pow(x, 1.0 / n)
}

impl EModel {
    /// A connection over packets: a codec, the delay from mouth to ear in ms, the share of frames lost or late (0 to 1), and how
    /// much longer bursts of losses are than random ones.
    pub fn over_packets(codec: &Codec, delay_ms: f64, loss: f64, burst_r: f64) -> EModel {
        EModel {
            t: delay_ms,
            tr: 2.0 * delay_ms,
            ta: delay_ms,
            ie: codec.ie,
            bpl: codec.bpl,
            ppl: 100.0 * loss,
            burst_r,
            ..EModel::default()
        }
    }

    /// The rating (G.107 clause 7).
    pub fn rating(&self) -> Rating {
        let no = self.noise();
        let ro = 15.0 - 1.5 * (self.slr + no);
        let (ist, is) = self.simultaneous(no, ro);
        let id = self.talker_echo(no, ist) + self.listener_echo(ro) + self.pure_delay();
        let ie_eff = self.equipment();
        Rating { r: ro - is - id - ie_eff + self.a, ro, is, id, ie_eff }
    }

    /// By the codec and by losses (equation 7-29). With bursts that equation passes 95, the worst there is, as losses grow; it was made for
    /// less than 2 % then. So what bursts cost counts up to there, and more losses count as random ones.
    fn equipment(&self) -> f64 {
        let at = |ppl: f64, burst_r: f64| self.ie + (95.0 - self.ie) * ppl / (ppl / burst_r + self.bpl);
        at(self.ppl, 1.0).max(at(self.ppl.min(MOST_IN_BURSTS), self.burst_r))
    }

    /// All noise, at the 0 dBr point (clause 7.2).
    fn noise(&self) -> f64 {
        let olr = self.slr + self.rlr;
        let sending = self.ps - olr - self.ds - 14.0;
        let nos = self.ps - self.slr - self.ds - 100.0 + 0.004 * sending * sending;
        let pre = self.pr + 10.0 * log10(1.0 + db(10.0 - self.lstr));
        let nor = self.rlr - 121.0 + pre + 0.008 * (pre - 35.0) * (pre - 35.0);
        let nfo = self.nfor + self.rlr;
        10.0 * log10(db(self.nc) + db(nos) + db(nor) + db(nfo))
    }

    /// Impairment by sidetone, and all that come with the voice (clause 7.3).
    fn simultaneous(&self, no: f64, ro: f64) -> (f64, f64) {
        let olr = self.slr + self.rlr;
        let x = (olr + 0.2 * (64.0 + no - self.rlr)) / 8.0;
        let iolr = 20.0 * (root(1.0 + pow(x, 8.0), 8.0) - x);
        let stmr = -10.0 * log10(db(-self.stmr) + exp(-self.t / 4.0) * db(-self.telr));
        let ist = 12.0 * root(1.0 + pow((stmr - 13.0) / 6.0, 8.0), 8.0)
            - 28.0 * root(1.0 + pow((stmr + 1.0) / 19.4, 35.0), 35.0)
            - 13.0 * root(1.0 + pow((stmr - 3.0) / 33.0, 13.0), 13.0)
            + 29.0;
        let q = 37.0 - 15.0 * log10(self.qdu);
        let g = 1.07 + 0.258 * q + 0.0602 * q * q;
        let y = (ro - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
        let z = 46.0 / 30.0 - g / 40.0;
        let iq = 15.0 * log10(1.0 + pow(10.0, y) + pow(10.0, z));
        (ist, iolr + ist + iq)
    }

    /// Clause 7.4, Idte.
    fn talker_echo(&self, no: f64, ist: f64) -> f64 {
        let t = self.t;
        let mut terv =
            self.telr - 40.0 * log10((1.0 + t / 10.0) / (1.0 + t / 150.0)) + 6.0 * exp(-0.3 * t * t);
        if self.stmr < 9.0 {
            terv += ist / 2.0;
        }
        let half = (-1.5 * (no - self.rlr) - (80.0 + 2.5 * (terv - 14.0))) / 2.0;
        let idte = (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - exp(-t));
        if self.stmr > 20.0 { (idte * idte + ist * ist).sqrt() } else { idte }
    }

    /// Clause 7.4, Idle.
    fn listener_echo(&self, ro: f64) -> f64 {
        let half = (ro - 10.5 * (self.wepl + 7.0) * pow(self.tr + 1.0, -0.25)) / 2.0;
        half + (half * half + 169.0).sqrt()
    }

    /// Clause 7.4, Idd, with the default delay sensitivity.
    fn pure_delay(&self) -> f64 {
        if self.ta <= 100.0 {
            return 0.0;
        }
        let x = log10(self.ta / 100.0) / log10(2.0);
        25.0 * (root(1.0 + pow(x, 6.0), 6.0) - 3.0 * root(1.0 + pow(x / 3.0, 6.0), 6.0) + 2.0)
    }
}

/// The mean opinion score of a rating, 1 to 4.5 (G.107 annex B).
pub fn mos(r: f64) -> f64 {
    match r {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
    }
}

/// When frames are played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Buffering {
    /// So long behind the first frame of the call, had it been played when it came.
    Fixed(Span),
    /// As the delays of the past suggest: their smoothed mean and four times their variation, at least so long. It changes only at
    /// the beginning of a talk spurt (Ramjee, Kurose, Towsley and Schulzrinne, INFOCOM 1994, algorithm 1). The next frame is always
    /// waited for: less than one packet's time beyond the mean is never enough where delays were constant before they grew.
    Adaptive(Span),
}

/// What became of the frames of a call.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Heard {
    /// Frames that were sent.
    pub sent: u64,
    /// Played in time.
    pub played: u64,
    /// Arrived, but too late.
    pub late: u64,
    /// Mean time from sending to playing, in s; `None` when nothing was played.
    pub playout_s: Option<f64>,
    /// Mean time in the network, in s; `None` when nothing came.
    pub network_s: Option<f64>,
    /// Mean length of bursts of frames that were not played, as a multiple of that of random losses.
    pub burst_r: f64,
}

impl Heard {
    /// The share of frames that were not played.
    pub fn loss(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { 1.0 - self.played as f64 / self.sent as f64 }
    }

    /// From mouth to ear, in s: a packet is filled and the coder looks ahead, then it travels and waits to be played. `None` when
    /// nothing was played.
    pub fn mouth_to_ear_s(&self, codec: &Codec) -> Option<f64> {
        Some((codec.packet_time + codec.look_ahead).as_secs_f64() + self.playout_s?)
    }

    /// The quality of the call; `None` if nothing of it was heard.
    pub fn rating(&self, codec: &Codec) -> Option<Rating> {
        let delay_ms = 1e3 * self.mouth_to_ear_s(codec)?;
        let rating = EModel::over_packets(codec, delay_ms, self.loss(), self.burst_r).rating();
        // Beyond what the model was made for, it goes on below zero.
        Some(Rating { r: rating.r.max(0.0), ..rating })
    }

    /// R and the opinion score that follows from it: the worst if nothing of the call was heard, `None` if nobody has spoken.
    pub fn score(&self, codec: &Codec) -> Option<(f64, f64)> {
        (self.sent > 0)
            .then(|| self.rating(codec).map_or((0.0, mos(0.0)), |rating| (rating.r, mos(rating.r))))
    }
}

/// The receiver's buffer. Frames are told to it as they are sent and as they arrive.
///
/// A call is signalled before anybody speaks, and the way is known by then. So what was sent before the first frame has arrived opens the
/// way, and speech counts from the next frame on; if there is none, from the first.
#[derive(Clone, Debug)]
pub struct Playout {
    codec: Codec,
    buffering: Buffering,
    frames: Vec<Frame>,
    /// Frames before these do not count: the warm-up, and what opened the way.
    warm: usize,
    spoken: Option<usize>,
    /// No frame for longer than this is a pause between talk spurts.
    pause: Span,
    /// Smoothed delay and variation, in s, and the delay of the spurt that is played.
    mean: Option<(f64, f64)>,
    spurt: (Option<Instant>, Span),
    learned: u64,
    has_come: bool,
    /// No frame below this is still on its way, as far as order tells.
    hint: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Frame {
    sent: Instant,
    /// How long it took, and how long it might have taken.
    came: Option<(Span, Span)>,
}

impl Frame {
    fn is_played(&self) -> bool {
        self.came.is_some_and(|(delay, due)| delay <= due)
    }
}

impl Playout {
    /// A buffer for a call with this codec.
    pub fn new(buffering: Buffering, codec: Codec) -> Playout {
        let delay = match buffering {
            Buffering::Fixed(delay) | Buffering::Adaptive(delay) => delay,
        };
        Playout {
            codec,
            buffering,
            frames: Vec::new(),
            warm: 0,
            spoken: None,
            pause: codec.packet_time * 2,
            mean: None,
            spurt: (None, delay),
            learned: 0,
            has_come: false,
            hint: 0,
        }
    }

    /// The codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// A frame was sent; it does not count before the warm-up is over.
    pub fn sent(&mut self, at: Instant, counts: bool) {
        if self.has_come && self.spoken.is_none() {
            self.spoken = Some(self.frames.len());
            (self.mean, self.spurt.0, self.learned) = (None, None, 0);
        }
        self.frames.push(Frame { sent: at, came: None });
        if !counts {
            self.warm = self.frames.len();
        }
    }

    /// The frame that was sent at `sent` has arrived.
    pub fn arrived(&mut self, sent: Instant, now: Instant) {
        let Some(i) = self.find(sent) else { return };
        self.has_come = true;
        if self.spoken.is_some_and(|first| i < first) {
            return;
        }
        let delay = now.since(sent);
        let begins = i > 0 && sent.since(self.frames[i - 1].sent) > self.pause;
        if self.spurt.0.is_none_or(|last| begins && sent > last) {
            self.begin_spurt(sent, delay);
        }
        self.frames[i].came = Some((delay, self.spurt.1));
        self.learn(delay.as_secs_f64());
    }

    /// What has been heard by `now`: of the frames that would have been played by then.
    pub fn heard(&self, now: Instant) -> Heard {
        let end = self.frames.partition_point(|frame| frame.sent + self.spurt.1 <= now);
        let begin = self.warm.max(self.spoken.unwrap_or(0));
        let all = self.frames.get(begin..end).unwrap_or_default();
        let (mut arrived, mut network, mut played, mut playout) = (0, Span::ZERO, 0, Span::ZERO);
        for (delay, due) in all.iter().filter_map(|frame| frame.came) {
            (arrived, network) = (arrived + 1, network + delay);
            if delay <= due {
                (played, playout) = (played + 1, playout + due);
            }
        }
        let mean = |sum: Span, n: u64| (n > 0).then(|| sum.as_secs_f64() / n as f64);
        Heard {
            sent: all.len() as u64,
            played,
            late: arrived - played,
            playout_s: mean(playout, played),
            network_s: mean(network, arrived),
            burst_r: burst_ratio(all.iter().map(Frame::is_played)),
        }
    }

    fn find(&mut self, sent: Instant) -> Option<usize> {
        let from =
            if self.frames.get(self.hint).is_some_and(|frame| frame.sent <= sent) { self.hint } else { 0 };
        let i = from + self.frames[from..].partition_point(|frame| frame.sent < sent);
        let frame = self.frames.get(i)?;
        self.hint = i;
        (frame.sent == sent && frame.came.is_none()).then_some(i)
    }

    fn begin_spurt(&mut self, sent: Instant, first: Span) {
        let delay = match (self.buffering, self.mean) {
            (Buffering::Fixed(_), Some(_)) => self.spurt.1,
            (Buffering::Fixed(delay), None) => first + delay,
            // Nothing is known yet: the first frame's delay and the least delay on top.
            (Buffering::Adaptive(least), None) => first + least.max(self.codec.packet_time),
            (Buffering::Adaptive(least), Some((mean, variation))) => {
                let margin = (4.0 * variation).max(self.codec.packet_time.as_secs_f64());
                Span::from_secs_f64(mean + margin).max(least)
            }
        };
        self.spurt = (Some(sent), delay);
    }

    /// The first frames weigh as in a plain mean: a call would be half over before it knew its delays.
    fn learn(&mut self, delay: f64) {
        self.learned += 1;
        let new = (1.0 / self.learned as f64).max(1.0 - 0.998_002);
        let (mean, variation) = self.mean.unwrap_or((delay, 0.0));
        let mean = (1.0 - new) * mean + new * delay;
        self.mean = Some((mean, (1.0 - new) * variation + new * (mean - delay).abs()));
    }
}

/// Mean length of bursts of losses over the mean length that independent losses of the same rate would have, 1 / (1 - loss).
/// G.107 wants no less than 1.
fn burst_ratio(played: impl Iterator<Item = bool>) -> f64 {
    let (mut all, mut lost, mut bursts, mut before) = (0u64, 0u64, 0u64, true);
    for now in played {
        all += 1;
        lost += u64::from(!now);
        bursts += u64::from(before && !now);
        before = now;
    }
    if bursts == 0 || lost == all {
        return 1.0;
    }
    let loss = lost as f64 / all as f64;
    (lost as f64 / bursts as f64 * (1.0 - loss)).max(1.0)
}

#[cfg(test)]
mod tests;
