//! A registry with accounts: what each client says and sees when it has to say who it is.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::client::Client;
use super::daemon::{Containerd, Engine};
use super::stage::Stage;
use crate::server::{Kind, Launch, Server, settings};

/// What the people of these steps type.
const PASSWORD: &str = "correct horse battery staple";
/// What every client says of a refusal.
const DENIED: &str = "requested access to the resource is denied";

/// Runs the steps; a registry without a command for accounts has none.
pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    if stage.program.kind() != Kind::Berth {
        return Ok(());
    }
    let mut town = None;
    stage.step("berth", "makes accounts, stopped and running", || {
        town = Some(Town::found(stage)?);
        Ok(())
    });
    let Some(town) = town else { return Ok(()) };
    docker(stage, &town)?;
    skopeo(stage, &town)?;
    podman(stage, &town)?;
    containerd(stage, &town)?;
    curl(stage, &town)?;
    let secrets = [PASSWORD.to_owned(), town.robot, town.reader];
    stage.step("berth", "ends by itself after SIGTERM, and has logged no secret", || {
        town.server.stop()?;
        let log = fs::read_to_string(stage.home("accounts/log"))?;
        ensure!(log.contains("TRACE") || log.contains("DEBUG"), "it logged less than everything");
        for secret in &secrets {
            ensure!(!log.contains(secret.as_str()), "a secret of {} letters is in the log", secret.len());
        }
        Ok(())
    });
    Ok(())
}

/// A registry whose people are an administrator, alice, bob, and alice's robot.
struct Town {
    server: Server,
    /// The program's own commands on this registry's folder.
    berth: Client,
    /// What the robot knows.
    robot: String,
    /// A token of alice's that may only pull.
    reader: String,
}

impl Town {
    fn found(stage: &Stage) -> anyhow::Result<Town> {
        let data = stage.home("accounts/data");
        let log = stage.home("accounts/log");
        fs::create_dir_all(&data)?;
        let berth = Client::new(stage.program.file(), &stage.home("accounts/home"))?.env("BERTH_DATA", &data);
        add_user(&berth, &["root-of-all", "--admin"])?;
        let settings = settings(&[("LOG_LEVEL", "trace")]);
        let server = stage.program.start(&Launch { data, log, settings, ..Launch::default() })?;
        add_user(&berth, &["alice"])?;
        add_user(&berth, &["bob"])?;
        berth.says(&["user", "list"], "alice")?;
        berth.run(&["robot", "add", "alice.ci"])?;
        berth.run(&["grant", "add", "alice.ci", "alice/*", "pull,push"])?;
        let robot = token(&berth, &["robot", "--account", "alice.ci", "--actions", "pull,push"])?;
        let reader = token(
            &berth,
            &["reader", "--account", "alice", "--actions", "pull", "--repository", "alice/app"],
        )?;
        Ok(Town { server, berth, robot, reader })
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address())
    }
}

fn add_user(berth: &Client, arguments: &[&str]) -> anyhow::Result<()> {
    let arguments = [&["user", "add", "--password-stdin"], arguments].concat();
    let (said, succeeded) = berth.fed(PASSWORD, &arguments)?;
    ensure!(succeeded, "{} was not added: {said}", arguments[3]);
    Ok(())
}

/// Makes an access token and gives its secret.
fn token(berth: &Client, arguments: &[&str]) -> anyhow::Result<String> {
    let made = berth.reads(&[&["token", "add", "--json"], arguments].concat())?;
    let made: Value = serde_json::from_slice(&made)?;
    Ok(made["secret"].as_str().context("no secret was told")?.to_owned())
}

fn docker(stage: &Stage, town: &Town) -> anyhow::Result<()> {
    if !stage.has("docker", &["dockerd", "docker", "containerd", "runc"]) {
        return Ok(());
    }
    let engine = match Engine::start(&stage.home("accounts/docker")) {
        Ok(engine) => engine,
        Err(error) => {
            stage.absent("docker", &format!("no private engine: {error:#}"));
            return Ok(());
        }
    };
    let person = |name: &str| -> anyhow::Result<Client> {
        let home = stage.home(&format!("accounts/docker-{name}"));
        Ok(Client::new("docker", &home)?.env("DOCKER_HOST", engine.host()).env("DOCKER_BUILDKIT", "0"))
    };
    let (alice, bob, nobody) = (person("alice")?, person("bob")?, person("nobody")?);
    docker_login(stage, town, &alice, &bob);
    docker_rights(stage, town, [&alice, &bob, &nobody]);
    docker_search(stage, town, &alice, &nobody);
    Ok(())
}

