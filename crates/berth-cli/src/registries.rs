//! Registries as this machine knows them: sign-ins, certificates, mirrors, and who is spoken to without TLS.

use std::collections::HashMap;
use std::sync::Mutex;

use berth_client::{
    Client, ClientOptions, Credentials, OriginError, Proxies, Reach, Realms, Repository, Secret, Security,
    known,
};
use berth_engine_config::{
    Certificates, Daemon, DockerConfig, Endpoint, Folders, SignIn, certificates, sign_in,
};
use berth_oci::{DOCKER_HUB, ImageReference};
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::plain;
use crate::{requests, trouble};

/// How registries are spoken to.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RegistryArgs {
    /// Take any certificate, and plain HTTP, from the registries of this command
    #[arg(long)]
    insecure: bool,
    /// Show the requests, without secrets
    #[arg(long, short)]
    verbose: bool,
}

/// The registries.
pub(crate) struct Registries {
    folders: Folders,
    daemon: Daemon,
    conf: berth_engine_config::Registries,
    proxies: Proxies,
    headers: HeaderMap,
    is_insecure: bool,
    /// One client for each name that has credentials of its own.
    clients: Mutex<HashMap<String, Client>>,
}

impl Registries {
    /// Reads what this machine knows.
    pub(crate) fn of(environment: &Environment, args: &RegistryArgs) -> Result<Registries, Failure> {
        if args.verbose {
            requests::show(environment.is_colored);
        }
        let folders = environment.folders.clone();
        let headers = match folders.docker_config() {
            Some(path) => headers(&DockerConfig::read(&path).map_err(Failure::other)?)?,
            None => HeaderMap::new(),
        };
        Ok(Registries {
            daemon: Daemon::read(&folders).map_err(Failure::other)?,
            conf: berth_engine_config::Registries::read(&folders).map_err(Failure::other)?,
            proxies: environment.proxies()?,
            headers,
            is_insecure: args.insecure,
            clients: Mutex::default(),
            folders,
        })
    }

    /// The repository of an image, where it really is: podman's configuration may say that this is elsewhere.
    ///
    /// # Errors
    /// That its registry cannot be spoken to, or must not be.
    pub(crate) async fn repository(&self, image: &ImageReference) -> Result<Repository, Failure> {
        match self.routes(image)?.pop() {
            Some(origin) => self.at(&origin).await,
            None => Err(Failure::other(format!("{} has no place", image.familiar()))),
        }
    }

    /// Where an image may be pulled from, in the order in which it is tried: mirrors, then the registry itself.
    ///
    /// # Errors
    /// That images of that name must not be pulled.
    pub(crate) fn routes(&self, image: &ImageReference) -> Result<Vec<Route>, Failure> {
        let name = format!("{}/{}", image.registry(), image.repository());
        let route = self.conf.pull(&name, image.digest().is_some());
        if route.blocked {
            return Err(Failure::other(format!("{name} is blocked by podman's registries.conf"))
                .hint("take 'blocked = true' out there, if it is yours"));
        }
        let mut routes: Vec<_> = route.endpoints.into_iter().map(Route::from).collect();
        if image.registry() == DOCKER_HUB && routes.iter().all(|route| !route.is_mirror) {
            let mirrors = self.daemon.mirrors.iter().map(|url| Route::docker_mirror(url, image));
            routes.splice(..0, mirrors);
        }
        Ok(routes)
    }

    /// The repository that a route leads to.
    ///
    /// # Errors
    /// That its registry cannot be spoken to.
    pub(crate) async fn at(&self, route: &Route) -> Result<Repository, Failure> {
        let name = format!("{}/{}", route.host, route.repository);
        let client = self.client_for(&route.host, &name, route.security).await?;
        Ok(client.repository(route.repository.clone()))
    }

    /// A registry (`host[:port]`), with the sign-in that was kept for it.
    pub(crate) async fn registry(&self, host: &str) -> Result<Client, Failure> {
        self.client_for(host, host, None).await
    }

    async fn client_for(
        &self,
        host: &str,
        name: &str,
        security: Option<Security>,
    ) -> Result<Client, Failure> {
        let known = |clients: &Mutex<HashMap<String, Client>>| {
            clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(name).cloned()
        };
        if let Some(client) = known(&self.clients) {
            return Ok(client);
        }
        let (folders, owned) = (self.folders.clone(), name.to_owned());
        // A credential helper is a program that takes its time.
        let found = tokio::task::spawn_blocking(move || sign_in::find(&folders, &owned)).await;
        let found = found.map_err(Failure::other)?.map_err(Failure::other)?;
        let sign_in = found.map(|(sign_in, _)| credentials(sign_in));
        let client = self.client_by(host, sign_in, security.unwrap_or_else(|| self.security(host))).await?;
        let mut clients = self.clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(clients.entry(name.to_owned()).or_insert(client).clone())
    }

