//! The three formats of recordings, told apart by their columns.

use crate::ReproduceError;
use std::str::FromStr;

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

impl Reference {
    /// Reads a recording.
    ///
    /// # Errors
    /// Unknown columns; a cell that is no value of its column.
    pub fn parse(text: &str) -> Result<Reference, ReproduceError> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let wrong = |error: csv::Error| ReproduceError::Csv(error.to_string());
        let header = reader.headers().map_err(wrong)?.clone();
        let has = |name: &str| header.iter().any(|column| column == name);
        let records = reader.records().collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let rows = || records.iter().map(|record| Row { header: &header, record });
        if has("cc_a") && has("cc_b") && has("goodput_a_mbps") {
            rows().map(fairness).collect::<Result<_, _>>().map(Reference::Fairness)
        } else if has("kind") && has("offered_mbps") {
            rows().map(udp).collect::<Result<_, _>>().map(Reference::Udp)
        } else if has("cc") && has("goodput_mbps") {
            rows().map(goodput).collect::<Result<_, _>>().map(Reference::Goodput)
        } else {
            Err(ReproduceError::UnknownFormat(header.iter().collect::<Vec<_>>().join(",")))
        }
    }
}

struct Row<'a> {
    header: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    /// The cell of a column; empty when there is none.
    fn text(&self, column: &str) -> &str {
        let at = self.header.iter().position(|name| name == column);
        at.and_then(|at| self.record.get(at)).unwrap_or("").trim()
    }

    fn bad(&self, column: &str) -> ReproduceError {
        let line = self.record.position().map_or(0, csv::Position::line);
        ReproduceError::BadCell(line, column.to_owned(), self.text(column).to_owned())
    }

    fn get<T: FromStr>(&self, column: &str) -> Result<T, ReproduceError> {
        self.text(column).parse().map_err(|_| self.bad(column))
    }

    fn or<T: FromStr>(&self, column: &str, default: T) -> Result<T, ReproduceError> {
        if self.text(column).is_empty() { Ok(default) } else { self.get(column) }
    }

    /// A number that can be a rate, a time or a probability.
    fn measure(&self, column: &str) -> Result<f64, ReproduceError> {
        let value: f64 = self.get(column)?;
        if (0.0..1e6).contains(&value) { Ok(value) } else { Err(self.bad(column)) }
    }

    fn rate(&self) -> Result<f64, ReproduceError> {
        let rate = self.measure("rate")?;
        if rate > 0.0 { Ok(rate) } else { Err(self.bad("rate")) }
    }

    fn loss(&self) -> Result<f64, ReproduceError> {
        let loss = self.or("loss", 0.0)?;
        if (0.0..=1.0).contains(&loss) { Ok(loss) } else { Err(self.bad("loss")) }
    }
}

fn goodput(row: Row<'_>) -> Result<GoodputRow, ReproduceError> {
    let result = GoodputRow {
        cc: row.get("cc")?,
        rate: row.rate()?,
        rtt_ms: row.measure("rtt_ms")?,
        loss: row.loss()?,
        queue_pkts: row.get("queue_pkts")?,
        seed: row.or("seed", 1)?,
        duration: row.or("duration", 60.0)?,
        warmup_s: row.or("warmup_s", 10.0)?,
        goodput_mbps: row.measure("goodput_mbps")?,
        retransmits: row.text("retrans_segs").parse().ok(),
        rtos: row.text("rto_count").parse().ok(),
        sack: row.or("sack", 1)? != 0,
        rack: row.or("tcp_recovery", 1)? != 0,
        no_offload: row.or("gso_max_segs1", 1)? != 0,
    };
    let sensible = result.warmup_s >= 0.0 && result.duration > result.warmup_s && result.duration < 1e5;
    if sensible { Ok(result) } else { Err(row.bad("duration")) }
}

fn fairness(row: Row<'_>) -> Result<FairnessRow, ReproduceError> {
    let (a, b) = (row.measure("goodput_a_mbps")?, row.measure("goodput_b_mbps")?);
    Ok(FairnessRow {
        cc: [row.get("cc_a")?, row.get("cc_b")?],
        rate: row.rate()?,
        rtt_ms: row.measure("rtt_ms")?,
        queue_pkts: row.get("queue_pkts")?,
        b_first: row.text("first_starter") == "b",
        share_a: row.or("share_a", a / (a + b))?,
        total_mbps: a + b,
    })
}

fn udp(row: Row<'_>) -> Result<UdpRow, ReproduceError> {
    let (kind, columns): (_, &[&'static str]) = match row.text("kind") {
        "cbr_vs_tcp" => (UdpKind::CbrVsTcp, &["tcp_before_mbps", "tcp_during_mbps", "udp_recv_mbps"]),
        "udpmsg" => (UdpKind::UdpMessages, &["delivered_ratio", "delay_p50_ms", "delay_p95_ms"]),
        "tcpmsg" => (UdpKind::TcpMessages, &["delivered_ratio", "delay_p50_ms", "delay_p95_ms"]),
        _ => return Err(row.bad("kind")),
    };
    let expected = columns.iter().map(|column| Ok((*column, row.measure(column)?)));
    Ok(UdpRow {
        kind,
        cc: row.get("cc")?,
        rate: row.rate()?,
        rtt_ms: row.measure("rtt_ms")?,
        queue_pkts: row.get("queue_pkts")?,
        loss: row.loss()?,
        offered_mbps: row.measure("offered_mbps")?,
        seed: row.or("seed", 1)?,
        sent: row.get("sent")?,
        expected: expected.collect::<Result<_, ReproduceError>>()?,
    })
}
