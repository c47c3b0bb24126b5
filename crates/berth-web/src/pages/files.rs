//! The files of an image: a folder of the whole or of one layer, or a small text file.

use std::sync::Arc;

use askama::Template;
use berth_inspect::{Kind, LayerIndex, Listed, Tree, display_name, text_of};
use berth_oci::{Digest, RepositoryName, Role};
use berth_registry::{Access, Inside, Looked, Pull};
use percent_encoding::percent_decode_str;

use super::Call;
use super::image::runnable;
use crate::error::PageError;
use crate::layout::Layout;
use crate::links::encoded_bytes;
use crate::reply::{self, Done};

/// Names of a folder that are shown.
const SHOWN: usize = 2000;
/// Bytes of the longest file that is shown.
const TEXT: u64 = 512 * 1024;

/// A part of the path, with its address.
struct Crumb {
    name: String,
    path: String,
}

/// A name in a folder.
struct Line {
    name: String,
    path: String,
    is_folder: bool,
    size: u64,
    files: u64,
    mode: String,
    target: String,
    layer: Option<usize>,
    is_removed: bool,
}

/// What there is to see.
enum View {
    Reading { done: usize, all: usize },
    Folder { lines: Vec<Line>, more: bool },
    Text(String),
    NoText,
    TooLarge(u64),
}

#[derive(Template)]
#[template(path = "files.html")]
struct Files {
    l: Layout,
    name: RepositoryName,
    at: String,
    /// The layers, by their first hexadecimal digits.
    layers: Vec<String>,
    /// The layer that is looked at, from 1; `None` is the whole.
    layer: Option<usize>,
    crumbs: Vec<Crumb>,
    /// Layers that are shown only in part, and why.
    stopped: Vec<(usize, String)>,
    view: View,
}

impl Files {
    fn chosen(&self) -> String {
        self.layer.map(|layer| format!("&layer={layer}")).unwrap_or_default()
    }

    /// The address of this page without its query.
    fn page(&self) -> String {
        format!("{}/r/{}/-/image/{}/files", self.l.root, self.name, self.at)
    }

    fn shown_at(&self) -> &str {
        if self.at.contains(':') { crate::format::short(&self.at) } else { &self.at }
    }

    fn is_chosen(&self, n: &usize) -> bool {
        self.layer == Some(*n)
    }
}

pub(super) async fn answer(call: Call<'_>, name: &RepositoryName, at: &str) -> Done {
    let registry = &call.web.registry;
    let access = registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let looked = runnable(call, &access, at).await?;
    let digests = layers(&looked);
    let query = call.visit.query();
    let layer = query.get("layer").parse().ok().filter(|layer| (1..=digests.len()).contains(layer));
    let path = path(call);
    let mut stopped = Vec::new();
    let turn = registry.begin_looking().await?;
    let view = match registry.inside(&access, &looked, &turn).await? {
        Inside::Reading { done, all } => View::Reading { done, all },
        Inside::Ready(indexes) => {
            let told = |(n, index): (usize, &Arc<LayerIndex>)| {
                let is_shown = layer.is_none_or(|layer| layer == n + 1);
                index.stopped.as_ref().filter(|_| is_shown).map(|stop| (n + 1, stop.to_string()))
            };
            stopped = indexes.iter().enumerate().filter_map(told).collect();
            view(call, &access, &digests, &indexes, layer, &path).await?
        }
    };
    reply::page(&Files {
        l: call.layout(),
        name: name.clone(),
        at: at.to_owned(),
        layers: digests.iter().map(|digest| crate::format::short(&digest.to_string()).to_owned()).collect(),
        layer,
        crumbs: crumbs(&path),
        stopped,
        view,
    })
}

/// The path that is asked for, which may be no text.
fn path(call: Call<'_>) -> Vec<u8> {
    let query = call.visit.head.uri.query().unwrap_or_default();
    let raw = query.split('&').find_map(|pair| pair.strip_prefix("path=")).unwrap_or_default();
    percent_decode_str(raw).collect()
}

pub(super) fn layers(looked: &Looked) -> Vec<Digest> {
    let references = looked.manifest.iter().flat_map(|manifest| &manifest.references);
    references
        .filter(|reference| reference.role == Role::Layer)
        .map(|r| r.descriptor.digest.clone())
        .collect()
}

