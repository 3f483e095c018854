//! Addresses of pages (RFC 3986), as far as browsers of this network need them.

use std::fmt::Write;

/// `http://host:port/path?query`, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// `http` or `https`.
    pub scheme: String,
    /// A name or an address; IPv6 addresses without their brackets.
    pub host: String,
    /// 80 or 443 where none is given.
    pub port: u16,
    /// What is asked for: path and query; never empty.
    pub target: String,
}

impl Url {
    /// Reads an address. Errors: a sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Url, String> {
        if let Some(bad) = text.chars().find(|c| c.is_control() || *c == ' ') {
            return Err(format!("'{}' has a {bad:?} in it", text.escape_default()));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("'{text}' is not a URL: it begins with http:// or https://"));
        };
        // A scheme may be in capitals (RFC 3986, section 3.1).
        let scheme = scheme.to_ascii_lowercase();
        let usual = match &*scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(format!("'{scheme}' is not known here; there is http and https")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let wrong = || format!("'{text}' names no host, or a port that is none");
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(wrong)?)),
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong())?,
            None => usual,
        };
        if host.is_empty() {
            return Err(wrong());
        }
        let target = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Url { scheme, host: host.to_owned(), port, target })
    }
}

/// `%20` becomes a space, and `+` too where `plus` says so. What is no such sequence stays.
pub fn decode_percent(text: &str, plus: bool) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let pair = bytes.get(i + 1..i + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = pair.filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        match (bytes[i], byte.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
                continue;
            }
            (b'+', _) if plus => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        i += 1;
    }
    out
}

/// Everything but letters, digits and `-._~` becomes `%XX`.
pub fn encode_percent(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `a=1&b=x+y` as pairs, in order.
pub fn parse_query(query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode_percent(name, true), decode_percent(value, true))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_taken_apart() {
        let url = Url::parse("http://www.example.com/hello?name=Kim#top").unwrap();
        assert_eq!((&*url.host, url.port, &*url.target), ("www.example.com", 80, "/hello?name=Kim"));
        let url = Url::parse("https://[2001:db8::1]:8443").unwrap();
        assert_eq!((&*url.host, url.port, &*url.target), ("2001:db8::1", 8443, "/"));
        assert_eq!(Url::parse("https://shop").unwrap().port, 443);
        assert_eq!(Url::parse("http://shop?x=1").unwrap().target, "/?x=1");
        for wrong in
            ["www.example.com", "ftp://x/", "http://", "http://:80/", "http://a:99999/", "http://a b/"]
        {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn queries_are_pairs() {
        let pairs = parse_query("name=Kim+Lee&x=%41%zz&flag&&y=");
        let text: Vec<_> = pairs.iter().map(|(a, b)| (&a[..], &b[..])).collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"name", b"Kim Lee"), (b"x", b"A%zz"), (b"flag", b""), (b"y", b"")];
        assert_eq!(text, expected);
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bytes: Vec<u8>) {
            prop_assert_eq!(decode_percent(&encode_percent(&bytes), true), bytes);
        }

        #[test]
        fn any_text_is_an_address_or_a_sentence(text in "\\PC*") {
            let _ = Url::parse(&text);
            let _ = Url::parse(&format!("http://{text}"));
        }
    }
}
