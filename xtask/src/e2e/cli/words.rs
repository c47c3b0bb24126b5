//! What docker prints, and what berth prints for the same words: line by line, with the same server behind both.

use std::collections::BTreeSet;

use anyhow::ensure;

use super::{Client, Desk, NAME};

/// An image that is made for it.
const IMAGE: &str = "words/new:1";

/// Sessions as people write them down. `R` is the registry, `IMAGE` the image, `#` begins what is said about a
/// line: that its error begins with other words is fine, as long as it has these.
const SESSIONS: [(&str, &[&str]); 8] = [
    ("tag and push without a tag", &["tag IMAGE R/words/app", "push R/words/app"]),
    ("push again", &["push R/words/app"]),
    ("push to another repository", &["tag IMAGE R/words/second:1", "push R/words/second:1"]),
    ("push all tags", &["tag IMAGE R/words/second:2", "push -a R/words/second"]),
    ("pull what is there", &["pull R/words/app:latest", "pull -q R/words/app"]),
    (
        "remove, pull again, by tag and by digest",
        &["rmi R/words/second:1 R/words/second:2", "pull R/words/second:1", "pull -a R/words/second"],
    ),
    ("images of a repository", &["images R/words/second", "images -q R/words/app"]),
    (
        "names that are wrong",
        &[
            "push R/words/nothing # An image does not exist locally with the tag: R/words/nothing",
            "push R/words/app:9 # tag does not exist: R/words/app:9",
            "pull R/words/app:9 # manifest for R/words/app:9 not found: manifest unknown",
            "tag nothing:1 R/x # No such image: nothing:1",
            "rmi nothing:1 # No such image: nothing:1",
            "inspect nothing:1 # No such",
            "tag IMAGE R/Upper # invalid reference format",
            "pull R/app:t@g # invalid reference format",
        ],
    ),
];

/// Runs the sessions.
pub(super) fn run(desk: &Desk<'_>, docker: &Client) -> anyhow::Result<()> {
    let file = desk.stage.home("cli-words.tar");
    desk.stage.step(NAME, "both have an image that no registry has", || {
        let context = desk.stage.home("cli-words");
        std::fs::create_dir_all(&context)?;
        std::fs::write(context.join("new"), "a file of no other image")?;
        std::fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY new /new\nCMD [\"/new\"]\n")?;
        docker.run(&["build", "-t", IMAGE, &context.to_string_lossy()])?;
        docker.run(&["save", "-o", &file.to_string_lossy(), IMAGE])?;
        desk.berth.says(&["load", "-i", &file.to_string_lossy()], IMAGE)?;
        Ok(())
    });
    for (title, lines) in SESSIONS {
        desk.stage.step(NAME, &format!("say what docker says: {title}"), || {
            lines.iter().try_for_each(|line| same(desk, docker, line))
        });
    }
    Ok(())
}

/// Both do what a line says, and say the same.
fn same(desk: &Desk<'_>, docker: &Client, line: &str) -> anyhow::Result<()> {
    let registry = desk.stage.registry();
    let (words, expected) =
        line.split_once(" # ").map_or((line, None), |(words, error)| (words, Some(error)));
    // Each has repositories of its own, so that nobody finds what the other has pushed.
    let said = |who: &str, client: &Client| -> anyhow::Result<(String, bool)> {
        let named = |text: &str| text.replace("IMAGE", IMAGE).replace("R/", &format!("{registry}/{who}/"));
        let (said, ended) = client.fed("", &words.split(' ').map(named).collect::<Vec<_>>())?;
        Ok((said.replace(&format!("{registry}/{who}/"), "R/").replace(&format!("{who}/"), ""), ended))
    };
    let (one, other) = (said("by-docker", docker)?, said("by-berth", &desk.berth)?);
    ensure!(one.1 == other.1, "{line}: docker ends with {}, berth with {}: {}", one.1, other.1, other.0);
    if let Some(expected) = expected {
        let expected = expected.to_lowercase();
        for (who, (said, ended)) in [("docker", &one), ("berth", &other)] {
            ensure!(!ended && said.to_lowercase().contains(&expected), "{who} says no {expected:?}: {said}");
        }
        return Ok(());
    }
    let (one, other) = (plain(&one.0), plain(&other.0));
    ensure!(one == other, "{line}: docker says\n{one:#?}\nand berth\n{other:#?}");
    Ok(())
}

/// The lines without what differs by nature: docker names layers and images by what they unpack to and writes a manifest
/// of its own when it pushes, tells of steps that only it makes, and both tell of layers in any order.
fn plain(said: &str) -> BTreeSet<String> {
    const OWN_STEPS: [&str; 3] = ["Waiting", "Verifying Checksum", "Preparing"];
    let lines = said.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let lines = lines.filter_map(|line| match line.split_once(": ") {
        Some((id, step)) if is_id(id) => (!OWN_STEPS.contains(&step)).then(|| format!("LAYER: {step}")),
        _ => Some(without_age(&line.split_whitespace().map(blurred).collect::<Vec<_>>().join(" "))),
    });
    lines.collect()
}

/// A second goes by between the two.
fn without_age(line: &str) -> String {
    match (line.split_once(" ID "), line.rsplit_once(" ago ")) {
        (Some((before, _)), Some((_, after))) => format!("{before} ID AGE {after}"),
        _ => line.to_owned(),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn blurred(word: &str) -> String {
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit()) && word.len() > 1;
    let is_size = word.ends_with('B') && word.starts_with(|first: char| first.is_ascii_digit());
    match word.split_once("sha256:") {
        Some((before, _)) => format!("{before}sha256:…"),
        None if is_id(word) => "ID".to_owned(),
        None if is_size || is_number => "SIZE".to_owned(),
        None => word.to_owned(),
    }
}
