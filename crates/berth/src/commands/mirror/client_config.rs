//! `berth mirror client-config`: the lines by which clients ask this server for images of other registries.
//!
//! What is printed can be pasted, or written into the file as it is. Remarks are comments where the format has some; JSON
//! has none, so they go to standard error there.

use std::fmt::Write;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::FolderArgs;
use crate::client::Client;
use crate::commands::config;
use crate::config::Config;
use berth_cli::failure::Failure;
use berth_cli::output::line;

mod place;
#[cfg(test)]
mod tests;

use place::{Place, Server};

#[derive(Args)]
pub(crate) struct ClientConfigArgs {
    /// The client
    #[arg(value_enum)]
    client: ClientKind,
    /// By which name clients reach this server [default: as the configuration says]
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<String>,
    #[command(flatten)]
    folder: FolderArgs,
}

/// A client that can ask a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClientKind {
    /// Docker Engine: registry-mirrors, for images of Docker Hub
    Docker,
    /// containerd, nerdctl, Kubernetes on containerd: hosts.toml
    Containerd,
    /// Podman, Buildah, Skopeo, CRI-O: registries.conf
    Podman,
    /// K3s and RKE2: registries.yaml
    K3s,
    /// BuildKit and docker buildx: buildkitd.toml
    Buildkit,
}

/// An upstream, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Upstream {
    /// Its name here.
    name: String,
    /// What stands first in the names of its images elsewhere, and perhaps a path.
    place: String,
    /// Where it is.
    url: String,
    /// Whether this server asks who pulls.
    is_private: bool,
}

impl Upstream {
    fn read(mirror: &Value) -> Option<Upstream> {
        let (name, url) = (mirror["name"].as_str()?, mirror["url"].as_str()?);
        let is_known = berth_client::KNOWN.iter().any(|known| known.name == name);
        let (_, place) = url.split_once("://")?;
        let place = if is_known { name } else { place.trim_end_matches('/') };
        Some(Upstream {
            name: name.to_owned(),
            place: place.to_owned(),
            url: url.trim_end_matches('/').to_owned(),
            is_private: mirror["visibility"] == "private",
        })
    }

    /// The host that clients find its lines by. Below a path there are other images at that host as well, which are not
    /// mirrored: then it is only found by its name here.
    fn host(&self) -> &str {
        if self.place.contains('/') { &self.name } else { &self.place }
    }
}

/// What is printed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    /// For the file.
    content: String,
    /// For the person.
    remarks: Vec<String>,
    /// Whether remarks may stand in the file.
    has_comments: bool,
}

/// Prints the lines.
pub(super) fn run(args: &ClientConfigArgs) -> Result<(), Failure> {
    let config: Config = config::read(&args.folder.sources())?.config;
    let server = Server::of(&config, args.server.as_deref())?;
    let mirrors = super::mirrors(&Client::open(&args.folder, false)?)?;
    let upstreams: Vec<_> = mirrors.iter().filter_map(|mirror| Upstream::read(&mirror["settings"])).collect();
    if upstreams.is_empty() {
        return Err(Failure::usage("nothing is mirrored here yet").hint("berth mirror add docker.io begins"));
    }
    let lines = lines(args.client, &server, &upstreams)?;
    for remark in &lines.remarks {
        if lines.has_comments {
            line(&format!("# {remark}"))?;
        } else {
            eprintln!("# {remark}");
        }
    }
    line(lines.content.trim_end())
}

fn lines(client: ClientKind, server: &Server, upstreams: &[Upstream]) -> Result<Lines, Failure> {
    let mut lines = match client {
        ClientKind::Docker => docker(server, upstreams)?,
        ClientKind::Containerd => containerd(server, upstreams),
        ClientKind::Podman => podman(server, upstreams),
        ClientKind::K3s => k3s(server, upstreams),
        ClientKind::Buildkit => buildkit(server, upstreams),
    };
    let private: Vec<_> = upstreams.iter().filter(|upstream| upstream.is_private).collect();
    for upstream in private.iter().filter(|_| client != ClientKind::Docker) {
        lines.remarks.push(format!(
            "{} is private here: the client needs a name and a token for {}.",
            upstream.name, server.main.authority
        ));
    }
    lines.remarks.extend(server.remark.clone());
    Ok(lines)
}

/// Only images of Docker Hub, by their bare names: so the listener for them is what is asked.
fn docker(server: &Server, upstreams: &[Upstream]) -> Result<Lines, Failure> {
    let Some(entrance) = &server.entrance else {
        return Err(Failure::usage("docker asks mirrors for bare names, and no address here takes those")
            .hint("set mirror_listen = \"0.0.0.0:5001\" in the configuration and start the server anew")
            .hint("without it, pull by prefix: docker pull localhost:5000/docker.io/library/alpine"));
    };
    if !upstreams.iter().any(|upstream| upstream.name == "docker.io" && !upstream.is_private) {
        let why = "docker asks mirrors for images of Docker Hub only, and those are not mirrored for everybody here";
        return Err(Failure::usage(why)
            .hint("berth mirror add docker.io, or berth mirror set docker.io --visibility public"));
    }
    let mut document = json!({ "registry-mirrors": [entrance.url()] });
    let insecure: Vec<_> = [entrance, &server.main]
        .into_iter()
        .filter(|place| !place.is_tls && !place.is_loopback())
        .map(|place| place.authority.as_str())
        .collect();
    if !insecure.is_empty() {
        document["insecure-registries"] = json!(insecure);
    }
    let mut remarks = vec![
        "/etc/docker/daemon.json; merge it with what is there, then: systemctl restart docker".to_owned(),
        "Docker uses mirrors for images of Docker Hub only. Others are pulled by their whole name here:"
            .to_owned(),
        format!("docker pull {}/quay.io/org/app", server.main.authority),
    ];
    if entrance.is_tls {
        remarks.push(format!(
            "An own authority's certificate goes to /etc/docker/certs.d/{}/ca.crt",
            entrance.authority
        ));
    }
    let content = serde_json::to_string_pretty(&document).map_err(Failure::other)?;
    Ok(Lines { content, remarks, has_comments: false })
}

