//! Registries that are not ours: open, with passwords, with TLS by their own authority; sign-ins that docker keeps; mirrors.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::ensure;

use super::proxy::Proxy;
use super::{Client, Desk, NAME};
use crate::certificate::{Certificate, Key};
use crate::server::{Launch, Program, Server};

const HTPASSWD: &str = "auth: {htpasswd: {realm: here, path: ";

/// Runs the steps.
pub(super) fn run(desk: &Desk<'_>) -> anyhow::Result<()> {
    if !desk.stage.has(NAME, &["docker-registry", "openssl"]) {
        return Ok(());
    }
    open(desk)?;
    passwords(desk)?;
    authorities(desk)?;
    mirrors(desk)
}

fn launched(desk: &Desk<'_>, name: &str, launch: Launch) -> anyhow::Result<Server> {
    let folder = desk.stage.home(name);
    fs::create_dir_all(&folder)?;
    Program::docker_registry().start(&Launch { data: folder.join("data"), log: folder.join("log"), ..launch })
}

fn open(desk: &Desk<'_>) -> anyhow::Result<()> {
    let server = launched(desk, "cli-open", Launch::default())?;
    let name = format!("{}/open/app", server.address());
    desk.stage.step(NAME, "docker-registry: push, pull, look, delete", || {
        let (berth, app) = (&desk.berth, &desk.stage.images.app);
        berth.run(&["copy", &desk.layout("app"), &format!("local:{name}:1")])?;
        berth.says(&["push", &format!("{name}:1")], "Pushed")?;
        berth.says(&["push", &format!("{name}:1")], "Layer already exists")?;
        berth.run(&["rmi", &format!("{name}:1")])?;
        berth.says(&["pull", &format!("{name}:1")], app)?;
        berth.says(&["tags", &name], "1")?;
        berth.says(&["ls", &server.address().to_string()], "open/app")?;
        berth.says(&["search", &name], "open/app")?;
        berth.says(&["rm", "-n", &format!("{name}:1")], "nothing was changed")?;
        berth.refuses(&["rm", &format!("{name}:1")], "does not delete tags")?;
        berth.says(
            &["copy", &format!("{name}:1"), &format!("{}/open/other:1", server.address())],
            "Mounted from",
        )?;
        Ok(())
    });
    Ok(())
}

fn passwords(desk: &Desk<'_>) -> anyhow::Result<()> {
    let folder = desk.stage.home("cli-secret");
    fs::create_dir_all(&folder)?;
    let file = folder.join("htpasswd");
    fs::write(&file, format!("ann:{}\n", bcrypt::hash("secret", 5)?))?;
    let yaml = format!("{HTPASSWD}{}}}}}\n", file.display());
    let server = launched(desk, "cli-secret", Launch { yaml, ..Launch::default() })?;
    let (host, name) = (server.address().to_string(), format!("{}/secret/app:1", server.address()));
    desk.stage.step(NAME, "a password opens, a wrong one does not, and nobody is told of either", || {
        let berth = &desk.berth;
        berth.run(&["copy", &desk.layout("app"), &format!("local:{name}")])?;
        berth.refuses(&["push", &name], "denied: requested access to the resource is denied")?;
        let (said, ended) = berth.fed("wrong\n", &["login", "-u", "ann", "--password-stdin", &host])?;
        ensure!(!ended && said.contains("unauthorized") && !said.contains("wrong"), "{said}");
        let (said, ended) = berth.fed("secret\n", &["login", "-u", "ann", "--password-stdin", &host])?;
        ensure!(ended && said.contains("Login Succeeded") && said.contains("stored unencrypted"), "{said}");
        berth.says(&["push", &name], "Pushed")?;
        let said = berth.run(&["pull", "-v", &name])?;
        ensure!(said.contains("-> 200") && !said.contains("YW5u"), "{said}");
        berth.says(&["logout", &host], "Removing login credentials")?;
        berth.refuses(&["digest", &name], "berth login")?;
        Ok(())
    });
    helpers(desk, &host, &name)?;
    if desk.stage.has(NAME, &["docker"]) {
        let docker = Client::new("docker", &desk.stage.home("cli-shared"))?;
        let berth = Client::new(desk.stage.program.file(), &desk.stage.home("cli-shared"))?;
        desk.stage.step(NAME, "docker's sign-in is berth's, and the other way round", || {
            let login =
                |client: &Client| client.fed("secret\n", &["login", "-u", "ann", "--password-stdin", &host]);
            ensure!(login(&berth)?.1, "no sign-in by berth");
            // Without an engine, docker itself says who is signed in by forgetting it.
            docker.says(&["logout", &host], "Removing login credentials")?;
            berth.refuses(&["digest", &name], "berth login")?;
            Ok(())
        });
    }
    Ok(())
}

