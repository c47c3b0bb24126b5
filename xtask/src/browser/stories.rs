//! What people do on the page.

use anyhow::ensure;
use serde_json::json;

use super::{NAME, PASSWORD, Stage, Story};

/// All of them.
pub(super) const STORIES: &[Story] = &[
    ("a visitor sees what is public, and is asked to sign in for the rest", visiting),
    ("somebody signs in, and out", signing_in),
    ("somebody searches while typing, by keyboard", searching),
    ("somebody reads about a repository, filters and sorts its tags", reading),
    ("somebody looks into an image, down to a file", looking_inside),
    ("somebody compares two tags", comparing),
    ("somebody deletes a tag, and has it back", deleting),
    ("somebody rolls a tag back", rolling_back),
    ("a maintainer changes settings and rules", changing_settings),
    ("somebody makes a token and revokes it", making_tokens),
    ("an administrator makes users, teams and robots", making_accounts),
    ("an administrator looks at usage, jobs, the log and health", administering),
    ("a repository is deleted by its name, and restored", deleting_a_repository),
    ("everybody chooses language and colours", choosing),
    ("what cannot be shown says so, and the rest is shown", showing_the_rest),
];

fn visiting(stage: &Stage) -> anyhow::Result<()> {
    stage.open("/")?;
    let shown = stage.browser.text("main")?;
    ensure!(shown.contains("acme/shop") && !shown.contains("acme/api"), "{shown}");
    stage.open("/r/acme/api")?;
    stage.browser.wait_for("#password")?;
    ensure!(stage.browser.address()?.contains("to=%2Fr%2Facme%2Fapi"), "after signing in one goes on");
    stage.open("/r/acme/none")?;
    stage.browser.wait_for("#password")?;
    Ok(())
}

fn signing_in(stage: &Stage) -> anyhow::Result<()> {
    stage.open("/sign-in?to=%2Fr%2Facme%2Fapi")?;
    stage.browser.fill("#name", NAME)?;
    stage.browser.fill("#password", "wrong")?;
    stage.browser.click("form.box button.main")?;
    stage.browser.wait_for(".error")?;
    stage.browser.fill("#password", PASSWORD)?;
    stage.browser.click("form.box button.main")?;
    stage.browser.wait_for_text("acme/api")?;
    let cookie = stage.browser.script("return document.cookie", &[])?;
    ensure!(cookie == json!(""), "scripts see no cookie: {cookie}");
    stage.open("/r/acme/none")?;
    stage.browser.wait_for_text("There is nothing here, or you may not see it.")?;
    stage.open("/")?;
    stage.browser.click("header form[action='/sign-out'] button")?;
    stage.browser.wait_for("header a[href^='/sign-in']")?;
    stage.open("/account")?;
    stage.browser.wait_for("#password")
}

fn searching(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.browser.press("body", "/")?;
    let focused = stage.browser.script("return document.activeElement.name", &[])?;
    ensure!(focused == json!("q"), "the slash leads to the search, not to {focused}");
    stage.browser.press("input[name=q]", "work")?;
    stage.browser.wait_for(".results a.name[href='/r/acme/worker']")?;
    // Down to the first result, and in.
    stage.browser.press("input[name=q]", "\u{e015}")?;
    stage.browser.enter(".results a.name:focus")?;
    stage.browser.wait_for_text("docker pull")?;
    ensure!(stage.browser.address()?.ends_with("/r/acme/worker"), "{}", stage.browser.address()?);
    stage.browser.fill("input[name=q]", "background")?;
    stage.browser.enter("input[name=q]")?;
    stage.browser.wait_for_text("1 found")?;
    let hits = stage.browser.text(".hits")?;
    ensure!(hits.contains("acme/worker") && hits.contains("Title Background worker"), "by its label: {hits}");
    let api = stage.seed.client.must("GET", "/v1/search?q=background", &[], b"")?;
    ensure!(api.text().contains("acme/worker"), "the same by API");
    Ok(())
}

