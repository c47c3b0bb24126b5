//! Joins the page to the server: neither knows the other.

use std::sync::Arc;

use berth_auth::Secret;
use berth_http::metrics::Metrics;
use berth_http::{PageRequest, Pages, Paging};
use berth_web::{Options, Visit, Web};
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::config::{Config, Effective};
use crate::wiring::Joined;

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

    fn root(&self) -> &str {
        &self.root
    }
}

/// The page, unless it is switched off.
pub(crate) fn page(joined: &Joined, effective: &Effective, metrics: &Metrics) -> Option<Arc<dyn Pages>> {
    let config: &Config = &effective.config;
    if !config.page.enabled {
        return None;
    }
    let metrics = metrics.clone();
    let options = Options {
        root: config.page.root.0.clone(),
        version: env!("CARGO_PKG_VERSION"),
        api: Value::Null,
        configuration: configuration(effective),
        metrics: Box::new(move || metrics.encode()),
    };
    let web = Web::new(joined.registry.clone(), joined.accounts.clone(), options);
    Some(Arc::new(Page { web, root: config.page.root.0.clone() }))
}

/// What is in effect, as `berth config show` tells it: secrets are hidden by their types.
fn configuration(effective: &Effective) -> Value {
    let rows = effective.literals().into_iter();
    Value::Object(
        rows.map(|(setting, literal)| (setting.key.to_owned(), Value::String(literal)))
            .collect::<Map<_, _>>(),
    )
}
