//! The limits that keep one client from taking what all need.

use std::time::Duration;

/// Every limit of the transport, with the values we ship as [`Default`].
///
/// There is no limit on the time of a whole request: a slow upload of a large blob is honest work. What is limited is
/// how little may happen in a while, see [`Progress`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time from the first byte of a request (or from the connection) to the end of its header. 10 s.
    pub header_timeout: Duration,
    /// Time for a TLS handshake. 10 s.
    pub handshake_timeout: Duration,
    /// Time a connection may stay open between two requests. 310 s: clients keep upload connections for five minutes.
    pub idle_timeout: Duration,
    /// The least that must move while we wait for the client.
    pub progress: Progress,
    /// Bytes of the request line and all header fields together. 32 KiB.
    pub header_bytes: usize,
    /// Bytes of the request target. 8 KiB.
    pub uri_bytes: usize,
    /// Connections open at once; the limit of open files, less 512, may lower it. 8192.
    pub connections: usize,
    /// Connections from one address (IPv6: from one /64 network), loopback excepted. 256.
    pub connections_per_ip: usize,
    /// Bytes of one read from an HTTP/1 connection, and so what an upload keeps in memory. 256 KiB.
    pub read_buffer: usize,
    /// After an answer that did not wait for the request body: how much of it is read and thrown away, so that the
    /// client gets to read the answer. 16 MiB.
    pub linger_bytes: u64,
    /// The longest time spent on that. 5 s.
    pub linger_timeout: Duration,
    /// HTTP/2 requests open at once on one connection. 128.
    pub h2_streams: u32,
    /// Bytes that an HTTP/2 client may send ahead on one stream. 2 MiB.
    pub h2_stream_window: u32,
    /// Bytes that an HTTP/2 client may send ahead on one connection: the memory it can make us hold. 4 MiB.
    pub h2_connection_window: u32,
    /// HTTP/2 streams that the client reset and that still wait to be noticed. 20.
    pub h2_pending_resets: usize,
    /// Time between pings on HTTP/2 connections. 30 s.
    pub h2_ping_interval: Duration,
    /// Time for the answer to such a ping. 20 s.
    pub h2_ping_timeout: Duration,
}

/// A minimum rate, averaged over a window, that holds while the server waits for the client and at no other time.
///
/// A pause shorter than the window survives; a client that trickles does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that must move, in either direction, per [`Progress::window`]. 160 KiB: 16 KiB per 30 s.
    pub bytes: u64,
    /// The time over which they are counted. 5 min.
    pub window: Duration,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress { bytes: 160 << 10, window: Duration::from_secs(300) }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            header_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(310),
            progress: Progress::default(),
            header_bytes: 32 << 10,
            uri_bytes: 8 << 10,
            connections: 8192,
            connections_per_ip: 256,
            read_buffer: 256 << 10,
            linger_bytes: 16 << 20,
            linger_timeout: Duration::from_secs(5),
            h2_streams: 128,
            h2_stream_window: 2 << 20,
            h2_connection_window: 4 << 20,
            h2_pending_resets: 20,
            h2_ping_interval: Duration::from_secs(30),
            h2_ping_timeout: Duration::from_secs(20),
        }
    }
}