fn containerd(server: &Server, upstreams: &[Upstream]) -> Lines {
    let main = &server.main;
    let mut content = String::new();
    for upstream in upstreams {
        let folder = format!("/etc/containerd/certs.d/{}", upstream.host());
        let (origin, path) = split(&upstream.url);
        let _ = writeln!(content, "\n# {folder}/hosts.toml");
        if path.is_empty() {
            let _ = writeln!(content, "server = \"{origin}\"\n");
        } else {
            let _ = writeln!(content, "server = \"{origin}/v2/{path}\"\noverride_path = true\n");
        }
        let _ = writeln!(content, "[host.\"{}\"]\ncapabilities = [\"pull\", \"resolve\"]", main.url());
        if main.is_tls {
            let _ = writeln!(content, "# ca = \"/etc/ssl/own-authority.pem\"");
        }
    }
    let remarks = vec![
        "One file for each registry; nothing has to be started anew.".to_owned(),
        "Once, in /etc/containerd/config.toml, then: systemctl restart containerd".to_owned(),
        "  containerd 2: [plugins.\"io.containerd.cri.v1.images\".registry]".to_owned(),
        "  containerd 1: [plugins.\"io.containerd.grpc.v1.cri\".registry]".to_owned(),
        "  config_path = \"/etc/containerd/certs.d\"".to_owned(),
    ];
    Lines { content, remarks, has_comments: true }
}

fn podman(server: &Server, upstreams: &[Upstream]) -> Lines {
    let main = &server.main;
    let insecure = if main.is_tls { "" } else { "insecure = true\n" };
    let mut content = String::new();
    for upstream in upstreams {
        let (place, name) = (&upstream.place, &upstream.name);
        let _ = write!(content, "\n[[registry]]\nprefix = \"{place}\"\nlocation = \"{place}\"\n");
        if upstream.url.starts_with("http://") {
            content.push_str("insecure = true\n");
        }
        let _ =
            write!(content, "\n[[registry.mirror]]\nlocation = \"{}/{name}\"\n{insecure}", main.authority);
    }
    if !main.is_tls {
        let _ = write!(content, "\n[[registry]]\nlocation = \"{}\"\n{insecure}", main.authority);
    }
    let mut remarks =
        vec!["/etc/containers/registries.conf.d/berth.conf; nothing has to be started anew.".to_owned()];
    if main.is_tls {
        remarks.push(format!(
            "An own authority's certificate goes to /etc/containers/certs.d/{}/ca.crt",
            main.authority
        ));
    }
    Lines { content, remarks, has_comments: true }
}

fn k3s(server: &Server, upstreams: &[Upstream]) -> Lines {
    let main = &server.main;
    let mut content = "\nmirrors:\n".to_owned();
    for upstream in upstreams {
        let _ = write!(content, "  \"{}\":\n    endpoint:\n      - \"{}\"\n", upstream.host(), main.url());
    }
    let mut remarks = vec![
        "/etc/rancher/k3s/registries.yaml on each node (RKE2: /etc/rancher/rke2/registries.yaml), then:"
            .to_owned(),
        "systemctl restart k3s, on agents: systemctl restart k3s-agent".to_owned(),
    ];
    if main.is_tls {
        remarks.push("For an own authority's certificate add:".to_owned());
        remarks.push(format!(
            "configs: {{ \"{}\": {{ tls: {{ ca_file: /etc/ssl/own-authority.pem }} }} }}",
            main.authority
        ));
    }
    Lines { content, remarks, has_comments: true }
}

fn buildkit(server: &Server, upstreams: &[Upstream]) -> Lines {
    let main = &server.main;
    let mut content = String::new();
    for upstream in upstreams {
        let _ = write!(content, "\n[registry.\"{}\"]\nmirrors = [\"{}\"]\n", upstream.host(), main.authority);
    }
    let rest = if main.is_tls { "# ca = [\"/etc/ssl/own-authority.pem\"]" } else { "http = true" };
    let _ = write!(content, "\n[registry.\"{}\"]\n{rest}\n", main.authority);
    let remarks = vec![
        "/etc/buildkit/buildkitd.toml, then: systemctl restart buildkit".to_owned(),
        "With docker: docker buildx create --use --buildkitd-config /etc/buildkit/buildkitd.toml".to_owned(),
        "In a container of its own, localhost is that container: --server says another name.".to_owned(),
    ];
    Lines { content, remarks, has_comments: true }
}

/// Scheme and host, and the path without its slash.
fn split(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    match url[host..].split_once('/') {
        Some((before, path)) => (&url[..host + before.len()], path.trim_start_matches("v2/")),
        None => (url, ""),
    }
}

impl Place {
    fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.authority)
    }
}