fn reading(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.open("/r/acme/shop")?;
    let shown = stage.browser.text("main")?;
    for part in [
        "Shop front end",
        "linux/amd64",
        "linux/arm64",
        "latest",
        "1.8.0",
        "web shop",
        "where it listens",
        NAME,
    ] {
        ensure!(shown.contains(part), "{part} is not in {shown}");
    }
    stage.browser.fill("input[name=filter]", "1.9")?;
    stage.browser.enter("input[name=filter]")?;
    stage.browser.wait_for("input[name=filter][value='1.9']")?;
    ensure!(stage.browser.count("a.tag[href$='/1.8.0']")? == 0, "the filter leaves the others out");
    stage.open("/r/acme/shop")?;
    stage.browser.script(
        "const s = document.querySelector('select[name=sort]'); s.value = 'name'; s.dispatchEvent(new Event('change', {bubbles: true}))",
        &[],
    )?;
    stage.browser.wait_for("option[value=name][selected]")?;
    let first = stage.browser.text("tbody tr a.tag")?;
    ensure!(first == "1.8.0", "sorted by name the first is {first}");
    Ok(())
}

fn looking_inside(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.open("/r/acme/shop/-/image/latest")?;
    let index = stage.browser.text("main")?;
    ensure!(index.contains("linux/arm64") && index.contains("@sha256:"), "{index}");
    stage.browser.click("tbody tr a")?;
    stage.browser.wait_for_text("ADD rootfs.tar.xz /")?;
    let image = stage.browser.text("main")?;
    for part in ["VERSION=1.9.1", "/usr/bin/shop", "8080/tcp", "Title 1.9.1", "linux/amd64"] {
        ensure!(image.contains(part), "{part} is not in {image}");
    }
    stage.browser.click(".tabs a[href$='/files']")?;
    stage.browser.wait_for(".files a[href*='path=srv']")?;
    stage.browser.click(".files a[href*='path=srv']")?;
    stage.browser.wait_for(".files a[href*='config.yaml']")?;
    stage.browser.click(".files a[href*='config.yaml']")?;
    stage.browser.wait_for_text("version: 1.9.1")?;
    stage.browser.click(".filter a[href$='layer=1']")?;
    stage.browser.wait_for(".files a[href*='path=etc']")?;
    ensure!(stage.browser.count(".files a[href*='path=srv']")? == 0, "the first layer alone");
    Ok(())
}

fn comparing(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.open("/r/acme/shop?sort=name")?;
    stage.browser.click("input[name=tag][value='1.9.1']")?;
    stage.browser.click("input[name=tag][value='1.8.0']")?;
    stage.browser.click("form[action$='compare'] button")?;
    stage.browser.wait_for_text("srv/news.txt")?;
    let shown = stage.browser.text("main")?;
    for part in ["srv/config.yaml", "usr/bin/shop", "VERSION=1.8.0", "VERSION=1.9.1"] {
        ensure!(shown.contains(part), "{part} is not in {shown}");
    }
    ensure!(!shown.contains("libc.so"), "what is the same is not told");
    Ok(())
}

fn deleting(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.open("/r/acme/api")?;
    stage.browser.click("a[href$='delete?at=2.0.1']")?;
    stage.browser.wait_for_text("This would go")?;
    ensure!(stage.browser.text(".facts")?.contains("2.0.1"), "the preview names it");
    stage.browser.click("button.danger")?;
    stage.browser.wait_for_text("Deleted. It can be restored here.")?;
    stage.open("/r/acme/api/-/image/2.0.1")?;
    stage.browser.wait_for_text("There is nothing here")?;
    stage.open("/r/acme/api/-/delete?at=latest")?;
    stage.browser.click("button.danger")?;
    stage.browser.click("tbody form:has(input[value=latest]) button")?;
    stage.browser.wait_for_text("Restored.")?;
    ensure!(stage.browser.text("tbody")?.contains("latest"), "the tag is there again");
    Ok(())
}

