//! `berth mirror status`: how upstreams are.

use serde_json::{Value, json};

use super::options::{bytes, span};
use crate::cli::Shown;
use crate::client::Client;
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, size, table, time};

/// Shows how upstreams are, or one of them.
pub(super) fn run(client: &Client, name: Option<&str>, shown: &Shown) -> Result<(), Failure> {
    let mut mirrors = super::mirrors(client)?;
    if let Some(name) = name {
        mirrors.retain(|mirror| mirror["name"] == name);
        if mirrors.is_empty() {
            return Err(Failure::usage(format!("{name} is not mirrored here"))
                .hint("berth mirror list shows what is"));
        }
    }
    if shown.json {
        return print(&json!({ "mirrors": mirrors }));
    }
    if mirrors.is_empty() {
        return line("nothing is mirrored here; berth mirror add quay.io begins");
    }
    let rows: Vec<_> = mirrors.iter().map(row).collect();
    table(&["MIRROR", "HEALTH", "HITS", "SAVED", "HOLDS", "PULLS LEFT", "LAST ASKED"], &rows)?;
    for mirror in &mirrors {
        remarks(mirror)?;
        if name.is_some() {
            details(mirror)?;
        }
    }
    Ok(())
}

fn row(mirror: &Value) -> Vec<String> {
    let had = &mirror["last_30_days"];
    vec![
        field(mirror, "name"),
        field(mirror, "health"),
        hit_rate(had),
        had["bytes_saved"].as_u64().map_or_else(|| "-".to_owned(), size),
        holds(mirror),
        budget(&mirror["servers"][0]["budget"]),
        time(mirror, "asked_at"),
    ]
}

/// Per cent of what was asked for that was here.
fn hit_rate(had: &Value) -> String {
    let [hits, misses] = ["hits", "misses"].map(|name| had[name].as_u64().unwrap_or(0));
    match hits.saturating_add(misses) {
        0 => "-".to_owned(),
        all => format!("{} %", u128::from(hits) * 100 / u128::from(all)),
    }
}

fn holds(mirror: &Value) -> String {
    let held = bytes(&mirror["bytes"]);
    match mirror["settings"]["max_bytes"].as_u64() {
        Some(limit) => format!("{held} of {}", size(limit)),
        None => held,
    }
}

fn budget(budget: &Value) -> String {
    match (budget["remaining"].as_u64(), budget["limit"].as_u64()) {
        (Some(remaining), Some(limit)) => format!("{remaining} of {limit}"),
        _ => "-".to_owned(),
    }
}

/// What somebody should know or look at.
fn remarks(mirror: &Value) -> Result<(), Failure> {
    let name = field(mirror, "name");
    if mirror["spares"] == true {
        line(&format!("{name}: few pulls are left, so it is asked only for what is not here"))?;
    }
    for server in mirror["servers"].as_array().into_iter().flatten() {
        if let Some(trouble) = server["trouble"].as_str() {
            let rests = match server["rests_seconds"].as_u64() {
                Some(rests) => format!("; left alone for {rests} s"),
                None => String::new(),
            };
            line(&format!("{name}: {}: {trouble}{rests}", field(server, "url")))?;
        }
    }
    if let Some(what) = mirror["trouble"]["what"].as_str() {
        line(&format!("{name}: at {} UTC: {what}", time(&mirror["trouble"], "at")))?;
    }
    Ok(())
}

fn details(mirror: &Value) -> Result<(), Failure> {
    let set = &mirror["settings"];
    for server in mirror["servers"].as_array().into_iter().flatten() {
        let (url, failures) = (field(server, "url"), &server["failures"]);
        let answered = time(server, "answered_at");
        line(&format!("server: {url}, last answer {answered}, {failures} failures since"))?;
    }
    let had = &mirror["last_30_days"];
    line(&format!(
        "30 days: {} were here, {} were not; {} were fetched, {} were not",
        had["hits"],
        had["misses"],
        bytes(&had["bytes_fetched"]),
        bytes(&had["bytes_saved"])
    ))?;
    line(&format!(
        "a tag is fresh for {} and served for {} while it cannot be asked; unused images go after {}",
        span(&set["fresh_seconds"]),
        span(&set["stale_seconds"]),
        span(&set["max_age_seconds"])
    ))?;
    for (label, list) in [("only", "allow"), ("never", "deny")] {
        if set[list].as_array().is_some_and(|patterns| !patterns.is_empty()) {
            line(&format!("{label}: {}", field(set, list)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{hit_rate, holds, row};

    #[test]
    fn a_row_says_what_there_is_and_no_more() {
        let had = json!({ "hits": 0, "misses": 0, "bytes_saved": 0 });
        let new = json!({ "name": "quay.io", "health": "unasked", "last_30_days": had });
        assert_eq!(row(&new), ["quay.io", "unasked", "-", "0 B", "-", "-", "-"]);
        assert_eq!(hit_rate(&json!({ "hits": 2, "misses": 1 })), "66 %");
        let full = json!({ "bytes": 1024, "settings": { "max_bytes": 2048 } });
        assert_eq!(holds(&full), "1.0 KiB of 2.0 KiB");
    }
}
