//! The two ends of a packet's life, for the ledger: every packet is born by one cause and ends by one.

macro_rules! labelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name used in CSV files.
            pub const fn label(self) -> &'static str {
                match self { $($name::$variant => $label,)* }
            }

            /// The value with this declaration index.
            pub const fn from_index(index: u8) -> Option<$name> {
                if (index as usize) < $name::ALL.len() { Some($name::ALL[index as usize]) } else { None }
            }
        }
    };
}

labelled! {
    /// How a packet came to be.
    Birth {
        /// Sent by a host or router of its own accord.
        Sent = "sent",
        /// A further copy of a flooded or multicast packet.
        Copy = "copy",
        /// Duplicated by a link.
        Duplicate = "duplicate",
        /// A fragment of a larger packet.
        Fragment = "fragment",
        /// Put together from fragments.
        Reassembled = "reassembled",
        /// Forwarded by a proxy or a device written in Lua.
        Forwarded = "forwarded",
    }
}

labelled! {
    /// How a packet ended.
    Cause {
        /// Reached the protocol or socket that it was for.
        Delivered = "delivered",
        /// The queue was full.
        QueueFull = "queue_full",
        /// Dropped by active queue management.
        Aqm = "aqm",
        /// Lost on the link.
        Loss = "loss",
        /// Damaged on the link and caught by the frame check sequence.
        Corrupted = "corrupted",
        /// The link was down.
        LinkDown = "link_down",
        /// A switch or host got a frame that was not for it (flooded).
        NotForMe = "not_for_me",
        /// A port of a switch was closed by the spanning tree.
        Blocked = "blocked",
        /// A switch would have to send a frame back where it came from, or flood it to no port.
        NoPort = "no_port",
        /// Given up after too many attempts on a shared medium.
        Collisions = "collisions",
        /// The port of a switch does not carry the frame's VLAN.
        Vlan = "vlan",
        /// The router or host has no route to the destination.
        NoRoute = "no_route",
        /// The time to live ran out.
        TtlExpired = "ttl_expired",
        /// Nobody answered ARP for the next hop.
        NoArpReply = "no_arp_reply",
        /// Too large to forward without fragmenting, and not allowed to be fragmented.
        TooBig = "too_big",
        /// Refused by a firewall rule.
        Firewall = "firewall",
        /// An address translator had no port for it.
        NatPorts = "nat_ports",
        /// It came to an address translator from outside, and nobody inside had asked for it.
        NatFilter = "nat_filter",
        /// No socket has this port.
        NoSocket = "no_socket",
        /// The receiving socket's buffer was full.
        SocketFull = "socket_full",
        /// A checksum was wrong.
        Checksum = "checksum",
        /// A header could not be understood.
        Malformed = "malformed",
        /// Put together with others into a whole packet, or cut into fragments.
        Merged = "merged",
        /// The other fragments did not arrive in time.
        FragmentTimeout = "fragment_timeout",
        /// Dropped by a filter or device that the user wrote.
        Filter = "filter",
        /// The node was down.
        NodeDown = "node_down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_indices_round_trip() {
        let labels: std::collections::BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.label()).collect();
        assert_eq!(labels.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            assert_eq!(Cause::from_index(*cause as u8), Some(*cause));
        }
        assert_eq!(Birth::from_index(200), None);
    }
}
