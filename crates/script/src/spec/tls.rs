//! TLS: authorities, trust, connections.

use super::{Func, Kind, Opt, TIMEOUT, func, need};

pub(crate) static AUTHORITY: Func = func(
    "net:authority",
    "A certificate authority: authority:certificate{ names = {\"www.example.com\"} } signs one, authority:intermediate(name) makes an authority below. Nobody trusts it until host:trust says so. The cryptography is modelled, not computed.",
)
.with(&[need("name", Kind::Text)])
.opts(&[&[Opt::new("size", Kind::Size, "1200", "bytes of its certificate on the wire")]])
.gives("authority");
pub(crate) static CERTIFICATE: Func =
    func("authority:certificate", "A certificate for a server, signed by the authority.")
        .opts(&[&[
            Opt::new(
                "names",
                Kind::Texts,
                "required",
                "the names that it is for; \"*.example.com\" for one level below",
            ),
            Opt::new("from", Kind::Time, "0", "from when on it holds"),
            Opt::new("valid", Kind::Time, "2160h (90 days)", "for how long"),
            Opt::new("size", Kind::Size, "1200", "bytes on the wire"),
        ]])
        .gives("certificate");
pub(crate) static INTERMEDIATE: Func = func(
    "authority:intermediate",
    "An authority that this one vouches for; its certificates come as a chain.",
)
.with(&[need("name", Kind::Text)])
.gives("authority");
pub(crate) static TRUST: Func = func("host:trust", "The host believes certificates of these authorities.")
    .with(&[need("authority", Kind::Any)])
    .more();
const ENDS: &[Opt] = &[
    Opt::new("version", Kind::Choice(&["1.2", "1.3"]), "\"1.3\"", "the latest version that it speaks"),
    Opt::new("exchange", Kind::Time, "0", "processor time for the exchange of keys"),
];
const CLIENT: &[Opt] = &[
    Opt::new("resume", Kind::Bool, "true", "uses a ticket of an earlier connection to this name and port"),
    Opt::new("early", Kind::Bool, "false", "with a ticket: data is sent with the first flight (0-RTT)"),
    Opt::new("verify", Kind::Bool, "true", "checks the server's certificate"),
    Opt::new("check", Kind::Time, "0", "processor time for each certificate"),
];
const SERVER: &[Opt] = &[
    Opt::new("tickets", Kind::Bool, "true", "gives tickets, for two hours"),
    Opt::new(
        "ticket_key",
        Kind::Text,
        "the host's and port's own",
        "servers that have the same one take each other's tickets, with the same certificate",
    ),
    Opt::new("early", Kind::Bool, "false", "takes early data; whoever repeats it is not noticed"),
    Opt::new("sign", Kind::Time, "0", "processor time for a signature"),
];
/// What `tls = { ... }` of clients of the web takes.
pub(super) const CLIENT_END: &[&[Opt]] = &[ENDS, CLIENT];
/// What `tls = { ... }` of servers takes.
pub(crate) const SERVER_END: &[&[Opt]] =
    &[&[Opt::new("cert", Kind::Any, "required", "its certificate")], ENDS, SERVER];
pub(crate) static TLS_CLIENT: Func = func(
    "tcp:tls_client",
    "Protects an open connection: a TLS handshake as client. Afterwards send and recv go through it.",
)
.with(&[need("name", Kind::Text)])
.opts(&[ENDS, CLIENT, TIMEOUT])
.blocking()
.gives("{ version, resumed, early, chain }; or nil, error");
pub(crate) static TLS_SERVER: Func = func("tcp:tls_server", "The same as server, with a certificate.")
    .with(&[need("certificate", Kind::Any)])
    .opts(&[ENDS, SERVER, TIMEOUT])
    .blocking()
    .gives("{ version, resumed, early, name }; or nil, error");

pub(crate) const ALL: &[&Func] = &[&AUTHORITY, &CERTIFICATE, &INTERMEDIATE, &TRUST, &TLS_CLIENT, &TLS_SERVER];
