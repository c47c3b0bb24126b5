//! What images and people try to make a reader's browser do: five hundred payloads in every text that they may write.

use anyhow::ensure;
use serde_json::{Value, json};

use super::seed::{File, run_config};
use super::{Stage, Story};

/// All of them.
pub(super) const STORIES: &[Story] = &[
    ("500 payloads in what an image says of itself run nowhere", in_images),
    ("500 payloads in what people write run nowhere", in_writing),
    ("payloads in addresses run nowhere", in_addresses),
    ("nothing of a page can be framed, changed or read from elsewhere", from_elsewhere),
];

/// What would show that it ran.
const PROOF: &str = "window.pwned=1";

/// Payloads: ways out of a context, times ways to run something.
fn payloads() -> Vec<String> {
    let ways_out = [
        "",
        "\">",
        "'>",
        "</title>",
        "</textarea>",
        "</script>",
        "</style>",
        "-->",
        "]]>",
        "\"'><",
        "\u{2028}",
        "%22%3E",
        "&quot;&gt;",
        "`-",
        "\\\">",
        "</pre></code>",
        "\r\n\r\n",
        "{{7*7}}",
        "${7*7}",
        "<!--",
    ];
    let ways_in = [
        format!("<script>{PROOF}</script>"),
        format!("<img src=x onerror={PROOF}>"),
        format!("<svg/onload={PROOF}>"),
        format!("<svg><script>{PROOF}</script></svg>"),
        format!("<details open ontoggle={PROOF}>"),
        format!("<iframe srcdoc=\"<script>parent.{PROOF}</script>\">"),
        format!("<a href=javascript:{PROOF} autofocus onfocus={PROOF}>x</a>"),
        format!("<input autofocus onfocus={PROOF}>"),
        format!("<ScRiPt>{PROOF}</sCrIpT>"),
        format!("<img src=\"x\" onerror=\"{PROOF}\" "),
        format!("<math><mi xlink:href=\"javascript:{PROOF}\">"),
        format!("<video><source onerror={PROOF}>"),
        format!("<body onload={PROOF}>"),
        format!("<style>@import 'data:,';</style><p style=x onanimationstart={PROOF}>"),
        format!("<base href=javascript:{PROOF}//>"),
        format!("<form action=javascript:{PROOF}><button autofocus>"),
        format!("<object data=javascript:{PROOF}>"),
        format!("<meta http-equiv=refresh content=\"0;url=javascript:{PROOF}\">"),
        format!("[x](javascript:{PROOF})"),
        format!("![x](x\" onerror=\"{PROOF})"),
        format!("<javascript:{PROOF}>"),
        format!("\" onmouseover={PROOF} autofocus onfocus={PROOF} x=\""),
        format!("' autofocus onfocus={PROOF} '"),
        format!("&lt;script&gt;{PROOF}&lt;/script&gt;"),
        format!("\\x3cscript\\x3e{PROOF}\\x3c/script\\x3e"),
    ];
    ways_out.iter().flat_map(|out| ways_in.iter().map(move |way| format!("{out}{way}"))).collect()
}

/// Opens a page and makes sure that nothing ran, and that the page is ours.
fn harmless(stage: &Stage, path: &str) -> anyhow::Result<()> {
    stage.open(path)?;
    // What runs on focus or on passing over is provoked.
    let provoke = "for (const e of document.querySelectorAll('main *')) { e.dispatchEvent(new Event('mouseover')); e.focus?.() }
        return [window.pwned ?? 0, document.querySelectorAll('iframe, object, embed, base, main script, main style').length,
                document.querySelectorAll('footer').length]";
    let seen = stage.browser.script(provoke, &[])?;
    ensure!(seen == json!([0, 0, 1]), "{path}: {seen}");
    stage.browser.quiet()
}

