//! The commands about images, as people see them: their words, their tables, their errors.

use crate::desk::{Desk, address};
use crate::server::{Server, said};

#[test]
fn images_of_this_machine() {
    let desk = Desk::new();
    desk.layout("layout");
    let told = desk.transcript(
        "127.0.0.1:1",
        &[
            "images",
            "copy oci:layout:app local:app:1",
            "images",
            "tag app:1 team/app:1.9",
            "tag app:1 other",
            "tag nothing other",
            "tag app:1 Upper",
            "images --digests --no-trunc",
            "images team/app",
            "images -q",
            "images --filter reference=*/app --format '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}'",
            "images --filter label=team=red --format json",
            "images --filter label=team=blue -q",
            "images --format 'table {{.ID}}\\t{{.Tag}}'",
            "images --format '{{.ID'",
            "images --format '{{.Nothing}}'",
            "images --filter size=1",
            "images --filter before=nothing",
            "images --filter until=2020-02-02 app",
            "images 'team/[a-c]*'",
            "images 'team/['",
            "history app:1",
            "history -H=false app:1",
            "history --no-trunc -q app:1",
            "inspect -f '{{.Config.Cmd}} {{json .Config.Labels}} {{index .RepoTags 0}}' app:1",
            "inspect app:1 nothing",
            "inspect -f '{{.Config.Nothing}}' app:1",
            "inspect -f '{{.Config.Healthcheck}} {{.Config.OnBuild}} {{.Variant}} {{index .Config.Labels \"a\"}}|' app:1",
            "inspect -f json nothing",
            "save -o app.tar app:1 team/app:1.9",
            "save -o layout app:1",
            "save -o nowhere/app.tar app:1",
            "save -o never.tar app:1 nothing",
            "rmi 2f1f61c65466",
            "rmi -f nothing",
            "rmi app:1 nothing other",
            "rmi team/app:1.9",
            "images",
            "load -i app.tar",
            "load -i nothing.tar",
            "load -i layout/index.json",
            "load -i layout",
            "import https://example.com/root.tar x",
            "import layout/index.json x",
            "prune -f",
            "prune -a --filter label!=team -f",
            "prune -a --filter reference=app",
            "prune",
            "prune -af",
            "images",
        ],
    );
    insta::assert_snapshot!("images", told);
    assert!(!desk.path("never.tar").exists() && desk.path("layout").is_dir());
}

/// A list is asked for all the time, and there may be thousands of images.
#[test]
fn a_list_reads_no_image() {
    let desk = Desk::new();
    desk.layout("layout");
    let copied = said(&mut desk.command(&["copy", "-q", "oci:layout:app", "local:app:1"]));
    assert_eq!(copied.code, Some(0), "{}", copied.err);
    let list = || said(&mut desk.command(&["images", "--no-trunc", "--digests"])).out;
    let before = list();
    assert!(before.contains("2.15kB"), "{before}");
    std::fs::remove_dir_all(desk.path("images/blobs")).expect("they are there");
    assert_eq!(list(), before);
}

/// Its id has the time of its making in it.
#[test]
fn a_file_system_becomes_an_image() {
    let desk = Desk::new();
    desk.layout("layout");
    let run = |words: &[&str]| said(&mut desk.command(words));
    assert_eq!(run(&["copy", "-q", "oci:layout:app", "docker-archive:root.tar:root"]).code, Some(0));
    let words =
        ["import", "root.tar", "made:2", "-c", "CMD [\"/x\"]", "-m", "by hand", "--platform", "linux/arm64"];
    let made = run(&words);
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
    let id = made.out.trim();
    assert_eq!(run(&["images", "-q", "--no-trunc", "made:2"]).out.trim(), id);
    let format = "{{.Id}} {{.Config.Cmd}} {{.Comment}} {{.Os}}/{{.Architecture}} {{len .RootFS.Layers}}";
    let seen = run(&["inspect", "-f", format, "made:2"]);
    assert_eq!(seen.out, format!("{id} [/x] by hand linux/arm64 1\n"));
    let gone = run(&["rmi", "made:2"]);
    assert!(
        gone.out.starts_with("Untagged: made:2\n") && gone.out.contains(&format!("Deleted: {id}\n")),
        "{}",
        gone.out
    );
}

