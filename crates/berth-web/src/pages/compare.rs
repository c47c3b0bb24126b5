//! Two images side by side: files that were added, removed and changed, and what differs in the configuration.

use std::sync::Arc;

use askama::Template;
use berth_inspect::{ChangeKind, Difference, LayerIndex, Tree, difference, display_name};
use berth_oci::{ImageConfig, RepositoryName};
use berth_registry::{Inside, Pull};

use super::Call;
use super::image::runnable;
use crate::error::PageError;
use crate::layout::Layout;
use crate::reply::{self, Done};

/// Changes that are shown.
const SHOWN: usize = 1000;

/// A file that differs.
struct Line {
    path: String,
    kind: ChangeKind,
    before: Option<u64>,
    after: Option<u64>,
}

/// The files that differ.
struct FilesDiffer {
    lines: Vec<Line>,
    all: u64,
    added: (u64, u64),
    removed: (u64, u64),
    changed: (u64, u64),
}

/// A line of the configuration that differs.
struct Setting {
    name: &'static str,
    before: String,
    after: String,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Compare {
    l: Layout,
    name: RepositoryName,
    from: String,
    to: String,
    /// `None` while layers are read.
    files: Option<FilesDiffer>,
    settings: Vec<Setting>,
    stopped: Vec<String>,
}

impl Compare {
    fn class(&self, kind: &ChangeKind) -> &'static str {
        match kind {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
            ChangeKind::Changed => "changed",
        }
    }

    fn word(&self, kind: &ChangeKind) -> &'static str {
        match kind {
            ChangeKind::Added => self.l.t.added,
            ChangeKind::Removed => self.l.t.removed,
            ChangeKind::Changed => self.l.t.changed,
        }
    }

    fn shown(&self) -> String {
        SHOWN.to_string()
    }

    fn is_cut(&self, all: &u64) -> bool {
        *all > SHOWN as u64
    }
}

pub(super) async fn answer(call: Call<'_>, name: &RepositoryName) -> Done {
    let query = call.visit.query();
    let l = call.layout();
    let chosen: Vec<_> = query.all("tag").collect();
    // The list of tags has the newest first.
    let (from, to) = match (query.get("from"), query.get("to"), chosen.as_slice()) {
        ("", "", [to, from]) => (*from, *to),
        (from, to, _) if !from.is_empty() && !to.is_empty() => (from, to),
        _ => return Err(PageError::Invalid(l.t.choose_two.to_owned())),
    };
    let access = call.web.registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let before = runnable(call, &access, from).await?;
    let after = runnable(call, &access, to).await?;
    let settings = settings(&l, before.config.as_ref(), after.config.as_ref());
    let (registry, turn) = (&call.web.registry, call.web.registry.begin_looking().await?);
    let inside =
        (registry.inside(&access, &before, &turn).await?, registry.inside(&access, &after, &turn).await?);
    let (files, stopped) = match inside {
        (Inside::Ready(old), Inside::Ready(new)) => {
            let stopped = old
                .iter()
                .chain(new.iter())
                .filter_map(|index| index.stopped.as_ref().map(ToString::to_string));
            let mut stopped: Vec<_> = stopped.collect();
            stopped.dedup();
            (Some(tokio::task::block_in_place(|| files(&old, &new))), stopped)
        }
        _ => (None, Vec::new()),
    };
    reply::page(&Compare {
        name: name.clone(),
        from: from.to_owned(),
        to: to.to_owned(),
        files,
        settings,
        stopped,
        l,
    })
}

fn files(old: &[Arc<LayerIndex>], new: &[Arc<LayerIndex>]) -> FilesDiffer {
    let old: Vec<&LayerIndex> = old.iter().map(Arc::as_ref).collect();
    let new: Vec<&LayerIndex> = new.iter().map(Arc::as_ref).collect();
    let (old, new) = (Tree::of(&old), Tree::of(&new));
    let Difference { changes, added, removed, changed } = difference(&old, &new);
    let line = |change: &berth_inspect::Change<'_>| Line {
        path: display_name(change.path),
        kind: change.kind,
        before: change.before,
        after: change.after,
    };
    let lines = changes.iter().take(SHOWN).map(line).collect();
    FilesDiffer { lines, all: changes.len() as u64, added, removed, changed }
}

/// What differs in the configuration, line by line.
fn settings(l: &Layout, old: Option<&ImageConfig>, new: Option<&ImageConfig>) -> Vec<Setting> {
    let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
    let joined = |words: &[String]| words.join(" ");
    let pairs = |config: &ImageConfig| -> Vec<String> {
        config.labels.iter().map(|(key, value)| format!("{key}={value}")).collect()
    };
    let one = [
        (l.t.platform, old.platform(), new.platform()),
        (l.t.user, old.user.clone(), new.user.clone()),
        (l.t.working_dir, old.working_dir.clone(), new.working_dir.clone()),
        (l.t.entrypoint, joined(&old.entrypoint), joined(&new.entrypoint)),
        (l.t.command, joined(&old.command), joined(&new.command)),
        (l.t.ports, joined(&old.ports), joined(&new.ports)),
        (l.t.volumes, joined(&old.volumes), joined(&new.volumes)),
    ];
    let mut settings: Vec<_> = one
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| Setting { name, before, after })
        .collect();
    for (name, old, new) in
        [(l.t.env, old.env.clone(), new.env.clone()), (l.t.labels, pairs(old), pairs(new))]
    {
        let gone = old.iter().filter(|line| !new.contains(line));
        settings.extend(gone.map(|line| Setting { name, before: line.clone(), after: String::new() }));
        let come = new.iter().filter(|line| !old.contains(line));
        settings.extend(come.map(|line| Setting { name, before: String::new(), after: line.clone() }));
    }
    settings
}