/// A configuration with a payload in every place that has one.
fn hostile_config(payloads: &[String]) -> Value {
    let mut config = run_config("amd64", "hostile");
    let labels = payloads.iter().enumerate().map(|(n, payload)| (format!("{n}{payload}"), json!(payload)));
    config["config"]["Labels"] = Value::Object(labels.collect());
    config["config"]["Env"] = json!(payloads);
    config["config"]["Entrypoint"] = json!(payloads);
    config["config"]["ExposedPorts"] =
        Value::Object(payloads.iter().map(|p| (p.clone(), json!({}))).collect());
    for (place, payload) in ["author", "created", "os"].into_iter().zip(payloads) {
        config[place] = json!(payload);
    }
    for (place, payload) in ["User", "WorkingDir", "StopSignal"].into_iter().zip(&payloads[7..]) {
        config["config"][place] = json!(payload);
    }
    let steps = payloads.iter().map(|payload| json!({ "created_by": payload, "empty_layer": true }));
    config["history"] =
        Value::Array([json!({ "created_by": payloads[0] })].into_iter().chain(steps).collect());
    config
}

fn in_images(stage: &Stage) -> anyhow::Result<()> {
    let payloads = payloads();
    ensure!(payloads.len() == 500, "{} payloads", payloads.len());
    let mut config = hostile_config(&payloads);
    let content = payloads.join("\n");
    let names: Vec<String> = payloads
        .iter()
        .filter(|payload| payload.len() < 90)
        .map(|payload| payload.replace('/', "\u{2215}"))
        .collect();
    let mut files: Vec<File<'_>> =
        names.iter().filter(|name| name.len() < 100).map(|name| (name.as_bytes(), &b"x"[..])).collect();
    files.push((b"payloads.txt", content.as_bytes()));
    files.push((b"not\xff\xfetext<script>window.pwned=1</script>", b"x"));
    stage.seed.image("hostile/image", &config, &[&files], &["v1"])?;
    config["config"]["Env"] = json!(["A=b"]);
    stage.seed.image("hostile/image", &config, &[&[(b"other", content.as_bytes())]], &["v2"])?;
    let annotations: serde_json::Map<_, _> =
        payloads.iter().map(|payload| (payload.clone(), json!(payload))).collect();
    let layer = stage.seed.blob("hostile/artifact", &payloads[1], b"{}")?;
    let mut titled = layer.clone();
    titled["annotations"] = json!({ "org.opencontainers.image.title": payloads[2] });
    let artifact = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": payloads[3],
        "config": stage.seed.blob("hostile/artifact", "application/vnd.cncf.helm.config.v1+json", json!({ "name": payloads }).to_string().as_bytes())?,
        "layers": [titled], "annotations": annotations,
    });
    stage.seed.manifest(
        "hostile/artifact",
        "application/vnd.oci.image.manifest.v1+json",
        &artifact,
        &["v1"],
    )?;
    stage.sign_in()?;
    for path in [
        "/",
        "/r",
        "/r/hostile/image",
        "/r/hostile/image/-/image/v1",
        "/r/hostile/artifact",
        "/r/hostile/artifact/-/image/v1",
        "/search?q=window.pwned",
    ] {
        harmless(stage, path)?;
    }
    stage.open("/r/hostile/image/-/image/v1/files")?;
    stage.browser.wait_for(".files a[href*='payloads.txt']")?;
    for path in [
        "/r/hostile/image/-/image/v1/files",
        "/r/hostile/image/-/image/v1/files?path=payloads.txt",
        "/r/hostile/image/-/compare?from=v1&to=v2",
    ] {
        harmless(stage, path)?;
    }
    stage.open("/r/hostile/image/-/image/v1")?;
    let shown = stage.browser.text("main")?.matches(PROOF).count();
    ensure!(shown > 1500, "the payloads are shown as the text that they are, {shown} times");
    Ok(())
}

fn in_writing(stage: &Stage) -> anyhow::Result<()> {
    let payloads = payloads();
    let readme = payloads.iter().map(|payload| format!("{payload}\n\n")).collect::<String>();
    stage.seed.describe("acme/api", &payloads[0], &readme)?;
    stage.sign_in()?;
    harmless(stage, "/r/acme/api")?;
    ensure!(stage.browser.text(".readme")?.contains(PROOF), "the README is shown as the text that it is");
    for payload in payloads.iter().step_by(25) {
        stage.seed.describe("acme/api", payload.lines().next().unwrap_or_default(), payload)?;
        for path in ["/r/acme/api", "/r", "/search?q=pwned", "/r/acme/api/-/settings"] {
            harmless(stage, path)?;
        }
    }
    stage.seed.describe("acme/api", "The API", "")?;
    let token = json!({ "name": payloads[4].chars().take(40).collect::<String>(), "actions": ["pull"] });
    stage.seed.client.must(
        "POST",
        "/api/v1/tokens",
        &[("Content-Type", "application/json")],
        token.to_string().as_bytes(),
    )?;
    harmless(stage, "/account")?;
    harmless(stage, "/admin/audit")
}

