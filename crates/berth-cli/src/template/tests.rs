//! What people write, and what is made of it.

use serde_json::{Value, json};

use super::{Template, TemplateError};

fn document() -> Value {
    json!({
        "ID": "4f53", "Repository": "app", "Size": 7, "Empty": "", "None": null,
        "RepoTags": ["app:1", "app:2"],
        "Config": {
            "Env": ["A=1", "B=2"], "Labels": { "b": "2", "a": "1", "org.example": "x" },
            "Volumes": { "/data": {} }, "ExposedPorts": null,
        },
    })
}

fn written(template: &str) -> Result<String, TemplateError> {
    Template::read(template)?.write(&document())
}

#[test]
fn what_people_write_for_docker() {
    for (template, expected) in [
        ("{{.Repository}}:{{.ID}}", "app:4f53"),
        ("{{json .RepoTags}}", r#"["app:1","app:2"]"#),
        ("{{.RepoTags}} {{.Config.Labels}}", "[app:1 app:2] map[a:1 b:2 org.example:x]"),
        ("{{.Config.Volumes}}", "map[/data:{}]"),
        ("{{index .RepoTags 1}} {{index .Config.Labels \"org.example\"}}", "app:2 x"),
        (
            "{{index .Config.Labels \"no\"}}|{{.Config.Labels.no}}|{{.Config.ExposedPorts.no}}",
            "|<no value>|<no value>",
        ),
        ("{{range .RepoTags}}{{println .}}{{end}}", "app:1\napp:2\n"),
        ("{{range $i, $tag := .RepoTags}}{{if $i}}, {{end}}{{$i}}={{$tag}}{{end}}", "0=app:1, 1=app:2"),
        ("{{range $tag := .RepoTags}}{{$tag}};{{end}}", "app:1;app:2;"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "a:1 b:2 org.example:x "),
        ("{{range .None}}x{{else}}none{{end}}", "none"),
        ("{{range .RepoTags}}{{.}}{{break}}{{end}}", "app:1"),
        ("{{range .RepoTags}}{{if eq . \"app:1\"}}{{continue}}{{end}}{{.}}{{end}}", "app:2"),
        ("{{if .Empty}}yes{{else if eq .ID \"4f53\"}}this{{else}}no{{end}}", "this"),
        ("{{with .Config}}{{join .Env \",\"}}{{end}}", "A=1,B=2"),
        ("{{with .Empty}}x{{else with .ID}}{{.}}{{end}}", "4f53"),
        ("{{with $x := .ID}}{{$x}}{{end}}{{if $x := .Empty}}{{else}}{{$x}}!{{end}}", "4f53!"),
        ("{{.Repository | upper | printf \"%-5s|\"}}", "APP  |"),
        ("{{len .RepoTags}} {{.None}}", "2 <nil>"),
        ("a {{- /* said */ -}} b", "ab"),
        ("a  {{- .ID -}}  b", "a4f53b"),
        ("{{if and .ID (not .Empty)}}{{(index .RepoTags 0)}}{{end}}", "app:1"),
        ("{{and 1 0}}{{or 0 \"x\"}}", "0x"),
        ("{{$x := .ID}}{{if .ID}}{{$x = 7}}{{end}}{{$x}} {{$.Repository}}", "7 app"),
        ("{{\"}}\"}}{{`a\"b`}}", "}}a\"b"),
        ("{{truncate .Repository 2}}{{title \"two words\"}}", "apTwo Words"),
        ("{{slice .ID 1 3}} {{slice .RepoTags 1}}", "f5 [app:2]"),
        ("{{print 1 2 \"a\" \"b\" 3}} {{println 1 \"a\"}}", "1 2ab3 1 a\n"),
        ("{{if gt .Size 5}}large{{end}} {{eq .ID \"x\" \"4f53\"}} {{ne .Size 7}}", "large true false"),
        ("{{1.5}} {{1e3}} {{true}} {{-3}}", "1.5 1000 true -3"),
        ("no template", "no template"),
    ] {
        assert_eq!(written(template).as_deref(), Ok(expected), "{template}");
    }
}

/// `{{if and .RepoTags (index .RepoTags 0)}}` is written for images without a name, of which there is no first one.
#[test]
fn what_decides_ends_and_and_or() {
    assert_eq!(written("{{and .Empty (index .RepoTags 9)}}").as_deref(), Ok(""));
    assert_eq!(written("{{or .ID (index .RepoTags 9)}}").as_deref(), Ok("4f53"));
    assert!(written("{{or .Empty (index .RepoTags 9)}}").is_err());
}

#[test]
fn shells_hand_tabs_on_as_two_characters() {
    assert_eq!(
        Template::of_list("{{.ID}}\\t{{.Size}}\\n").unwrap().write(&document()).as_deref(),
        Ok("4f53\t7\n")
    );
    assert_eq!(written("{{.ID}}\\t").as_deref(), Ok("4f53\\t"), "docker inspect takes them as they are");
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (template, told) in [
        ("{{.Nope}}", "map has no entry for key \"Nope\" in {{.Nope}}"),
        ("{{if .Config.Nope}}{{end}}", "map has no entry for key \"Nope\" in {{if .Config.Nope}}"),
        ("{{.ID.X}}", "can't evaluate field X in type string in {{.ID.X}}"),
        ("{{.ID", "unclosed action, }} is missing"),
        ("{{if .ID}}x", "unexpected EOF, the {{end}} of {{if …}} is missing"),
        ("{{range .ID}}{{if .ID}}{{end}}", "the {{end}} of {{range …}} is missing"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{else}}", "unexpected {{else}}"),
        ("{{break}}", "{{break}} outside of {{range}}"),
        ("{{if}}{{end}}", "missing value for if in {{if}}"),
        ("{{if .ID}}{{else end}}{{end}}", "unexpected words behind else in {{else end}}"),
        ("{{.ID | }}", "missing value for command in {{.ID |}}"),
        ("{{}}", "missing value for command"),
        ("{{(.ID}}", "unclosed left paren in {{(.ID}}"),
        ("{{.ID)}}", "unexpected \")\" in {{.ID)}}"),
        ("{{nothing .ID}}", "function \"nothing\" not defined in {{nothing .ID}}"),
        ("{{template \"x\"}}", "template is not known here"),
        ("{{index .RepoTags 7}}", "index out of range: 7 in {{index .RepoTags 7}}"),
        ("{{slice .ID 1 9}}", "index out of range: 1:9 of 4"),
        ("{{$y}}", "undefined variable \"$y\" in {{$y}}"),
        ("{{$y = 1}}", "undefined variable \"$y\""),
        ("{{range $x := .RepoTags}}{{end}}{{$x}}", "undefined variable \"$x\""),
        ("{{.ID 1}}", "only functions have arguments in {{.ID 1}}"),
        ("{{len .Size}}", "kind of arguments for len in {{len .Size}}"),
        ("{{gt .ID}}", "kind of arguments for gt"),
        ("{{and}}", "kind of arguments for and"),
        ("{{eq .ID 1}}", "incompatible types for comparison in {{eq .ID 1}}"),
        ("{{range .ID}}{{end}}", "range can't iterate over 4f53"),
        ("{{\"a}}", "unclosed action"),
        ("{{1x}}", "bad number syntax: \"1x\" in {{1x}}"),
        ("{{%}}", "unexpected '%' in {{%}}"),
    ] {
        let error = written(template).expect_err(template).to_string();
        assert!(error.starts_with("template parsing error: ") && error.contains(told), "{template}: {error}");
    }
}

#[test]
fn a_field_that_is_not_there_is_answered_with_those_that_are() {
    let error = written("{{range .RepoTags}}{{$.Config.Nope}}{{end}}").expect_err("there is none");
    assert_eq!(error.fields, ["Env", "ExposedPorts", "Labels", "Volumes"]);
    assert_eq!(error.action, "$.Config.Nope", "the innermost place is told");
}

#[test]
fn depth_has_an_end() {
    assert!(written(&"{{if .ID}}".repeat(10_000)).is_err());
    assert!(written(&"{{if .ID}}{{else if .ID}}".repeat(10_000)).is_err());
    assert!(written(&format!("{{{{{}", "(".repeat(10_000) + "}}")).is_err());
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_typed_breaks_it(
        text in "(\\{\\{|\\}\\}|[ -~]|if |end|else |range |with |\\$x|:=|\\.ID|\\.RepoTags|\\||\\(|\\)|index |slice |printf |\"%|[0-9]|é){0,40}"
    ) {
        let _ = written(&text);
    }

    #[test]
    fn no_form_of_printf_breaks_it(form in "[-%+# 0-9.sdqxvtfcTé]{0,12}") {
        let _ = super::printf::printf(&form, &[json!("aé"), json!(-7), json!(1.5), json!(["a"]), Value::Null]);
    }
}
