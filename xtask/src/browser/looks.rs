//! How every page looks: on a desktop and on a phone, in both languages and both schemes, with enough contrast, without
//! anything that sticks out, and without scripts.

use anyhow::ensure;
use serde_json::Value;

use super::{Stage, Story};

/// All of them.
pub(super) const STORIES: &[Story] = &[
    ("every page fits, is readable in both schemes, and is pictured", all_pages),
    ("the first page is small", weight),
    ("pages are read without scripts", without_scripts),
];

/// The pages, with the name of their picture.
const PAGES: &[(&str, &str)] = &[
    ("home", "/"),
    ("repositories", "/r"),
    ("search", "/search?q=shop"),
    ("repository", "/r/acme/shop"),
    ("index", "/r/acme/shop/-/image/1.9.1"),
    ("image", "/r/acme/api/-/image/latest"),
    ("files", "/r/acme/api/-/image/latest/files"),
    ("compare", "/r/acme/shop/-/compare?from=1.8.0&to=1.9.1"),
    ("history", "/r/acme/shop/-/history"),
    ("delete", "/r/acme/shop/-/delete?at=1.8.0"),
    ("trash", "/r/acme/api/-/trash"),
    ("settings", "/r/acme/shop/-/settings"),
    ("chart", "/r/charts/shop/-/image/0.3.0"),
    ("account", "/account"),
    ("teams", "/teams"),
    ("robots", "/robots"),
    ("usage", "/admin"),
    ("users", "/admin/users"),
    ("jobs", "/admin/jobs"),
    ("mirrors", "/admin/mirrors"),
    ("audit", "/admin/audit"),
    ("health", "/admin/health"),
    ("api", "/api"),
    ("nothing", "/r/no/such"),
];

/// Texts whose contrast to what is behind them is below that of WCAG AA, and controls without a name.
const FAULTS: &str = r#"
const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const colour = parse(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] > 0.99) return colour;
  }
  return [255, 255, 255];
};
const faults = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const style = getComputedStyle(element);
  if (!own || style.visibility === "hidden" || !element.getClientRects().length) continue;
  const [a, b] = [light(parse(style.color)), light(behind(element))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) faults.push(`${ratio.toFixed(1)}: ${element.tagName} ${element.textContent.trim().slice(0, 40)}`);
}
for (const control of document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href]")) {
  const named = control.labels?.length || control.getAttribute("aria-label") || control.textContent.trim() || control.querySelector("[alt]:not([alt=''])");
  if (!named) faults.push(`no name: ${control.outerHTML.slice(0, 80)}`);
}
return faults;
"#;

fn all_pages(stage: &Stage) -> anyhow::Result<()> {
    stage.sign_in()?;
    // Layers are read once, so that no picture shows the waiting.
    for path in ["/r/acme/api/-/image/latest/files", "/r/acme/shop/-/compare?from=1.8.0&to=1.9.1"] {
        stage.open(path)?;
        stage.browser.wait_for("tbody tr")?;
    }
    let mut faults = Vec::new();
    for (form, width, height) in [("desktop", 1280, 900), ("phone", 390, 844)] {
        for (language, theme) in [("en", "light"), ("en", "dark"), ("zh-CN", "light"), ("zh-CN", "dark")] {
            stage.browser.size(width, height)?;
            stage.browser.keep("berth_language", language)?;
            stage.browser.keep("berth_theme", theme)?;
            for (name, path) in PAGES {
                stage.open(path)?;
                stage.browser.wait_for("footer")?;
                let wide = stage.browser.script("return document.documentElement.scrollWidth", &[])?;
                if wide.as_u64() > Some(u64::from(width)) {
                    faults.push(format!("{name} on a {form} in {language}: {wide} wide"));
                }
                let found = stage.browser.script(FAULTS, &[])?;
                let found = found.as_array().into_iter().flatten().filter_map(Value::as_str);
                faults.extend(found.map(|fault| format!("{name}, {theme}, {language}, {form}: {fault}")));
                stage
                    .browser
                    .picture(&stage.pictures.join(format!("{name}-{form}-{language}-{theme}.png")))?;
            }
        }
    }
    ensure!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults[..faults.len().min(40)].join("\n"));
    Ok(())
}

fn weight(stage: &Stage) -> anyhow::Result<()> {
    stage.open("/")?;
    let script =
        "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .map((e) => e.encodedBodySize).reduce((a, b) => a + b, 0)";
    let bytes = stage.browser.script(script, &[])?.as_u64().unwrap_or_default();
    ensure!((1..100 * 1024).contains(&bytes), "the first page weighs {bytes} bytes");
    let took =
        stage.browser.script("return performance.getEntriesByType('navigation')[0].loadEventEnd", &[])?;
    println!("      the first page weighs {bytes} bytes and was complete after {took} ms");
    Ok(())
}

fn without_scripts(stage: &Stage) -> anyhow::Result<()> {
    let client = &stage.seed.client;
    for (path, part) in [
        ("/", "acme/shop"),
        ("/search?q=shop", "acme/shop"),
        ("/r/acme/shop", "1.9.1"),
        ("/r/acme/shop/-/image/1.9.1", "linux/arm64"),
    ] {
        let page = client.must("GET", path, &[], b"")?.text();
        ensure!(page.contains(part), "{part} is in the page itself: {path}");
        ensure!(
            page.matches("<script").count() == 1 && !page.contains(" style="),
            "one script, in a file of its own: {path}"
        );
    }
    Ok(())
}
