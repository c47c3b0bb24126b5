//! The public registries that people mean by name.

/// A registry that needs no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name, as it stands in image names.
    pub name: &'static str,
    /// Where its images are.
    pub url: &'static str,
    /// Its hosts for tokens, where they are not itself.
    pub auth_hosts: &'static [&'static str],
    /// Other names by which clients call it when they ask a mirror (`?ns=`).
    pub aliases: &'static [&'static str],
}

/// All of them.
pub const KNOWN: &[Known] = &[
    Known {
        name: "docker.io",
        url: "https://registry-1.docker.io",
        auth_hosts: &["auth.docker.io"],
        aliases: &["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"],
    },
    Known { name: "quay.io", url: "https://quay.io", auth_hosts: &[], aliases: &[] },
    Known { name: "ghcr.io", url: "https://ghcr.io", auth_hosts: &[], aliases: &[] },
    Known { name: "gcr.io", url: "https://gcr.io", auth_hosts: &[], aliases: &[] },
    Known {
        name: "registry.k8s.io",
        url: "https://registry.k8s.io",
        auth_hosts: &[],
        aliases: &["k8s.gcr.io"],
    },
    Known { name: "mcr.microsoft.com", url: "https://mcr.microsoft.com", auth_hosts: &[], aliases: &[] },
    Known { name: "public.ecr.aws", url: "https://public.ecr.aws", auth_hosts: &[], aliases: &[] },
];

/// The known registry of that name.
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}
