//! What docker printed, line by line, and what berth prints for the same words.
//!
//! The files in `transcripts/` were recorded with docker 20.10 and a Berth behind it. `docker` stands for `berth` there,
//! `localhost:5000` for the registry, and `<digest>`, `<id>`, `<size>`, `<age>`, `<n>` for what is another one each time;
//! of the states of a layer the last one counts. `…` stands where an error has more words, which are not docker's.
//!
//! Two differences are meant: each image here has a digest, so that `rmi` tells of it, which docker does only of what was
//! pushed or pulled; and an identity token that is kept in a file is told of like a password.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::desk::Desk;
use crate::server::{Server, berth, said};

/// The registry in the files.
const REGISTRY: &str = "localhost:5000";
const PASSWORD: &str = "correct horse battery staple";

/// A line that was typed, and what came of it.
#[derive(Debug, Default)]
struct Turn {
    typed: String,
    printed: Vec<String>,
    code: i32,
}

#[test]
fn push_says_what_docker_says() {
    let desk = desk();
    replay(&desk, &Server::start(desk.folder()).address.to_string(), "push");
}

#[test]
fn pull_says_what_docker_says() {
    let desk = desk();
    replay(&desk, &Server::start(desk.folder()).address.to_string(), "pull");
}

#[test]
fn images_of_this_machine_say_what_docker_says() {
    for name in ["rmi", "local"] {
        replay(&desk(), "127.0.0.1:1", name);
    }
}

#[test]
fn sign_ins_say_what_docker_says() {
    let desk = desk();
    for words in [&["root-of-all", "--admin"][..], &["alice"], &["bob"]] {
        let mut command = berth(desk.folder(), &[&["user", "add", "--password-stdin"], words].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it runs");
        child.stdin.take().expect("a pipe").write_all(PASSWORD.as_bytes()).expect("it reads");
        assert!(child.wait().expect("it ends").success());
    }
    let server = Server::start(desk.folder());
    replay(&desk, &server.address.to_string(), "login");
}

/// A desk with the image `app:1.9`, and files that are read.
pub(crate) fn desk() -> Desk {
    let desk = Desk::new();
    desk.layout("layout");
    let copied = said(&mut desk.command(&["copy", "-q", "oci:layout:app", "local:app:1.9"]));
    assert_eq!(copied.code, Some(0), "{}", copied.err);
    std::fs::write(desk.path("password"), PASSWORD).expect("a file");
    std::fs::write(desk.path("wrong"), "wrong").expect("a file");
    desk
}

/// Types every line of a file, and compares what comes; all differences are told at once.
pub(crate) fn replay(desk: &Desk, server: &str, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/program/transcripts/{name}.txt"));
    let text = std::fs::read_to_string(path).expect("a transcript");
    let mut known = BTreeMap::new();
    // A digest is named in commands before any was told: this one is of nothing.
    known.insert("<digest>", format!("sha256:{}", "0".repeat(64)));
    let turns = turns(&text);
    assert!(turns.len() > 5, "{name} has no turns");
    let wrong: Vec<_> = turns.iter().filter_map(|turn| differs(desk, server, turn, &mut known)).collect();
    assert!(wrong.is_empty(), "{name}: {} of {} differ\n{}", wrong.len(), turns.len(), wrong.join("\n"));
}

/// The turns of a file.
fn turns(text: &str) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(typed) = line.strip_prefix("$ docker ") {
            turns.push(Turn { typed: typed.to_owned(), ..Turn::default() });
            continue;
        }
        let turn = turns.last_mut().expect("a file begins with a command");
        match line.strip_prefix("[exit code ").and_then(|rest| rest.strip_suffix(']')) {
            Some(code) => turn.code = code.parse().expect("a number"),
            None => turn.printed.push(line.to_owned()),
        }
    }
    turns
}

/// What is other than docker's, for people.
fn differs(desk: &Desk, server: &str, turn: &Turn, known: &mut BTreeMap<&str, String>) -> Option<String> {
    let mut typed = turn.typed.replace(REGISTRY, server);
    for (sign, value) in &*known {
        typed = typed.replace(sign, value);
    }
    let seen = said(&mut shell(desk, &typed));
    remember(&seen.out, known);
    let mut lines = as_written(&seen.out.replace(server, REGISTRY));
    let is_digest = |line: &String| line.starts_with("Untagged: ") && line.ends_with("@<digest>");
    lines.retain(|line| !is_digest(line) || turn.printed.contains(line));
    let fits = lines.len() == turn.printed.len()
        && lines.iter().zip(&turn.printed).all(|(line, expected)| is_like(line, expected));
    if fits && seen.code == Some(turn.code) {
        return None;
    }
    let (expected, lines) = (turn.printed.join("\n    "), lines.join("\n    "));
    let (typed, code, seen) = (&turn.typed, turn.code, seen.code.unwrap_or(-1));
    Some(format!("$ {typed}\n  docker ({code}):\n    {expected}\n  berth ({seen}):\n    {lines}"))
}