async fn view(
    call: Call<'_>,
    access: &Access<Pull>,
    digests: &[Digest],
    indexes: &[Arc<LayerIndex>],
    layer: Option<usize>,
    path: &[u8],
) -> Result<View, PageError> {
    let opened = {
        let indexes: Vec<&LayerIndex> = indexes.iter().map(Arc::as_ref).collect();
        // Hundreds of thousands of paths take a while to sort.
        tokio::task::block_in_place(|| {
            let tree = match layer {
                Some(layer) => Tree::single(indexes[layer - 1], layer - 1),
                None => Tree::of(&indexes),
            };
            open(&tree, path)
        })
    };
    let (layer, offset, size) = match opened.ok_or(PageError::NotFound)? {
        Opened::Folder { lines, more } => return Ok(View::Folder { lines, more }),
        Opened::File { size, .. } if size > TEXT => return Ok(View::TooLarge(size)),
        Opened::File { offset: None, .. } => return Ok(View::NoText),
        Opened::File { layer, offset: Some(offset), size } => (layer, offset, size),
    };
    let digest = digests.get(layer).ok_or(PageError::NotFound)?;
    let content = call.web.registry.file_of_layer(access, digest, offset, size, TEXT).await?;
    Ok(content.and_then(|content| text_of(&content)).map_or(View::NoText, View::Text))
}

/// What is at a path.
enum Opened {
    Folder { lines: Vec<Line>, more: bool },
    File { layer: usize, offset: Option<u64>, size: u64 },
}

fn open(tree: &Tree<'_>, path: &[u8]) -> Option<Opened> {
    let path = tree.resolve(path).filter(|_| !path.is_empty()).or_else(|| path.is_empty().then(Vec::new))?;
    if let Some(listed) = tree.list(&path) {
        let more = listed.len() > SHOWN;
        let lines = listed.iter().take(SHOWN).map(|listed| line(&path, listed)).collect();
        return Some(Opened::Folder { lines, more });
    }
    let found = tree.get(&path)?;
    Some(Opened::File { layer: found.layer, offset: found.entry.offset, size: found.entry.size })
}

fn line(folder: &[u8], listed: &Listed<'_>) -> Line {
    let slash: &[u8] = if folder.is_empty() { b"" } else { b"/" };
    let entry = listed.found.map(|found| found.entry);
    Line {
        name: display_name(listed.name),
        path: encoded_bytes(&[folder, slash, listed.name].concat()),
        is_folder: listed.is_folder,
        size: listed.size,
        files: listed.files,
        mode: entry.map(|entry| mode(entry.kind, entry.mode)).unwrap_or_default(),
        target: entry.map(|entry| display_name(&entry.target)).unwrap_or_default(),
        layer: listed.found.map(|found| found.layer + 1),
        is_removed: entry.is_some_and(|entry| entry.kind == Kind::Whiteout),
    }
}

/// As `ls` writes it: `drwxr-xr-x`.
fn mode(kind: Kind, mode: u32) -> String {
    let first = match kind {
        Kind::Folder => 'd',
        Kind::Link => 'l',
        Kind::Special => 'c',
        _ => '-',
    };
    let bits = (0..9).map(|bit| if mode & (0o400 >> bit) == 0 { '-' } else { ['r', 'w', 'x'][bit % 3] });
    std::iter::once(first).chain(bits).collect()
}

fn crumbs(path: &[u8]) -> Vec<Crumb> {
    let ends =
        path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]);
    let mut begin = 0;
    let mut crumbs = Vec::new();
    for end in ends.filter(|_| !path.is_empty()) {
        crumbs.push(Crumb { name: display_name(&path[begin..end]), path: encoded_bytes(&path[..end]) });
        begin = end + 1;
    }
    crumbs
}

#[cfg(test)]
mod tests {
    use super::{Kind, crumbs, mode};

    #[test]
    fn permissions_and_paths_are_told_as_people_know_them() {
        assert_eq!(mode(Kind::Folder, 0o755), "drwxr-xr-x");
        assert_eq!(mode(Kind::File, 0o640), "-rw-r-----");
        let told: Vec<_> = crumbs(b"a/b\xff/c").into_iter().map(|crumb| (crumb.name, crumb.path)).collect();
        let told: Vec<_> = told.iter().map(|(name, path)| (name.as_str(), path.as_str())).collect();
        assert_eq!(told, [("a", "a"), ("b\\xff", "a%2Fb%FF"), ("c", "a%2Fb%FF%2Fc")]);
        assert!(crumbs(b"").is_empty());
    }
}