fn in_addresses(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    for payload in payloads().iter().step_by(7) {
        let encoded: String = payload.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for path in [
            "/search?q=",
            "/r/acme/api?filter=",
            "/sign-in?to=",
            "/admin/audit?actor=",
            "/r/acme/api/-/history?tag=",
            "/",
        ] {
            harmless(stage, &format!("{path}{encoded}"))?;
        }
    }
    Ok(())
}

/// What the server answers to requests that other sites' pages make a browser send.
fn from_elsewhere(stage: &Stage) -> anyhow::Result<()> {
    let secret = session(stage)?;
    let cookie = format!("berth={secret}");
    let client = super::http::Client::anonymous(stage.seed_address());
    let policy = client.send("GET", "/", &[("Cookie", &cookie)], b"")?;
    let told = policy.header("content-security-policy").unwrap_or_default().to_owned();
    ensure!(
        told.contains("default-src 'none'")
            && told.contains("frame-ancestors 'none'")
            && !told.contains("unsafe"),
        "{told}"
    );
    let changes = [
        ("/account", "action=token&token=x&actions=pull"),
        ("/account", "action=end-session&id=1"),
        ("/r/acme/api/-/delete", "at=latest"),
        ("/r/acme/api/-/settings", "action=about&description=x"),
        ("/r/acme/api/-/history", "tag=latest&digest=sha256:00"),
        ("/r/acme/api/-/trash", "empty=1"),
        ("/r", "restore=1"),
        ("/teams", "name=x"),
        ("/robots", "name=root-of-all.x"),
        ("/admin/users", "action=add&name=eve&admin=1"),
        ("/admin/jobs", ""),
        ("/sign-in", "name=a&password=b"),
        ("/sign-out", ""),
        ("/preferences", "theme=dark"),
        ("/api/v1/tokens", "{\"name\":\"x\",\"actions\":[\"pull\"]}"),
    ];
    let foreign: [&[(&str, &str)]; 6] = [
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.example")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", "null")],
        &[("Origin", "http://localhost.evil.example")],
        &[],
    ];
    for (path, body) in changes {
        for headers in foreign {
            let headers = [
                headers,
                &[("Cookie", cookie.as_str()), ("Content-Type", "application/x-www-form-urlencoded")],
            ]
            .concat();
            let answer = client.send("POST", path, &headers, body.as_bytes())?;
            ensure!(answer.status == 403, "POST {path} with {headers:?}: {}", answer.status);
        }
    }
    for path in ["/v2/", "/v2/_catalog", "/v2/tools/tags/list"] {
        let answer = client.send("GET", path, &[("Cookie", &cookie)], b"")?;
        ensure!(answer.status == 401, "a session is nothing at {path}: {}", answer.status);
    }
    let me = client.send("GET", "/api/v1/me", &[("Cookie", &cookie)], b"")?;
    ensure!(me.status == 200, "and counts for the management API: {}", me.status);
    Ok(())
}

/// The secret of a new session, got as a browser gets it.
fn session(stage: &Stage) -> anyhow::Result<String> {
    let client = super::http::Client::anonymous(stage.seed_address());
    let body = format!("name={}&password={}&to=/", super::NAME, super::PASSWORD.replace(' ', "+"));
    let headers = [("Sec-Fetch-Site", "same-origin"), ("Content-Type", "application/x-www-form-urlencoded")];
    let answer = client.send("POST", "/sign-in", &headers, body.as_bytes())?;
    let cookie = answer.header("set-cookie").unwrap_or_default().to_owned();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        ensure!(cookie.contains(part), "{part} is not in {cookie}");
    }
    let value =
        cookie.split(';').next().and_then(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned());
    value.ok_or_else(|| anyhow::anyhow!("no session: {} {cookie}", answer.status))
}
