//! Where a request came from: the site that linked to it and the network of the client.

use super::Events;
use crate::scan::column::Texts;
use std::net::{IpAddr, Ipv6Addr};

/// The host of each `referrer` that is a URL, null where it is a path.
pub fn referrer_host(events: &Events) -> Texts {
    events.texts("referrer").map(host_of)
}

/// Each `ip_address`, of IPv6 its /64: one subscriber has all of that (RFC 6177), so that addresses of it are one
/// client's. What is no address stays as it is.
pub fn ip_network(events: &Events) -> Texts {
    events.texts("ip_address").map(|text| Some(network_of(text)))
}

fn host_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("//").filter(|(scheme, _)| scheme.is_empty() || scheme.ends_with(':'))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    (!host.is_empty()).then(|| host.to_lowercase())
}

fn network_of(text: &str) -> String {
    match text.trim().parse() {
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        },
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (url, host) in [
            ("http://localhost/products/1", Some("localhost")),
            ("https://User:x@Search.Example:443?q=1", Some("search.example")),
            ("http://[2001:db8::1]:80/", Some("2001:db8::1")),
            ("//cdn.example", Some("cdn.example")),
            ("/products//1", None),
            ("android-app://com.example/", Some("com.example")),
            ("http:///", None),
            ("", None),
        ] {
            assert_eq!(host_of(url).as_deref(), host, "{url}");
        }
    }

    #[test]
    fn networks() {
        for (address, network) in [
            ("10.0.0.1", "10.0.0.1"),
            ("2001:DB8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("unknown", "unknown"),
        ] {
            assert_eq!(network_of(address), network);
        }
    }
}
