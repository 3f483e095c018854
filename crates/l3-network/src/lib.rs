//! IPv4: forwarding table, ICMP.
