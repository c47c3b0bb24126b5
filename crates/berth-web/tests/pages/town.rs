//! A registry with people and a few images, and visits to its pages.

use berth_auth::{Accounts, Caller, NewUser, Secret};
use berth_db::testing::{TestDb, sqlite};
use berth_mirror::{Mirror, MirrorOptions, Sealer};
use berth_oci::Reference;
use berth_registry::{
    Admin, Authorizer, BlobStore, Meta, Policy, Push, PutManifest, Registry, RepositoryChange, ServerAccess,
    WithoutAccounts,
};
use berth_web::{OpenId, Options, Visit, Web};
use bytes::Bytes;
use http::{HeaderMap, Request};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const BASE: &str = "http://localhost:5000";

/// An administrator, alice and bob; `alice/open`, which is public, and `alice/secret`, which is not.
pub(crate) struct Town {
    pub(crate) web: Web,
    pub(crate) mirror: Mirror,
    _db: TestDb,
    _folder: TempDir,
}

/// An answer.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers.get("location").map_or("", |value| value.to_str().unwrap())
    }

    /// The cookies that it sets, as a browser sends them back.
    pub(crate) fn cookies(&self) -> String {
        let lines = self.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
        lines.filter_map(|line| line.split(';').next()).collect::<Vec<_>>().join("; ")
    }
}

impl Town {
    pub(crate) async fn new() -> Town {
        Town::with("", None).await
    }

    pub(crate) async fn with(root: &str, openid: Option<OpenId>) -> Town {
        let (db, folder) = (sqlite().await, tempfile::tempdir().unwrap());
        let meta = Meta::open(db.db.clone()).await.unwrap();
        let accounts = Accounts::open(db.db.clone()).await.unwrap();
        for name in ["root-of-all", "alice", "bob"] {
            let user = NewUser {
                name: name.parse().unwrap(),
                admin: name == "root-of-all",
                password: Some(Secret::new(PASSWORD)),
            };
            accounts.add_user(user, &Caller::folder_owner()).await.unwrap();
        }
        let blobs = BlobStore::open(folder.path()).await.unwrap();
        let authorizer = Authorizer::new(accounts.clone(), meta.clone(), WithoutAccounts::Open);
        let registry = Registry::new(meta, blobs, authorizer, Policy::default());
        let sealer = Sealer::open(&folder.path().join("secret.key")).unwrap();
        let mirror = Mirror::open(registry.clone(), sealer, MirrorOptions::default()).await.unwrap();
        let town = Town {
            web: Web::new(
                registry.clone(),
                accounts.clone(),
                Options {
                    root: root.to_owned(),
                    version: "0",
                    openid,
                    api: Value::Null,
                    configuration: Value::Null,
                    metrics: Box::new(String::new),
                },
            )
            .with_mirror(mirror.clone()),
            mirror,
            _db: db,
            _folder: folder,
        };
        for name in ["alice/open", "alice/secret"] {
            town.push(&registry, name).await;
        }
        town
    }

    /// The right to administer the server, as the owner of its folder has it.
    pub(crate) fn administration(&self) -> ServerAccess {
        self.mirror.registry().authorizer().administers(&Caller::folder_owner()).unwrap()
    }

    async fn push(&self, registry: &Registry, name: &str) {
        let owner = Caller::folder_owner();
        let name = name.parse().unwrap();
        let access = registry.authorizer().authorize::<Push>(&owner, &name).await.unwrap();
        let content = r#"{"schemaVersion":2,"manifests":[]}"#;
        let put = PutManifest {
            reference: Reference::Tag("v1".parse().unwrap()),
            media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
            content: Bytes::from_static(content.as_bytes()),
            tags: Vec::new(),
        };
        registry.put_manifest(&access, put).await.unwrap();
        let access = registry.authorizer().authorize::<Admin>(&owner, &name).await.unwrap();
        let change = RepositoryChange {
            is_public: Some(name.as_str() == "alice/open"),
            description: Some("what it is for".to_owned()),
            ..RepositoryChange::default()
        };
        registry.change_repository(&access, change).await.unwrap();
    }

    /// A visit; `cookie` may be empty, `form` is what is sent from one of our own pages.
    pub(crate) async fn visit(&self, target: &str, cookie: &str, form: Option<&str>) -> Page {
        let mut request = Request::builder().uri(target).header("host", "localhost:5000");
        if !cookie.is_empty() {
            request = request.header("cookie", cookie);
        }
        if form.is_some() {
            request = request.method("POST").header("sec-fetch-site", "same-origin");
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let body = Bytes::copy_from_slice(form.unwrap_or_default().as_bytes());
        let visit = Visit { head, body, base: BASE.to_owned(), client: None };
        let (head, body) = self.web.answer(visit).await.into_parts();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Page { status: head.status.as_u16(), headers: head.headers, text }
    }

    /// The cookie of somebody who signs in.
    pub(crate) async fn sign_in(&self, name: &str) -> String {
        let form = format!("name={name}&password={}&to=%2F", PASSWORD.replace(' ', "+"));
        let page = self.visit("/sign-in", "", Some(&form)).await;
        assert_eq!(page.status, 303, "{}", page.text);
        page.cookies()
    }
}