/// Docker Hub counts each question for a manifest as a pull. It was asked for twice, once by its tag and once more.
#[test]
fn a_pull_asks_for_the_manifest_once() {
    let desk = Desk::new();
    desk.layout("layout");
    let server = Server::start(desk.folder());
    let name = format!("{}/team/app:1", server.address);
    assert_eq!(said(&mut desk.command(&["copy", "-q", "oci:layout:app", &name])).code, Some(0));
    let asked = |words: &[&str], question: &str| {
        let told = said(&mut desk.command(words));
        assert_eq!(told.code, Some(0), "{}", told.err);
        told.err.lines().filter(|line| line.contains(question) && line.contains("/manifests/")).count()
    };
    assert_eq!(asked(&["pull", "-v", &name], "GET "), 1);
    // What is here already is only looked at, which is not counted.
    assert_eq!(asked(&["pull", "-v", &name], "GET "), 0);
    assert_eq!(asked(&["pull", "-v", &name], "HEAD "), 1);
    assert_eq!(asked(&["copy", "-v", &name, "oci:other:app"], "GET "), 1);
}

#[test]
fn pushing_and_pulling() {
    let desk = Desk::new();
    let digest = desk.layout("layout");
    let server = Server::start(desk.folder());
    let by_digest = format!("pull R/team/app@{digest}");
    let told = desk.transcript(
        &address(&server),
        &[
            "copy oci:layout:app local:app:1",
            "push app:1",
            "tag app:1 R/team/app",
            "push R/team/app",
            "push R/team/app",
            "push R/team/app:2",
            "push R/team/none",
            "push R/team/app@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "tag app:1 R/team/second:1",
            "push R/team/second:1",
            "push -q R/team/second:1",
            "push --json R/team/second:1",
            "tag app:1 R/team/second:2",
            "push -a R/team/second",
            "rmi -f app:1 R/team/app R/team/second:1 R/team/second:2",
            "pull R/team/app",
            "pull R/team/app:latest",
            "pull -q R/team/app",
            "pull --json R/team/app",
            "pull R/team/app:9",
            "pull R/none",
            "pull R/Upper",
            "pull -a R/team/second",
            "rmi -f R/team/app R/team/second:1 R/team/second:2",
            &by_digest,
            "images --digests",
            "pull --platform linux/arm64 R/team/app",
            "pull --platform nothing R/team/app",
            "pull oci:layout",
        ],
    );
    insta::assert_snapshot!("pushing", told);
}

#[test]
fn looking_at_a_registry() {
    let desk = Desk::new();
    desk.layout("layout");
    let server = Server::start(desk.folder());
    let told = desk.transcript(
        &address(&server),
        &[
            "copy oci:layout:app R/team/app:1",
            "copy R/team/app:1 R/team/other:2",
            "copy --all-tags R/team/app R/all/app",
            "copy R/team/app:1 oci-archive:app.oci:x/app:1",
            "copy oci-archive:app.oci docker-archive:app.docker",
            "copy docker-archive:app.docker R/back/app:1",
            "copy docker-archive:app.docker:nothing R/back/app:1",
            "copy oci:layout:nothing R/back/app:1",
            "copy oci:nowhere R/back/app:1",
            "copy --referrers R/team/app:1 local:app",
            "copy R/team/app:1 R/x@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "copy docker-daemon:app R/x",
            "ls R",
            "ls R/team/",
            "tags R/team/app",
            "tags --json R/team/app",
            "tags R/nothing",
            "manifest R/team/app:1",
            "config R/team/app:1",
            "layers R/team/app:1",
            "layers --json R/team/app:1",
            "digest R/team/app:1",
            "digest R/team/app:2",
            "referrers R/team/app:1",
            "referrers --json R/team/app:1",
            "search R/other",
            "search R/app --format '{{.Name}}' --limit 1",
            "search --filter size=1 x",
            "rm -n R/team/app:1",
            "rm R/team/app",
            "rm R/team/app:1 R/team/app:1",
            "login R",
            "login R -u ann -p secret",
            "login R",
            "logout R",
            "logout R",
            "config",
        ],
    );
    insta::assert_snapshot!("looking", told);
}

#[test]
fn wrong_words_end_as_dockers_do() {
    let desk = Desk::new();
    for (words, code) in [
        (&["pull"][..], 1),
        (&["pull", "a", "b"], 1),
        (&["tag", "a"], 1),
        (&["rmi"], 1),
        (&["pull", "--nothing", "a"], 125),
        (&["images", "--filter"], 125),
        (&["repo", "--nothing"], 2),
        (&["serve", "--nothing"], 2),
        (&["nothing"], 2),
    ] {
        let said = said(&mut desk.command(words));
        assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{words:?} {}", said.err);
        assert!(said.err.starts_with("error: "), "{}", said.err);
    }
}
