//! What can be changed on a TCP socket, writing with more to come, and reading all there is.

use crate::sockets::{Kind, Sockets};
use crate::tcp::refusal;
use crate::{Context, IpStack};
use std::sync::Arc;
use tidewire_l4_transport::TcpConfig;
use tidewire_l4_transport::congestion::CcKind;
use tidewire_units::{Refusal, SocketId};
use tidewire_wire::Payload;

/// A setting of a TCP socket.
#[derive(Clone, Debug)]
pub enum TcpSetting {
    /// Of a connection: segments that are not full are held back.
    Cork(bool),
    /// Of a connection: acknowledgments leave at once.
    QuickAck(bool),
    /// Of a connection: another congestion control.
    Congestion(CcKind),
    /// Everything else; of a connection, what may change while it lives.
    Config(Arc<TcpConfig>),
}

impl Sockets {
    /// Why a connection failed, if it did.
    pub fn failure(&self, id: SocketId) -> Option<Refusal> {
        match &self.slots.get(id.0 as usize)?.as_ref()?.kind {
            Kind::Tcp(tcp) => tcp.conn.error().map(refusal),
            Kind::Failed(why) => Some(*why),
            _ => None,
        }
    }

    /// The application keeps a connection for later, or takes it up again. One that is kept closes as soon as the peer has.
    pub fn keep(&mut self, id: SocketId, kept: bool, stack: &mut IpStack, cx: &mut Context<'_>) {
        if let Some(tcp) = self.tcp_mut(id.0) {
            tcp.follows = kept;
            if kept {
                self.drive(id.0, stack, cx);
            }
        }
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// No such socket; a setting of connections, of a socket that is none.
    pub fn set_option(
        &mut self,
        id: SocketId,
        setting: TcpSetting,
        stack: &mut IpStack,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let socket = self.socket_mut(id).ok_or(Refusal::Closed)?;
        match (&mut socket.kind, setting) {
            (Kind::Unbound { config, .. }, TcpSetting::Config(new)) => *config = new,
            (Kind::Listener(listener), TcpSetting::Config(new)) => listener.config = new,
            (Kind::Tcp(tcp), setting) => {
                match setting {
                    TcpSetting::Cork(on) => tcp.conn.set_cork(cx.now, on),
                    TcpSetting::QuickAck(on) => tcp.conn.set_quickack(cx.now, on),
                    TcpSetting::Congestion(cc) => tcp.conn.set_congestion(cx.now, cc),
                    TcpSetting::Config(config) => {
                        tcp.dscp = config.dscp;
                        tcp.conn.reconfigure(cx.now, config);
                    }
                }
                self.drive(id.0, stack, cx);
            }
            _ => return Err(Refusal::Invalid),
        }
        Ok(())
    }

    /// The settings of a socket that is not connected: its own, or those that it gives to what it accepts.
    pub fn unconnected_config(&self, id: SocketId) -> Option<Arc<TcpConfig>> {
        match &self.slots.get(id.0 as usize)?.as_ref()?.kind {
            Kind::Unbound { config, .. } => Some(config.clone()),
            Kind::Listener(listener) => Some(listener.config.clone()),
            _ => None,
        }
    }

    /// Puts bytes into the send buffer; says how many fitted. A last segment that is not full waits for what follows (`MSG_MORE`).
    pub fn send_more(
        &mut self,
        id: SocketId,
        payload: Payload,
        stack: &mut IpStack,
        cx: &mut Context<'_>,
    ) -> Result<usize, Refusal> {
        let accepted = self.writable(id)?.conn.send_more(cx.now, payload);
        if accepted > 0 {
            self.drive(id.0, stack, cx);
        }
        Ok(accepted)
    }

    /// Takes all that has arrived in order, as one call of a reader with room enough does; `Err(Closed)` when that is nothing and
    /// the stream has ended.
    pub fn recv_all(
        &mut self,
        id: SocketId,
        into: &mut Vec<Payload>,
        stack: &mut IpStack,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let tcp = self.tcp_mut(id.0).ok_or(Refusal::Closed)?;
        let before = into.len();
        while let Some(payload) = tcp.conn.recv(cx.now, usize::MAX) {
            into.push(payload);
        }
        if into.len() > before {
            self.drive(id.0, stack, cx);
            return Ok(());
        }
        match tcp.conn.error() {
            Some(error) => Err(refusal(error)),
            None if tcp.conn.eof() || tcp.conn.is_closed() => Err(Refusal::Closed),
            None => Ok(()),
        }
    }
}
