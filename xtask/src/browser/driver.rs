//! A headless Chromium, driven by the WebDriver protocol (W3C) through chromedriver.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::http::Client;
use crate::server::{end, free_port};

/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);
/// The key under which the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window.
pub(crate) struct Browser {
    driver: Child,
    client: Client,
    session: String,
}

impl Browser {
    /// Starts one with nothing in it.
    pub(crate) fn start(scratch: &Path) -> anyhow::Result<Browser> {
        let port = free_port()?;
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", scratch)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start chromedriver (Debian: chromium-driver)")?;
        let client = Client::anonymous(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut browser = Browser { driver, client, session: String::new() };
        browser.wait("the driver", || Ok(browser.client.send("GET", "/status", &[], b"").is_ok()))?;
        let profile = scratch.join("profile");
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--lang=en",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            "unhandledPromptBehavior": "ignore",
        } } });
        let answer = browser.call("POST", "/session", &wanted)?;
        browser.session = answer["sessionId"].as_str().context("no session of the browser")?.to_owned();
        Ok(browser)
    }

    /// Opens an address.
    pub(crate) fn go(&self, address: &str) -> anyhow::Result<()> {
        self.post("/url", &json!({ "url": address })).map(drop)
    }

    /// The address that is open.
    pub(crate) fn address(&self) -> anyhow::Result<String> {
        Ok(self.get("/url")?.as_str().unwrap_or_default().to_owned())
    }

    /// Forgets who signed in and what was chosen.
    pub(crate) fn forget(&self) -> anyhow::Result<()> {
        self.call("DELETE", &format!("/session/{}/cookie", self.session), &Value::Null)?;
        self.size(1280, 900)
    }

    /// Keeps a cookie for the server whose page is open.
    pub(crate) fn keep(&self, name: &str, value: &str) -> anyhow::Result<()> {
        self.post("/cookie", &json!({ "cookie": { "name": name, "value": value } })).map(drop)
    }

    /// Makes the window so large.
    pub(crate) fn size(&self, width: u32, height: u32) -> anyhow::Result<()> {
        // The protocol sets the outer size, and a headless window cannot be narrower than 500: this sets the inner one.
        let metrics = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        } });
        self.post("/goog/cdp/execute", &metrics).map(drop)
    }

    /// Fills a field.
    pub(crate) fn fill(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let element = self.find(selector)?;
        self.post(&format!("/element/{element}/clear"), &json!({}))?;
        self.post(&format!("/element/{element}/value"), &json!({ "text": text })).map(drop)
    }

    /// Presses keys in an element.
    pub(crate) fn press(&self, selector: &str, keys: &str) -> anyhow::Result<()> {
        let element = self.find(selector)?;
        self.post(&format!("/element/{element}/value"), &json!({ "text": keys })).map(drop)
    }

    /// Presses Enter in an element, and waits for the page that comes of it.
    ///
    /// Unlike a click, a key does not wait for the page that it leads to. What the old page says, or a visit
    /// elsewhere before the form was answered, would then be taken for the answer: a rule was once not there yet
    /// when the next page counted on it.
    pub(crate) fn enter(&self, selector: &str) -> anyhow::Result<()> {
        self.script("document.documentElement.dataset.left = 'yes'", &[])?;
        self.press(selector, "\u{e007}")?;
        let arrived = "return document.readyState === 'complete' && !document.documentElement.dataset.left";
        self.wait("the page after Enter", || Ok(self.script(arrived, &[])? == json!(true)))
    }

    /// Clicks on an element.
    pub(crate) fn click(&self, selector: &str) -> anyhow::Result<()> {
        let element = self.find(selector)?;
        self.post(&format!("/element/{element}/click"), &json!({})).map(drop)
    }

    /// Waits until an element is there.
    pub(crate) fn wait_for(&self, selector: &str) -> anyhow::Result<()> {
        self.wait(selector, || Ok(self.count(selector)? > 0))
    }

    /// Waits until the page says something.
    pub(crate) fn wait_for_text(&self, text: &str) -> anyhow::Result<()> {
        self.wait(text, || Ok(self.text("body")?.contains(text)))
    }

    /// How many elements there are.
    pub(crate) fn count(&self, selector: &str) -> anyhow::Result<u64> {
        let script = "return document.querySelectorAll(arguments[0]).length";
        Ok(self.script(script, &[json!(selector)])?.as_u64().unwrap_or_default())
    }

    /// The text of an element, as people see it.
    pub(crate) fn text(&self, selector: &str) -> anyhow::Result<String> {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        Ok(self.script(script, &[json!(selector)])?.as_str().unwrap_or_default().to_owned())
    }

    /// Runs a script in the page.
    pub(crate) fn script(&self, script: &str, arguments: &[Value]) -> anyhow::Result<Value> {
        self.post("/execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// A picture of the whole page.
    pub(crate) fn picture(&self, file: &Path) -> anyhow::Result<()> {
        let shot = json!({ "cmd": "Page.captureScreenshot", "params": { "captureBeyondViewport": true } });
        let encoded = self.post("/goog/cdp/execute", &shot)?;
        let encoded = encoded["data"].as_str().context("no picture")?;
        std::fs::write(file, BASE64_STANDARD.decode(encoded).context("a picture that is no base64")?)?;
        Ok(())
    }

    /// Nothing that a policy refused, no script that failed, no window that asks something.
    pub(crate) fn quiet(&self) -> anyhow::Result<()> {
        let lines = self.post("/se/log", &json!({ "type": "browser" }))?;
        let loud = |line: &&Value| {
            let text = line["message"].as_str().unwrap_or_default();
            // What answers with a refusal on purpose is told by the browser as well.
            line["level"] == "SEVERE" && !text.contains("Failed to load resource")
        };
        let loud: Vec<_> = lines.as_array().into_iter().flatten().filter(loud).collect();
        ensure!(loud.is_empty(), "the browser complains: {loud:?}");
        Ok(())
    }

    fn wait(&self, what: &str, mut is_there: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let began = Instant::now();
        // A page that is just being left answers no question; the next one does.
        while !is_there().unwrap_or_default() {
            if began.elapsed() > PATIENCE {
                bail!("{what} did not appear");
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn find(&self, selector: &str) -> anyhow::Result<String> {
        self.wait_for(selector)?;
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }))?;
        Ok(found[ELEMENT].as_str().with_context(|| format!("no {selector}"))?.to_owned())
    }

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call("GET", &format!("/session/{}{path}", self.session), &Value::Null)
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    fn call(&self, method: &str, target: &str, body: &Value) -> anyhow::Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer =
            self.client.send(method, target, &[("Content-Type", "application/json")], body.as_bytes())?;
        let document: Value =
            serde_json::from_slice(&answer.body).with_context(|| format!("{target}: {}", answer.text()))?;
        let value = document["value"].clone();
        ensure!(answer.status == 200, "{target}: {}: {}", value["error"], value["message"]);
        Ok(value)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session; if it is gone, so is the browser.
        let _ = self.call("DELETE", &format!("/session/{}", self.session), &Value::Null);
        end(&mut self.driver);
    }
}
