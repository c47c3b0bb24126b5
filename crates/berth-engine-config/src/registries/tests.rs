//! `registries.conf` by the rules of its manual.

use std::fs;

use super::*;

fn reading(files: &[(&str, &str)]) -> Result<Registries, ConfigError> {
    let root = tempfile::tempdir().unwrap();
    let folders = Folders {
        etc: root.path().join("etc"),
        config: Some(root.path().join("config")),
        ..Folders::default()
    };
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Registries::read(&folders)
}

fn one(text: &str) -> Registries {
    reading(&[("etc/containers/registries.conf", text)]).unwrap()
}

fn names(route: &Route) -> Vec<&str> {
    route.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect()
}

#[test]
fn without_a_word_an_image_is_where_its_name_says() {
    let route = reading(&[]).unwrap().pull("docker.io/library/alpine", false);
    assert_eq!(names(&route), ["docker.io/library/alpine"]);
    assert!(!route.blocked && !route.endpoints[0].insecure);
}

#[test]
fn mirrors_come_first_and_names_are_rewritten() {
    let registries = one(r#"
        unqualified-search-registries = ["docker.io", "quay.io"]
        [[registry]]
        prefix = "docker.io"
        location = "registry-1.docker.io"
        [[registry.mirror]]
        location = "m.example:5000/hub"
        insecure = true
        [[registry.mirror]]
        location = "digests.example"
        pull-from-mirror = "digest-only"
        [[registry.mirror]]
        location = "tags.example"
        pull-from-mirror = "tag-only"
    "#);
    assert_eq!(registries.search, ["docker.io", "quay.io"]);
    let by_tag = registries.pull("docker.io/library/alpine", false);
    let hub = "m.example:5000/hub/library/alpine";
    assert_eq!(names(&by_tag), [hub, "tags.example/library/alpine", "registry-1.docker.io/library/alpine"]);
    assert_eq!(
        by_tag.endpoints.iter().map(|it| (it.insecure, it.mirror)).collect::<Vec<_>>(),
        [(true, true), (false, true), (false, false)]
    );
    let by_digest = registries.pull("docker.io/library/alpine", true);
    assert_eq!(names(&by_digest)[..2], [hub, "digests.example/library/alpine"]);
}

#[test]
fn the_longest_prefix_counts_at_the_end_of_a_part() {
    let registries = one(r#"
        [[registry]]
        location = "r.example"
        insecure = true
        [[registry]]
        prefix = "r.example/team"
        location = "other.example/moved"
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "m.example"
        [[registry]]
        prefix = "*.corp.example"
        insecure = true
        [[registry]]
        prefix = "bad.example"
        blocked = true
        location = "bad.example"
    "#);
    for (name, to) in [
        ("r.example/app", "r.example/app"),
        ("r.example/team/app", "other.example/moved/app"),
        ("r.example/team", "other.example/moved"),
        ("r.example/teams/app", "r.example/teams/app"),
        ("r.example.evil/app", "r.example.evil/app"),
        ("a.b.corp.example:5000/app", "a.b.corp.example:5000/app"),
    ] {
        assert_eq!(names(&registries.pull(name, false)).last(), Some(&to), "{name}");
    }
    assert_eq!(names(&registries.pull("r.example/team/app", false)).len(), 1);
    assert_eq!(names(&registries.pull("r.example/team/app", true))[0], "m.example/app");
    for (name, insecure) in [
        ("r.example/app", true),
        ("r.example", true),
        ("r.example/team/app", false),
        ("a.b.corp.example:5000/app", true),
        ("corp.example/app", false),
        ("notcorp.example", false),
    ] {
        assert_eq!(registries.is_insecure(name), insecure, "{name}");
    }
    assert!(registries.pull("bad.example/app", false).blocked);
}

#[test]
fn files_beside_it_count_in_the_order_of_their_names() {
    let table = |insecure: bool| format!("[[registry]]\nlocation = \"r.example\"\ninsecure = {insecure}\n");
    let registries = reading(&[
        ("etc/containers/registries.conf", &table(false)),
        ("etc/containers/registries.conf.d/1.conf", &table(true)),
        ("etc/containers/registries.conf.d/readme", "no toml"),
    ]);
    assert!(registries.unwrap().is_insecure("r.example"));
    let registries = reading(&[
        ("etc/containers/registries.conf", &table(true)),
        ("config/containers/registries.conf", ""),
        ("etc/containers/registries.conf.d/1.conf", &table(true)),
        ("config/containers/registries.conf.d/1.conf", &table(false)),
    ]);
    assert!(!registries.unwrap().is_insecure("r.example"), "the user's stand for the system's");
}

#[test]
fn a_damaged_file_is_told_with_its_name() {
    let error = reading(&[("etc/containers/registries.conf", "[[registry]\n")]).unwrap_err();
    assert!(error.to_string().contains("registries.conf"), "{error}");
}
