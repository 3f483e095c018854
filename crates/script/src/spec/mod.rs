//! The one table of functions and options: it drives the checks, and the reference can be made from it.
//!
//! | file | what is in it |
//! |---|---|
//! | `net.rs` | the network: nodes, links, shapes |
//! | `link.rs` | what can be done with a link |
//! | `routing.rs` | routing protocols and tables |
//! | `services.rs` | firewalls, address translation, DHCP, groups |
//! | `dns.rs`, `tls.rs`, `web.rs` | names; TLS; the web |
//! | `browser.rs` | browsers, caching proxies, films |
//! | `applications.rs` | files, terminals, mail, chat |
//! | `chain.rs` | what web chains are made of: caches, queues, databases, spans |
//! | `swarm.rs` | file distribution among peers |
//! | `tcp.rs` | options of TCP |
//! | `host.rs` | hosts and native applications |
//! | `quic.rs` | QUIC |
//! | `traffic.rs` | traffic of many hosts, quality of calls |
//! | `socket.rs` | sockets |
//! | `codec.rs` | values as bytes, character sets |
//! | `coding.rs` | bits as signals, frames in a stream of bits |
//! | `congestion.rs` | congestion controls of a script's own |
//! | `time.rs` | time, processes, chance, units |
//! | `measure.rs` | measurement and `experiment{}` |
//! | `prelude.rs` | functions written in Lua |
//! | `rows.rs` | subjects, and the functions that show them |
//! | `meta.rs` | definitions for editors, made from all of these |
//! | `fields.rs` | what can be read off things and watched |

pub(crate) mod applications;
pub(crate) mod browser;
pub(crate) mod chain;
pub(crate) mod codec;
pub(crate) mod coding;
pub(crate) mod congestion;
pub(crate) mod device;
pub(crate) mod dns;
pub(crate) mod failures;
mod fields;
pub(crate) mod host;
pub(crate) mod link;
pub(crate) mod measure;
mod meta;
pub(crate) mod net;
mod prelude;
pub(crate) mod quic;
pub(crate) mod routing;
mod rows;
pub(crate) mod services;
pub(crate) mod socket;
pub(crate) mod swarm;
pub(crate) mod tcp;
pub(crate) mod time;
pub(crate) mod tls;
pub(crate) mod traffic;
pub(crate) mod web;

pub use fields::{Field, Fields, fields};
pub(crate) use fields::{of as fields_of, unit_of_watched};
pub use meta::meta;
pub use rows::{Row, rows};
use tidewire_units::Span;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Anything.
    Any,
    /// True or false.
    Bool,
    /// A whole number in this range.
    Int(i64, i64),
    /// A number.
    Number,
    /// A text.
    Text,
    /// A time: `"20ms"`, or seconds.
    Time,
    /// A time from so many microseconds to so many.
    Duration(u64, u64),
    /// The same, or false for never; true for what is usual.
    Patience(u64, u64),
    /// A rate: `"10Mbps"`, or bit/s.
    Rate,
    /// A size: `"64KiB"`, or bytes.
    Size,
    /// A probability: `"1%"`, or 0 to 1.
    Probability,
    /// A share of something, likewise.
    Share,
    /// A port, 0 to 65535.
    Port,
    /// A differentiated services code point: a name or a number.
    Dscp,
    /// A host, switch or router.
    Node,
    /// A host.
    Host,
    /// A list of nodes; lists may nest.
    Nodes,
    /// A host, an address, or a peer.
    Peer,
    /// A URL, or a table of host, port and path.
    Url,
    /// A function.
    Function,
    /// A table.
    Table,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// One of these texts, or false for the last.
    ChoiceOrFalse(&'static [&'static str]),
    /// A loss model.
    Loss,
    /// A queue limit, or a queue discipline.
    Queue,
    /// Variation of a delay.
    Jitter,
    /// Damage by noise.
    Corrupt,
    /// A file of packet-delivery times.
    Trace,
    /// A VLAN, or those of a trunk.
    Vlan,
    /// Repair of losses on a link.
    Arq,
    /// A distance in metres.
    Distance,
    /// A time, or `{"uniform", low, high}`.
    Processing,
    /// An interface address: `"10.0.0.5/24"` or `"none"`.
    InterfaceAddress,
    /// Bytes to send.
    Data,
    /// A nested table with these options.
    Options(&'static [&'static [Opt]]),
    /// A text or a list of texts.
    Texts,
    /// A number of replications, or when there are enough.
    Reps,
}

