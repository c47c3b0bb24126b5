//! `berth copy`, from anywhere to anywhere.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use berth_oci::Digest;
use rustix::process::{Pid, Signal, kill_process};

use crate::desk::{Desk, address};
use crate::engine::Engine;
use crate::server::{Server, said};

/// Runs a copy and gives the digest that it tells.
fn copied(desk: &Desk, source: &str, target: &str) -> String {
    let said = said(&mut desk.command(&["copy", "--json", source, target]));
    assert_eq!(said.code, Some(0), "{source} to {target}: {}", said.err);
    let result = said.out.lines().last().expect("a result");
    result.split("\"digest\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a digest").to_owned()
}

#[test]
fn a_digest_stays_the_same_wherever_an_image_goes() {
    let desk = Desk::new();
    let digest = desk.layout("layout");
    let server = Server::start(desk.folder());
    Engine::start(&desk.path("docker.sock"));
    let registry = address(&server);
    let places = |what: &str| {
        [
            format!("{registry}/{what}/app:1"),
            format!("local:{what}/app:1"),
            format!("oci:{what}"),
            format!("oci-archive:{what}.oci:app"),
            format!("docker-archive:{what}.tar:{what}/app"),
            format!("docker-daemon:{what}/app:1"),
        ]
    };
    for source in places("from") {
        assert_eq!(copied(&desk, "oci:layout:app", &source), digest, "{source}");
        for target in places("to") {
            assert_eq!(copied(&desk, &source, &target), digest, "{source} to {target}");
        }
    }
    for source in places("to") {
        let back = format!("docker://{registry}/back");
        assert_eq!(copied(&desk, &source, &back), digest, "{source} and back");
    }
    for folder in ["from", "to", "layout"] {
        assert!(!desk.path(folder).join(".berth").exists(), "nothing of ours is left in {folder}");
    }
    assert_eq!(fs::read_dir(desk.path("tmp")).expect("a folder").count(), 0);
}