    /// A registry, asked with the rights of somebody else than whoever signed in; `None` is nobody.
    pub(crate) async fn client_as(
        &self,
        host: &str,
        credentials: Option<Credentials>,
    ) -> Result<Client, Failure> {
        self.client_by(host, credentials, self.security(host)).await
    }

    async fn client_by(
        &self,
        host: &str,
        credentials: Option<Credentials>,
        security: Security,
    ) -> Result<Client, Failure> {
        let options = self.options(host, credentials)?;
        if known(host).is_some() {
            return Client::new(options).map_err(Failure::other);
        }
        Client::find(host, security, options).await.map_err(|error| trouble::unfound(host, error))
    }

    fn security(&self, host: &str) -> Security {
        match self.is_insecure || self.daemon.is_insecure(host) || self.conf.is_insecure(host) {
            true => Security::Insecure,
            false => Security::Tls,
        }
    }

    fn options(&self, host: &str, credentials: Option<Credentials>) -> Result<ClientOptions, Failure> {
        let known = known(host);
        let url = known.map_or_else(|| format!("https://{host}"), |known| known.url.to_owned());
        let origin = url.parse().map_err(|_: OriginError| {
            Failure::other(format!("invalid registry: {}", plain(host)))
                .hint("a registry is written HOST or HOST:PORT, for example localhost:5000")
        })?;
        let Certificates { authorities, identity } =
            certificates(&self.folders, host).map_err(Failure::other)?;
        let auth_hosts = known.map(|known| known.auth_hosts).unwrap_or_default();
        Ok(ClientOptions {
            credentials,
            auth_hosts: auth_hosts.iter().map(|&host| host.to_owned()).collect(),
            // Who types the command may reach what this machine reaches.
            reach: Reach::Everywhere,
            realms: Realms::OfRegistry,
            more_ca_files: authorities,
            identity,
            unverified: self.is_insecure,
            proxies: self.proxies.clone(),
            headers: self.headers.clone(),
            ..ClientOptions::new(origin)
        })
    }
}

/// One place where an image may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The registry, `host[:port]`.
    pub(crate) host: String,
    repository: String,
    /// What is asked of the connection, if the route says so.
    security: Option<Security>,
    pub(crate) is_mirror: bool,
}

impl Route {
    /// One of Docker's mirrors of Docker Hub: `https://m.example`. With plain HTTP it was named as such.
    fn docker_mirror(url: &str, image: &ImageReference) -> Route {
        let (is_plain, place) = match url.strip_prefix("http://") {
            Some(place) => (true, place),
            None => (false, url.strip_prefix("https://").unwrap_or(url)),
        };
        Route {
            host: place.trim_end_matches('/').to_owned(),
            repository: image.repository().to_string(),
            security: is_plain.then_some(Security::Insecure),
            is_mirror: true,
        }
    }
}

impl From<Endpoint> for Route {
    fn from(endpoint: Endpoint) -> Route {
        let (host, repository) = endpoint.name.split_once('/').unwrap_or((&endpoint.name, ""));
        Route {
            host: host.to_owned(),
            repository: repository.to_owned(),
            security: endpoint.insecure.then_some(Security::Insecure),
            is_mirror: endpoint.mirror,
        }
    }
}

/// A sign-in as it was kept, to be shown.
pub(crate) fn credentials(sign_in: SignIn) -> Credentials {
    match sign_in {
        SignIn::Password { user, password } => Credentials::Password { user, password },
        SignIn::IdentityToken { token, .. } => Credentials::IdentityToken(token),
    }
}

/// The headers that Docker's file wants to be sent.
fn headers(config: &DockerConfig) -> Result<HeaderMap, Failure> {
    let header = |(name, value): (String, Secret)| {
        let field = (name.parse::<HeaderName>(), HeaderValue::from_str(value.reveal()));
        let (Ok(name), Ok(mut value)) = field else {
            return Err(Failure::other(format!(
                "HttpHeaders in Docker's config.json has {name:?}, which cannot be sent"
            ))
            .hint("take it out of the file"));
        };
        value.set_sensitive(true);
        Ok((name, value))
    };
    config.http_headers().into_iter().map(header).collect()
}