fn rolling_back(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.open("/r/acme/shop/-/history?tag=latest")?;
    let rows = stage.browser.count("tbody tr")?;
    ensure!(rows == 3, "latest named three images, not {rows}");
    stage.browser.click("tbody tr:last-child form button")?;
    stage.browser.wait_for_text("The tag names that again.")?;
    ensure!(stage.browser.count("tbody tr")? == 4, "going back is a part of the history");
    stage.browser.click("tbody tr:nth-child(2) form button")?;
    stage.browser.wait_for("tbody tr:nth-child(5)")
}

fn changing_settings(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.open("/r/acme/worker/-/settings")?;
    stage.browser.fill("#description", "Works at night")?;
    stage.browser.click("input[name=visibility][value=public]")?;
    stage.browser.click("form.box button.main")?;
    stage.browser.wait_for_text("Saved.")?;
    stage.browser.script("document.querySelector('select[name=kind]').value = 'immutable'", &[])?;
    stage.browser.fill("input[name=tags]", "2.*")?;
    stage.browser.enter("input[name=tags]")?;
    stage.browser.wait_for_text("Never change")?;
    stage.open("/r/acme/worker/-/delete?at=2.0.1")?;
    stage.browser.wait_for_text("immutable")?;
    stage.open("/r/acme/worker/-/settings")?;
    stage.browser.click("tbody form button")?;
    stage.browser.wait_for_text("No rules hold here.")?;
    stage.open("/r/acme/worker")?;
    stage.browser.wait_for_text("Works at night")
}

fn making_tokens(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.open("/account")?;
    stage.browser.fill("input[name=token]", "laptop")?;
    stage.browser.fill("input[name=patterns]", "acme/*")?;
    stage.browser.enter("input[name=patterns]")?;
    stage.browser.wait_for("#secret")?;
    let secret = stage.browser.text("#secret")?;
    ensure!(secret.starts_with("berth_"), "{secret}");
    ensure!(stage.browser.text("main")?.contains("docker login localhost:"), "with a line to copy");
    stage.open("/account")?;
    ensure!(!stage.browser.text("body")?.contains(&secret), "it is shown once");
    ensure!(stage.browser.text("main")?.contains("this one"), "the present session is marked");
    stage.browser.click("form input[value=revoke] ~ button")?;
    stage.browser.wait_for_text("The token is revoked.")
}

fn making_accounts(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.open("/admin/users")?;
    stage.browser.fill("form.box input[name=name]", "carol")?;
    stage.browser.enter("form.box input[name=name]")?;
    stage.browser.wait_for_text("/setup/")?;
    let link = stage.browser.text(".copy pre")?;
    stage.open("/teams")?;
    stage.browser.fill("input[name=name]", "builders")?;
    stage.browser.enter("input[name=name]")?;
    stage.browser.fill("input[name=user]", "carol")?;
    stage.browser.enter("input[name=user]")?;
    stage.browser.wait_for_text("Saved.")?;
    ensure!(stage.browser.text("tbody")?.contains("carol"), "the member is listed");
    stage.open("/robots")?;
    stage.browser.fill("form.box input[name=name]", "builders.ci")?;
    stage.browser.enter("form.box input[name=name]")?;
    stage.browser.fill("input[name=pattern]", "builders/**")?;
    stage.browser.enter("input[name=pattern]")?;
    stage.browser.wait_for_text("Saved.")?;
    ensure!(stage.browser.text("tbody")?.contains("builders/**"), "the grant is listed");
    stage.browser.forget()?;
    stage.browser.go(&link)?;
    stage.browser.fill("#password", "carols password")?;
    stage.browser.fill("#again", "carols password")?;
    stage.browser.click("button")?;
    stage.browser.wait_for_text("docker login")?;
    stage.open("/sign-in")?;
    stage.browser.fill("#name", "carol")?;
    stage.browser.fill("#password", "carols password")?;
    stage.browser.click("form.box button.main")?;
    stage.browser.wait_for_text("carol")?;
    ensure!(stage.browser.count("a[href='/admin']")? == 0, "carol administers nothing");
    stage.open("/admin/users")?;
    stage.browser.wait_for_text("only administrators")
}

