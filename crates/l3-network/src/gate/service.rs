//! What a rule is about: a protocol, and for TCP and UDP ports.

use std::fmt;
use std::str::FromStr;
use tidewire_wire::Protocol;

use super::{Nature, Subject, protocol_name};

/// A protocol and destination ports, as text `"tcp/22"`, `"udp/5000-5999"`, `"tcp"`, `"icmp"`, `"any"`, `"47"`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Service {
    /// The protocol number; none for any.
    pub protocol: Option<u8>,
    /// First and last destination port; none for any.
    pub ports: Option<(u16, u16)>,
}

impl Service {
    /// Everything.
    pub const ANY: Service = Service { protocol: None, ports: None };

    /// Whether a packet is of this kind.
    pub fn covers(&self, subject: &Subject) -> bool {
        let port = subject.flow.dst.port;
        let is_error = matches!(subject.nature, Nature::Error(_));
        self.protocol.is_none_or(|protocol| protocol == subject.flow.protocol)
            && self.ports.is_none_or(|(first, last)| !is_error && (first..=last).contains(&port))
    }
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Service, String> {
        let (name, ports) = match text.split_once('/') {
            Some((name, ports)) => (name, Some(ports)),
            None => (text, None),
        };
        let protocol = match name {
            "any" | "all" => None,
            "tcp" => Some(Protocol::TCP.0),
            "udp" => Some(Protocol::UDP.0),
            "icmp" => Some(Protocol::ICMP.0),
            "ospf" => Some(Protocol::OSPF.0),
            number => Some(number.parse().map_err(|_| wrong(text))?),
        };
        let Some(ports) = ports else { return Ok(Service { protocol, ports: None }) };
        if !matches!(name, "tcp" | "udp") {
            return Err(format!("'{text}': only tcp and udp have ports"));
        }
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => {
                Ok(Service { protocol, ports: Some((first, last)) })
            }
            _ => Err(wrong(text)),
        }
    }
}

fn wrong(text: &str) -> String {
    format!(
        "'{text}' is not a service: expected \"tcp/22\", \"udp/5000-5999\", \"tcp\", \"udp\", \"icmp\", \"any\" or the number of a protocol"
    )
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol.map_or_else(|| "any".to_owned(), protocol_name))?;
        match self.ports {
            Some((first, last)) if first == last => write!(f, "/{first}"),
            Some((first, last)) => write!(f, "/{first}-{last}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_written_as_they_are_read() {
        for text in ["tcp/22", "udp/5000-5999", "tcp", "icmp", "any", "47"] {
            assert_eq!(text.parse::<Service>().unwrap().to_string(), text);
        }
        for text in ["", "tcp/", "tcp/0", "tcp/9-1", "icmp/8", "tpc/22", "tcp/70000", "256"] {
            assert!(text.parse::<Service>().is_err(), "{text}");
        }
    }
}
