//! The three formats of recordings, told apart by their columns.

use crate::{ReproduceError, files};

/// What a kernel did, row by row.
#[derive(Clone, PartialEq, Debug)]
pub enum Reference {
    /// One bulk flow for each row.
    Goodput(Vec<GoodputRow>),
    /// Two flows that share a link.
    Fairness(Vec<FairnessRow>),
    /// Datagrams, and messages over TCP.
    Udp(Vec<UdpRow>),
}

/// A recording, and what of it cannot be used.
#[derive(Clone, PartialEq, Debug)]
pub struct Recording {
    /// The rows that can.
    pub reference: Reference,
    /// Those that cannot: line and why.
    pub skipped: Vec<String>,
}

/// A row of `goodput.csv`.
#[derive(Clone, PartialEq, Debug)]
pub struct GoodputRow {
    /// Congestion control.
    pub cc: String,
    /// Mbit/s.
    pub rate: f64,
    /// Twice the one-way propagation, in ms.
    pub rtt_ms: f64,
    /// Probability.
    pub loss: f64,
    /// Packets that may wait.
    pub queue_pkts: u32,
    /// Seed of the losses.
    pub seed: u64,
    /// End of the measurement, in seconds after connect.
    pub duration: f64,
    /// Its beginning.
    pub warmup_s: f64,
    /// What was measured, in Mbit/s.
    pub goodput_mbps: f64,
    /// Segments that were sent again, from the beginning, when the recording has them.
    pub retransmits: Option<u64>,
    /// Timeouts, likewise.
    pub rtos: Option<u64>,
    /// SACK was on.
    pub sack: bool,
    /// RACK was on.
    pub rack: bool,
    /// Segmentation offload was off.
    pub no_offload: bool,
}

/// A row of `fairness.csv`.
#[derive(Clone, PartialEq, Debug)]
pub struct FairnessRow {
    /// Congestion control of each flow.
    pub cc: [String; 2],
    /// Mbit/s.
    pub rate: f64,
    /// Twice the one-way propagation, in ms.
    pub rtt_ms: f64,
    /// Packets that may wait.
    pub queue_pkts: u32,
    /// Flow B starts first.
    pub b_first: bool,
    /// Share of flow A in the goodput of both.
    pub share_a: f64,
    /// Goodput of both together, in Mbit/s.
    pub total_mbps: f64,
}

/// A row of `udp.csv`.
#[derive(Clone, PartialEq, Debug)]
pub struct UdpRow {
    /// What was done.
    pub kind: UdpKind,
    /// Congestion control; `udp` for datagrams.
    pub cc: String,
    /// Mbit/s.
    pub rate: f64,
    /// Twice the one-way propagation, in ms.
    pub rtt_ms: f64,
    /// Packets that may wait.
    pub queue_pkts: u32,
    /// Probability.
    pub loss: f64,
    /// Offered load: of IP packets (`cbr_vs_tcp`) or messages, in Mbit/s.
    pub offered_mbps: f64,
    /// Seed of the losses.
    pub seed: u64,
    /// Datagrams or messages that were sent.
    pub sent: u64,
    /// What was measured: names of columns and values, those that this kind has.
    pub expected: Vec<(&'static str, f64)>,
}

/// What a row of `udp.csv` is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UdpKind {
    /// Datagrams at a constant rate join a TCP flow.
    CbrVsTcp,
    /// Messages as datagrams.
    UdpMessages,
    /// Messages over one TCP connection.
    TcpMessages,
}

impl UdpKind {
    /// As in the file.
    pub const fn label(self) -> &'static str {
        match self {
            UdpKind::CbrVsTcp => "cbr_vs_tcp",
            UdpKind::UdpMessages => "udpmsg",
            UdpKind::TcpMessages => "tcpmsg",
        }
    }
}

impl From<Reference> for Recording {
    fn from(reference: Reference) -> Self {
        Recording { reference, skipped: Vec::new() }
    }
}

impl Reference {
    /// How many rows.
    pub fn len(&self) -> usize {
        match self {
            Reference::Goodput(rows) => rows.len(),
            Reference::Fairness(rows) => rows.len(),
            Reference::Udp(rows) => rows.len(),
        }
    }

