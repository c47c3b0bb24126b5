//! Values that are addresses: where to listen, where the database is, what clients call the server, who its proxies are.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::value::{Hint, Value, quoted};

/// Where to listen: a host name or address, and a port; port 0 takes any free one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    /// Without the brackets of IPv6.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Value for ListenAddress {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        if text.contains(['/', ' ', '@']) {
            return Err(Some("an address, not a URL".to_owned()));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(match text.parse::<u16>() {
                Ok(port) => Some(format!("for this machine alone write 127.0.0.1:{port}")),
                Err(_) => Some(format!("the port is missing: {text}:5000?")),
            });
        };
        let port = port.parse().map_err(|_| Some(format!("`{port}` is not a port (0 to 65535)")))?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => inner,
            Some(_) => return Err(None),
            None if host.contains(':') => return Err(Some(format!("IPv6 wants brackets: [{host}]:{port}"))),
            None if host.is_empty() => return Err(Some(format!("for every interface write 0.0.0.0:{port}"))),
            None => host,
        };
        *self = ListenAddress { host: host.to_owned(), port };
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(&self.to_string())
    }

    fn expected(&self) -> String {
        "an address and a port such as \"127.0.0.1:5000\"".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "HOST:PORT"
    }
}

/// The address of a PostgreSQL server. Shown without its password, also by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole address, password included.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseUrl {
    /// `postgres://user:hidden@host/name`; a `password=` among the parameters is hidden too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, parameters) = match self.0.split_once('?') {
            Some((address, parameters)) => (address, Some(parameters)),
            None => (self.0.as_str(), None),
        };
        // The last '@' ends the credentials: a password may hold one unescaped.
        match address.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
            Some((scheme, (credentials, host))) => match credentials.split_once(':') {
                Some((user, _)) => write!(f, "{scheme}://{user}:hidden@{host}")?,
                None => write!(f, "{scheme}://{credentials}@{host}")?,
            },
            None => f.write_str(address)?,
        }
        for (at, parameter) in parameters.into_iter().flat_map(|all| all.split('&')).enumerate() {
            f.write_str(if at == 0 { "?" } else { "&" })?;
            f.write_str(if parameter.starts_with("password=") { "password=hidden" } else { parameter })?;
        }
        Ok(())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Value for Option<DatabaseUrl> {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        *self = match text {
            "" => None,
            _ if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
                Some(DatabaseUrl(text.to_owned()))
            }
            _ => return Err(None),
        };
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(&self.as_ref().map(DatabaseUrl::to_string).unwrap_or_default())
    }

    fn expected(&self) -> String {
        "\"postgres://USER@HOST/DATABASE\", or nothing for the embedded database".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "URL"
    }
}

/// The address that clients use, without a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ExternalUrl(pub(crate) Option<String>);

impl Value for ExternalUrl {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        if text.is_empty() {
            *self = ExternalUrl(None);
            return Ok(());
        }
        let text = text.trim_end_matches('/');
        let host = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or(None)?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || "._-:[]".contains(c);
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(Some("a scheme and a host, without a path".to_owned()));
        }
        *self = ExternalUrl(Some(text.to_owned()));
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(self.0.as_deref().unwrap_or_default())
    }

    fn expected(&self) -> String {
        "an address such as \"https://registry.example.com\", or nothing".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "URL"
    }
}

/// A path below which something is served, without a slash at the end; empty is the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RootPath(pub(crate) String);

impl Value for RootPath {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        let text = text.trim_end_matches('/');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let is_path = text.is_empty()
            || (text.starts_with('/') && !text.starts_with("//") && text.chars().all(is_plain));
        // A page there would be in the way of what clients ask for.
        let is_taken = ["/v1", "/v2", "/token", "/api", "/setup"].contains(&text);
        if !is_path || is_taken {
            return Err(is_taken.then(|| "another path: clients use that one".to_owned()));
        }
        *self = RootPath(text.to_owned());
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(&self.0)
    }

    fn expected(&self) -> String {
        "a path such as \"/berth\", or nothing".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "PATH"
    }
}

