//! Configuration: mistakes are told with their place, and every value knows where it comes from.

use std::fs;

use crate::server::{Server, berth, said};

#[test]
fn a_mistake_is_told_with_file_line_column_and_what_is_expected() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = "lisen = \"127.0.0.1:5000\"\n\n[limits]\nidle_timeout = \"75\"\n";
    fs::write(folder.path().join("berth.toml"), text).expect("a file");
    for arguments in
        [["config", "check"].as_slice(), &["config", "check", "berth.toml"], &["config", "show"], &["serve"]]
    {
        let refused = said(&mut berth(folder.path(), arguments));
        assert_eq!(refused.code, Some(2), "{arguments:?}");
        for part in [
            "berth.toml:1:1: there is no option `lisen`; did you mean `listen`?",
            "berth.toml:4:16: `limits.idle_timeout` is \"75\"; expected a duration",
            "a number needs its unit: 75s?",
            "    4 | idle_timeout = \"75\"\n      |                ^^^^",
        ] {
            assert!(refused.err.contains(part), "{part}\n{}", refused.err);
        }
    }
}

#[test]
fn show_tells_where_each_value_comes_from() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(
        folder.path().join("berth.toml"),
        "listen = \"127.0.0.1:1\"\ndata = \"from-file\"\n[log]\nlevel = \"warn\"\n",
    )
    .expect("a file");
    let mut command = berth(folder.path(), &["config", "show", "--listen", "127.0.0.1:3"]);
    command.env("BERTH_LISTEN", "127.0.0.1:2").env("BERTH_DATA", "from-environment");
    command.env("BERTH_DATABASE_URL", "postgres://me:s3cret@db/berth");
    let shown = said(&mut command);
    assert_eq!((shown.code, shown.err.as_str()), (Some(0), ""));
    let line = |key: &str| {
        let line = shown.out.lines().find(|line| line.split(' ').next() == Some(key)).expect(key);
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("listen"), "listen = \"127.0.0.1:3\" # --listen");
    assert_eq!(line("data"), "data = \"from-environment\" # BERTH_DATA");
    assert_eq!(line("log.level"), "log.level = \"warn\" # berth.toml:4");
    assert_eq!(line("drain"), "drain = \"1m\" # default");
    assert_eq!(line("database.url"), "database.url = \"postgres://me:hidden@db/berth\" # BERTH_DATABASE_URL");

    fs::write(folder.path().join("shown.toml"), &shown.out).expect("a file");
    assert_eq!(
        said(&mut berth(folder.path(), &["config", "check", "shown.toml"])).code,
        Some(0),
        "it is TOML"
    );
}

#[test]
fn the_printed_default_is_a_right_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let printed = said(&mut berth(folder.path(), &["config", "default"]));
    fs::write(folder.path().join("berth.toml"), printed.out).expect("a file");
    let checked = said(&mut berth(folder.path(), &["config", "check"]));
    assert_eq!((checked.code, checked.out.as_str()), (Some(0), "berth.toml: no mistakes\n"));
}

#[test]
fn a_misspelt_variable_is_told_and_does_not_stop_the_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = berth(folder.path(), &["config", "show"]);
    let shown = said(command.env("BERTH_LISEN", "127.0.0.1:1").env("BERTH_PORT", "tcp://10.0.0.1:5000"));
    assert_eq!(shown.code, Some(0));
    assert_eq!(
        shown.err,
        "warning: the environment variable BERTH_LISEN is no option of berth; did you mean BERTH_LISTEN?\n"
    );
}

#[test]
fn the_server_takes_its_settings_from_the_file_that_the_environment_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("other.toml"), "listen = \"127.0.0.1:0\"\ndata = \"elsewhere\"\n")
        .expect("a file");
    let mut command = berth(folder.path(), &["serve"]);
    command.env("BERTH_CONFIG", "other.toml");
    let server = Server::start_with(command);
    assert!(server.greeting[1].ends_with("/elsewhere"), "{:?}", server.greeting);
    assert_eq!(server.get("/healthz").status, 200);
}
