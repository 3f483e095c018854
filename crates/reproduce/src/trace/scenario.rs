//! Runs the scenario of a trace and records its packets.

use super::header::{Client, Scenario};
use super::record::{Record, Recorder};
use crate::kernel::lost_ordinals;
use crate::network::{Network, Path};
use tidewire_l4_transport::TcpConfig;
use tidewire_topology::{LossModel, LossSpec, Match};
use tidewire_units::{Instant, Interest, Probability, SocketId, Span};
use tidewire_wire::{Endpoint, Payload};
use tidewire_world::{CapturePoint, Limit, Pause, ProcessId};

/// What a client writes at once when it sends for a time.
const BLOCK: u32 = 1 << 16;

/// Plays a scenario until `end` after its first packet.
pub(crate) fn play(scenario: &Scenario, end: Span) -> Vec<Record> {
    let path = Path::new(scenario.rate, Span::from_ps(2 * scenario.delay.as_ps()), scenario.queue);
    let mut net = path.build(&scenario.tcp);
    let recorder = Recorder::default();
    let points =
        [(CapturePoint::Sent(net.forward), "a".into()), (CapturePoint::Sent(net.backward), "b".into())];
    net.world.capture(&points, Box::new(recorder.clone())).expect("memory can be written");
    net.world.tcp_sink(net.b, 80).expect("port 80 is free");
    let process = net.world.spawn_script();
    net.world.run(&Limit::default());
    let client = net.world.tcp(net.a, Some(scenario.tcp.clone().into()));
    let end = Instant::ZERO + end.min(scenario.client.maxwait + Span::from_secs(100));
    let mut player = Player { net, scenario, recorder, process, client, end };
    player.set_losses();
    for (i, (from, to)) in scenario.outages.iter().enumerate() {
        player.net.world.schedule(Instant::ZERO + *from, 2 * i as u64, true);
        player.net.world.schedule(Instant::ZERO + *to, 2 * i as u64 + 1, true);
    }
    player.run(&scenario.tcp, &scenario.client);
    player.recorder.records()
}

struct Player<'a> {
    net: Network,
    scenario: &'a Scenario,
    recorder: Recorder,
    process: ProcessId,
    client: SocketId,
    end: Instant,
}

impl Player<'_> {
    fn run(&mut self, _tcp: &TcpConfig, client: &Client) -> Option<()> {
        let to = Endpoint::new(self.net.world.plan().address_of(self.net.b).expect("B has an address"), 80);
        self.net.world.connect(self.net.a, self.client, to).expect("a route to B");
        self.wait(Some(Interest::Connected), self.end)?;
        if let Some(bytes) = client.bytes {
            self.write(bytes)?;
            let closes = self.net.world.now() + client.hold;
            self.wait(None, closes)?;
            self.wait(Some(Interest::Drained), self.end)?;
        } else {
            let until = Instant::ZERO + Span::from_secs_f64(client.secs);
            while self.net.world.now() < until {
                self.write(u64::from(BLOCK))?;
                self.wait(Some(Interest::Writable(BLOCK)), until)?;
            }
        }
        if client.reset {
            self.net.world.abort(self.net.a, self.client);
        } else {
            self.net.world.close(self.net.a, self.client);
        }
        self.wait(None, self.end)
    }

    /// Writes so many bytes, as fast as the send buffer takes them.
    fn write(&mut self, bytes: u64) -> Option<()> {
        let mut left = bytes;
        while left > 0 {
            let block = Payload::Zeros(left.min(1 << 30) as u32);
            left -= self.net.world.send(self.net.a, self.client, block).ok()? as u64;
            if left > 0 {
                self.wait(Some(Interest::Writable(1)), self.end)?;
            }
        }
        Some(())
    }

    /// Waits for the client's socket or a time. None at the end.
    fn wait(&mut self, interest: Option<Interest>, until: Instant) -> Option<()> {
        let wanted = interest.map(|interest| (self.net.a, self.client, interest));
        let until = until.min(self.end);
        if self.net.world.wait(self.process, until, wanted.as_slice()) {
            return Some(());
        }
        loop {
            match self.net.world.run(&Limit { until: self.end, ..Limit::default() }) {
                Pause::Process(..) => return Some(()),
                Pause::Control(token) => self.outage(token % 2 == 0),
                _ => return None,
            }
        }
    }

    fn outage(&mut self, begins: bool) {
        if begins {
            let everything = LossSpec { model: LossModel::Bernoulli(Probability::ONE), among: Match::Any };
            self.net.world.set_loss(self.net.forward, &everything);
            self.net.world.set_loss(self.net.backward, &everything);
        } else {
            self.set_losses();
        }
    }

    /// Loses what is listed and has not been sent yet.
    fn set_losses(&mut self) {
        let records = self.recorder.records();
        for (forward, dir) in [(true, self.net.forward), (false, self.net.backward)] {
            let mut losses = self.scenario.losses(forward);
            let (p, seed) = self.scenario.loss;
            if forward && p > 0.0 {
                let model = LossModel::Listed(lost_ordinals(seed, p, 10_000_000));
                losses.push(LossSpec { model, among: Match::Data });
            }
            for loss in &mut losses {
                let seen =
                    records.iter().filter(|r| r.forward == forward && is(r, loss.among)).count() as u64;
                if let LossModel::Listed(ordinals) = &mut loss.model {
                    ordinals.retain(|n| *n > seen);
                    ordinals.iter_mut().for_each(|n| *n -= seen);
                }
            }
            self.net.world.set_losses(dir, &losses);
        }
    }
}

fn is(record: &Record, among: Match) -> bool {
    match among {
        Match::Any => true,
        Match::Data => record.len > 0,
        Match::Ack => record.pure_ack,
        Match::Syn | Match::SynAck => record.syn,
        Match::Fin => record.fin,
        Match::Retransmit | Match::Chosen => false,
    }
}