fn helpers(desk: &Desk<'_>, host: &str, name: &str) -> anyhow::Result<()> {
    let home = desk.stage.home("cli-helper");
    let (bin, config) = (home.join("bin"), home.join(".docker"));
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(&config)?;
    let helper = bin.join("docker-credential-shelf");
    let kept = home.join("kept");
    let script = format!(
        "#!/bin/sh\ncase $1 in store) cat >{0};; get) cat >/dev/null; test -f {0} && cat {0} || \
         {{ echo credentials not found in native keychain; exit 1; }};; erase) cat >/dev/null; rm -f {0};; esac\n",
        kept.display()
    );
    fs::write(&helper, script)?;
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755))?;
    fs::write(config.join("config.json"), r#"{"credsStore":"shelf"}"#)?;
    let path = format!("{}:{}", bin.display(), std::env::var("PATH")?);
    let berth = Client::new(desk.stage.program.file(), &home)?.env("PATH", path);
    desk.stage.step(NAME, "a credential helper keeps the password", || {
        let (said, ended) = berth.fed("secret\n", &["login", "-u", "ann", "--password-stdin", host])?;
        ensure!(ended && !said.contains("unencrypted"), "{said}");
        let file = fs::read_to_string(config.join("config.json"))?;
        ensure!(!file.contains("c2VjcmV0") && !file.contains("secret"), "{file}");
        ensure!(fs::read_to_string(&kept)?.contains("secret"), "the helper was given nothing");
        berth.says(&["digest", name], "sha256:")?;
        berth.run(&["logout", host])?;
        ensure!(!kept.exists(), "the helper keeps it yet");
        Ok(())
    });
    Ok(())
}

fn authorities(desk: &Desk<'_>) -> anyhow::Result<()> {
    let (folder, home) = (desk.stage.home("cli-tls"), desk.stage.home("cli-far"));
    let certificate = Certificate::make(&folder.join("certificate"), "DNS:far.test", Key::Curve)?;
    let tls = Some((certificate.cert.clone(), certificate.key.clone()));
    let server = launched(desk, "cli-tls", Launch { tls, ..Launch::default() })?;
    let proxy = Proxy::start(server.address())?;
    let here = Client::new(desk.stage.program.file(), &home)?.env("BERTH_IMAGES", home.join("images"));
    let far = here.clone().env("HTTPS_PROXY", proxy.url());
    let (name, app) = ("far.test/tls/app:1", &desk.stage.images.app);
    desk.stage.step(NAME, "TLS by certs.d, through a proxy; strangers and this machine", || {
        here.run(&["copy", &desk.layout("app"), &format!("{}/tls/app:1", server.address())])?;
        here.refuses(&["digest", name], "no such host")?;
        far.refuses(&["pull", name], "certs.d/far.test")?;
        far.refuses(&["login", "-u", "ann", "-p", "secret", "far.test"], "certs.d/far.test")?;
        far.says(&["digest", "--insecure", name], app)?;
        let trusted = home.join(".config/containers/certs.d/far.test");
        fs::create_dir_all(&trusted)?;
        fs::copy(&certificate.cert, trusted.join("ca.crt"))?;
        far.says(&["pull", name], app)?;
        far.says(&["push", name], app)?;
        ensure!(proxy.asked().iter().all(|asked| asked == "far.test:443"), "{:?}", proxy.asked());
        Ok(())
    });
    Ok(())
}

fn mirrors(desk: &Desk<'_>) -> anyhow::Result<()> {
    let home = desk.stage.home("cli-mirrors");
    let config = home.join(".config");
    let berth = Client::new(desk.stage.program.file(), &home)?.env("XDG_CONFIG_HOME", &config);
    let registry = desk.stage.registry();
    desk.berth.run(&["copy", &desk.layout("app"), &desk.remote("library/words:3")])?;
    desk.stage.step(NAME, "mirrors of Docker and of podman are asked", || {
        let app = &desk.stage.images.app;
        fs::create_dir_all(config.join("docker"))?;
        fs::write(
            config.join("docker/daemon.json"),
            format!(r#"{{"registry-mirrors":["http://{registry}"]}}"#),
        )?;
        berth.says(&["pull", "words:3"], "docker.io/library/words:3")?;
        berth.says(&["images", "--digests", "words"], app)?;
        fs::remove_file(config.join("docker/daemon.json"))?;
        berth.run(&["rmi", "words:3"])?;
        fs::create_dir_all(config.join("containers"))?;
        let table = format!(
            "[[registry]]\nprefix = \"hub.test\"\nlocation = \"hub.test\"\n\
             [[registry.mirror]]\nlocation = \"127.0.0.1:1/nothing\"\ninsecure = true\n\
             [[registry.mirror]]\nlocation = \"{registry}/library\"\ninsecure = true\n\
             [[registry]]\nprefix = \"moved.test\"\nlocation = \"{registry}/library\"\ninsecure = true\n\
             [[registry]]\nlocation = \"shut.test\"\nblocked = true\n"
        );
        fs::write(config.join("containers/registries.conf"), table)?;
        berth.says(&["pull", "hub.test/words:3"], app)?;
        berth.says(&["pull", "moved.test/words:3"], app)?;
        berth.run(&["tag", "moved.test/words:3", "moved.test/pushed:1"])?;
        berth.says(&["push", "moved.test/pushed:1"], app)?;
        desk.berth.says(&["digest", &desk.remote("library/pushed:1")], app)?;
        berth.refuses(&["pull", "shut.test/x"], "blocked")?;
        Ok(())
    });
    Ok(())
}
