//! Certificates and the check of a chain (RFC 5280, section 6, as far as it can go wrong here).

/// Whose key it is, and who says so. A signature is the number of the signer's key: nobody but the script's authorities can make
/// one, which is all that a model needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// Whose it is.
    pub subject: String,
    /// The names of servers that it is for; `*.example.com` is for one level below.
    pub names: Vec<String>,
    /// Who says so.
    pub issuer: String,
    /// The second of simulated time from which on it holds.
    pub from: i64,
    /// The second until which it holds.
    pub until: i64,
    /// The number of its key.
    pub key: u64,
    /// The number of the key that signed it.
    pub signed_by: u64,
    /// It may sign others.
    pub is_authority: bool,
    /// Bytes on the wire.
    pub size: usize,
}

impl Certificate {
    /// As text, one line.
    pub fn text(&self) -> String {
        format!(
            "{}|{}|{}|{}|{}|{:x}|{:x}|{}|{}",
            self.subject,
            self.names.join(" "),
            self.issuer,
            self.from,
            self.until,
            self.key,
            self.signed_by,
            u8::from(self.is_authority),
            self.size
        )
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Certificate> {
        let mut parts = text.split('|');
        let mut next = || parts.next();
        Some(Certificate {
            subject: next()?.to_owned(),
            names: next()?.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            issuer: next()?.to_owned(),
            from: next()?.parse().ok()?,
            until: next()?.parse().ok()?,
            key: u64::from_str_radix(next()?, 16).ok()?,
            signed_by: u64::from_str_radix(next()?, 16).ok()?,
            is_authority: next()? == "1",
            size: next()?.parse().ok().filter(|size| *size <= 65_536)?,
        })
    }

    fn is_for(&self, name: &str) -> bool {
        self.names.iter().any(|known| {
            let wild = known.strip_prefix("*.").zip(name.split_once('.'));
            known.eq_ignore_ascii_case(name)
                || wild.is_some_and(|(known, (_, rest))| known.eq_ignore_ascii_case(rest))
        })
    }
}

/// Whether a chain, the server's own certificate first, leads to a trusted key, is for this name and holds now.
///
/// # Errors
/// What is wrong, as a word or two.
pub fn verify(chain: &[Certificate], roots: &[u64], name: &str, now: i64) -> Result<(), &'static str> {
    let own = chain.first().ok_or("no certificate")?;
    if !own.is_for(name) {
        return Err("wrong name");
    }
    for (i, certificate) in chain.iter().enumerate() {
        if now < certificate.from {
            return Err("not yet valid");
        }
        if now > certificate.until {
            return Err("expired");
        }
        if i > 0 && !certificate.is_authority {
            return Err("unknown authority");
        }
        if roots.contains(&certificate.signed_by) {
            return Ok(());
        }
        if chain.get(i + 1).is_none_or(|next| next.key != certificate.signed_by) {
            break;
        }
    }
    Err(if own.signed_by == own.key { "self-signed" } else { "unknown authority" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str, key: u64, signed_by: u64, is_authority: bool) -> Certificate {
        Certificate {
            subject: name.into(),
            names: vec![name.into(), format!("*.{name}")],
            issuer: "x".into(),
            from: 0,
            until: 100,
            key,
            signed_by,
            is_authority,
            size: 900,
        }
    }

    #[test]
    fn a_chain_leads_to_a_root_or_nowhere() {
        let own = certificate("a.b", 3, 2, false);
        let middle = certificate("ca", 2, 1, true);
        assert_eq!(verify(&[own.clone(), middle.clone()], &[1], "a.b", 50), Ok(()));
        assert_eq!(verify(&[own.clone(), middle.clone()], &[1], "www.a.b", 50), Ok(()));
        assert_eq!(verify(std::slice::from_ref(&own), &[1], "a.b", 50), Err("unknown authority"));
        assert_eq!(verify(&[own.clone(), middle.clone()], &[9], "a.b", 50), Err("unknown authority"));
        assert_eq!(verify(&[own.clone(), middle], &[1], "c.d", 50), Err("wrong name"));
        assert_eq!(verify(std::slice::from_ref(&own), &[2], "a.b", 101), Err("expired"));
        assert_eq!(verify(std::slice::from_ref(&own), &[2], "a.b", -1), Err("not yet valid"));
        // A server's own key signs nothing that is believed.
        let forged = certificate("bank", 7, 3, false);
        assert_eq!(verify(&[forged, own], &[2], "bank", 50), Err("unknown authority"));
        assert_eq!(verify(&[certificate("a.b", 5, 5, false)], &[1], "a.b", 1), Err("self-signed"));
        assert_eq!(verify(&[], &[1], "a.b", 1), Err("no certificate"));
    }

    #[test]
    fn certificates_are_read_as_they_are_written() {
        let one = certificate("a.b", 3, 2, false);
        assert_eq!(Certificate::parse(&one.text()), Some(one));
        assert_eq!(Certificate::parse("garbage"), None);
    }
}
