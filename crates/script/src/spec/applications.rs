//! Files, terminals, mail, chat, remote calls, transfers with checkpoints.

use super::fields::{Field, Fields, f};
use super::{COUNT, Func, Kind, Opt, func, may, need};

const BACKLOG: Opt = Opt::new("backlog", COUNT, "128", "connections that may wait to be accepted");
const PATIENCE: Opt = Opt::new("timeout", Kind::Time, "30s", "how long nothing may come");

pub(crate) static FTP_SERVER: Func = func(
    "host:ftp_server",
    "Gives and takes files (RFC 959): commands on one connection, each list and each file on another, opened by either side.",
)
.opts(&[&[
    Opt::new("files", Kind::Table, "none", "{ [\"/pub/film.mp4\"] = \"100MB\", [\"/hello.txt\"] = \"Hello\" }: a size or a text each"),
    Opt::new("users", Kind::Table, "none", "{ kim = \"secret\" }: passwords by name"),
    Opt::new("anonymous", Kind::Bool, "true without users", "whether anybody may come as anonymous"),
    Opt::new("read_only", Kind::Bool, "false", "nothing can be stored"),
    Opt::new("port", Kind::Port, "21", "where it listens"),
    Opt::new("timeout", Kind::Time, "300s", "how long a client may be silent"),
    Opt::new("data_timeout", Kind::Time, "10s", "how long a data connection may take to open"),
    BACKLOG,
]])
.gives("ftp_server: .connections .data_connections .logins .commands .transfers .bytes_sent .bytes_received .faults, :sessions(), :set(path, file), :stop(); or nil, \"in use\"");
pub(crate) static FTP: Func = func(
    "host:ftp",
    "Logs in to a server for files: ftp:list([folder]), :get(name, { offset = }), :put(name, file), :cwd(folder), :size(name), :delete(name), :command(line), :abort(), :quit().",
)
.with(&[need("server", Kind::Peer), may("user", Kind::Text), may("password", Kind::Text)])
.opts(&[&[
    Opt::new(
        "mode",
        Kind::Choice(&["passive", "active"]),
        "\"passive\"",
        "who opens data connections: the client, or the server",
    ),
    Opt::new("port", Kind::Port, "21", "the server's port"),
    Opt::new("keep", Kind::Size, "1MiB", "longer files are counted, but not kept as res.body"),
    PATIENCE,
]])
.blocking()
.gives("ftp; or nil, error");
pub(crate) static FTP_GET: Func = func("ftp:get", "Fetches a file, or the rest of it from an offset on.")
    .with(&[need("name", Kind::Text)])
    .opts(&[&[
        Opt::new("offset", Kind::Size, "0", "where to begin (REST)"),
        Opt::new("timeout", Kind::Time, "that of the session", "how long nothing may come"),
    ]])
    .blocking()
    .gives("res: .size .body .total .offset; or nil, error, how many bytes came");
pub(crate) static FTP_PUT: Func = func("ftp:put", "Stores a file: a text, or a size such as \"10MB\".")
    .with(&[need("name", Kind::Text), need("file", Kind::Any)])
    .opts(&[&[Opt::new("offset", Kind::Size, "0", "what is there up to here stays (REST)")]])
    .blocking()
    .gives("res: .size .total; or nil, error, how many bytes went");
pub(crate) static FTP_LIST: Func = func("ftp:list", "What is in a folder.")
    .with(&[may("folder", Kind::Text)])
    .blocking()
    .gives("list of { name, size, folder }, printable; or nil, error");
pub(crate) static FTP_CWD: Func = func("ftp:cwd", "Goes to a folder.")
    .with(&[need("folder", Kind::Text)])
    .blocking()
    .gives("true; or nil, error");
pub(crate) static FTP_SIZE: Func = func("ftp:size", "How long a file is.")
    .with(&[need("name", Kind::Text)])
    .blocking()
    .gives("bytes; or nil, error");
pub(crate) static FTP_DELETE: Func = func("ftp:delete", "Deletes a file.")
    .with(&[need("name", Kind::Text)])
    .blocking()
    .gives("true; or nil, error");
pub(crate) static FTP_COMMAND: Func = func("ftp:command", "Sends a command as it stands, known or not.")
    .with(&[need("line", Kind::Text)])
    .blocking()
    .gives("code, text; or nil, error");
pub(crate) static FTP_ABORT: Func =
    func("ftp:abort", "Ends the transfer that another process waits for; it gets nil and \"426 ...\".")
        .blocking();
pub(crate) static FTP_QUIT: Func = func("ftp:quit", "Says goodbye.").blocking();
pub(crate) static FTP_SESSIONS: Func =
    func("ftp_server:sessions", "What the server remembers of each client: who it is, how far it is, where.")
        .gives("list of { client, user, state, folder, mode, file, last, bytes }, printable");

