//! What is printed of `--format` and `--filter`: what docker prints, letter by letter.

use anyhow::ensure;

use super::{Client, Desk, NAME};

const IMAGE: &str = "words/formats:1";

/// Templates for an image.
const OF_IMAGE: [&str; 25] = [
    "{{.RepoTags}} {{.Os}}/{{.Architecture}} {{.Variant}}|{{.Author}}|{{.Comment}}",
    "{{.Config.Cmd}} {{.Config.Entrypoint}} {{.Config.Env}} {{.Config.Labels}} {{.Config.Volumes}}",
    "{{.Config.ExposedPorts}} {{.Config.User}} {{.Config.WorkingDir}} {{.Config.StopSignal}}",
    "{{.Config.OnBuild}} {{.Config.Healthcheck}} {{json .Config.OnBuild}} {{json .Config.Labels}}",
    "{{index .Config.Labels \"team\"}}|{{index .Config.Labels \"no\"}}|{{.Config.Labels.no}}",
    "{{range .Config.Env}}{{println .}}{{end}}",
    "{{range $i, $e := .Config.Env}}{{if $i}}, {{end}}{{$e}}{{end}}",
    "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}",
    "{{range .RepoTags}}{{.}}{{break}}{{end}}",
    "{{with $x := .Os}}{{$x}}{{end}} {{if .Config.Healthcheck}}has{{else}}none{{end}}",
    "{{join .Config.Env \"|\"}} {{upper .Os}} {{lower \"AB\"}} {{title \"two words\"}} {{split \"a:b\" \":\"}}",
    "{{len .RepoTags}} {{slice .Id 7 10 | len}} {{truncate .Os 2}} {{pad .Os 1 2}}|",
    "{{printf \"%.3s %-6s| %q %05d %t %x\" .Os .Os .RepoTags 7 true 255}}",
    "{{print 1 2 \"a\" \"b\" 3}} {{printf \"%s\" \"a\" \"b\"}} {{printf \"%s\"}}",
    "{{eq .Os \"linux\" \"x\"}} {{ne .Os \"x\"}} {{gt 2 1}} {{not .Os}} {{and 1 0}}{{or 0 \"x\"}}",
    "{{if and .Config.OnBuild (index .Config.OnBuild 0)}}first{{end}}",
    "a {{- /* said */ -}} b {{- .Os -}} c",
    "{{.RootFS.Type}} {{len .RootFS.Layers}} {{.Id}}",
    "{{.Id}}\\t{{.Os}}",
    "{{.Nothing}}",
    "{{.Config.Nothing}}",
    "{{nothing .Id}}",
    "{{.Id",
    "{{eq 1 \"a\"}}",
    "{{index .RepoTags 9}}",
];

/// Other words, up to the end of the line.
const LISTS: [&[&str]; 22] = [
    &["images", "words/formats"],
    &["images", "-q", "--no-trunc", "words/formats"],
    &["images", "words/f*"],
    &["images", "words/[e-g]*:[12]"],
    &["images", "Upper"],
    &["images", "--filter", "reference=words/*:1"],
    &["images", "--filter", "reference=["],
    &["images", "--filter", "label=team=red"],
    &["images", "--filter", "before=words/formats:1", "words/formats"],
    &["images", "--filter", "since=nothing"],
    &["images", "--filter", "size=1"],
    &["images", "--filter", "dangling"],
    &["images", "--format", "{{.Repository}}:{{.Tag}}\\t{{.ID}} {{.CreatedAt}}", "words/formats"],
    &["images", "--format", "table {{.ID}}\\t{{upper .Tag}}\\t{{.CreatedSince}}", "words/formats"],
    &["images", "--format", "{{.Nothing}}"],
    &["history", "words/formats:1"],
    &["history", "-q", "words/formats:1"],
    &["history", "--no-trunc", "--format", "{{.CreatedAt}} {{.CreatedBy}} {{.Comment}}", "words/formats:1"],
    &["history", "--format", "json", "words/formats:1"],
    &["inspect", "-f", "{{.Id}}", "nothing"],
    &["rmi", "-f", "nothing"],
    &["rmi", "nothing", "words/formats:2"],
];

