//! What every page has around its content.

use berth_auth::{AccountKind, Caller, Who};

use crate::texts::{Language, Texts};
use crate::visit::{Theme, Visit};
use crate::{Web, assets, format};

/// The frame of a page: who reads it, how, and where he is.
pub(crate) struct Layout {
    /// What it says.
    pub(crate) t: &'static Texts,
    pub(crate) language: Language,
    pub(crate) theme: Theme,
    /// The path below which everything is.
    pub(crate) root: String,
    /// What comes before the name of an image.
    pub(crate) host: String,
    /// The one who signed in.
    pub(crate) user: Option<String>,
    pub(crate) is_admin: bool,
    pub(crate) has_accounts: bool,
    /// Where the reader is, for coming back.
    pub(crate) here: String,
    pub(crate) version: &'static str,
    /// What was searched for, for the box in the head.
    pub(crate) term: String,
    /// Something that was just done, or could not be.
    pub(crate) notice: Option<&'static str>,
    pub(crate) now: i64,
}

impl Layout {
    pub(crate) fn of(web: &Web, visit: &Visit, caller: &Caller) -> Layout {
        let language = visit.language();
        let t = language.texts();
        let user = match caller.who() {
            Who::Account { kind: AccountKind::User, name, .. } => Some(name.to_string()),
            _ => None,
        };
        let path = visit.path(&web.options.root);
        let query = visit.head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let here = format!("{}{path}{query}", web.options.root);
        Layout {
            t,
            language,
            theme: visit.theme(),
            root: web.options.root.clone(),
            host: visit.host().to_owned(),
            user,
            is_admin: web.registry.authorizer().administers(caller).is_ok(),
            has_accounts: web.accounts.any(),
            here,
            version: web.options.version,
            term: String::new(),
            notice: t.notice(visit.query().get("done")),
            now: format::now(),
        }
    }

    pub(crate) fn languages(&self) -> [Language; 2] {
        Language::ALL
    }

    pub(crate) fn style(&self) -> &'static str {
        assets::style()
    }

    pub(crate) fn script(&self) -> &'static str {
        assets::script()
    }

    pub(crate) fn icon(&self) -> &'static str {
        assets::icon()
    }

    pub(crate) fn age(&self, micros: &i64) -> String {
        format::age(self.t, *micros, self.now)
    }

    pub(crate) fn time(&self, micros: &i64) -> String {
        format!("{} UTC", format::time(*micros))
    }

    pub(crate) fn bytes(&self, bytes: &u64) -> String {
        format::bytes(*bytes)
    }

    pub(crate) fn number(&self, number: &u64) -> String {
        format::number(*number)
    }

    pub(crate) fn encoded(&self, text: &str) -> String {
        crate::links::encoded(text)
    }

    pub(crate) fn short<'a>(&self, digest: &'a str) -> &'a str {
        format::short(digest)
    }

    /// So many of something.
    pub(crate) fn count(&self, number: &u64, one: &str, many: &str) -> String {
        if *number == 1 { one.to_owned() } else { many.replacen("{}", &format::number(*number), 1) }
    }

    /// A text with a value in it.
    pub(crate) fn with(&self, text: &str, value: &str) -> String {
        text.replacen("{}", value, 1)
    }
}
