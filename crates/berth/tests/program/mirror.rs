//! Upstreams by the program's own commands, as a transcript; the upstream is another server of this program.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::life::transcript;
use crate::server::{Server, berth, said};
use crate::serving::push;

/// A server with `acme/app:1` and `acme/half:1`, and what it is called in commands.
fn upstream(folder: &Path) -> (Server, String) {
    let server = Server::start(folder);
    push(&server, "acme/app", "1");
    push(&server, "acme/half", "1");
    let url = format!("http://{}", server.address);
    (server, url)
}

/// The transcript with the upstream's address made the same each time.
fn shown(folder: &Path, url: &str, commands: &[&str]) -> String {
    let filled: Vec<String> = commands.iter().map(|command| command.replace("UPSTREAM", url)).collect();
    let filled: Vec<&str> = filled.iter().map(String::as_str).collect();
    let address = url.trim_start_matches("http://");
    transcript(folder, &filled).replace(address, "UPSTREAM:5000")
}

#[test]
fn upstreams_as_people_see_them() {
    let (folder, remote) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (away, url) = upstream(remote.path());
    let server = Server::start(folder.path());
    let before = shown(
        folder.path(),
        &url,
        &[
            "mirror status",
            "mirror client-config podman",
            "mirror add quay.io",
            "mirror add up.test --url UPSTREAM --private --max-age 90d",
            "mirror add up.test --url UPSTREAM",
            "mirror add up",
            "mirror add corp.example --url https://corp.example --user me",
            "mirror set up.test",
            "mirror set up.test --max-size 1GiB --deny secret/*",
            "mirror list",
            "mirror status nowhere.example",
            "prefetch up.test/acme/app:1 up.test/secret/app ghcr.io/x/y",
            "prefetch up.test/acme/app:1",
            "mirror pin up.test/acme/app:1",
            "mirror pin localhost:5000/acme/app:1",
            "mirror pins",
            "mirror unpin UPSTREAM/acme/app:1",
        ]
        .map(|command| command.replace("unpin UPSTREAM", &format!("unpin {}", &url["http://".len()..])))
        .each_ref()
        .map(String::as_str),
    );
    // Who only asks what an image is has nothing of its blobs fetched.
    assert_eq!(server.get("/v2/up.test/acme/half/manifests/1").status, 200);
    drop(away);
    let after = shown(
        folder.path(),
        &url,
        &[
            "mirror rehearse",
            "mirror rehearse up.test",
            "mirror client-config podman --server registry.lan:5000",
            "mirror client-config docker",
            "mirror remove up.test --purge",
            "mirror remove up.test",
        ],
    );
    insta::assert_snapshot!("mirror", before + &after);
}

#[test]
fn what_a_file_names_is_fetched_also_without_a_server() {
    let (folder, remote) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_upstream, url) = upstream(remote.path());
    let (path, add) = (folder.path(), ["mirror", "add", "up.test", "--private", "--url", &url]);
    assert_eq!(said(&mut berth(path, &add)).code, Some(0));
    let compose = "services:\n  a:\n    image: up.test/acme/app:${TAG:-1}\n  b:\n    image: up.test/b:${B}\n";
    fs::write(path.join("compose.yml"), compose).unwrap();
    let fetched = said(&mut berth(path, &["prefetch", "--file", "compose.yml", "--json"]));
    let document: serde_json::Value = serde_json::from_str(&fetched.out).unwrap();
    assert_eq!(document["prefetched"][0]["fetched"], 1, "{document}");
    assert!(fetched.err.contains("the image of b is up.test/b:${B}, and B is not set"), "{}", fetched.err);
    assert_eq!(fetched.code, Some(1), "an image is not here");
    let again = said(&mut berth(path, &["prefetch", "up.test/acme/app:1"]));
    assert_eq!((again.code, again.out.as_str()), (Some(0), "up.test/acme/app:1: all of it was here\n"));
}

#[test]
fn a_password_comes_from_standard_input_and_goes_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["mirror", "add", "docker.io", "--user", "me", "--password-stdin", "--json"];
    let mut command = berth(folder.path(), &arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
    child.stdin.take().unwrap().write_all(b"swordfish\n").unwrap();
    let ended = child.wait_with_output().unwrap();
    let out = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success() && out.contains("\"has_password\": true"), "{out}");
    let files = fs::read_dir(folder.path().join("berth-data")).unwrap();
    for file in files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let bytes = fs::read(&file).unwrap();
        let is_in_it = bytes.windows(9).any(|word| word == b"swordfish");
        assert!(!is_in_it && !out.contains("swordfish"), "{}", file.display());
    }
}

#[test]
fn what_the_configuration_mirrors_is_set_like_others_and_removed_only_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("berth.toml"),
        "mirror = [\"quay.io\"]\nmirror_listen = \"127.0.0.1:5001\"\n",
    )
    .unwrap();
    let commands = [
        "mirror list",
        "mirror add docker.io --visibility private",
        "mirror client-config docker",
        "mirror set docker.io --visibility public",
        "mirror client-config docker",
        "mirror remove quay.io",
        "mirror set quay.io --fresh 0",
        "mirror list",
        "mirror remove quay.io",
        "mirror add quay.io --fresh soon",
        "mirror add quay.io --fresh 1h",
    ];
    insta::assert_snapshot!("mirror_configured", transcript(folder.path(), &commands));
}