/// A layout with an index of two platforms, one of them Linux, which has a signature of each sort.
fn signed_index(folder: &Path, architecture: &str) {
    fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder");
    let put = |kind: &str, more: &str, bytes: &str| {
        let digest = Digest::sha256(bytes.as_bytes());
        fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).expect("a blob");
        let media_type = format!("application/vnd.oci.{kind}+json");
        format!(r#""mediaType":"{media_type}","digest":"{digest}","size":{}{more}"#, bytes.len())
    };
    let image = |os: &str, architecture: &str| {
        let config = format!(
            r#"{{"os":"{os}","architecture":"{architecture}","rootfs":{{"type":"layers","diff_ids":[]}}}}"#
        );
        let config = put("image.config.v1", "", &config);
        let layer = put("image.layer.v1", "", &format!("the layer of {architecture}"));
        let layer = layer.replace("layer.v1+json", "layer.v1.tar");
        let manifest = format!(r#"{{"schemaVersion":2,"config":{{{config}}},"layers":[{{{layer}}}]}}"#);
        let platform = format!(r#","platform":{{"os":"{os}","architecture":"{architecture}"}}"#);
        put("image.manifest.v1", &platform, &manifest)
    };
    let children =
        [image("plan9", "mips"), image("linux", architecture)].map(|child| format!("{{{child}}}")).join(",");
    let index = put("image.index.v1", "", &format!(r#"{{"schemaVersion":2,"manifests":[{children}]}}"#));
    let empty = put("empty.v1", "", "{}");
    let about = |what: &str, subject: &str| {
        let layer = put("signature", "", what);
        let manifest = format!(
            r#"{{"schemaVersion":2,"artifactType":"application/vnd.example.{what}","config":{{{empty}}},"layers":[{{{layer}}}]{subject}}}"#
        );
        put("image.manifest.v1", "", &manifest)
    };
    let referrer = about("sbom", &format!(r#","subject":{{{index}}}"#));
    let signature = about("signature", "");
    let hex = index.split("sha256:").nth(1).and_then(|rest| rest.split('"').next()).expect("a digest");
    let named = |name: &str| format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}"#);
    let entries = format!(
        "{{{index}{}}},{{{referrer}}},{{{signature}{}}}",
        named("1"),
        named(&format!("sha256-{hex}.sig"))
    );
    fs::write(folder.join("index.json"), format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#))
        .expect("an index");
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a layout");
}

/// The architecture of this machine in the words of Go.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[test]
fn platforms_and_signatures_as_people_see_them() {
    let desk = Desk::new();
    signed_index(&desk.path("multi"), "amd64");
    let server = Server::start(desk.folder());
    let told = desk.transcript(
        &address(&server),
        &[
            "copy oci:multi R/a/plain:1",
            "tags R/a/plain",
            "copy --referrers oci:multi R/a/app:1",
            "copy --referrers oci:multi R/a/app:1",
            "tags R/a/app",
            "referrers R/a/app:1",
            "copy --referrers R/a/app:1 R/b/app:1",
            "referrers R/b/app:1",
            "copy --referrers R/a/app:1 oci:out",
            "copy --referrers oci:out oci-archive:out.oci",
            "copy --referrers oci-archive:out.oci:1 R/c/app:1",
            "referrers R/c/app:1",
            "copy --referrers R/a/app:1 docker-archive:out.tar",
            "copy --referrers R/a/app:1 local:app",
            "copy --platform plan9/mips R/a/app:1 oci:plan9:x",
            "copy --platform linux/s390x R/a/app:1 oci:s390x",
            "copy oci:multi:2 R/a/app:2",
            "copy oci:s390x R/a/app:2",
            "copy --all-tags R/a/plain oci:all",
            "copy --all-tags oci:all R/all/app",
            "tags R/all/app",
            "copy -q --all-tags R/a/plain R/quiet/app",
            "copy --all-tags R/a/app:1 R/all/app",
            "copy --all-tags R/a/app local:all",
            "copy --all-tags oci:plan9 oci:plan9:y",
            "copy --all-tags R/nothing R/all/app",
            "copy R/a/app:1 alpine:3",
            "copy R/a/app:1 oci-archive:/dev/null",
            "copy R/a/app:1 oci-archive:nowhere/app.oci",
            "copy R/a/app:9 oci:out",
            "copy oci: R/x",
        ],
    );
    insta::assert_snapshot!("copying", told);
}

#[test]
fn where_one_platform_has_a_place_one_comes_and_it_is_told() {
    let desk = Desk::new();
    signed_index(&desk.path("multi"), architecture());
    Engine::start(&desk.path("docker.sock"));
    for (source, target, note) in [
        ("oci:multi:1", "docker-archive:one.tar:app", "one platform has a place there"),
        ("oci:multi:1", "docker-daemon:app", "one platform has a place there"),
        ("oci:multi:1", "local:app", ""),
        ("local:app", "oci:one", "not all platforms are there"),
        ("local:app", "local:same", ""),
    ] {
        let said = said(&mut desk.command(&["copy", source, target]));
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(
            said.err.contains(note) && (!note.is_empty() || said.err.is_empty()),
            "{source} {target}: {}",
            said.err
        );
    }
    let index = copied(&desk, "oci:multi:1", "oci:whole");
    assert_eq!(copied(&desk, "oci:multi:1", "local:app"), index, "the index stays as it is");
    assert_eq!(copied(&desk, "local:same", "local:app"), index);
    let one = copied(&desk, "local:app", "oci:one");
    assert_ne!(one, index);
    assert_eq!(copied(&desk, "docker-archive:one.tar", "oci:one"), one);
    assert_eq!(copied(&desk, "docker-daemon:app", "oci:one"), one);
    let said =
        said(&mut desk.command(&["copy", "--all-platforms", "oci:multi:1", "docker-archive:all.tar:app"]));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(copied(&desk, "docker-archive:all.tar", "oci:all"), index);
}

#[test]
fn all_tags_come_with_what_they_share() {
    let desk = Desk::new();
    desk.layout("layout");
    let server = Server::start(desk.folder());
    let registry = address(&server);
    let tags = ["1", "1.9", "2", "3", "latest"];
    for tag in tags {
        copied(&desk, "oci:layout:app", &format!("{registry}/a/app:{tag}"));
    }
    let copy = |source: &str, target: &str| {
        let said = said(&mut desk.command(&["copy", "--json", "--all-tags", source, target]));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let mut told: Vec<_> =
            said.out.lines().filter(|line| line.contains("\"tag\"")).map(str::to_owned).collect();
        told.sort();
        (told, said.out.lines().last().expect("a result").to_owned())
    };
    let (repository, again) = (format!("{registry}/a/app"), format!("{registry}/b/app"));
    let (told, result) = copy(&repository, "oci-archive:all.oci");
    assert_eq!(told.len(), tags.len());
    for (line, tag) in told.iter().zip(tags) {
        assert!(line.ends_with(&format!("\"tag\":\"{tag}\"}}")), "{line}");
    }
    assert!(result.contains("\"sent\":3,") && result.contains("\"tags\":5"), "{result}");
    assert_eq!(copy("oci-archive:all.oci", &again).0, told);
    let listed = said(&mut desk.command(&["tags", &again]));
    assert_eq!(listed.out.lines().collect::<Vec<_>>(), tags);
    // One that cannot be had does not keep the others.
    fs::write(desk.path("layout/index.json"), broken(&desk)).expect("an index");
    let said = said(&mut desk.command(&["copy", "--all-tags", "oci:layout", &again]));
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("good: digest: sha256:"), "{}", said.out);
    assert_eq!(
        said.err.lines().next(),
        Some("error: bad: oci:layout is not whole: something that the image needs is not there")
    );
}

/// The index of a layout with another entry, behind which nothing is.
fn broken(desk: &Desk) -> String {
    let index = fs::read_to_string(desk.path("layout/index.json")).expect("an index");
    let entry = index.split('[').nth(1).and_then(|rest| rest.split(']').next()).expect("an entry");
    let digest = entry.split("sha256:").nth(1).and_then(|rest| rest.split('"').next()).expect("a digest");
    let good = entry.replace("\"app\"", "\"good\"");
    let bad = entry.replace("\"app\"", "\"bad\"").replace(digest, &"0".repeat(64));
    format!(r#"{{"schemaVersion":2,"manifests":[{bad},{good}]}}"#)
}

/// A tar archive of files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, content) in files {
        let mut block = vec![0; 512];
        block[..path.len()].copy_from_slice(path.as_bytes());
        block[100..107].copy_from_slice(b"0000644");
        block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        block[148..156].fill(b' ');
        block[156] = b'0';
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend_from_slice(&block);
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// Engines up to 24 give neither manifests nor layers as a registry has them.
#[test]
fn a_digest_that_cannot_stay_is_told() {
    let desk = Desk::new();
    let engine = Engine::start(&desk.path("docker.sock"));
    let layer = b"a layer";
    let config = format!(
        r#"{{"os":"linux","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        Digest::sha256(layer)
    );
    let manifest = br#"[{"Config":"c.json","RepoTags":["app:1"],"Layers":["l/layer.tar"]}]"#;
    let archive = tar(&[("c.json", config.as_bytes()), ("l/layer.tar", layer), ("manifest.json", manifest)]);
    fs::write(desk.path("old.tar"), &archive).expect("a file");
    engine.has(archive);
    let told = desk.transcript(
        "127.0.0.1:1",
        &[
            "copy docker-daemon:app:1 oci:out",
            "copy docker-archive:old.tar oci:out",
            "copy oci:out docker-daemon:app:2",
            "pull docker-daemon:app:1",
            "pull docker-archive:old.tar",
            "images --digests",
            "copy docker-archive:old.tar:app:2 oci:out",
            "copy docker-archive:old.tar:@0 oci:out",
            "copy docker-archive:old.tar:@1 oci:out",
            "copy oci-archive:old.tar oci:out",
            "copy oci:out docker-daemon:app@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ],
    );
    insta::assert_snapshot!("engine", told);
}

#[test]
fn who_stops_a_copy_finds_nothing_of_it() {
    for (target, signal) in [("oci-archive:out.oci", Signal::INT), ("docker-archive:out.tar", Signal::TERM)] {
        let desk = Desk::new();
        let half = Engine::start_slow(&desk.path("docker.sock"));
        let mut command = desk.command(&["copy", "docker-daemon:app", target]);
        let child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        half.recv().expect("the program asks");
        kill_process(Pid::from_child(&child), signal).expect("it is there");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "error: stopped\n");
        assert_eq!(fs::read_dir(desk.path("tmp")).expect("a folder").count(), 0);
        let mut left: Vec<_> = fs::read_dir(desk.folder())
            .expect("a folder")
            .map(|entry| entry.expect("a file").file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["docker.sock", "home", "tmp"]);
    }
}

/// What somebody else made, on a medium that cannot be written.
#[test]
fn a_layout_is_read_without_a_trace() {
    let desk = Desk::new();
    desk.layout("layout");
    let before = fs::metadata(desk.path("layout")).and_then(|found| found.modified()).expect("a time");
    copied(&desk, "oci:layout", "oci:out");
    let after = fs::metadata(desk.path("layout")).and_then(|found| found.modified()).expect("a time");
    assert_eq!(before, after, "no file came or went");
}