const SHELL: &[Opt] = &[
    Opt::new("shell", Kind::Function, "echo, whoami", "function(line, user) that gives what a command says"),
    Opt::new("timeout", Kind::Time, "300s", "how long a client may be silent"),
    BACKLOG,
];
pub(crate) static TELNET_SERVER: Func =
    func("host:telnet_server", "A terminal for others, in the clear (RFC 854).")
        .opts(&[
            &[
                Opt::new("users", Kind::Table, "none", "{ kim = \"secret\" }: passwords by name"),
                Opt::new("port", Kind::Port, "23", "where it listens"),
            ],
            SHELL,
        ])
        .gives("telnet_server: .connections .logins .commands .faults, :stop(); or nil, \"in use\"");
pub(crate) static TELNET: Func =
    func("host:telnet", "Logs in over telnet: session:run(line) runs a command, session:close() ends it.")
        .with(&[need("server", Kind::Peer), need("user", Kind::Text), need("password", Kind::Text)])
        .opts(&[&[Opt::new("port", Kind::Port, "23", "the server's port"), PATIENCE]])
        .blocking()
        .gives("session; or nil, error (\"permission denied\")");
pub(crate) static SSH_KEY: Func = func(
    "net:ssh_key",
    "A pair of keys, of a user or of a host. The cryptography is modelled, not computed.",
)
.with(&[may("name", Kind::Text)])
.gives("key: .name .public .private .fingerprint");
pub(crate) static SSH_SERVER: Func = func(
    "host:ssh_server",
    "A terminal for others that nobody on the way can read (modelled on RFC 4253 and RFC 4252).",
)
.opts(&[
    &[
        Opt::new(
            "users",
            Kind::Table,
            "none",
            "{ kim = key, lee = { keys = { key1, key2 }, password = \"secret\" } }: who may log in, and how",
        ),
        Opt::new("host_key", Kind::Table, "made from the host", "the server's own key"),
        Opt::new("exchange", Kind::Time, "0", "processor time for the exchange of keys"),
        Opt::new("port", Kind::Port, "22", "where it listens"),
    ],
    SHELL,
])
.gives("ssh_server: .connections .logins .commands .faults .host_key, :stop(); or nil, \"in use\"");
pub(crate) static SSH: Func = func(
    "host:ssh",
    "Logs in over SSH by a key or a password: session:run(line) runs a command. A host keeps the keys of servers that it has met.",
)
.with(&[need("server", Kind::Peer), need("user", Kind::Text)])
.opts(&[&[
    Opt::new("key", Kind::Table, "none", "what net:ssh_key gave"),
    Opt::new("password", Kind::Text, "none", "without a key"),
    Opt::new("check_host", Kind::Bool, "true", "refuses a server whose key is another than before"),
    Opt::new("port", Kind::Port, "22", "the server's port"),
    PATIENCE,
]])
.blocking()
.gives("session; or nil, error (\"permission denied\", \"host key changed\")");
pub(crate) static SESSION_RUN: Func = func("session:run", "Runs a command on the other host.")
    .with(&[need("line", Kind::Text)])
    .blocking()
    .gives("what it says; or nil, error");
pub(crate) static SESSION_CLOSE: Func = func("session:close", "Logs out.").blocking();

pub(crate) static MAIL_SERVER: Func = func(
    "host:mail_server",
    "Takes mail for the users of its domains over SMTP (RFC 5321) and passes on what is for others, by the MX records of their domains.",
)
.opts(&[&[
    Opt::new("domain", Kind::Texts, "required", "whose mail it takes: \"example.com\", or a list"),
    Opt::new("users", Kind::Texts, "none", "who has a box"),
    Opt::new("relay", Kind::Any, "false", "whose mail for others it passes on: true, or a network such as \"10.0.1.0/24\""),
    Opt::new("max_size", Kind::Size, "10MB", "longer mails are refused"),
    Opt::new("retry", Kind::Time, "60s", "how long until a second try where nobody answered; doubled each time"),
    Opt::new("retries", COUNT, "5", "further tries, before the sender is told"),
    Opt::new("port", Kind::Port, "25", "where it listens"),
    Opt::new("timeout", Kind::Time, "300s", "how long a client may be silent"),
    BACKLOG,
]])
.gives("mail_server: .received .sent .bounced .waiting .faults, :box(user), :fetch(user, { timeout = }), :stop(); or nil, \"in use\"");
pub(crate) static SEND_MAIL: Func = func(
    "host:send_mail",
    "Sends a mail: to a server of its own with via, or to those that the MX records of the domains name.",
)
.opts(&[&[
    Opt::new("from", Kind::Text, "required", "kim@example.com"),
    Opt::new("to", Kind::Texts, "required", "who gets it, one or several"),
    Opt::new("subject", Kind::Text, "none", "what it is about"),
    Opt::new("body", Kind::Any, "none", "a text, or a size such as \"2MB\""),
    Opt::new("via", Kind::Peer, "none", "the server that passes it on"),
    Opt::new("port", Kind::Port, "25", "the server's port"),
    Opt::new("timeout", Kind::Time, "60s", "how long all of it may take"),
]])
.blocking()
.gives("res: .size .total .by .refused (why, by recipient); or nil, error, code");
pub(crate) static MAIL_BOX: Func = func("mail_server:box", "The mails of a user that were not fetched.")
    .with(&[need("user", Kind::Text)])
    .gives("list of { from, to, subject, body, text, size, at }");
