//! TLS over the script's connections: a session stands between a socket and whoever reads and writes it.

use super::Natives;
use super::http::deadline;
use super::tcp::TcpHandle;
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::services::Loader;
use crate::sim::{Shared, Sim};
use crate::spec::tls as spec;
use mlua::{AnyUserData, IntoLua, IntoLuaMulti, Lua, MultiValue, Table};
use tidewire_l7_application::tls::{Certificate, Client, Costs, Facts, Server, Session, Version};
use tidewire_node::SocketView;
use tidewire_units::{Instant, Interest, Refusal, Span};
use tidewire_wire::Payload;
use tidewire_world::{ProcessId, World};

pub(super) fn install(registry: &Registry<'_>, services: &Loader) -> mlua::Result<()> {
    for func in [&spec::AUTHORITY, &spec::TRUST, &spec::TLS_CLIENT, &spec::TLS_SERVER] {
        services.add(registry, func, "tls")?;
    }
    Ok(())
}

/// Functions that only the modules see.
pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    native.add("random_key", |lua, sim, ()| {
        Ok(sim.draw(lua, "tls", |stream| stream.between(1, (1 << 52) - 1)))
    })?;
    native.add("tls_begin_client", |lua, sim, (socket, opts): (AnyUserData, Table)| {
        let roots: Option<Vec<u64>> = opts.raw_get("roots")?;
        let client = Client {
            version: version(&opts)?,
            name: opts.raw_get("name")?,
            roots,
            ticket: opts.raw_get("ticket")?,
            early: opts.raw_get::<Option<bool>>("early")?.unwrap_or(false),
            costs: costs(&opts)?,
        };
        let random = sim.draw(lua, "tls", |stream| stream.bits());
        let session = Session::client(client, random, sim.now().as_secs_f64() as i64);
        begin(&socket, session)
    })?;
    native.add("tls_begin_server", |lua, sim, (socket, opts): (AnyUserData, Table)| {
        let mut chain = Vec::new();
        for text in opts.raw_get::<Table>("chain")?.sequence_values::<String>() {
            chain.extend(Certificate::parse(&text?));
        }
        let server = Server {
            version: version(&opts)?,
            chain,
            tickets: opts.raw_get::<Option<bool>>("tickets")?.unwrap_or(true),
            secret: number_of(&opts.raw_get::<String>("ticket_key")?),
            early: opts.raw_get::<Option<bool>>("early")?.unwrap_or(false),
            costs: costs(&opts)?,
        };
        let random = sim.draw(lua, "tls", |stream| stream.bits());
        begin(&socket, Session::server(server, random, sim.now().as_secs_f64() as i64))
    })?;
    // Socket, time for all of it, and without that: time without a byte.
    native.wait("tls_step", |lua, sim, args: (AnyUserData, Option<f64>, Option<f64>)| {
        let (socket, timeout, silence) = args;
        let patience = silence.filter(|_| timeout.is_none()).map(Span::from_secs_f64);
        let deadline = deadline(sim, timeout.or(silence));
        block_on(lua, sim, Box::new(Handshake { socket, deadline, patience }))
    })?;
    native.add("tls_facts", |lua, _, socket: AnyUserData| {
        let socket = socket.borrow::<TcpHandle>()?;
        let tls = socket.tls.borrow();
        tls.as_ref().map(|session| facts(lua, session.facts())).transpose()
    })?;
    // When the handshake was over, and data need not go early.
    native.add("tls_ready_at", |_, _, socket: AnyUserData| {
        let socket = socket.borrow::<TcpHandle>()?;
        let tls = socket.tls.borrow();
        Ok(tls
            .as_ref()
            .and_then(|session| session.ready_at())
            .map(|at| at.since(Instant::ZERO).as_secs_f64()))
    })?;
    native.add("check_tls_server", |lua, sim, opts: Table| {
        crate::call::options(lua, sim, "tls", spec::SERVER_END, &opts)
            .map(|_| ())
            .map_err(|mistake| crate::call::placed(lua, mistake).into())
    })?;
    native.add("certificate", |_, _, opts: Table| {
        let certificate = Certificate {
            subject: opts.raw_get("subject")?,
            names: opts.raw_get("names")?,
            issuer: opts.raw_get("issuer")?,
            from: opts.raw_get::<f64>("from")? as i64,
            until: opts.raw_get::<f64>("until")? as i64,
            key: opts.raw_get("key")?,
            signed_by: opts.raw_get("signed_by")?,
            is_authority: opts.raw_get("is_authority")?,
            size: opts.raw_get("size")?,
        };
        Ok(certificate.text())
    })
}

