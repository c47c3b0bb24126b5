//! `berth login [REGISTRY]`.

use std::io::{self, IsTerminal, Read, Write};

use berth_client::{ClientError, Credentials, Secret};
use berth_engine_config::{DockerConfig, Kept, SignIn, sign_in};
use clap::Args;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::names;
use crate::output::{self, line};
use crate::registries::{Registries, RegistryArgs, credentials};
use crate::trouble;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth login                            at Docker Hub; asks for name and password
  berth login localhost:5000
  berth login -u ci --password-stdin registry.example <token.txt

The sign-in is kept where docker keeps its own, with the same credential helpers.";

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
    let is_new = args.username.is_some() || args.password.is_some() || args.password_stdin;
    if !is_new && let Some((known, _)) = sign_in::find(&environment.folders, &host).map_err(Failure::other)? {
        line("Authenticating with existing credentials...")?;
        match check(environment, &registries, &host, credentials(known)) {
            Ok(_) => return line("Login Succeeded"),
            Err(failure) => eprintln!("Login did not succeed, error: {failure}"),
        }
    }
    let (user, password) = asked(args)?;
    let kept = Credentials::password(user.clone(), password.clone());
    let found = check(environment, &registries, &host, kept)?;
    if !found.verified {
        eprintln!("note: {host} lets everybody in, and did not look at the password");
    }
    let kept = match found.identity_token {
        Some(token) => SignIn::IdentityToken { user, token },
        None => SignIn::Password { user, password },
    };
    let mut config = DockerConfig::read(&path).map_err(Failure::other)?;
    if let Kept::InTheClear(path) = config.keep(&host, &kept).map_err(Failure::other)? {
        eprintln!(
            "WARNING! Your password will be stored unencrypted in {}.\n\
             Configure a credential helper to remove this warning. See\n\
             https://docs.docker.com/engine/reference/commandline/login/#credential-stores\n",
            path.display()
        );
    }
    line("Login Succeeded")
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
            ClientError::Unauthorized { message } | ClientError::Denied { message } => {
                let said = message.unwrap_or_else(|| "incorrect username or password".to_owned());
                Failure::other(format!("{host}: unauthorized: {}", output::plain(&said)))
                    .hint("nothing was kept; some registries want an access token in place of the password")
            }
            error => trouble::of_registry(host, error),
        })
    })
}

/// The name and the password, from wherever they come.
fn asked(args: &LoginArgs) -> Result<(String, Secret), Failure> {
    let missing = |what: &str| {
        Failure::other(what.to_owned()).hint("-u NAME --password-stdin reads it from standard input")
    };
    if args.password_stdin {
        let user =
            args.username.clone().ok_or_else(|| missing("Must provide --username with --password-stdin"))?;
        let mut password = String::new();
        io::stdin().lock().read_to_string(&mut password)?;
        return Ok((user, Secret::new(password.trim_end_matches(['\n', '\r']))));
    }
    if args.password.is_some() {
        eprintln!("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    }
    let is_missing = args.username.is_none() || args.password.is_none();
    if is_missing && !io::stdin().is_terminal() {
        return Err(missing("Cannot perform an interactive login from a non TTY device"));
    }
    let user = match &args.username {
        Some(user) => user.clone(),
        None => prompted("Username: ")?,
    };
    let password = match &args.password {
        Some(password) => password.clone(),
        None => rpassword::prompt_password("Password: ")?,
    };
    if user.is_empty() || password.is_empty() {
        return Err(Failure::other("Error: Username and password required")
            .hint("nothing was asked, and nothing kept"));
    }
    Ok((user, Secret::new(password)))
}

fn prompted(question: &str) -> Result<String, Failure> {
    let mut out = io::stdout().lock();
    write!(out, "{question}")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}