pub(crate) static MAIL_FETCH: Func =
    func("mail_server:fetch", "Takes the next mail out of a box; waits for one.")
        .with(&[need("user", Kind::Text)])
        .opts(&[super::TIMEOUT])
        .blocking()
        .gives("mail; or nil, \"timeout\"");

pub(crate) static CHAT_SERVER: Func =
    func("host:chat_server", "A room in which everybody hears what one says.")
        .opts(&[&[
            Opt::new("port", Kind::Port, "6667", "where it listens"),
            Opt::new("queue", COUNT, "1000", "lines that may wait for a guest, before the guest is put out"),
            BACKLOG,
        ]])
        .gives("chat_server: .lines .copies .open .faults, :stop(); or nil, \"in use\"");
pub(crate) static CHAT: Func = func("host:chat", "Enters a room: chat:say(text), chat:hear(), chat:leave().")
    .with(&[need("server", Kind::Peer), need("name", Kind::Text)])
    .opts(&[&[Opt::new("port", Kind::Port, "6667", "the server's port"), PATIENCE]])
    .blocking()
    .gives("chat; or nil, error");
pub(crate) static CHAT_SAY: Func =
    func("chat:say", "Says something to all others.").with(&[need("text", Kind::Text)]).blocking();
pub(crate) static CHAT_HEAR: Func = func("chat:hear", "The next thing that happens in the room.")
    .opts(&[super::TIMEOUT])
    .blocking()
    .gives("{ what = \"said\" | \"joined\" | \"left\", who, text, at }; or nil, error");
pub(crate) static CHAT_LEAVE: Func = func("chat:leave", "Leaves the room.");

pub(crate) static RPC_SERVER: Func = func(
    "host:rpc_server",
    "Functions that others call, over datagrams. At most once: who asks again gets the first answer again. At least once: it is done again.",
)
.opts(&[&[
    Opt::new("procedures", Kind::Table, "required", "{ add = function(a, b) return a + b end }; they may wait"),
    Opt::new(
        "semantics",
        Kind::Choice(&["at_most_once", "at_least_once"]),
        "\"at_most_once\"",
        "what is done about questions that come twice",
    ),
    Opt::new("keep", Kind::Time, "60s", "how long answers are kept for those who ask again"),
    Opt::new("port", Kind::Port, "111", "where it listens"),
]])
.gives("rpc_server: .calls .executions .duplicates .replies .faults, :stop(); or nil, \"in use\"");
pub(crate) static RPC: Func = func(
    "host:rpc",
    "A client for remote calls: rpc:call(name, ...) asks, and asks again when no answer comes.",
)
.with(&[need("server", Kind::Peer)])
.opts(&[&[
    Opt::new("port", Kind::Port, "111", "the server's port"),
    Opt::new("timeout", Kind::Time, "1s", "how long until it is asked again; doubled each time"),
    Opt::new("tries", COUNT, "5", "how often it is asked in all; 1: once, and perhaps never done"),
]])
.gives("rpc: .calls .resent");
pub(crate) static RPC_CALL: Func =
    func("rpc:call", "Calls a procedure with these values: texts, numbers, true or false, tables.")
        .with(&[need("name", Kind::Text)])
        .more()
        .blocking()
        .gives("the result; or nil, error");

pub(crate) static TRANSFER_SERVER: Func = func(
    "host:transfer_server",
    "Takes long files and confirms checkpoints, from which a sender goes on when its connection breaks.",
)
.opts(&[&[
    Opt::new("port", Kind::Port, "7000", "where it listens"),
    Opt::new("cut", Kind::Size, "never", "an accident: the connection breaks once, after so many bytes"),
    Opt::new("timeout", Kind::Time, "60s", "how long nothing may come"),
    BACKLOG,
]])
.gives(
    "transfer_server: .bytes_received .connections .complete .resumed .faults, :stop(); or nil, \"in use\"",
);
pub(crate) static TRANSFER: Func = func(
    "host:transfer",
    "Sends a long file; when the connection breaks it connects again and goes on at the last checkpoint, or without these at the beginning.",
)
.with(&[need("server", Kind::Peer), need("name", Kind::Text), need("size", Kind::Size)])
.opts(&[&[
    Opt::new("checkpoint", Kind::Size, "none", "how many bytes from one checkpoint to the next"),
    Opt::new("progress", Kind::Function, "none", "function(bytes), called at each checkpoint"),
    Opt::new("timeout", Kind::Time, "10s", "how long nothing may be acknowledged before the connection is given up"),
    Opt::new("retry", Kind::Time, "1s", "the pause before the next try"),
    Opt::new("tries", COUNT, "10", "connections at most"),
    Opt::new("port", Kind::Port, "7000", "the server's port"),
]])
.blocking()
.gives("res: .size .total .connections .resumed_at; or nil, error, res");