fn docker_login(stage: &Stage, town: &Town, alice: &Client, bob: &Client) {
    let host = town.address().to_string();
    let login = |client: &Client, user: &str, password: &str| {
        client.fed(password, &["login", "--username", user, "--password-stdin", &host])
    };
    stage.step("docker", "login with a wrong password says so", || {
        for user in ["alice", "nobody-of-that-name"] {
            let (said, succeeded) = login(alice, user, "wrong")?;
            let expected = "unauthorized: incorrect username or password";
            ensure!(!succeeded && said.contains(expected), "{user}: {said}");
        }
        Ok(())
    });
    stage.step("docker", "login with the password keeps no password", || {
        for (client, user) in [(alice, "alice"), (bob, "bob")] {
            let (said, succeeded) = login(client, user, PASSWORD)?;
            ensure!(succeeded && said.contains("Login Succeeded"), "{user}: {said}");
        }
        let kept = fs::read_to_string(stage.home("accounts/docker-alice/.docker/config.json"))?;
        ensure!(kept.contains("identitytoken"), "docker keeps {kept}");
        Ok(())
    });
    stage.step("docker", "login with an access token, under any name", || {
        let other = Client::new("docker", &stage.home("accounts/docker-token"))?;
        let (said, succeeded) = login(&other, "whoever", &town.reader)?;
        ensure!(succeeded && said.contains("Login Succeeded"), "{said}");
        Ok(())
    });
}

fn docker_rights(stage: &Stage, town: &Town, [alice, bob, nobody]: [&Client; 3]) {
    let app = town.name("alice/app:1.0");
    stage.step("docker", "alice pushes to her namespace", || {
        alice.run(&["build", "-t", &app, &stage.images.context.to_string_lossy()])?;
        alice.says(&["push", &app], "Pushed")?;
        alice.says(&["push", &app], "Layer already exists")?;
        Ok(())
    });
    stage.step("docker", "a private image is not there for others", || {
        for client in [bob, nobody] {
            client.refuses(&["pull", &app], "denied")?;
        }
        bob.run(&["tag", &app, &town.name("alice/other")])?;
        bob.refuses(&["push", &town.name("alice/other")], &format!("denied: {DENIED}"))?;
        bob.refuses(&["push", &app], &format!("denied: {DENIED}"))?;
        bob.run(&["tag", &app, &town.name("cc-hello-world")])?;
        bob.refuses(&["push", &town.name("cc-hello-world")], &format!("denied: {DENIED}"))?;
        Ok(())
    });
    stage.step("docker", "a public image is pulled without login, and not pushed", || {
        town.berth.run(&["repo", "set", "alice/app", "--visibility", "public"])?;
        alice.run(&["image", "rm", &app])?;
        nobody.says(&["pull", &app], "Digest: sha256:")?;
        bob.says(&["pull", &app], "up to date")?;
        bob.refuses(&["push", &app], &format!("denied: {DENIED}"))
    });
    stage.step("docker", "layers are mounted from what one may read", || {
        let own = town.name("bob/copy");
        bob.run(&["tag", &app, &own])?;
        bob.says(&["push", &own], "Mounted from alice/app")?;
        Ok(())
    });
    stage.step("docker", "a disabled user is out within five seconds", || {
        town.berth.run(&["user", "disable", "bob"])?;
        let disabled = Instant::now();
        bob.refuses(&["pull", &town.name("bob/copy")], "")?;
        ensure!(disabled.elapsed() < Duration::from_secs(5), "refused only after {:?}", disabled.elapsed());
        town.berth.run(&["user", "enable", "bob"])?;
        Ok(())
    });
}

fn docker_search(stage: &Stage, town: &Town, alice: &Client, nobody: &Client) {
    stage.step("docker", "search shows what one may see", || {
        alice.run(&["tag", &town.name("alice/app:1.0"), &town.name("alice/app-private")])?;
        alice.run(&["push", &town.name("alice/app-private")])?;
        let term = town.name("alice/app");
        alice.says(&["search", &term], "alice/app-private")?;
        let seen = nobody.says(&["search", &term], "alice/app")?;
        ensure!(!seen.contains("private"), "somebody without a name sees {seen}");
        Ok(())
    });
}