    /// There is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads a recording. The columns may come in any order; those that are not needed may be there or not.
    ///
    /// # Errors
    /// Unknown columns; no row that can be used.
    pub fn parse(text: &str) -> Result<Recording, ReproduceError> {
        let mut records = files::records(text).into_iter();
        let Some((_, header)) = records.next() else {
            return Err(ReproduceError::Csv("there is nothing in it".into()));
        };
        let header: Vec<String> = header.iter().map(str::to_lowercase).collect();
        let has = |name: &str| header.iter().any(|column| column == name);
        let rows = || records.map(|(line, record)| Row { header: &header, line, record });
        let mut skipped = Vec::new();
        let reference = if has("cc_a") && has("cc_b") && has("goodput_a_mbps") {
            Reference::Fairness(usable(rows().map(fairness), &mut skipped))
        } else if has("kind") && has("offered_mbps") {
            Reference::Udp(usable(rows().map(udp), &mut skipped))
        } else if has("cc") && (has("goodput_mbps") || has("goodput_ratio")) {
            Reference::Goodput(usable(rows().map(goodput), &mut skipped))
        } else {
            return Err(ReproduceError::UnknownFormat(header.join(",")));
        };
        match &skipped[..] {
            [] if reference.is_empty() => Err(ReproduceError::Csv("there are no rows".into())),
            [first, ..] if reference.is_empty() => {
                let others = if skipped.len() > 1 { ", and no other is" } else { "" };
                Err(ReproduceError::Csv(format!("{first}{others}")))
            }
            _ => Ok(Recording { reference, skipped }),
        }
    }
}

fn usable<T>(rows: impl Iterator<Item = Result<T, String>>, skipped: &mut Vec<String>) -> Vec<T> {
    rows.filter_map(|row| row.map_err(|why| skipped.push(why)).ok()).collect()
}

/// Packets that the runs of a row may send: minutes of computing.
const MOST_PACKETS: f64 = 5e7;
/// Simulated seconds that a run may take.
const LONGEST: f64 = 1e5;

struct Row<'a> {
    header: &'a [String],
    line: u64,
    record: csv::StringRecord,
}

impl Row<'_> {
    /// The cell of a column; empty when there is none.
    fn text(&self, column: &str) -> &str {
        let at = self.header.iter().position(|name| name == column);
        at.and_then(|at| self.record.get(at)).unwrap_or("")
    }

    fn says(&self, why: &str) -> String {
        format!("line {}: {why}", self.line)
    }

    fn bad(&self, column: &str) -> String {
        match self.text(column) {
            "" => self.says(&format!("nothing in column '{column}'")),
            text => self.says(&format!("column '{column}': '{text}' is not a value of this column")),
        }
    }

    fn name(&self, column: &str) -> Result<String, String> {
        let name = self.text(column);
        if name.is_empty() { Err(self.bad(column)) } else { Ok(name.to_lowercase()) }
    }

    /// A number in a range; without one, the default if there is one.
    fn number(&self, column: &str, default: Option<f64>, (low, high): (f64, f64)) -> Result<f64, String> {
        let value = match (self.text(column), default) {
            ("", Some(default)) => Some(default),
            (text, _) => text.parse().ok(),
        };
        value.filter(|x| (low..=high).contains(x)).ok_or_else(|| self.bad(column))
    }

    /// A whole number, also written as `42.0`.
    fn whole(&self, column: &str, default: Option<u64>, most: u64) -> Result<u64, String> {
        if let Ok(exact) = self.text(column).parse::<u64>() {
            return if exact <= most { Ok(exact) } else { Err(self.bad(column)) };
        }
        let value = self.number(column, default.map(|x| x as f64), (0.0, most as f64))?;
        if value.fract() == 0.0 { Ok(value as u64) } else { Err(self.bad(column)) }
    }

    /// `1`, `0`, `true`, `off` and the like.
    fn switch(&self, column: &str) -> Result<bool, String> {
        match self.text(column).to_lowercase().as_str() {
            "" | "true" | "on" | "yes" => Ok(true),
            "false" | "off" | "no" => Ok(false),
            _ => self.number(column, None, (0.0, 1e9)).map(|x| x != 0.0),
        }
    }

    fn mbps(&self, column: &str) -> Result<f64, String> {
        self.number(column, None, (0.0, 1e6))
    }

    /// Not less than a kilobit per second.
    fn rate(&self, column: &str) -> Result<f64, String> {
        self.number(column, None, (1e-3, 1e6))
    }

    fn rtt(&self) -> Result<f64, String> {
        self.number("rtt_ms", None, (0.0, 60_000.0))
    }

    fn loss(&self) -> Result<f64, String> {
        self.number("loss", Some(0.0), (0.0, 1.0))
    }

    /// In packets, or else in bandwidth-delay products.
    fn queue(&self) -> Result<u32, String> {
        let most = u64::from(u32::MAX);
        if !self.text("queue_pkts").is_empty() || self.text("queue_bdp").is_empty() {
            return self.whole("queue_pkts", None, most).map(|n| n as u32);
        }
        let pipe = self.rate("rate")? * self.rtt()? * 1e3 / 12_000.0;
        let packets = (self.number("queue_bdp", None, (0.0, 1e6))? * pipe).round().max(1.0);
        if packets <= most as f64 { Ok(packets as u32) } else { Err(self.bad("queue_bdp")) }
    }

    /// Begin and end of the measurement, in seconds.
    fn span(&self) -> Result<(f64, f64), String> {
        let end = self.number("duration", Some(60.0), (0.0, LONGEST))?;
        let warmup = self.number("warmup_s", Some(10.0), (0.0, LONGEST))?;
        if warmup < end { Ok((warmup, end)) } else { Err(self.says("nothing is left after the warm-up")) }
    }

    fn is_affordable(&self, mbps: f64, seconds: f64, runs: u32) -> Result<(), String> {
        let packets = mbps * 1e6 * seconds / 12_000.0 * f64::from(runs);
        if packets <= MOST_PACKETS && seconds <= LONGEST {
            return Ok(());
        }
        Err(self.says(&format!(
            "{mbps} Mbit/s for {seconds:.0} s, {runs} times, is too much to simulate: the most is {MOST_PACKETS:e} packets \
             and {LONGEST:e} s"
        )))
    }
}

