//! Ethernet: ARP and the learning switch.