fn skopeo(stage: &Stage, town: &Town) -> anyhow::Result<()> {
    if !stage.has("skopeo", &["skopeo"]) {
        return Ok(());
    }
    let skopeo = Client::new("skopeo", &stage.home("accounts/skopeo"))?;
    let source = format!("oci:{}:multi", stage.images.layout.display());
    let push = |credentials: &str, to: &str| {
        let target = format!("docker://{}", town.name(to));
        let credentials = format!("--dest-creds={credentials}");
        skopeo.run(&["copy", "--all", "--dest-tls-verify=false", &credentials, &source, &target])
    };
    stage.step("skopeo", "a robot pushes with its token", || {
        push(&format!("alice.ci:{}", town.robot), "alice/multi:1")?;
        let elsewhere = push(&format!("alice.ci:{}", town.robot), "bob/multi:1");
        ensure!(
            elsewhere.is_err_and(|error| error.to_string().contains("denied")),
            "a robot pushed elsewhere"
        );
        Ok(())
    });
    stage.step("skopeo", "a narrowed token pulls where it may and pushes nowhere", || {
        let credentials = format!("--creds=any:{}", town.reader);
        let inspect = |name: &str| {
            let name = format!("docker://{}", town.name(name));
            skopeo.run(&["inspect", "--raw", "--tls-verify=false", &credentials, &name])
        };
        inspect("alice/app:1.0")?;
        ensure!(inspect("alice/multi:1").is_err(), "the token reads a repository that it was not made for");
        ensure!(push(&format!("any:{}", town.reader), "alice/app:2").is_err(), "a token for pulling pushed");
        Ok(())
    });
    stage.step("skopeo", "login, and delete what is one's own", || {
        let host = town.address().to_string();
        let login = ["login", "--tls-verify=false", "--username", "alice", "--password-stdin", &host];
        let (said, succeeded) = skopeo.fed(PASSWORD, &login)?;
        ensure!(succeeded, "{said}");
        let name = format!("docker://{}", town.name("alice/multi:1"));
        skopeo.run(&["delete", "--tls-verify=false", &name])?;
        Ok(())
    });
    Ok(())
}

fn podman(stage: &Stage, town: &Town) -> anyhow::Result<()> {
    if !stage.has("podman", &["podman"]) {
        return Ok(());
    }
    let podman = Client::new("podman", &stage.home("accounts/podman"))?;
    let host = town.address().to_string();
    stage.step("podman", "login, and search beyond what is public", || {
        let login = ["login", "--tls-verify=false", "--username", "alice", "--password-stdin", &host];
        let (said, succeeded) = podman.fed("wrong", &login)?;
        ensure!(!succeeded && said.contains("invalid username/password"), "{said}");
        let public = podman.run(&["search", "--tls-verify=false", &town.name("app")])?;
        ensure!(public.contains("alice/app") && !public.contains("private"), "without login: {public}");
        let (said, succeeded) = podman.fed(PASSWORD, &login)?;
        ensure!(succeeded && said.contains("Login Succeeded"), "{said}");
        podman.says(&["search", "--tls-verify=false", &town.name("app")], "alice/app-private")?;
        podman.says(&["search", "--tls-verify=false", "--list-tags", &town.name("alice/app")], "1.0")?;
        Ok(())
    });
    Ok(())
}

fn containerd(stage: &Stage, town: &Town) -> anyhow::Result<()> {
    if !stage.has("containerd", &["containerd", "ctr"]) {
        return Ok(());
    }
    let daemon = match Containerd::start(&stage.home("accounts/containerd")) {
        Ok(daemon) => daemon,
        Err(error) => {
            stage.absent("containerd", &format!("no private containerd: {error:#}"));
            return Ok(());
        }
    };
    let ctr = Client::new("ctr", &stage.home("accounts/ctr"))?.fixed("--address").fixed(daemon.socket());
    let user = format!("alice:{PASSWORD}");
    stage.step("containerd", "pulls and pushes with a password, and not without", || {
        let private = town.name("alice/app-private:latest");
        ctr.refuses(&["images", "pull", "--plain-http", &private], "")?;
        ctr.run(&["images", "pull", "--plain-http", "--user", &user, &private])?;
        let copy = town.name("alice/ctr/copy:1");
        ctr.run(&["images", "tag", &private, &copy])?;
        ctr.run(&["images", "push", "--plain-http", "--user", &user, &copy])?;
        Ok(())
    });
    Ok(())
}

fn curl(stage: &Stage, town: &Town) -> anyhow::Result<()> {
    if !stage.has("curl", &["curl"]) {
        return Ok(());
    }
    let curl = Client::new("curl", &stage.home("accounts/curl"))?.fixed("--silent").fixed("--show-error");
    let url = |path: &str| format!("http://{}{path}", town.address());
    stage.step("curl", "the catalog by name and password", || {
        let alice = format!("alice:{PASSWORD}");
        let mine = curl.says(&["--fail", "--user", &alice, &url("/v2/_catalog")], "alice/app-private")?;
        ensure!(!mine.contains("bob/copy"), "alice sees {mine}");
        curl.says(&["--include", &url("/v2/_catalog")], "registry:catalog:*")?;
        Ok(())
    });
    stage.step("berth", "says why, and remembers who did it", || {
        town.berth.says(&["why", "alice", "push", "alice/app"], "alice")?;
        town.berth.says(&["audit", "--repository", "alice/app"], "manifest.push")?;
        Ok(())
    });
    Ok(())
}