fn goodput(row: Row<'_>) -> Result<GoodputRow, String> {
    let (warmup_s, duration) = row.span()?;
    let rate = row.rate("rate")?;
    row.is_affordable(rate, duration, 1)?;
    let by_ratio = row.text("goodput_mbps").is_empty() && !row.text("goodput_ratio").is_empty();
    let goodput_mbps = if by_ratio {
        rate * row.number("goodput_ratio", None, (0.0, 1.0))?
    } else {
        row.mbps("goodput_mbps")?
    };
    Ok(GoodputRow {
        cc: row.name("cc")?,
        rate,
        rtt_ms: row.rtt()?,
        loss: row.loss()?,
        queue_pkts: row.queue()?,
        seed: row.whole("seed", Some(1), u64::MAX)?,
        duration,
        warmup_s,
        goodput_mbps,
        retransmits: row.whole("retrans_segs", None, u64::MAX).ok(),
        rtos: row.whole("rto_count", None, u64::MAX).ok(),
        sack: row.switch("sack")?,
        rack: row.switch("tcp_recovery")?,
        no_offload: row.switch("gso_max_segs1")?,
    })
}

fn fairness(row: Row<'_>) -> Result<FairnessRow, String> {
    let (a, b) = (row.mbps("goodput_a_mbps")?, row.mbps("goodput_b_mbps")?);
    if a + b <= 0.0 {
        return Err(row.says("both flows have nothing: there is no share"));
    }
    let rate = row.rate("rate")?;
    row.is_affordable(rate, super::fairness::END, super::fairness::SEEDS as u32)?;
    Ok(FairnessRow {
        cc: [row.name("cc_a")?, row.name("cc_b")?],
        rate,
        rtt_ms: row.rtt()?,
        queue_pkts: row.queue()?,
        b_first: row.text("first_starter").eq_ignore_ascii_case("b"),
        share_a: row.number("share_a", Some(a / (a + b)), (0.0, 1.0))?,
        total_mbps: a + b,
    })
}

fn udp(row: Row<'_>) -> Result<UdpRow, String> {
    let (kind, columns): (_, &[&'static str]) = match row.text("kind") {
        "cbr_vs_tcp" => (UdpKind::CbrVsTcp, &["tcp_before_mbps", "tcp_during_mbps", "udp_recv_mbps"]),
        "udpmsg" => (UdpKind::UdpMessages, &["delivered_ratio", "delay_p50_ms", "delay_p95_ms"]),
        "tcpmsg" => (UdpKind::TcpMessages, &["delivered_ratio", "delay_p50_ms", "delay_p95_ms"]),
        _ => return Err(row.bad("kind")),
    };
    let expected = columns.iter().map(|column| Ok((*column, row.number(column, None, (0.0, 1e6))?)));
    let (rate, offered_mbps) = (row.rate("rate")?, row.rate("offered_mbps")?);
    let sent = row.whole("sent", None, MOST_PACKETS as u64)?;
    if sent == 0 {
        return Err(row.bad("sent"));
    }
    let (size, runs) = match kind {
        UdpKind::CbrVsTcp => (1500.0, super::udp::PHASES),
        UdpKind::UdpMessages | UdpKind::TcpMessages => (1250.0, 1),
    };
    let seconds = sent as f64 * size * 8.0 / (offered_mbps * 1e6);
    // A TCP flow takes all that the link has; messages take no more than themselves.
    let load = if kind == UdpKind::CbrVsTcp { rate + offered_mbps } else { offered_mbps };
    row.is_affordable(load, seconds + super::udp::JOIN, runs)?;
    Ok(UdpRow {
        kind,
        cc: row.name("cc")?,
        rate,
        rtt_ms: row.rtt()?,
        queue_pkts: row.queue()?,
        loss: row.loss()?,
        offered_mbps,
        seed: row.whole("seed", Some(1), u64::MAX)?,
        sent,
        expected: expected.collect::<Result<_, String>>()?,
    })
}
