//! The `--listen HOST:PORT` of a node: what people write instead, and how it is written right. Never binds anything; which
//! hosts may be advertised is the configuration's business.

use crate::failure::Failure;
use std::net::Ipv6Addr;

/// The port that is written where nobody named one.
const PORT: &str = "9092";

/// Takes HOST:PORT and \[IPv6\]:PORT, port 0 to 65535; anything else is a usage failure that names the right spelling.
pub fn checked(text: &str) -> Result<(), Failure> {
    match fault(text) {
        None => Ok(()),
        Some((why, hint)) => {
            let what = format!("cannot listen on {text:?}");
            Err(Failure::usage(what, format!("--listen is HOST:PORT, and {why}")).try_this(hint))
        }
    }
}

/// Why this is not HOST:PORT, and what was probably meant.
fn fault(text: &str) -> Option<(&'static str, String)> {
    if let Some((_protocol, address)) = text.split_once("://") {
        let meant = if fault(address).is_none() { address } else { "HOST:PORT" };
        let hint =
            format!("--listen {meant}, or --set listeners=NAME://HOST:PORT for a listener of another name");
        return Some(("this begins with a protocol or a listener's name", hint));
    }
    let (host, port) = match (text.strip_prefix('['), text.matches(':').count()) {
        (Some(inner), _) => match inner.split_once(']') {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => return Some(("this has no ] behind its IPv6 address", spelled("HOST", PORT))),
        },
        (None, 0) if is_port(text) => return Some(("this names no host", spelled("127.0.0.1", text))),
        (None, 0) => (text, None),
        (None, 1) => text.split_once(':').map(|(host, port)| (host, Some(port)))?,
        (None, _) => return Some(("an IPv6 address stands in brackets", bracketed(text))),
    };
    match (host, port) {
        ("", Some(port)) if is_port(port) => Some(("this names no host", spelled("127.0.0.1", port))),
        ("", _) => Some(("this names neither", spelled("127.0.0.1", PORT))),
        (_, None | Some("")) => Some(("this names no port", spelled(host, PORT))),
        (_, Some(port)) if !is_port(port) => {
            Some(("a port is a number from 0 to 65535", spelled(host, PORT)))
        }
        ("*", Some(port)) => Some(("* is no host", spelled("0.0.0.0", port))),
        (_, Some(_)) => None,
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// The argument as it should have been written. All addresses at once cannot be advertised to clients: what listens on them
/// and tells clients the machine's name is a listener without a host.
fn spelled(host: &str, port: &str) -> String {
    match host {
        "0.0.0.0" | "::" => format!("--set listeners=PLAINTEXT://:{port}, to listen on every address"),
        "127.0.0.1" => {
            format!("--listen 127.0.0.1:{port}, or --set listeners=PLAINTEXT://:{port} for every address")
        }
        v6 if v6.contains(':') => format!("--listen [{v6}]:{port}"),
        host => format!("--listen {host}:{port}"),
    }
}

/// Brackets around what is the address: all of it, or all but what stands behind the last colon.
fn bracketed(text: &str) -> String {
    match text.rsplit_once(':') {
        Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() && is_port(port) => spelled(host, port),
        _whole => spelled(text, PORT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_host_and_port_is_told_how_it_is_written() {
        let every = "--set listeners=PLAINTEXT://:9092, to listen on every address";
        let loopback = "--listen 127.0.0.1:9092, or --set listeners=PLAINTEXT://:9092 for every address";
        let cases = [
            ("localhost", "this names no port", "--listen localhost:9092"),
            ("localhost:", "this names no port", "--listen localhost:9092"),
            ("0.0.0.0", "this names no port", every),
            ("9092", "this names no host", loopback),
            (":9092", "this names no host", loopback),
            ("", "this names neither", loopback),
            (":", "this names neither", loopback),
            ("*:9092", "* is no host", every),
            ("::", "an IPv6 address stands in brackets", every),
            ("::1", "an IPv6 address stands in brackets", "--listen [::1]:9092"),
            ("::1:9093", "an IPv6 address stands in brackets", "--listen [::1]:9093"),
            ("fe80::1:70000", "an IPv6 address stands in brackets", "--listen [fe80::1:70000]:9092"),
            ("[::1]", "this names no port", "--listen [::1]:9092"),
            ("[::1", "this has no ] behind its IPv6 address", "--listen HOST:9092"),
            ("h:65536", "a port is a number from 0 to 65535", "--listen h:9092"),
            ("h:-1", "a port is a number from 0 to 65535", "--listen h:9092"),
            ("h:http", "a port is a number from 0 to 65535", "--listen h:9092"),
        ];
        for (text, why, hint) in cases {
            assert_eq!(fault(text), Some((why, hint.to_owned())), "{text}");
        }
        let (_, hint) = fault("PLAINTEXT://h:1").expect("no HOST:PORT");
        assert!(hint.starts_with("--listen h:1, or "), "{hint}");
        for text in ["h:0", "127.0.0.1:9092", "[::1]:65535", "my-host.example:1"] {
            assert_eq!(fault(text), None, "{text}");
        }
    }
}
