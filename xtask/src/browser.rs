//! The page in a real browser: what people do there, what hostile images try there, and a picture of every page.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;

use crate::folders;
use crate::server::{Choice, Launch, Server, settings};

mod driver;
mod hostile;
mod http;
mod looks;
mod seed;
mod stories;

use driver::Browser;
use http::Client;
use seed::Seed;

/// The administrator of the server.
const NAME: &str = "root-of-all";
const PASSWORD: &str = "correct horse battery";

/// Options of `cargo xtask browser`.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Choice,
    /// Only the stories whose title contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Where pictures are kept; a folder of the build without it.
    #[arg(long, value_name = "FOLDER")]
    pictures: Option<PathBuf>,
}

/// A server with images, and a browser.
pub(crate) struct Stage {
    pub(crate) browser: Browser,
    pub(crate) seed: Seed,
    pub(crate) base: String,
    pub(crate) address: SocketAddr,
    pub(crate) pictures: PathBuf,
}

/// A story, by its title.
type Story = (&'static str, fn(&Stage) -> anyhow::Result<()>);

/// Tells all stories; fails when one does not end well.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let scratch = folders::scratch("browser")?;
    let kept = folders::kept("browser")?;
    let pictures = options.pictures.clone().unwrap_or_else(|| kept.join("pictures"));
    fs::create_dir_all(&pictures)?;
    let program = options.server.program()?;
    let data = scratch.path().join("registry");
    program.add_administrator(&data, NAME, PASSWORD)?;
    // Nothing is asked of them: nobody pulls.
    let settings = settings(&[("MIRROR", "docker.io,quay.io")]);
    let launch = Launch { data, log: kept.join("registry.log"), settings, ..Launch::default() };
    let server: Server = program.start(&launch)?;
    let base = format!("http://localhost:{}", server.address().port());
    let seed = Seed { client: Client::new(server.address(), NAME, PASSWORD) };
    seed.everything()?;
    let browser = Browser::start(scratch.path())?;
    let stage = Stage { browser, seed, base, address: server.address(), pictures };
    let (mut passed, mut failed) = (0, 0);
    for (title, story) in [stories::STORIES, hostile::STORIES, looks::STORIES].concat() {
        if options.only.as_ref().is_some_and(|only| !title.contains(only.as_str())) {
            continue;
        }
        let began = Instant::now();
        match stage.browser.forget().and_then(|()| story(&stage)).and_then(|()| stage.browser.quiet()) {
            Ok(()) => {
                passed += 1;
                println!("ok    {title} ({:.1} s)", began.elapsed().as_secs_f32());
            }
            Err(error) => {
                failed += 1;
                // A picture of where it went wrong says more than words.
                let _ = stage.browser.picture(&stage.pictures.join("failed.png"));
                println!(
                    "FAIL  {title}\n      {error:#}\n      at {}",
                    stage.browser.address().unwrap_or_default()
                );
            }
        }
    }
    println!("pictures are in {}", stage.pictures.display());
    println!("{passed} passed, {failed} failed");
    drop(stage);
    server.stop()?;
    ensure!(passed > 0 && failed == 0, "{failed} stories failed");
    Ok(())
}

impl Stage {
    /// Opens a page of the server.
    pub(crate) fn open(&self, path: &str) -> anyhow::Result<()> {
        self.browser.go(&format!("{}{path}", self.base))
    }

    /// Where the server listens.
    pub(crate) fn seed_address(&self) -> SocketAddr {
        self.address
    }

    /// Signs the administrator in by the form.
    pub(crate) fn sign_in(&self) -> anyhow::Result<()> {
        self.open("/sign-in")?;
        self.browser.fill("#name", NAME)?;
        self.browser.fill("#password", PASSWORD)?;
        self.browser.click("form.box button.main")?;
        self.browser.wait_for("header a[href='/account']")
    }
}