/// An option of a function.
#[derive(Debug)]
pub struct Opt {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What holds without it, as text.
    pub default: &'static str,
    /// One line.
    pub doc: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
}

/// A positional argument.
#[derive(Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// It may be left out.
    pub optional: bool,
}

/// A function or method.
#[derive(Debug)]
pub struct Func {
    /// `net:link`, `sleep`, `random.uniform`, `host:ping`.
    pub name: &'static str,
    /// Positional arguments.
    pub params: &'static [Param],
    /// Options, in the table that comes last.
    pub opts: &'static [&'static [Opt]],
    /// Any further arguments are taken.
    pub rest: bool,
    /// It may take simulated time.
    pub waits: bool,
    /// What it gives.
    pub returns: &'static str,
    /// What it does.
    pub doc: &'static str,
}

impl Kind {
    /// What it is called in messages, with an example.
    pub fn describe(self) -> String {
        match self {
            Kind::Any => "a value".to_owned(),
            Kind::Bool => "true or false".to_owned(),
            Kind::Int(0, i64::MAX) => "a whole number, 0 or more".to_owned(),
            Kind::Int(1, i64::MAX) => "a whole number, 1 or more".to_owned(),
            Kind::Int(i64::MIN, _) => "a whole number".to_owned(),
            Kind::Int(low, high) => format!("a whole number from {low} to {high}"),
            Kind::Number => "a number".to_owned(),
            Kind::Text => "a text".to_owned(),
            Kind::Time => "a time, such as \"20ms\" or a number of seconds".to_owned(),
            Kind::Duration(low, high) => {
                format!("a time from {} to {}", Span::from_us(low), Span::from_us(high))
            }
            Kind::Patience(low, high) => {
                format!("false, or a time from {} to {}", Span::from_us(low), Span::from_us(high))
            }
            Kind::Rate => "a rate, such as \"10Mbps\"".to_owned(),
            Kind::Size => "a size, such as \"64KiB\" or a number of bytes".to_owned(),
            Kind::Probability => "a probability, such as \"1%\"".to_owned(),
            Kind::Share => "a share, such as \"60%\" or 0.6".to_owned(),
            Kind::Dscp => "a class of service, such as \"EF\", \"AF41\", \"CS1\" or a number from 0 to 63".to_owned(),
            Kind::Port => "a port, 0 to 65535".to_owned(),
            Kind::Node => "a node (host, switch or router)".to_owned(),
            Kind::Host => "a host".to_owned(),
            Kind::Nodes => "a list of nodes".to_owned(),
            Kind::Peer => "a host, an address such as \"10.0.0.1\", or address(host, port)".to_owned(),
            Kind::Url => "a URL such as \"http://www.example.com/\", or { host, port, path }".to_owned(),
            Kind::Function => "a function".to_owned(),
            Kind::Table => "a table".to_owned(),
            Kind::Choice(names) => format!("one of \"{}\"", names.join("\", \"")),
            Kind::ChoiceOrFalse(names) => format!("one of \"{}\", or false", names.join("\", \"")),
            Kind::Loss => "a probability, such as \"1%\", or { every = n } or { seq = {5, 9} }".to_owned(),
            Kind::Queue => "a queue limit, such as \"100pkt\", \"64KiB\" or \"1bdp\", or a discipline, such as { \"codel\", target = \"5ms\" }".to_owned(),
            Kind::Jitter => "a time, such as \"2ms\", or { \"normal\", \"2ms\", correlation = \"25%\" }".to_owned(),
            Kind::Corrupt => "a probability, such as \"0.01%\", or { ber = 1e-7 } or packets counted from 1, such as {3, 7}".to_owned(),
            Kind::Trace => "a file below the script's folder with one delivery time in milliseconds to a line, or { file = \"lte.csv\", time = \"t_s\", rate = \"rate_mbps\" }".to_owned(),
            Kind::Distance => "a distance, such as \"20m\" or a number of metres".to_owned(),
            Kind::Arq => "\"stop_and_wait\", \"gbn\" or \"sr\", or { \"sr\", window = 7, timeout = \"30ms\" }".to_owned(),
            Kind::Vlan => "a VLAN from 1 to 4094, or { trunk = {10, 20}, native = 1 }".to_owned(),
            Kind::Processing => "a time, such as \"50us\", or {\"uniform\", \"0us\", \"100us\"}".to_owned(),
            Kind::InterfaceAddress => "an address such as \"10.0.0.5/24\", \"dhcp\" or \"none\"".to_owned(),
            Kind::Data => "a text (the bytes to send)".to_owned(),
            Kind::Options(_) => "a table of options".to_owned(),
            Kind::Texts => "a text or a list of texts".to_owned(),
            Kind::Reps => {
                "a whole number from 1 to 1000000, or { min = 5, max = 100, until_ci = \"5%\" }".to_owned()
            }
        }
    }