/// An address to listen on, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MaybeListen(pub(crate) Option<ListenAddress>);

impl Value for MaybeListen {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        if text.is_empty() {
            self.0 = None;
            return Ok(());
        }
        let mut address = ListenAddress::default();
        address.read(text)?;
        if address.port == 0 {
            // Nobody could know it, and it is what tells this listener from the other.
            return Err(Some("it needs a port of its own".to_owned()));
        }
        self.0 = Some(address);
        Ok(())
    }

    fn literal(&self) -> String {
        self.0.as_ref().map_or_else(|| quoted(""), Value::literal)
    }

    fn expected(&self) -> String {
        "HOST:PORT, or nothing".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "HOST:PORT"
    }
}

/// Networks, with commas between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Networks(pub(crate) Vec<IpNet>);

impl Value for Networks {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        let network = |part: &str| {
            // One address is a network of one.
            let parsed = part.parse().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
            parsed.map_err(|_| Some(format!("`{part}` is no network")))
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        *self = Networks(parts.map(network).collect::<Result<_, Hint>>()?);
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(&self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    fn expected(&self) -> String {
        "networks such as \"10.0.0.0/8, 192.168.1.7\", or nothing".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "NETWORKS"
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::reading::{refused, shown};
    use super::*;

    #[test]
    fn external_addresses_have_no_path() {
        assert_eq!(shown::<ExternalUrl>("https://r.example:8443/").unwrap(), "\"https://r.example:8443\"");
        assert_eq!(shown::<ExternalUrl>("").unwrap(), "\"\"");
        for bad in ["r.example", "ftp://r.example", "https://", "https://r.example/path", "https://a b"] {
            refused::<ExternalUrl>(bad);
        }
    }

    #[test]
    fn networks_are_a_list() {
        assert_eq!(shown::<Networks>("10.0.0.0/8,192.168.1.7").unwrap(), "\"10.0.0.0/8, 192.168.1.7/32\"");
        assert_eq!(shown::<Networks>("").unwrap(), "\"\"");
        assert!(refused::<Networks>("10.0.0.0/8, everywhere").contains("`everywhere`"));
    }

    #[test]
    fn listen_addresses() {
        for text in ["127.0.0.1:5000", "localhost:0", "[::1]:5000", "registry.example:443"] {
            assert_eq!(shown::<ListenAddress>(text), Ok(format!("\"{text}\"")));
        }
        assert_eq!(refused::<ListenAddress>("5000"), "for this machine alone write 127.0.0.1:5000");
        assert_eq!(refused::<ListenAddress>(":5000"), "for every interface write 0.0.0.0:5000");
        assert_eq!(refused::<ListenAddress>("localhost"), "the port is missing: localhost:5000?");
        assert_eq!(refused::<ListenAddress>("::1:5000"), "IPv6 wants brackets: [::1]:5000");
        assert_eq!(refused::<ListenAddress>("localhost:70000"), "`70000` is not a port (0 to 65535)");
        assert_eq!(refused::<ListenAddress>("http://localhost:5000"), "an address, not a URL");
    }

    #[test]
    fn passwords_are_hidden() {
        for (text, kept) in [
            ("postgres://me:s3cret@db/berth", "postgres://me:hidden@db/berth"),
            ("postgres://me:s3@cret@db/berth", "postgres://me:hidden@db/berth"),
            ("postgres://me@db/berth", "postgres://me@db/berth"),
            ("postgres://db/berth?user=me&password=s3cret", "postgres://db/berth?user=me&password=hidden"),
        ] {
            assert_eq!(shown::<Option<DatabaseUrl>>(text), Ok(format!("\"{kept}\"")));
            assert_eq!(format!("{:?}", DatabaseUrl(text.to_owned())), kept);
        }
        assert!(shown::<Option<DatabaseUrl>>("mysql://db").is_err());
    }
}