/// What can be read off these servers.
pub(crate) const FTP_FIELDS: Fields = Fields {
    of: "ftp_server",
    doc: "A server for files.",
    all: &[
        f("connections", "count", "of clients"),
        f("data_connections", "count", "for lists and files"),
        f("open", "count", "clients now"),
        f("logins", "count", "that succeeded"),
        f("commands", "count", "answered"),
        f("transfers", "count", "lists and files that were moved"),
        f("bytes_sent", "bytes", "of files"),
        f("bytes_received", "bytes", "of files"),
        f("faults", "table", "what went wrong, by cause: faults[\"unknown command\"]"),
    ],
};
const TERMINAL: &[Field] = &[
    f("connections", "count", "accepted"),
    f("open", "count", "connections now"),
    f("logins", "count", "that succeeded"),
    f("commands", "count", "carried out"),
    f("faults", "table", "what went wrong, by cause: faults[\"wrong password\"]"),
    f("port", "port", "where it listens"),
    f("name", "text", "what results call it"),
];
pub(crate) const TELNET_FIELDS: Fields =
    Fields { of: "telnet_server", doc: "A server for terminals.", all: TERMINAL };
pub(crate) const SSH_FIELDS: Fields = Fields {
    of: "ssh_server",
    doc: "A server for terminals that nobody on the way can read.",
    all: TERMINAL,
};
pub(crate) const MAIL_FIELDS: Fields = Fields {
    of: "mail_server",
    doc: "A server for mail.",
    all: &[
        f("received", "count", "mails put into boxes"),
        f("sent", "count", "mails passed on"),
        f("waiting", "count", "mails that wait to be passed on"),
        f("bounced", "count", "mails whose senders were told that they did not arrive"),
        f("faults", "table", "what went wrong, by cause"),
    ],
};
pub(crate) const RPC_FIELDS: Fields = Fields {
    of: "rpc_server",
    doc: "A server of remote calls.",
    all: &[
        f("calls", "count", "questions that came, repeated ones included"),
        f("executions", "count", "times that a procedure ran"),
        f("duplicates", "count", "questions that had come before, and were not done again"),
        f("replies", "count", "answers that were sent"),
        f("faults", "table", "what went wrong, by cause"),
    ],
};
pub(crate) const TRANSFER_FIELDS: Fields = Fields {
    of: "transfer_server",
    doc: "A server that takes long files.",
    all: &[
        f("bytes_received", "bytes", "of files, those that came twice counted twice"),
        f("connections", "count", "accepted"),
        f("complete", "count", "files that arrived"),
        f("resumed", "count", "transfers that went on at a checkpoint"),
        f("faults", "table", "what went wrong, by cause"),
    ],
};
pub(crate) const CHAT_FIELDS: Fields = Fields {
    of: "chat_server",
    doc: "A room for talk.",
    all: &[
        f("lines", "count", "said, and comings and goings"),
        f("copies", "count", "sent out: each line to all others"),
        f("open", "count", "guests now"),
        f("faults", "table", "what went wrong, by cause"),
    ],
};

pub(crate) const ALL: &[&Func] = &[
    &FTP_SERVER,
    &FTP_SESSIONS,
    &FTP,
    &FTP_GET,
    &FTP_PUT,
    &FTP_LIST,
    &FTP_CWD,
    &FTP_SIZE,
    &FTP_DELETE,
    &FTP_COMMAND,
    &FTP_ABORT,
    &FTP_QUIT,
    &TELNET_SERVER,
    &TELNET,
    &SSH_KEY,
    &SSH_SERVER,
    &SSH,
    &SESSION_RUN,
    &SESSION_CLOSE,
    &MAIL_SERVER,
    &MAIL_BOX,
    &MAIL_FETCH,
    &SEND_MAIL,
    &CHAT_SERVER,
    &CHAT,
    &CHAT_SAY,
    &CHAT_HEAR,
    &CHAT_LEAVE,
    &RPC_SERVER,
    &RPC,
    &RPC_CALL,
    &TRANSFER_SERVER,
    &TRANSFER,
];
