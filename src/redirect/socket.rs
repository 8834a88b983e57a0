//! Sockets on the loopback interface and nowhere else (RFC 8252 sections 7.3 and 8.3).

use crate::{oauth::redirect_uri::LoopbackHost, platform::holder};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The redirect URI does not name this machine, or not over http.
    #[error("the redirect URI is not a loopback address")]
    NotLoopback,
    /// Somebody else holds the port.
    #[error("port {port} is held by {}", holder.as_deref().unwrap_or("another program"))]
    Taken {
        /// The port of the redirect URI.
        port: u16,
        /// Who, such as `pid 123 (nc)`, where the system tells.
        holder: Option<String>,
    },
    /// The system keeps the port for the administrator.
    #[error("port {port} needs the rights of an administrator")]
    Denied {
        /// The port of the redirect URI.
        port: u16,
    },
    /// Something else is wrong with the network of this machine.
    #[error("the loopback interface cannot be used ({0})")]
    Unusable(io::Error),
}

/// Free ports of one family that are tried until the other family has the same one free. One miss is rare already.
const TRIES: usize = 16;

/// The sockets and their common port.
pub(super) fn bind(host: LoopbackHost, port: u16) -> Result<(Vec<TcpListener>, u16), BindError> {
    match host {
        LoopbackHost::Address(address) => {
            let socket = listen(address, port).map_err(|error| explain(error, address, port))?;
            let port = port_of(&socket)?;
            Ok((vec![socket], port))
        }
        LoopbackHost::Localhost => bind_both(port),
    }
}

/// Both families at one port: a browser that resolves `localhost` to the other family must not find a stranger there.
fn bind_both(port: u16) -> Result<(Vec<TcpListener>, u16), BindError> {
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    // Sockets whose number is taken in the other family stay open, so that the system does not offer the number again.
    let mut misses = Vec::new();
    loop {
        let first = listen(v4, port).map_err(|error| explain(error, v4, port))?;
        let chosen = port_of(&first)?;
        match listen(v6, chosen) {
            Ok(second) => return Ok((vec![first, second], chosen)),
            Err(error) if has_no_ipv6(&error) => return Ok((vec![first], chosen)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port == 0 && misses.len() < TRIES => misses.push(first),
            Err(error) => return Err(explain(error, v6, chosen)),
        }
    }
}

fn listen(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(SocketAddr::new(address, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn port_of(socket: &TcpListener) -> Result<u16, BindError> {
    socket.local_addr().map(|address| address.port()).map_err(BindError::Unusable)
}

/// Whether the machine has no IPv6 at all, or none on the loopback interface.
fn has_no_ipv6(error: &io::Error) -> bool {
    #[cfg(unix)]
    let unsupported = error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
    #[cfg(not(unix))]
    let unsupported = error.kind() == io::ErrorKind::Unsupported;
    unsupported || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn explain(error: io::Error, address: IpAddr, port: u16) -> BindError {
    match error.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { port, holder: holder::of(address, port) },
        io::ErrorKind::PermissionDenied => BindError::Denied { port },
        _ => BindError::Unusable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l_01_only_the_loopback_interface_is_bound() {
        let (sockets, port) = bind(LoopbackHost::Localhost, 0).expect("a free port");

        for socket in sockets {
            let address = socket.local_addr().expect("an address");
            assert!(address.ip().is_loopback());
            assert_eq!(address.port(), port);
        }
    }

    #[test]
    fn l_02_each_listener_has_a_port_of_its_own() {
        let address = LoopbackHost::Address(Ipv4Addr::LOCALHOST.into());
        let (_first, one) = bind(address, 0).expect("a free port");
        let (_second, two) = bind(address, 0).expect("a free port");

        assert_ne!(one, two);
    }

    #[test]
    fn l_03_a_taken_port_is_an_error_that_names_the_port_and_its_holder() {
        let address = LoopbackHost::Address(Ipv4Addr::LOCALHOST.into());
        let (_held, port) = bind(address, 0).expect("a free port");

        let error = bind(address, port).expect_err("the port is taken");

        assert!(matches!(error, BindError::Taken { port: named, .. } if named == port));
        #[cfg(target_os = "linux")]
        assert!(error.to_string().contains(&format!("pid {} (", std::process::id())), "{error}");
    }

    #[test]
    fn l_04_localhost_is_refused_where_a_stranger_holds_the_other_family() {
        let Ok((_stranger, port)) = bind(LoopbackHost::Address(Ipv6Addr::LOCALHOST.into()), 0) else {
            // Nobody can hold what the machine does not have.
            return;
        };

        let error = bind(LoopbackHost::Localhost, port).expect_err("half of the port is taken");

        assert!(matches!(error, BindError::Taken { port: named, .. } if named == port));
    }
}
