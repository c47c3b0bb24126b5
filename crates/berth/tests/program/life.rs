//! The life of an image by the program's own commands, as a transcript.

use std::fmt::Write;
use std::path::Path;

use crate::server::{Server, berth, said};
use crate::serving::push;

/// Runs commands and gives what a person would see, with times and digests made the same each time.
pub(crate) fn transcript(folder: &Path, commands: &[&str]) -> String {
    let mut text = String::new();
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        let said = said(&mut berth(folder, &words));
        let _ = write!(text, "$ berth {command}\n{}{}", said.out, said.err);
        if said.code != Some(0) {
            let _ = writeln!(text, "[exit code {}]", said.code.unwrap_or(-1));
        }
    }
    blurred(&text)
}

/// Times become `TIME`, digits of digests become `…` so that only what matters is compared.
fn blurred(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let words = line.split_inclusive([' ', '@', ',']);
        for word in words {
            out.push_str(&blurred_word(word));
        }
        out.push('\n');
    }
    out.replace("DAY HOUR", "TIME")
}

fn blurred_word(word: &str) -> String {
    let bare = word.trim_end_matches([' ', '@', ',', ')', '(']);
    let rest = &word[bare.len()..];
    let is = |form: &str| {
        bare.len() == form.len()
            && bare.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte == form,
            })
    };
    let shown = if let Some(hex) = bare.strip_prefix("sha256:") {
        format!("sha256:{}…", &hex[..hex.len().min(4)])
    } else if is("0000-00-00") {
        "DAY".to_owned()
    } else if is("00:00") {
        "HOUR".to_owned()
    } else if is("0000-00-00T00:00:00Z") {
        "TIME".to_owned()
    } else {
        bare.to_owned()
    };
    shown + rest
}

#[test]
fn rules_history_deletion_and_moves_as_people_see_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path());
    let before = transcript(
        folder.path(),
        &[
            "repo tag rules add acme/* --float",
            "repo tag rules add acme/* --immutable {version}",
            "repo tag rules add acme/* --float major",
            "repo tag rules add ** --float",
            "repo tag rules list",
        ],
    );
    push(&server, "acme/app", "1.9.2");
    let after = transcript(
        folder.path(),
        &[
            "repo tag list acme/app",
            "repo tag rules preview acme/app 1.10.0",
            "repo tag rules preview acme/app 1.8.7",
            "repo tag history acme/app:latest",
            "repo tag show localhost:5000/acme/app:latest",
            "repo tag show acme/app:latest@2020-01-01",
            "repo tag show acme/app",
            "repo tag remove acme/app:1.9.2",
            "repo tag remove acme/app:latest --dry-run",
            "repo tag remove acme/app:latest",
            "repo tag remove acme/app:latest",
            "why-deleted acme/app:latest",
            "why-kept acme/app:1.9.2",
            "repo tag restore acme/app:latest",
            "repo tag rollback acme/app:latest --to 1999-12-31",
            "promote acme/app:1.9.2 prod/app",
            "promote acme/app:1.9.2 prod/app:x",
            "repo copy acme/app:1.9.2 acme/two:test",
            "repo rename acme/two acme/app",
            "repo rename acme/two acme/three --redirect 30d",
            "usage",
            "usage --namespace acme",
            "usage --unused 1d",
            "quota set acme 1",
            "quota set acme 1GiB",
            "quota set acme lots",
            "quota list",
            "retention add acme/* --tags t* --newest 1",
            "retention add acme/* --newest 0",
            "retention list",
            "retention preview acme/three",
            "repo remove acme/three --dry-run",
            "repo remove acme/three",
            "trash list",
            "trash empty acme/three --dry-run",
            "repo restore acme/three",
            "repo restore acme/three",
            "clean --status",
        ],
    );
    insta::assert_snapshot!("life", before + &after);
}

#[test]
fn the_commands_work_on_a_stopped_server_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path());
    push(&server, "a/b", "1");
    drop(server);
    let told = transcript(
        folder.path(),
        &["repo tag remove a/b:1", "repo tag restore a/b:1", "clean", "usage a/b:1"],
    );
    assert!(told.contains("a/b:1 names sha256:"), "{told}");
    assert!(told.contains("freed 0 images"), "{told}");
    let nowhere = said(&mut berth(&folder.path().join("."), &["usage", "--data", "absent"]));
    assert_eq!(nowhere.code, Some(2), "{}", nowhere.err);
}
