//! The help and the completions, as people see them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::server::{berth, said};

fn help(arguments: &[&str]) -> String {
    let shown = said(&mut berth(Path::new("."), arguments));
    assert_eq!((shown.code, shown.err.as_str()), (Some(0), ""), "{arguments:?}");
    shown.out
}

#[test]
fn help_is_short_and_has_examples() {
    insta::assert_snapshot!("help", help(&["--help"]));
    insta::assert_snapshot!("help_serve_short", help(&["serve", "-h"]));
    insta::assert_snapshot!("help_serve", help(&["serve", "--help"]));
    insta::assert_snapshot!("help_config", help(&["config", "--help"]));
    insta::assert_snapshot!("help_tag_rules", help(&["repo", "tag", "rules", "--help"]));
    insta::assert_snapshot!("help_retention_add", help(&["retention", "add", "-h"]));
    insta::assert_snapshot!("help_mirror", help(&["mirror", "--help"]));
    insta::assert_snapshot!("help_mirror_add", help(&["mirror", "add", "-h"]));
    insta::assert_snapshot!("help_prefetch", help(&["prefetch", "-h"]));
}

/// One page for all of them, so that a change of words is seen at once.
#[test]
fn every_command_about_images_has_its_help() {
    let commands = [
        "config",
        "copy",
        "digest",
        "history",
        "images",
        "import",
        "inspect",
        "layers",
        "load",
        "login",
        "logout",
        "ls",
        "manifest",
        "prune",
        "pull",
        "push",
        "referrers",
        "rm",
        "rmi",
        "save",
        "search",
        "tag",
        "tags",
    ];
    let pages = commands.map(|command| {
        let page = help(&[command, "--help"]);
        assert!(page.contains("Examples:"), "{command} has no examples");
        format!("$ berth {command} --help\n{page}")
    });
    insta::assert_snapshot!("help_images", pages.join("\n"));
}

#[test]
fn the_version_is_told() {
    assert_eq!(help(&["--version"]), format!("berth {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_slip_of_the_finger_is_answered_with_a_tip_and_exit_code_2() {
    let refused = said(&mut berth(Path::new("."), &["serve", "--lisen", "x"]));
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("--listen"), "{}", refused.err);
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = help(&["completions", shell]);
        assert!(script.contains("berth") && script.contains("open-to-network"), "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man1");
    assert_eq!(help(&["man", "--all", &pages.to_string_lossy()]), "");
    for (page, text) in [("berth", "berth\\-repo(1)"), ("berth-repo-tag-rules-add", "\\-\\-immutable")] {
        let written = std::fs::read_to_string(pages.join(format!("{page}.1"))).expect("a page");
        assert!(written.starts_with(".ie") && written.contains(text), "{written}");
    }
    let alone = help(&["man", "repo", "tag", "rules", "add"]);
    assert_eq!(alone, std::fs::read_to_string(pages.join("berth-repo-tag-rules-add.1")).expect("a page"));
    let unknown = said(&mut berth(Path::new("."), &["man", "repo", "tap"]));
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("no command \"tap\" of repo"), "{}", unknown.err);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut command: Command = berth(Path::new("."), &["config", "default"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), b"".as_slice()));
}
