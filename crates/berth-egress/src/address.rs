//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// How far a destination may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Only addresses that everybody can reach.
    #[default]
    Public,
    /// Addresses of this machine and of private networks as well: the operator said that the destination is there.
    Private,
    /// The same for every host that a destination sends us to: whoever asks sits at this machine, and could go there
    /// himself.
    Everywhere,
}

/// What an address is that may not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// It is this machine.
    #[error("an address of this machine")]
    Loopback,
    /// It belongs to a private network.
    #[error("an address of a private network")]
    Private,
    /// It reaches the next cable only; clouds tell their secrets there.
    #[error("a link-local address")]
    LinkLocal,
    /// It is no address of one machine, or one for examples.
    #[error("not an address of a machine")]
    Reserved,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6(first: u16, second: u16, prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), prefix))
}

/// The registries of special addresses (RFC 6890, RFC 4193, RFC 3879, RFC 6598), as far as nobody serves images there.
/// The first that fits counts.
const SPECIAL: &[(IpNet, Forbidden)] = &[
    (v4(127, 0, 0, 0, 8), Forbidden::Loopback),
    (v4(10, 0, 0, 0, 8), Forbidden::Private),
    (v4(172, 16, 0, 0, 12), Forbidden::Private),
    (v4(192, 168, 0, 0, 16), Forbidden::Private),
    (v4(100, 64, 0, 0, 10), Forbidden::Private),
    (v4(198, 18, 0, 0, 15), Forbidden::Private),
    (v4(169, 254, 0, 0, 16), Forbidden::LinkLocal),
    // Public by its number, and answered by the cloud next to a machine of Azure alone.
    (v4(168, 63, 129, 16, 32), Forbidden::LinkLocal),
    (v4(0, 0, 0, 0, 8), Forbidden::Reserved),
    (v4(192, 0, 0, 0, 24), Forbidden::Reserved),
    (v4(192, 0, 2, 0, 24), Forbidden::Reserved),
    (v4(192, 88, 99, 0, 24), Forbidden::Reserved),
    (v4(198, 51, 100, 0, 24), Forbidden::Reserved),
    (v4(203, 0, 113, 0, 24), Forbidden::Reserved),
    (v4(224, 0, 0, 0, 3), Forbidden::Reserved),
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)), Forbidden::Loopback),
    (v6(0xfc00, 0, 7), Forbidden::Private),
    (v6(0xfec0, 0, 10), Forbidden::Private),
    (v6(0xfe80, 0, 10), Forbidden::LinkLocal),
    // Teredo (among the addresses of protocols) and 6to4 carry an IPv4 address of somebody's choice, and nobody runs
    // them any more.
    (v6(0x2001, 0, 23), Forbidden::Reserved),
    (v6(0x2002, 0, 16), Forbidden::Reserved),
    (v6(0x2001, 0xdb8, 32), Forbidden::Reserved),
    (v6(0x3fff, 0, 20), Forbidden::Reserved),
    // Machines that everybody can reach have addresses of 2000::/3. What is left are groups, and IPv4 in the forms of
    // translators that stand in somebody's own network.
    (v6(0, 0, 3), Forbidden::Reserved),
    (v6(0x4000, 0, 2), Forbidden::Reserved),
    (v6(0x8000, 0, 1), Forbidden::Reserved),
];

impl Reach {
    /// Whether an address may be connected to.
    ///
    /// # Errors
    /// What the address is. Link-local and reserved ones are refused whatever the reach.
    pub fn allows(self, address: IpAddr) -> Result<(), Forbidden> {
        let address = embedded(address);
        match SPECIAL.iter().find(|(net, _)| net.contains(&address)) {
            Some((_, Forbidden::Loopback | Forbidden::Private)) if self != Reach::Public => Ok(()),
            Some((_, what)) => Err(*what),
            None => Ok(()),
        }
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, or behind a translator (`64:ff9b::/96`).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    if let Some(four) = six.to_ipv4_mapped() {
        return four.into();
    }
    match six.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_refused_in_every_disguise() {
        for (text, what) in [
            ("127.0.0.1", Forbidden::Loopback),
            ("127.255.0.9", Forbidden::Loopback),
            ("::1", Forbidden::Loopback),
            ("::ffff:127.0.0.1", Forbidden::Loopback),
            ("64:ff9b::7f00:1", Forbidden::Loopback),
            ("10.0.0.1", Forbidden::Private),
            ("172.31.255.255", Forbidden::Private),
            ("192.168.0.1", Forbidden::Private),
            ("100.64.0.1", Forbidden::Private),
            ("fd00::1", Forbidden::Private),
            ("fec0::1", Forbidden::Private),
            ("::ffff:10.0.0.1", Forbidden::Private),
            ("169.254.169.254", Forbidden::LinkLocal),
            ("fe80::1", Forbidden::LinkLocal),
            ("64:ff9b::a9fe:a9fe", Forbidden::LinkLocal),
            ("0.0.0.0", Forbidden::Reserved),
            ("::", Forbidden::Reserved),
            ("224.0.0.1", Forbidden::Reserved),
            ("255.255.255.255", Forbidden::Reserved),
            ("ff02::1", Forbidden::Reserved),
            ("2002:7f00:1::", Forbidden::Reserved),
            ("2001:db8::1", Forbidden::Reserved),
            ("168.63.129.16", Forbidden::LinkLocal),
            ("::127.0.0.1", Forbidden::Reserved),
            ("::ffff:0:127.0.0.1", Forbidden::Reserved),
            ("64:ff9b:1::7f00:1", Forbidden::Reserved),
            ("2001:0:7f00:1::", Forbidden::Reserved),
            ("2001:10::1", Forbidden::Reserved),
            ("3fff::1", Forbidden::Reserved),
            ("5f00::1", Forbidden::Reserved),
            ("fd00:ec2::254", Forbidden::Private),
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(Reach::Public.allows(address), Err(what), "{text}");
            let private = matches!(what, Forbidden::Loopback | Forbidden::Private);
            for reach in [Reach::Private, Reach::Everywhere] {
                assert_eq!(reach.allows(address).is_ok(), private, "{text}");
            }
        }
        for text in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "168.63.129.17",
            "2606:4700::1",
            "2001:200::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert_eq!(Reach::Public.allows(text.parse().unwrap()), Ok(()), "{text}");
        }
    }
}
