//! What people write, and what is made of it.

use serde_json::{Value, json};

use super::{Template, TemplateError};

fn document() -> Value {
    json!({
        "ID": "4f53", "Repository": "app", "Size": 7, "Empty": "", "None": null,
        "RepoTags": ["app:1", "app:2"],
        "Config": { "Env": ["A=1", "B=2"], "Labels": { "b": "2", "a": "1", "org.example": "x" } },
    })
}

fn written(template: &str) -> Result<String, TemplateError> {
    Template::read(template)?.write(&document())
}

#[test]
fn what_people_write_for_docker() {
    for (template, expected) in [
        ("{{.Repository}}:{{.ID}}", "app:4f53"),
        ("{{ .Repository }}\\t{{.Size}}", "app\t7"),
        ("{{json .RepoTags}}", r#"["app:1","app:2"]"#),
        ("{{.RepoTags}} {{.Config.Labels}}", "[app:1 app:2] map[a:1 b:2 org.example:x]"),
        ("{{index .RepoTags 1}} {{index .Config.Labels \"org.example\"}}", "app:2 x"),
        ("{{range .RepoTags}}{{println .}}{{end}}", "app:1\napp:2\n"),
        ("{{range $i, $tag := .RepoTags}}{{$i}}={{$tag}};{{end}}", "0=app:1;1=app:2;"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "a:1 b:2 org.example:x "),
        ("{{range .Nothing}}x{{else}}none{{end}}", "none"),
        ("{{if .Empty}}yes{{else if eq .ID \"4f53\"}}this{{else}}no{{end}}", "this"),
        ("{{with .Config}}{{join .Env \",\"}}{{end}}", "A=1,B=2"),
        ("{{with .Empty}}x{{else}}y{{end}}", "y"),
        ("{{.Repository | upper | printf \"%-5s|\"}}", "APP  |"),
        ("{{len .RepoTags}} {{.Nothing}} {{.None}}", "2 <no value> <nil>"),
        ("a {{- /* said */ -}} b", "ab"),
        ("a  {{- .ID -}}  b", "a4f53b"),
        ("{{if and .ID (not .Empty)}}{{(index .RepoTags 0)}}{{end}}", "app:1"),
        ("{{$x := .ID}}{{$x}} {{$.Repository}}", "4f53 app"),
        ("{{\"}}\"}}{{`a\"b`}}", "}}a\"b"),
        ("{{truncate .Repository 2}}{{title .Repository}}", "apApp"),
        ("{{if gt .Size 5}}large{{end}}", "large"),
        ("no template", "no template"),
    ] {
        assert_eq!(written(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (template, told) in [
        ("{{.ID", "not closed by }}"),
        ("{{if .ID}}x", "an {{end}} is missing"),
        ("{{end}}", "has no beginning"),
        ("{{.ID | }}", "missing value in {{.ID |}}"),
        ("{{}}", "missing value"),
        ("{{(.ID}}", "( is not closed"),
        ("{{.ID)}}", "a ) too many"),
        ("{{nothing .ID}}", "function \"nothing\" not defined"),
        ("{{index .RepoTags 7}}", "out of range"),
        ("{{$y}}", "undefined variable"),
        ("{{.ID 1}}", "no function"),
        ("{{len .Size}}", "arguments for len"),
        ("{{gt .ID}}", "arguments for gt"),
        ("{{range .ID}}{{end}}", "can't iterate"),
        ("{{\"a}}", "not closed"),
        ("{{%}}", "unexpected '%'"),
    ] {
        let error = written(template).expect_err(template).to_string();
        assert!(error.contains(told), "{template}: {error}");
    }
}

#[test]
fn depth_has_an_end() {
    assert!(written(&"{{if .ID}}".repeat(10_000)).is_err());
    assert!(written(&format!("{{{{{}", "(".repeat(10_000) + "}}")).is_err());
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_typed_breaks_it(text in "(\\{\\{|\\}\\}|[ -~]|if |end|range |\\$x|:=|\\.ID|\\||\\(|\\)){0,40}") {
        let _ = written(&text);
    }
}
