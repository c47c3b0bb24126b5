//! Joins the page to the server: neither knows the other.

use std::sync::Arc;

use berth_auth::Secret;
use berth_http::metrics::Metrics;
use berth_http::{PageRequest, Pages, Paging};
use berth_oidc::{Provider, ProviderOptions};
use berth_web::{Options, Visit, Web};
use http::HeaderMap;
use http::request::Parts;
use serde_json::{Map, Value};

use crate::config::{Config, Effective, OpenId};
use crate::wiring::Joined;
use berth_cli::failure::Failure;

/// The page as the server knows it.
struct Page {
    web: Web,
    root: String,
}

impl Pages for Page {
    fn answer(&self, request: PageRequest) -> Paging<'_> {
        let PageRequest { head, body, base, client } = request;
        self.web.answer(Visit { head, body, base, client })
    }

    fn session(&self, headers: &HeaderMap) -> Option<Secret> {
        berth_web::session_cookie(headers)
    }

    fn is_from_here(&self, head: &Parts, base: &str) -> bool {
        berth_web::is_from_here(head, base)
    }

    fn root(&self) -> &str {
        &self.root
    }
}

/// The page, unless it is switched off.
///
/// # Errors
/// If what was configured of an OpenID provider cannot be.
pub(crate) fn page(
    joined: &Joined,
    effective: &Effective,
    metrics: &Metrics,
) -> Result<Option<Arc<dyn Pages>>, Failure> {
    let config: &Config = &effective.config;
    if !config.page.enabled {
        return Ok(None);
    }
    let metrics = metrics.clone();
    let options = Options {
        root: config.page.root.0.clone(),
        version: env!("CARGO_PKG_VERSION"),
        openid: openid(&config.openid)?,
        api: berth_http::openapi(),
        configuration: configuration(effective),
        metrics: Box::new(move || metrics.encode()),
    };
    let web = Web::new(joined.registry.clone(), joined.accounts.clone(), options)
        .with_mirror(joined.mirror.clone());
    Ok(Some(Arc::new(Page { web, root: config.page.root.0.clone() })))
}

/// The provider, if one is configured. Nothing is asked of it yet: one that is away is no reason not to start.
fn openid(config: &OpenId) -> Result<Option<berth_web::OpenId>, Failure> {
    if config.issuer.is_empty() {
        return Ok(None);
    }
    let mut options = ProviderOptions::new(config.issuer.as_str(), config.client_id.as_str());
    options.client_secret =
        Some(config.client_secret.reveal().to_owned()).filter(|secret| !secret.is_empty());
    options.ca_file.clone_from(&config.ca_file);
    options.user_name_claim.clone_from(&config.user_name_claim);
    let provider = Provider::new(options).map_err(|error| {
        Failure::usage(error).hint("openid.issuer and openid.client_id are what the provider told you")
    })?;
    Ok(Some(berth_web::OpenId { provider, name: config.name.clone(), makes_users: config.makes_users }))
}

/// What is in effect, as `berth config show` tells it: secrets are hidden by their types.
fn configuration(effective: &Effective) -> Value {
    let rows = effective.literals().into_iter();
    Value::Object(
        rows.map(|(setting, literal)| (setting.key.to_owned(), Value::String(literal)))
            .collect::<Map<_, _>>(),
    )
}
