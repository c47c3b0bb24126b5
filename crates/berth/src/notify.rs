//! Tells systemd how the service is doing, when it asked to be told (`Type=notify`).

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;

/// The service answers requests.
pub(crate) const READY: &str = "READY=1";
/// The service is ending.
pub(crate) const STOPPING: &str = "STOPPING=1";

/// Sends a state to the socket that systemd named. Nothing rests on its arrival, so a failure is only logged.
pub(crate) fn notify(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, state, "systemd could not be told");
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let datagram = UnixDatagram::unbound()?;
    match socket.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            datagram.send_to_addr(state.as_bytes(), &address)?;
        }
        _ => {
            datagram.send_to(state.as_bytes(), socket)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_arrives() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).expect("a socket");
        send(path.as_os_str(), READY).expect("it is sent");
        let mut buffer = [0; 64];
        let n_read = systemd.recv(&mut buffer).expect("it arrives");
        assert_eq!(&buffer[..n_read], READY.as_bytes());
    }
}
