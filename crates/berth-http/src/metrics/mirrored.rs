//! What was had of upstreams, and from where.

use std::fmt;

use berth_mirror::Mirror;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

/// Counts by upstream. Their names are set by administrators, so there are few.
pub struct Mirrored(pub Mirror);

impl fmt::Debug for Mirrored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrored").finish_non_exhaustive()
    }
}

impl Collector for Mirrored {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let traffic = self.0.traffic();
        type Read = fn(&berth_registry::Traffic) -> u64;
        let described: [(&str, &str, Read); 4] = [
            ("mirror_hits", "Manifests and blobs of upstreams that were here", |had| had.hits),
            ("mirror_misses", "Manifests and blobs of upstreams that were fetched", |had| had.misses),
            ("mirror_saved_bytes", "Bytes that nobody had to fetch from an upstream", |had| had.bytes_saved),
            ("mirror_fetched_bytes", "Bytes that were fetched from an upstream", |had| had.bytes_fetched),
        ];
        for (name, help, read) in described {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (upstream, had) in &traffic {
                let labels = [("upstream", upstream.as_str())];
                ConstCounter::new(read(had)).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
