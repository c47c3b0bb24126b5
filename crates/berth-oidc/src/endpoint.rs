//! Addresses that are asked: `https` everywhere, `http` on this machine alone.

use std::net::IpAddr;

use berth_egress::{Link, OriginError};

/// Why an address is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It is not a whole address.
    #[error("it is not an address of the form https://host/path; write it in full")]
    Malformed,
    /// What goes there could be read on the way.
    #[error("it is not https, and http is for a provider on this machine alone; use https")]
    Insecure,
    /// It has a name and a password in it.
    #[error("it has credentials in it; take them out")]
    Credentials,
    /// It has a fragment.
    #[error("it has a fragment; take away the # and what follows")]
    Fragment,
}

impl From<OriginError> for AddressError {
    fn from(error: OriginError) -> AddressError {
        match error {
            OriginError::Credentials => AddressError::Credentials,
            OriginError::Query => AddressError::Fragment,
            _ => AddressError::Malformed,
        }
    }
}

/// An address that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// As it was written: issuers are compared letter for letter.
    text: String,
    link: Link,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Endpoint, AddressError> {
        let link: Link = text.parse()?;
        if !link.origin().is_secure() && !is_this_machine(link.origin().host()) {
            return Err(AddressError::Insecure);
        }
        Ok(Endpoint { text: text.to_owned(), link })
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// A name or an address, in lower case and without brackets.
    pub(crate) fn host(&self) -> &str {
        self.link.origin().host()
    }

    /// Whether it is `https`.
    pub(crate) fn is_secure(&self) -> bool {
        self.link.origin().is_secure()
    }

    pub(crate) fn has_query(&self) -> bool {
        self.text.contains('?')
    }
}

/// A name that is looked up as another machine is refused when it is connected to.
fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{AddressError, Endpoint};

    #[test]
    fn an_address_has_its_parts() {
        for (text, host, is_secure) in [
            ("https://id.example/realms/a?b=c", "id.example", true),
            ("https://ID.example", "id.example", true),
            ("http://[::1]:8080", "::1", false),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.as_str(), endpoint.host(), endpoint.is_secure()), (text, host, is_secure));
            assert_eq!(endpoint.has_query(), text.contains('?'));
        }
    }

    #[test]
    fn what_cannot_be_trusted_is_no_address() {
        for (text, error) in [
            ("", AddressError::Malformed),
            ("id.example", AddressError::Malformed),
            ("/token", AddressError::Malformed),
            ("ftp://id.example/", AddressError::Malformed),
            ("file:///etc/passwd", AddressError::Malformed),
            ("https://id.example:0/", AddressError::Malformed),
            ("https://id.example:/", AddressError::Malformed),
            ("https://id.example:70000/", AddressError::Malformed),
            ("https://id.example/\nx", AddressError::Malformed),
            ("https://0x7f.1/", AddressError::Malformed),
            ("https://localhost./", AddressError::Malformed),
            ("http://id.example/", AddressError::Insecure),
            ("http://127.0.0.1.id.example/", AddressError::Insecure),
            ("http://10.0.0.1/", AddressError::Insecure),
            ("http://localhost.id.example/", AddressError::Insecure),
            ("https://a:b@id.example/", AddressError::Credentials),
            ("http://localhost@id.example/", AddressError::Credentials),
            ("https://id.example/#a", AddressError::Fragment),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error), "{text}");
        }
    }
}