/// Runs the templates.
pub(super) fn run(desk: &Desk<'_>, docker: &Client) {
    let file = desk.stage.home("cli-formats.tar");
    desk.stage.step(NAME, "both have an image of which there is much to print", || {
        let context = desk.stage.home("cli-formats");
        std::fs::create_dir_all(&context)?;
        std::fs::write(context.join("formats"), "x".repeat(500))?;
        std::fs::write(
            context.join("Dockerfile"),
            "FROM scratch\nLABEL team=red org.example.a=\"b=c\"\nENV A=1 B=\"two words\"\nCOPY formats /formats\n\
             VOLUME /data\nEXPOSE 80 53/udp\nUSER 1000\nWORKDIR /srv\nSTOPSIGNAL SIGINT\nCMD [\"/formats\", \"-v\"]\n",
        )?;
        docker.run(&["build", "-t", IMAGE, &context.to_string_lossy()])?;
        docker.run(&["tag", IMAGE, "words/formats:2"])?;
        docker.run(&["save", "-o", &file.to_string_lossy(), "words/formats"])?;
        // Whoever built an image knows the steps of it as images.
        docker.run(&["rmi", IMAGE, "words/formats:2"])?;
        for client in [docker, &desk.berth] {
            client.says(&["load", "-i", &file.to_string_lossy()], IMAGE)?;
        }
        Ok(())
    });
    desk.stage.step(NAME, "print what docker prints of templates", || {
        OF_IMAGE.iter().try_for_each(|template| same(desk, docker, &["inspect", "-f", template, IMAGE]))
    });
    desk.stage.step(NAME, "print what docker prints of lists", || {
        LISTS.iter().try_for_each(|words| same(desk, docker, words))
    });
}

/// Both print the same, or neither does it.
fn same(desk: &Desk<'_>, docker: &Client, words: &[&str]) -> anyhow::Result<()> {
    let (one, is_done) = docker.fed("", words)?;
    let (other, is_done_too) = desk.berth.fed("", words)?;
    ensure!(is_done == is_done_too, "{words:?}: docker ends with {is_done}, berth says {other}");
    if is_done {
        let (one, other) = (plain(&one), plain(&other));
        ensure!(one == other, "{words:?}: docker says\n{one:#?}\nand berth\n{other:#?}");
    }
    Ok(())
}

/// The lines without sizes, which docker counts of what is unpacked, without ages, since time goes by between the two, and
/// without errors, which are in each one's words.
fn plain(said: &str) -> Vec<String> {
    said.lines().filter(|line| !is_word_of_error(line)).map(|line| without_ages(line).join(" ")).collect()
}

fn is_word_of_error(line: &str) -> bool {
    ["Error", "error: ", "hint: "].iter().any(|begin| line.starts_with(begin))
}

fn without_ages(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        if word == "ago" || word.starts_with("ago\"") {
            // `2 seconds`, `About a minute`, `Less than a second`
            words.pop();
            let count = words.pop().unwrap_or_default();
            let more = ["a", "an"].contains(&count.as_str()).then(|| words.pop()).flatten();
            if more.is_some_and(|more| more == "than") {
                words.pop();
            }
            words.push(blurred(&format!("AGE{}", &word["ago".len()..])));
        } else {
            words.push(blurred(word));
        }
    }
    words
}

fn blurred(word: &str) -> String {
    let is_size = word.ends_with('B') && word.starts_with(|first: char| first.is_ascii_digit());
    match word.split_once("\"Size\":\"") {
        Some((before, _)) => format!("{before}SIZE"),
        None if is_size => "SIZE".to_owned(),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn ages_sizes_and_errors_are_left_out() {
        for (said, expected) in [
            ("app   1   2 seconds ago   1.2kB", "app 1 AGE SIZE"),
            ("app   1   About a minute ago   12B", "app 1 AGE SIZE"),
            ("app Less than a second ago\nerror: x\nhint: y\nError response", "app AGE"),
        ] {
            assert_eq!(plain(said), [expected]);
        }
    }
}