/// The shell reads the words of a line, and puts both streams into one.
fn shell(desk: &Desk, typed: &str) -> Command {
    let berth = desk.command(&[]);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("exec \"$BERTH\" {typed} 2>&1"));
    command.stdin(Stdio::null()).current_dir(desk.folder());
    for (name, value) in berth.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("BERTH", berth.get_program());
    command
}

/// The last digest and id that were told are those that later lines name.
fn remember(printed: &str, known: &mut BTreeMap<&str, String>) {
    for line in printed.lines() {
        if let Some((_, digest)) = line.split_once("igest: ") {
            known.insert("<digest>", digest.chars().take(71).collect());
        }
        if line.len() == 12 && is_hex(line) {
            known.insert("<id>", line.to_owned());
        }
    }
}

/// The lines as the files write them.
fn as_written(printed: &str) -> Vec<String> {
    const OWN: [&str; 5] =
        ["hint: ", "note: ", "WARNING! Your identity token", "Configure a cred", "https://docs."];
    let is_own = |line: &&str| line.is_empty() || OWN.iter().any(|own| line.starts_with(own));
    let (mut seen, mut layers) = (Vec::new(), Vec::new());
    for line in printed.lines().filter(|line| !is_own(line)) {
        let line = line.strip_prefix("error: ").unwrap_or(line).replace("berth login", "docker login");
        match line.split_once(": ") {
            Some((id, state)) if id.len() == 12 && is_hex(id) => {
                // A layer that begins anew belongs to the next image.
                let is_begin = ["Preparing", "Pulling fs layer"].contains(&state);
                if is_begin && layers.iter().any(|(known, _)| known == id) {
                    settle(&mut layers, &mut seen);
                }
                layers.retain(|(known, _): &(String, String)| known != id);
                layers.push((id.to_owned(), state.to_owned()));
            }
            _ => {
                settle(&mut layers, &mut seen);
                seen.push(shaped(&line));
            }
        }
    }
    settle(&mut layers, &mut seen);
    // Images of one moment have no order.
    if seen.first().is_some_and(|line| line.starts_with("REPOSITORY")) {
        seen[1..].sort_unstable();
    }
    seen
}

/// The last state of each layer that was told of.
fn settle(layers: &mut Vec<(String, String)>, seen: &mut Vec<String>) {
    layers.sort_by(|one, other| one.1.cmp(&other.1));
    seen.extend(layers.drain(..).map(|(_, state)| format!("<id>: {state}")));
}

/// A line with signs for what is another one each time, and two blanks between columns.
fn shaped(line: &str) -> String {
    let cells = line.trim_end().split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    let cells = cells.map(|cell| match cell.ends_with(" ago") {
        true => "<age>".to_owned(),
        false => cell.split(' ').map(sign).collect::<Vec<_>>().join(" "),
    });
    let line = cells.collect::<Vec<_>>().join("  ");
    match line.rsplit_once("size: ") {
        Some((before, number)) if number.parse::<u64>().is_ok() => format!("{before}size: <n>"),
        _ => line,
    }
}

fn sign(word: &str) -> String {
    let number = word.trim_end_matches('B').trim_end_matches(['k', 'M', 'G']);
    if word.ends_with('B') && number.parse::<f64>().is_ok() {
        return "<size>".to_owned();
    }
    if word.len() == 12 && is_hex(word) {
        return "<id>".to_owned();
    }
    match word.split_once("sha256:") {
        Some((before, rest)) if rest.len() >= 64 && is_hex(&rest[..64]) => {
            format!("{before}<digest>{}", &rest[64..])
        }
        _ => word.to_owned(),
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a line is the expected one, of which `…` leaves out the beginning or the end.
fn is_like(line: &str, expected: &str) -> bool {
    match (expected.strip_prefix('…'), expected.strip_suffix('…')) {
        (Some(_), Some(_)) => line.contains(expected.trim_matches('…')),
        (None, Some(begin)) => line.starts_with(begin),
        (Some(end), None) => line.ends_with(end),
        (None, None) => line == expected,
    }
}
