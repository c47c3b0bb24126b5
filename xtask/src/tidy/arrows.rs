//! The levels of the crates, held against `cargo metadata` and against the documentation.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::folders;

/// The level of each crate. A crate may use crates of lower levels only; `xtask` stands outside, and nobody uses it.
const LEVELS: [(&str, u8); 19] = [
    ("berth-oci", 0),
    ("berth-db", 0),
    ("berth-egress", 0),
    ("berth-blobs", 1),
    ("berth-audit", 1),
    ("berth-inspect", 1),
    ("berth-bench", 1),
    ("berth-oidc", 1),
    ("berth-client", 1),
    ("berth-engine-config", 1),
    ("berth-meta", 2),
    ("berth-auth", 2),
    ("berth-images", 2),
    ("berth-registry", 3),
    ("berth-cli", 3),
    ("berth-mirror", 4),
    ("berth-http", 5),
    ("berth-web", 5),
    ("berth", 6),
];
const OUTSIDE: &str = "xtask";

/// Dependencies that do not point to a lower level, and crates that have no level.
pub(super) fn upward() -> anyhow::Result<Vec<String>> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version=1"])?;
    Ok(wrong_arrows(&serde_json::from_str(&metadata)?, &LEVELS.into()))
}

/// Crates whose row in `docs/ARCHITECTURE.md` is missing or names another level, and rows without a crate.
pub(super) fn not_documented() -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(folders::root().join("docs/ARCHITECTURE.md"));
    Ok(wrong_rows(&text.context("docs/ARCHITECTURE.md")?, &LEVELS.into()))
}

/// Another cryptography library beside aws-lc. (`Cargo.lock` names more than is ever built.)
pub(super) fn second_cryptography() -> anyhow::Result<Vec<String>> {
    let tree = cargo(&["tree", "--workspace", "--all-features", "--edges=all", "--prefix=none"])?;
    Ok(tree.lines().filter(|line| line.starts_with("ring ")).map(str::to_owned).take(1).collect())
}

fn wrong_arrows(metadata: &Value, levels: &BTreeMap<&str, u8>) -> Vec<String> {
    let mut wrong = Vec::new();
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let name = |package: &Value| package["name"].as_str().unwrap_or_default().to_owned();
    let members: Vec<String> = packages.iter().map(name).collect();
    for package in packages.iter().filter(|package| package["name"] != OUTSIDE) {
        let from = name(package);
        let Some(level) = levels.get(from.as_str()) else {
            wrong.push(format!("{from} has no level"));
            continue;
        };
        let dependencies = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
        // A crate may name itself: its own tests can need one of its features.
        for to in dependencies.iter().map(name).filter(|to| members.contains(to) && *to != from) {
            if levels.get(to.as_str()).is_none_or(|lower| lower >= level) {
                wrong.push(format!("{from} may not depend on {to}"));
            }
        }
    }
    let gone = levels.keys().filter(|name| !members.iter().any(|member| member == *name));
    wrong.extend(gone.map(|name| format!("{name} has a level but is no crate")));
    wrong
}

/// Reads rows of the form ``| level | `crate` | holds | never knows |``.
fn wrong_rows(text: &str, levels: &BTreeMap<&str, u8>) -> Vec<String> {
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let ["", level, name, _, _, ""] = cells[..]
            && let Ok(level) = level.parse::<u8>()
        {
            rows.insert(name.trim_matches('`'), level);
        }
    }
    let missing = levels.iter().filter(|(name, level)| rows.get(*name) != Some(level));
    let mut wrong: Vec<_> =
        missing.map(|(name, level)| format!("no row for {name} on level {level}")).collect();
    let unknown = rows.keys().filter(|name| !levels.contains_key(*name));
    wrong.extend(unknown.map(|name| format!("a row for {name}, which is no crate")));
    wrong
}

fn cargo(arguments: &[&str]) -> anyhow::Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(arguments).current_dir(folders::root()).output()?;
    ensure!(output.status.success(), "cargo {}: {}", arguments[0], String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn levels() -> BTreeMap<&'static str, u8> {
        [("low", 0), ("left", 1), ("right", 1)].into()
    }

    #[test]
    fn arrows_upward_and_sideways_are_found() {
        let package = |name: &str, uses: &[&str]| {
            let uses: Vec<_> = uses.iter().map(|name| json!({ "name": name })).collect();
            json!({ "name": name, "dependencies": uses })
        };
        let good = [package("low", &["serde"]), package("left", &["low"]), package("right", &["low"])];
        assert_eq!(wrong_arrows(&json!({ "packages": good }), &levels()), Vec::<String>::new());
        let bad = [package("low", &["left"]), package("left", &["right"]), package("new", &[])];
        let wrong = wrong_arrows(&json!({ "packages": bad }), &levels());
        let expected =
            ["low may not depend on left", "new has no level", "right has a level but is no crate"];
        assert!(expected.iter().all(|line| wrong.iter().any(|found| found == line)), "{wrong:?}");
    }

    #[test]
    fn rows_that_are_missing_or_wrong_are_found() {
        let table = "| level | crate | holds | never knows |\n|---|---|---|---|\n| 0 | `low` | a | b |\n";
        let rest = "| 1 | `left` | a | b |\n| 1 | `right` | a | b |\n";
        assert_eq!(wrong_rows(&format!("{table}{rest}"), &levels()), Vec::<String>::new());
        let wrong =
            wrong_rows(&format!("{table}| 2 | `left` | a | b |\n| 1 | `other` | a | b |\n"), &levels());
        assert_eq!(
            wrong,
            [
                "no row for left on level 1",
                "no row for right on level 1",
                "a row for other, which is no crate"
            ]
        );
    }
}