fn administering(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.open("/admin")?;
    ensure!(stage.browser.text("main")?.contains("acme"), "namespaces with what they use");
    stage.open("/admin/jobs")?;
    stage.browser.click("main form button")?;
    stage.browser.wait_for_text("A cycle of cleaning is done.")?;
    stage.open("/admin/audit?action=session")?;
    ensure!(stage.browser.text("tbody")?.contains("session.begin"), "signing in is written down");
    stage.open("/admin/health")?;
    stage.browser.wait_for_text("All is well")?;
    let script = "return fetch('/admin/diagnostics.json').then(answer => answer.text())";
    let told = stage.browser.script(script, &[])?.as_str().unwrap_or_default().to_owned();
    ensure!(told.contains("\"metrics\"") && !told.contains(PASSWORD), "{told}");
    Ok(())
}

fn deleting_a_repository(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.open("/r/tools/-/delete")?;
    stage.browser.fill("#name", "wrong")?;
    stage.browser.click("button.danger")?;
    stage.browser.wait_for_text("Type the name of the repository")?;
    stage.open("/r/tools/-/delete")?;
    stage.browser.fill("#name", "tools")?;
    stage.browser.click("button.danger")?;
    stage.browser.wait_for_text("The repository is deleted")?;
    stage.browser.click("form input[name=restore] ~ button")?;
    stage.browser.wait_for_text("Restored.")?;
    ensure!(stage.browser.text("main")?.contains("2.0.1"), "with its tags");
    Ok(())
}

fn choosing(stage: &Stage) -> anyhow::Result<()> {
    stage.open("/r/acme/shop")?;
    stage.browser.click("button[value='zh-CN']")?;
    stage.browser.wait_for("html[lang='zh-CN']")?;
    ensure!(stage.browser.address()?.ends_with("/r/acme/shop"), "one stays where one is");
    stage.browser.wait_for_text("拉取命令")?;
    stage.browser.click("button[value=dark]")?;
    stage.browser.wait_for("html[data-theme=dark]")?;
    let paper = stage.browser.script("return getComputedStyle(document.body).backgroundColor", &[])?;
    ensure!(paper == json!("rgb(21, 25, 28)"), "dark is dark: {paper}");
    stage.open("/")?;
    stage.browser.wait_for("html[lang='zh-CN'][data-theme=dark]")
}

fn showing_the_rest(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    stage.open("/r/odd/kind/-/image/v1")?;
    stage.browser.wait_for_text("docker pull")?;
    stage.open("/r/odd/layer/-/image/v1/files")?;
    stage.browser.wait_for_text("it is no tar archive")?;
    stage.open("/r/odd/foreign/-/image/v1/files")?;
    stage.browser.wait_for(".files a[href*='here.txt']")?;
    ensure!(
        stage.browser.text("main")?.contains("it is not in this repository"),
        "the other layer is told of"
    );
    stage.open("/r/charts/shop/-/image/0.3.0")?;
    stage.browser.wait_for_text("\"appVersion\": \"1.9.1\"")?;
    stage.open("/r/charts/shop/-/image/0.3.0/files")?;
    stage.browser.wait_for(".files a[href*='path=shop']")?;
    stage.open("/r/charts/shop/-/image/0.3.0")?;
    ensure!(stage.browser.text("main")?.contains("replicas: 3"), "its values");
    stage.open("/r/acme/api/-/image/latest")?;
    stage.browser.wait_for_text("What belongs to it")?;
    ensure!(stage.browser.text("main")?.contains("signature"), "the signature is listed beside its image");
    Ok(())
}
