//! The answer of the referrers API: an image index made of descriptors.

use serde::Serialize;

use crate::descriptor::Descriptor;
use crate::media_type;

/// An OCI image index in the making (distribution-spec, "Listing Referrers").
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexBuilder {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

impl IndexBuilder {
    /// An index without entries, which is a legal answer.
    pub fn new() -> IndexBuilder {
        IndexBuilder { schema_version: 2, media_type: media_type::OCI_INDEX, manifests: Vec::new() }
    }

    /// Adds an entry.
    pub fn push(&mut self, descriptor: Descriptor) {
        self.manifests.push(descriptor);
    }

    /// The document; `manifests` is always a list, never `null`.
    pub fn finish(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("strings, numbers and maps with string keys always serialise")
    }
}

impl Default for IndexBuilder {
    fn default() -> Self {
        IndexBuilder::new()
    }
}

impl Extend<Descriptor> for IndexBuilder {
    fn extend<I: IntoIterator<Item = Descriptor>>(&mut self, descriptors: I) {
        self.manifests.extend(descriptors);
    }
}

impl FromIterator<Descriptor> for IndexBuilder {
    fn from_iter<I: IntoIterator<Item = Descriptor>>(descriptors: I) -> Self {
        let mut index = IndexBuilder::new();
        index.extend(descriptors);
        index
    }
}

#[cfg(test)]
mod tests {
    use super::IndexBuilder;
    use crate::descriptor::Descriptor;
    use crate::digest::Digest;
    use crate::manifest::Manifest;
    use crate::media_type;

    #[test]
    fn empty_is_a_list() {
        let json = String::from_utf8(IndexBuilder::new().finish()).unwrap();
        let expected =
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn reads_back_as_a_manifest() {
        let mut descriptor = Descriptor::new(media_type::OCI_MANIFEST, Digest::sha256(b"abc"), 3);
        descriptor.artifact_type = Some("application/vnd.example.sbom".into());
        descriptor.annotations.insert("a".into(), "b".into());
        let json: Vec<u8> = [descriptor.clone()].into_iter().collect::<IndexBuilder>().finish();
        let manifest = Manifest::read(media_type::OCI_INDEX, &json).unwrap();
        assert_eq!(manifest.references[0].descriptor, descriptor);
    }
}
