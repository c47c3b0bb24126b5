//! `berth login [REGISTRY]`.

use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use berth_client::{ClientError, Credentials, Secret};
use berth_engine_config::{DockerConfig, Kept, SignIn, sign_in};
use berth_oci::DOCKER_HUB;
use clap::Args;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::names;
use crate::output::{line, note, plain};
use crate::registries::{Registries, RegistryArgs, credentials};
use crate::trouble;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth login                            at Docker Hub; asks for name and password
  berth login localhost:5000
  berth login -u ci --password-stdin registry.example <token.txt

The sign-in is kept where docker keeps its own, with the same credential helpers.";

/// What docker says to whom it asks for a name there.
const HUB: &str = "Log in with your Docker ID or email address to push and pull images from Docker Hub. \
    If you don't have a Docker ID, head over to https://hub.docker.com/ to create one.";

/// `berth login`
#[derive(Args)]
pub struct LoginArgs {
    /// The registry, HOST[:PORT] [default: docker.io]
    registry: Option<String>,
    /// The name of the account
    #[arg(long, short)]
    username: Option<String>,
    /// The password, or an access token; others can see it in the list of processes
    #[arg(long, short)]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "password")]
    password_stdin: bool,
    #[command(flatten)]
    connection: RegistryArgs,
}

/// Signs in, and keeps the sign-in.
pub(crate) fn run(args: &LoginArgs, environment: &Environment) -> Result<(), Failure> {
    let host = names::host(args.registry.as_deref());
    let registries = Registries::of(environment, &args.connection)?;
    let path = environment.folders.docker_config().ok_or_else(|| {
        Failure::other("there is no folder for the sign-in, since HOME is not set")
            .hint("DOCKER_CONFIG=FOLDER names one")
    })?;
    let mut known_user = None;
    let is_new = args.username.is_some() || args.password.is_some() || args.password_stdin;
    if !is_new && let Some((known, _)) = sign_in::find(&environment.folders, &host).map_err(Failure::other)? {
        let (SignIn::Password { user, .. } | SignIn::IdentityToken { user, .. }) = &known;
        known_user = Some(user.clone()).filter(|user| !user.is_empty());
        line("Authenticating with existing credentials...")?;
        match check(environment, &registries, &host, credentials(known)) {
            Ok(_) => return line("Login Succeeded"),
            Err(failure) => note(&format!("Login did not succeed, error: {failure}")),
        }
    }
    let (user, password) = asked(args, &host, known_user)?;
    let shown = Credentials::password(user.clone(), password.clone());
    let found = check(environment, &registries, &host, shown)?;
    if !found.verified {
        note(&format!("note: {host} lets everybody in, and did not look at the password"));
    }
    let kept = match found.identity_token {
        Some(token) => SignIn::IdentityToken { user, token },
        None => SignIn::Password { user, password },
    };
    keep(&path, &host, &kept)?;
    line("Login Succeeded")
}

/// Keeps the sign-in, and tells if everybody who can read a file can read the password.
fn keep(path: &Path, host: &str, sign_in: &SignIn) -> Result<(), Failure> {
    let mut config = DockerConfig::read(path).map_err(Failure::other)?;
    if let Kept::InTheClear(path) = config.keep(host, sign_in).map_err(Failure::other)? {
        let what = match sign_in {
            SignIn::Password { .. } => "password",
            SignIn::IdentityToken { .. } => "identity token",
        };
        note(&format!(
            "WARNING! Your {what} will be stored unencrypted in {}.\n\
             Configure a credential helper to remove this warning. See\n\
             https://docs.docker.com/engine/reference/commandline/login/#credential-stores\n",
            path.display()
        ));
    }
    Ok(())
}

/// Asks the registry whether it lets somebody in.
fn check(
    environment: &Environment,
    registries: &Registries,
    host: &str,
    credentials: Credentials,
) -> Result<berth_client::SignIn, Failure> {
    environment.wait_for(async {
        let client = registries.client_as(host, Some(credentials)).await?;
        client.sign_in().await.map_err(|error| match error {
            ClientError::Unauthorized { message, .. } | ClientError::Denied { message } => {
                let said = message.unwrap_or_else(|| "incorrect username or password".to_owned());
                Failure::other(format!("{host}: unauthorized: {said}"))
                    .hint("nothing was kept; some registries want an access token in place of the password")
            }
            error => trouble::of_registry(host, error),
        })
    })
}

/// The name and the password, from wherever they come.
fn asked(args: &LoginArgs, host: &str, known_user: Option<String>) -> Result<(String, Secret), Failure> {
    let missing = |what: &str| {
        Failure::other(what.to_owned()).hint("-u NAME --password-stdin reads it from standard input")
    };
    if args.password_stdin {
        let user =
            args.username.clone().ok_or_else(|| missing("Must provide --username with --password-stdin"))?;
        let mut password = String::new();
        io::stdin().lock().read_to_string(&mut password)?;
        // One line break belongs to the line, as docker has it; anything else is the password's.
        let password = password.strip_suffix('\n').unwrap_or(&password);
        let password = password.strip_suffix('\r').unwrap_or(password);
        return some(user, password.to_owned());
    }
    if args.password.is_some() {
        note("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    }
    let is_missing = args.username.is_none() || args.password.is_none();
    if is_missing && !io::stdin().is_terminal() {
        return Err(missing("Cannot perform an interactive login from a non TTY device"));
    }
    let user = match &args.username {
        Some(user) => user.clone(),
        None => asked_name(host, known_user)?,
    };
    let password = match &args.password {
        Some(password) => password.clone(),
        None => rpassword::prompt_password("Password: ")?,
    };
    some(user, password)
}

fn some(user: String, password: String) -> Result<(String, Secret), Failure> {
    let lacks = match (user.is_empty(), password.is_empty()) {
        (true, _) => "username is required",
        (_, true) => "password is required",
        _ => return Ok((user, Secret::new(password))),
    };
    Err(Failure::other(lacks).hint("nothing was asked at the registry, and nothing kept"))
}

fn asked_name(host: &str, known: Option<String>) -> Result<String, Failure> {
    if host == DOCKER_HUB && known.is_none() {
        line(HUB)?;
    }
    let usual = known.as_ref().map(|user| format!(" ({})", plain(user))).unwrap_or_default();
    let mut out = io::stdout().lock();
    write!(out, "Username{usual}: ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "" => Ok(known.unwrap_or_default()),
        answer => Ok(answer.to_owned()),
    }
}