    /// Whether a plain table can be such a value.
    pub fn takes_table(self) -> bool {
        matches!(
            self,
            Kind::Any
                | Kind::Nodes
                | Kind::Table
                | Kind::Loss
                | Kind::Trace
                | Kind::Queue
                | Kind::Jitter
                | Kind::Corrupt
                | Kind::Vlan
                | Kind::Arq
                | Kind::Processing
                | Kind::Options(_)
                | Kind::Texts
                | Kind::Reps
                | Kind::Url
        )
    }
}

impl Func {
    /// The name without what it belongs to.
    pub fn short(&self) -> &'static str {
        self.name.rsplit([':', '.']).next().unwrap_or(self.name)
    }

    /// `net` of `net:link`, `random` of `random.uniform`, nothing of `sleep`.
    pub fn owner(&self) -> &'static str {
        self.name.rsplit_once([':', '.']).map_or("", |(owner, _)| owner)
    }
}

impl Opt {
    /// An option.
    pub const fn new(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Opt {
        Opt { name, kind, default, doc, aliases: &[] }
    }

    /// The same with other names that are understood.
    pub const fn or(mut self, aliases: &'static [&'static str]) -> Opt {
        self.aliases = aliases;
        self
    }
}

/// A positional argument that must be given.
pub(crate) const fn need(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, optional: false }
}

/// A positional argument that may be left out.
pub(crate) const fn may(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, optional: true }
}

/// A function without arguments, to fill in.
pub(crate) const fn func(name: &'static str, doc: &'static str) -> Func {
    Func { name, params: &[], opts: &[], rest: false, waits: false, returns: "", doc }
}

impl Func {
    /// With these positional arguments.
    pub(crate) const fn with(mut self, params: &'static [Param]) -> Func {
        self.params = params;
        self
    }

    /// With these options.
    pub(crate) const fn opts(mut self, opts: &'static [&'static [Opt]]) -> Func {
        self.opts = opts;
        self
    }

    /// Giving this.
    pub(crate) const fn gives(mut self, returns: &'static str) -> Func {
        self.returns = returns;
        self
    }

    /// Taking simulated time.
    pub(crate) const fn blocking(mut self) -> Func {
        self.waits = true;
        self
    }

    /// Taking any number of further arguments.
    pub(crate) const fn more(mut self) -> Func {
        self.rest = true;
        self
    }
}

/// A count without upper limit.
pub(crate) const COUNT: Kind = Kind::Int(1, i64::MAX);
/// A whole number from 0.
pub(crate) const WHOLE: Kind = Kind::Int(0, i64::MAX);
/// How long to wait at most.
pub(crate) const TIMEOUT: &[Opt] = &[Opt::new("timeout", Kind::Time, "for ever", "how long to wait at most")];

/// Every function there is, by topic.
pub fn all() -> Vec<&'static Func> {
    [
        net::ALL,
        routing::ALL,
        services::ALL,
        failures::ALL,
        device::ALL,
        link::ALL,
        host::ALL,
        traffic::ALL,
        quic::ALL,
        socket::ALL,
        dns::ALL,
        web::ALL,
        tls::ALL,
        applications::ALL,
        chain::ALL,
        browser::ALL,
        swarm::ALL,
        congestion::ALL,
        codec::ALL,
        coding::ALL,
        time::ALL,
        measure::ALL,
        prelude::ALL,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_and_option_is_documented_once() {
        let mut names = std::collections::BTreeSet::new();
        for func in all() {
            assert!(names.insert(func.name), "{} is there twice", func.name);
            assert!(func.doc.len() > 8, "{} has no documentation", func.name);
            let mut options = std::collections::BTreeSet::new();
            for opt in func.opts.iter().flat_map(|group| group.iter()) {
                assert!(!opt.doc.is_empty() && !opt.default.is_empty(), "{}.{}", func.name, opt.name);
                for name in [opt.name].iter().chain(opt.aliases) {
                    assert!(options.insert(*name), "{} has the option {name} twice", func.name);
                }
            }
        }
    }
}
