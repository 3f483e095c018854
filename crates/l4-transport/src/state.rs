//! The connection states of RFC 9293 section 3.3.2 and what moves a connection from one to the next.

use std::fmt;

/// A connection state (RFC 9293 section 3.3.2). LISTEN is the listener's and has no connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum State {
    /// No connection.
    #[default]
    Closed,
    /// A SYN was sent.
    SynSent,
    /// A SYN was received and answered.
    SynReceived,
    /// Data flows.
    Established,
    /// Closed here; the FIN is not acknowledged.
    FinWait1,
    /// Closed here; waiting for the peer's FIN.
    FinWait2,
    /// The peer closed.
    CloseWait,
    /// Both closed at once; the FIN is not acknowledged.
    Closing,
    /// Both closed; the FIN is not acknowledged.
    LastAck,
    /// Both closed; waiting for stray segments to die.
    TimeWait,
}

/// What moves a connection from one state to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A SYN without ACK came.
    Syn,
    /// A SYN came that acknowledges ours.
    SynAck,
    /// Our SYN was acknowledged.
    SynAcked,
    /// The application will send no more.
    Close,
    /// Our FIN was acknowledged.
    FinAcked,
    /// The peer's FIN was received in order.
    Fin,
    /// A reset, an abort, a timeout, or the end of TIME_WAIT.
    End,
}

use Event::{Close, End, Fin, FinAcked, Syn, SynAck, SynAcked};
use State::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent, TimeWait,
};

/// RFC 9293 figure 5. What is not listed changes nothing; [`Event::End`] leads to CLOSED from everywhere.
pub const TRANSITIONS: [(State, Event, State); 16] = [
    (SynSent, SynAck, Established),
    (SynSent, Syn, SynReceived),
    (SynSent, Close, Closed),
    (SynReceived, SynAcked, Established),
    (SynReceived, Close, FinWait1),
    (SynReceived, Fin, CloseWait),
    (Established, Close, FinWait1),
    (Established, Fin, CloseWait),
    (FinWait1, FinAcked, FinWait2),
    (FinWait1, Fin, Closing),
    (FinWait2, Fin, TimeWait),
    (CloseWait, Close, LastAck),
    (Closing, FinAcked, TimeWait),
    (LastAck, FinAcked, Closed),
    (TimeWait, Fin, TimeWait),
    (Closed, Close, Closed),
];

impl State {
    /// The state after `event`.
    pub fn after(self, event: Event) -> State {
        if event == End {
            return Closed;
        }
        let row = TRANSITIONS.iter().find(|(from, on, _)| *from == self && *on == event);
        row.map_or(self, |(_, _, to)| *to)
    }

    /// The name in RFC 9293: `SYN_SENT`, `ESTABLISHED` ...
    pub const fn name(self) -> &'static str {
        match self {
            Closed => "CLOSED",
            SynSent => "SYN_SENT",
            SynReceived => "SYN_RECEIVED",
            Established => "ESTABLISHED",
            FinWait1 => "FIN_WAIT_1",
            FinWait2 => "FIN_WAIT_2",
            CloseWait => "CLOSE_WAIT",
            Closing => "CLOSING",
            LastAck => "LAST_ACK",
            TimeWait => "TIME_WAIT",
        }
    }

    /// True once the handshake is complete and until the connection is gone or in TIME_WAIT.
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, Closed | SynSent | SynReceived)
    }

    /// True while the peer may still send data.
    pub const fn can_receive(self) -> bool {
        matches!(self, Established | FinWait1 | FinWait2)
    }

    /// True while this side may still queue data.
    pub const fn can_send(self) -> bool {
        matches!(self, SynSent | SynReceived | Established | CloseWait)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_one_of_rfc_9293() {
        let lines: Vec<String> =
            TRANSITIONS.iter().map(|(from, event, to)| format!("{from} --{event:?}--> {to}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        SYN_SENT --SynAck--> ESTABLISHED
        SYN_SENT --Syn--> SYN_RECEIVED
        SYN_SENT --Close--> CLOSED
        SYN_RECEIVED --SynAcked--> ESTABLISHED
        SYN_RECEIVED --Close--> FIN_WAIT_1
        SYN_RECEIVED --Fin--> CLOSE_WAIT
        ESTABLISHED --Close--> FIN_WAIT_1
        ESTABLISHED --Fin--> CLOSE_WAIT
        FIN_WAIT_1 --FinAcked--> FIN_WAIT_2
        FIN_WAIT_1 --Fin--> CLOSING
        FIN_WAIT_2 --Fin--> TIME_WAIT
        CLOSE_WAIT --Close--> LAST_ACK
        CLOSING --FinAcked--> TIME_WAIT
        LAST_ACK --FinAcked--> CLOSED
        TIME_WAIT --Fin--> TIME_WAIT
        CLOSED --Close--> CLOSED
        ");
    }

    #[test]
    fn a_reset_closes_from_everywhere_and_unknown_events_change_nothing() {
        for (from, _, _) in TRANSITIONS {
            assert_eq!(from.after(End), Closed);
        }
        assert_eq!(Established.after(FinAcked), Established);
    }
}
