//! The metrics of the server, in the text format of Prometheus.

mod mirrored;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::server::RouteKind;

pub use mirrored::Mirrored;

/// All metrics of a process; a cheap handle.
///
/// Labels are fixed words only (method, kind of route, class of status), so nobody outside can make them many.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    duration: Family<DurationLabels, Histogram, fn() -> Histogram>,
    received: Counter<u64, AtomicU64>,
    sent: Counter<u64, AtomicU64>,
    connections: Gauge,
    uploads: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    method: &'static str,
    route: &'static str,
}

impl Metrics {
    /// The metrics of a build of that version.
    pub fn new(version: &'static str) -> Metrics {
        Metrics::with(version, |_| {})
    }

    /// The same, with more metrics that `register` adds (their names should begin with what they measure).
    pub fn with(version: &'static str, register: impl FnOnce(&mut Registry)) -> Metrics {
        let mut registry = Registry::with_prefix("berth");
        let inner_duration: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 4.0, 10));
        let mut inner = Inner {
            registry: Registry::default(),
            requests: Family::default(),
            duration: Family::new_with_constructor(inner_duration),
            received: Counter::default(),
            sent: Counter::default(),
            connections: Gauge::default(),
            uploads: Gauge::default(),
        };
        registry.register("build", "The running version", Info::new([("version", version)]));
        registry.register(
            "http_requests",
            "Requests answered, or left by the client",
            inner.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "From the header of a request to the last byte of its answer",
            Unit::Seconds,
            inner.duration.clone(),
        );
        let (received, sent) = (inner.received.clone(), inner.sent.clone());
        registry.register_with_unit("http_received", "Bytes of request bodies", Unit::Bytes, received);
        registry.register_with_unit("http_sent", "Bytes of response bodies", Unit::Bytes, sent);
        registry.register("http_connections", "Open connections", inner.connections.clone());
        registry.register(
            "uploads_active",
            "Uploads that receive bytes at the moment",
            inner.uploads.clone(),
        );
        register(&mut registry);
        inner.registry = registry;
        Metrics(Arc::new(inner))
    }

    /// The number of uploads that receive bytes; whoever receives them counts them.
    pub fn uploads_active(&self) -> &Gauge {
        &self.0.uploads
    }

    pub(crate) fn connections(&self) -> &Gauge {
        &self.0.connections
    }

    pub(crate) fn record(
        &self,
        method: &Method,
        route: RouteKind,
        status: Option<StatusCode>,
        elapsed: Duration,
        received: u64,
        sent: u64,
    ) {
        let method = method_label(method);
        let status = status_label(status);
        self.0.requests.get_or_create(&RequestLabels { method, route: route.0, status }).inc();
        self.0
            .duration
            .get_or_create(&DurationLabels { method, route: route.0 })
            .observe(elapsed.as_secs_f64());
        self.0.received.inc_by(received);
        self.0.sent.inc_by(sent);
    }

    /// All metrics as text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0.registry)
            .expect("writing to a String does not fail");
        text
    }
}

/// Where the counters of the cleaning are read: cycles, failures, manifests, blobs, bytes since the start.
pub type CleaningCounts = Box<dyn Fn() -> [u64; 5] + Send + Sync>;

/// Reads the counters of the cleaning when somebody asks for them.
pub struct Cleaning(pub CleaningCounts);

impl fmt::Debug for Cleaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleaning").finish_non_exhaustive()
    }
}

impl Collector for Cleaning {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let described = [
            ("cleaning_cycles", "Cycles of cleaning that ended well"),
            ("cleaning_failures", "Cycles of cleaning that stopped at an error"),
            ("cleaning_manifests", "Manifests purged because their trash time was over"),
            ("cleaning_blobs", "Blobs whose bytes were freed"),
            ("cleaning_bytes", "Bytes that were freed"),
        ];
        for ((name, help), count) in described.into_iter().zip((self.0)()) {
            let counter = ConstCounter::new(count);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn status_label(status: Option<StatusCode>) -> &'static str {
    match status.map(|status| status.as_u16() / 100) {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(5) => "5xx",
        Some(_) => "other",
        None => "gone",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_few_whatever_clients_send() {
        let metrics = Metrics::new("1.2.3");
        for name in ["AAA", "BBB", "CCC"] {
            let method = Method::from_bytes(name.as_bytes()).expect("a method");
            metrics.record(&method, RouteKind("blob"), None, Duration::from_millis(2), 5, 7);
        }
        let text = metrics.encode();
        let line = r#"berth_http_requests_total{method="other",route="blob",status="gone"} 3"#;
        assert!(text.lines().any(|found| found == line), "{text}");
        assert!(text.contains("berth_http_received_bytes_total 15"), "{text}");
        assert!(text.contains("berth_http_sent_bytes_total 21"), "{text}");
        assert!(text.contains(r#"version="1.2.3""#), "{text}");
    }
}