fn number_of(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn begin(socket: &AnyUserData, session: Session) -> mlua::Result<()> {
    let socket = socket.borrow::<TcpHandle>()?;
    let mut session = session;
    let early = socket.buffer.borrow_mut().split();
    if !early.is_empty() {
        session.input(Payload::Data(early.freeze()));
    }
    *socket.tls.borrow_mut() = Some(Box::new(session));
    Ok(())
}

fn version(opts: &Table) -> mlua::Result<Version> {
    match opts.raw_get::<Option<String>>("version")?.as_deref() {
        Some("1.2") => Ok(Version::V12),
        Some("1.3") | None => Ok(Version::V13),
        Some(other) => {
            let text = format!("there is no version '{other}' of TLS here: it can be \"1.2\" or \"1.3\"");
            Err(Mistake::new(text).at_word("version").into())
        }
    }
}

fn costs(opts: &Table) -> mlua::Result<Costs> {
    let cost =
        |name| Ok::<_, mlua::Error>(Span::from_secs_f64(opts.raw_get::<Option<f64>>(name)?.unwrap_or(0.0)));
    Ok(Costs { sign: cost("sign")?, verify: cost("verify")?, exchange: cost("exchange")? })
}

fn facts(lua: &Lua, facts: &Facts) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("version", facts.version.name())?;
    table.raw_set("resumed", facts.resumed)?;
    table.raw_set("early", facts.early)?;
    table.raw_set("name", &*facts.name)?;
    table.raw_set("ticket", facts.ticket.clone())?;
    let chain: Vec<&str> = facts.chain.iter().map(|certificate| &*certificate.subject).collect();
    table.raw_set("chain", chain)?;
    Ok(table)
}

/// Sends what the session has to say; what does not fit stays.
pub(super) fn flush(world: &mut World, socket: &TcpHandle, session: &mut Session) -> Result<bool, Refusal> {
    while let Some(payload) = session.output() {
        let taken = world.send(socket.node, socket.id, payload.clone())?;
        if taken < payload.len() {
            session.unsent(payload.slice(taken..payload.len()));
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes what has arrived, through the session where there is one.
pub(super) fn take(world: &mut World, socket: &TcpHandle, max: usize) -> Result<Option<Payload>, Refusal> {
    let mut tls = socket.tls.borrow_mut();
    let Some(session) = tls.as_mut() else { return world.recv(socket.node, socket.id, max) };
    loop {
        if let Some(payload) = session.plain(max) {
            return Ok(Some(payload));
        }
        if session.failure().is_some() {
            return Err(Refusal::Reset);
        }
        match world.recv(socket.node, socket.id, 1 << 16)? {
            Some(payload) => session.input(payload),
            None => return Ok(None),
        }
        session.note_time(world.now());
        let _ = flush(world, socket, session)?;
    }
}

/// Goes on with a handshake: until data can be sent, work is due, or it has failed.
struct Handshake {
    socket: AnyUserData,
    deadline: Instant,
    /// The deadline moves with everything that comes.
    patience: Option<Span>,
}

impl Op for Handshake {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let socket = self.socket.borrow::<TcpHandle>()?;
        let mut tls = socket.tls.borrow_mut();
        let session = tls.as_mut().ok_or_else(|| Mistake::new("the handshake has not begun"))?;
        let failed = |why: &str| ("failed", why).into_lua_multi(lua).map(Some);
        loop {
            let work = session.take_work();
            if !work.is_zero() {
                return ("work", work.as_secs_f64()).into_lua_multi(lua).map(Some);
            }
            let mut world = sim.world()?;
            match flush(&mut world, &socket, session) {
                Err(why) => return failed(&why.to_string()),
                Ok(false) => {
                    if world.now() >= self.deadline {
                        return failed("timeout");
                    }
                    if !world.wait(me, self.deadline, &[(socket.node, socket.id, Interest::Writable(1))]) {
                        return Ok(None);
                    }
                    continue;
                }
                Ok(true) => {}
            }
            if let Some(why) = session.failure() {
                return failed(why);
            }
            if session.can_send() || session.facts().early {
                return ("done", facts(lua, session.facts())?.into_lua(lua)?).into_lua_multi(lua).map(Some);
            }
            match world.recv(socket.node, socket.id, 1 << 16) {
                Ok(Some(payload)) => {
                    session.input(payload);
                    session.note_time(world.now());
                    if let Some(patience) = self.patience {
                        self.deadline = world.now() + patience;
                    }
                }
                Ok(None) => {
                    if world.now() >= self.deadline {
                        return failed("timeout");
                    }
                    if !world.wait(me, self.deadline, &[(socket.node, socket.id, Interest::Readable)]) {
                        return Ok(None);
                    }
                }
                Err(why) => return failed(&why.to_string()),
            }
        }
    }

    fn describe(&self, sim: &Sim) -> (String, String) {
        let details = self.socket.borrow::<TcpHandle>().ok().map(|socket| {
            match sim.world.borrow().view(socket.node, socket.id) {
                Some(SocketView::Tcp(_, remote, _)) => format!("for a TLS handshake with {remote}"),
                _ => String::new(),
            }
        });
        ("recv()".to_owned(), details.unwrap_or_default())
    }
}
