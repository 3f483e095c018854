//! Devices that are programs of the script: frames go to them instead of into a stack, and come from them.

use crate::World;
use crate::build::NodeRef;
use crate::dispatch::DEVICES;
use crate::ledger::Place;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use tidewire_engine::{Class, Key};
use tidewire_topology::{receiver_of, sends_on};
use tidewire_units::{DirId, Instant, NodeId, Span, stable_hash};
use tidewire_wire::{Birth, Cause, Hot, LinkLayer, Packet};

/// A frame that a device has got.
#[derive(Clone, Debug)]
pub struct DeviceFrame {
    /// The device.
    pub node: NodeId,
    /// Its port.
    pub port: u32,
    /// What came.
    pub packet: Packet,
    /// What its link did to it.
    pub is_damaged: bool,
    /// What stays with it through the device: the hash of its flow, and when it was first sent.
    pub trace: FrameTrace,
}

/// What is known of a frame besides its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameTrace {
    /// The hash of its flow.
    pub flow_hash: u32,
    /// When its content was first sent, if known.
    pub sent_at: Option<Instant>,
}

/// Frames that wait for the script.
#[derive(Default)]
pub(crate) struct Inbox {
    pub nodes: Vec<NodeId>,
    waiting: VecDeque<(NodeId, u32, Hot)>,
    /// How often each port has got the same bytes lately, and since when.
    same: FxHashMap<(NodeId, u32, u64), (u32, Instant)>,
    /// The device that frames go to for ever.
    pub storm: Option<NodeId>,
}

/// So many equal frames within so long are taken for one that goes round for ever.
const SAME: (u32, Span) = (10_000, Span::from_secs(60));
/// How many different frames are remembered.
const DIFFERENT: usize = 4096;

impl Inbox {
    pub fn waiting(&self) -> impl Iterator<Item = &Hot> {
        self.waiting.iter().map(|(_, _, hot)| hot)
    }

    /// Two datagrams may have the same bytes: when they were first sent tells them from one that comes back.
    fn notice(
        &mut self,
        now: Instant,
        (node, port): (NodeId, u32),
        packet: &Packet,
        trace: FrameTrace,
    ) -> Option<NodeId> {
        if self.same.len() >= DIFFERENT {
            self.same.clear();
        }
        let bytes = packet.emit(LinkLayer::Ethernet);
        let sent = trace.sent_at.map_or(0, Instant::as_ps).to_le_bytes();
        let (count, since) = self.same.entry((node, port, stable_hash(&[&bytes, &sent]))).or_insert((0, now));
        if now.since(*since) > SAME.1 {
            (*count, *since) = (0, now);
        }
        *count += 1;
        (*count >= SAME.0).then_some(node)
    }
}

impl World {
    /// The token of [`crate::Pause::Control`] that says that devices have got frames.
    pub const DEVICE_TOKEN: u64 = u64::MAX;

    /// Makes a node a device; takes effect with the next [`World::sync`].
    pub fn set_device(&mut self, node: NodeId) {
        if !self.inbox.nodes.contains(&node) {
            self.inbox.nodes.push(node);
        }
    }

    /// Leads what goes to devices to them.
    pub(crate) fn configure_devices(&mut self) {
        for node in &self.inbox.nodes {
            for (port, iface) in self.plan.node(*node).ifaces.iter().enumerate() {
                let dir = DirId::from_index(sends_on(*iface).index() ^ 1);
                debug_assert_eq!(receiver_of(dir), *iface);
                let direction = &mut self.directions[dir.index()];
                (direction.to, direction.to_port) = (NodeRef::Device(node.0), port as u32);
            }
        }
    }

    #[cold]
    pub(crate) fn receive_at_device(&mut self, node: NodeId, port: u32, packet: Hot) {
        if self.inbox.waiting.is_empty() {
            self.agenda.push(Key::new(self.now, Class::Control, DEVICES));
        }
        self.inbox.waiting.push_back((node, port, packet));
    }

    /// Takes the oldest frame that a device has got.
    pub fn take_frame(&mut self) -> Option<DeviceFrame> {
        let (node, port, hot) = self.inbox.waiting.pop_front()?;
        let trace = FrameTrace { flow_hash: hot.flow_hash, sent_at: self.packets.sent_at(&hot) };
        let (packet, is_damaged) = (self.packets.unpack(&hot), hot.is_corrupted());
        self.end(hot, Cause::Delivered, Place::Node(node));
        self.inbox.storm = self.inbox.storm.or(self.inbox.notice(self.now, (node, port), &packet, trace));
        self.storm_watch |= self.inbox.storm.is_some();
        Some(DeviceFrame { node, port, packet, is_damaged, trace })
    }

    /// Sends a frame from a device's port.
    ///
    /// # Errors
    /// Why it cannot travel: a MAC address that no interface has, too long for the link, a link without frames.
    pub fn send_frame(
        &mut self,
        node: NodeId,
        port: u32,
        packet: &Packet,
        trace: FrameTrace,
    ) -> Result<(), &'static str> {
        let iface = self.plan.node(node).ifaces.get(port as usize).ok_or("the device has no such port")?;
        let dir = sends_on(*iface);
        if !self.directions[dir.index()].port.framing().has_mac() {
            return Err("the link carries no frames: it needs framing = \"ethernet\"");
        }
        if packet.net.wire_len() > usize::from(self.plan.link(dir.link()).spec.mtu) {
            return Err("longer than the link's MTU");
        }
        let sent = trace.sent_at.unwrap_or(self.now);
        let hot = self
            .packets
            .insert_packet(packet, trace.flow_hash, sent)
            .ok_or("a field that no packet of this network can have: an unknown MAC address, an address in 240.0.0.0/4, options that do not fit")?;
        self.packets.rename(&hot, Birth::Forwarded);
        self.started = true;
        self.transmit(dir.index(), hot);
        Ok(())
    }
}
