//! A registry with people, and requests of theirs.

use std::convert::Infallible;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use berth_auth::{Accounts, Caller, NewGrant, NewToken, NewUser, Role, Secret, UserChange};
use berth_db::Db;
use berth_http::server::ResponseBody;
use berth_http::{AddressOptions, Api};
use berth_mirror::{Mirror, MirrorOptions, Sealer};
use berth_oci::Digest;
use berth_registry::{Authorizer, BlobStore, Meta, Policy, Registry, WithoutAccounts};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::conformance;

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An administrator, alice, bob, and the team acme with a reader, a writer and an administrator of its own.
pub(crate) struct Town {
    pub(crate) api: Api,
    pub(crate) accounts: Accounts,
    pub(crate) owner: Caller,
    _folder: TempDir,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map_or("", |value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    pub(crate) fn code(&self) -> String {
        let body = self.json();
        assert!(!body["errors"][0]["detail"].is_null(), "{body}");
        body["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

impl Town {
    pub(crate) async fn new() -> Town {
        let town = Town::empty(WithoutAccounts::Open).await;
        for (name, admin) in [
            ("root-of-all", true),
            ("alice", false),
            ("bob", false),
            ("reader", false),
            ("writer", false),
            ("chief", false),
            ("gone", false),
        ] {
            let user = NewUser { name: name.parse().unwrap(), admin, password: Some(Secret::new(PASSWORD)) };
            town.accounts.add_user(user, &town.owner).await.unwrap();
        }
        town.accounts.add_team("acme".parse().unwrap(), &town.owner).await.unwrap();
        for (user, role) in [("reader", Role::Read), ("writer", Role::Write), ("chief", Role::Admin)] {
            let (team, user) = ("acme".parse().unwrap(), user.parse().unwrap());
            town.accounts.set_member(&team, &user, role, &town.owner).await.unwrap();
        }
        let disabled = UserChange { disabled: Some(true), ..UserChange::default() };
        town.accounts.change_user(&"gone".parse().unwrap(), disabled, &town.owner).await.unwrap();
        town
    }

    pub(crate) async fn empty(without: WithoutAccounts) -> Town {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open_sqlite(&folder.path().join("berth.db")).await.unwrap();
        let meta = Meta::open(db.clone()).await.unwrap();
        let accounts = Accounts::open(db).await.unwrap();
        let blobs = BlobStore::open(folder.path()).await.unwrap();
        let authorizer = Authorizer::new(accounts.clone(), meta.clone(), without);
        let registry = Registry::new(meta, blobs, authorizer, Policy::default());
        let sealer = Sealer::open(&folder.path().join("secret.key")).unwrap();
        let mirror = Mirror::open(registry.clone(), sealer, MirrorOptions::default()).await.unwrap();
        let api = Api::new(registry)
            .with_accounts(accounts.clone(), AddressOptions::default())
            .with_mirror(mirror, Vec::new());
        Town { api, accounts, owner: Caller::folder_owner(), _folder: folder }
    }

    /// Sends a request with these header lines.
    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(target).header("host", "r.example:5000");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let pieces = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(body))]);
        let answer = self.api.answer(request.body(pieces).unwrap()).await;
        let (head, content) = answer.into_parts();
        let content = match content {
            ResponseBody::Full(bytes) => bytes,
            ResponseBody::Empty => Bytes::new(),
            _ => panic!("nothing here is large"),
        };
        let reply = Reply { status: head.status.as_u16(), headers: head.headers, body: content };
        conformance::require(method, target, body, &reply);
        reply
    }

    /// GET with the value of `Authorization`, which may be empty.
    pub(crate) async fn get(&self, target: &str, authorization: &str) -> Reply {
        self.ask("GET", target, authorization, b"").await
    }

    pub(crate) async fn ask(&self, method: &str, target: &str, authorization: &str, body: &[u8]) -> Reply {
        if authorization.is_empty() {
            self.send(method, target, &[], body).await
        } else {
            self.send(method, target, &[("authorization", authorization)], body).await
        }
    }

    /// A bearer token for these scopes, as a header value.
    pub(crate) async fn bearer(&self, authorization: &str, scopes: &[&str]) -> String {
        let scopes: Vec<_> = scopes.iter().map(|scope| format!("&scope={scope}")).collect();
        let reply = self.get(&format!("/token?service=berth{}", scopes.concat()), authorization).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        format!("Bearer {}", reply.json()["token"].as_str().unwrap())
    }

    /// Pushes a small image as the administrator.
    pub(crate) async fn push(&self, repository: &str) {
        let root = basic("root-of-all");
        let config = b"{}";
        let target = format!("/v2/{repository}/blobs/uploads/?digest={}", digest(config));
        assert_eq!(self.ask("POST", &target, &root, config).await.status, 201);
        let headers = [("authorization", root.as_str()), ("content-type", MANIFEST)];
        let target = format!("/v2/{repository}/manifests/1.0");
        assert_eq!(self.send("PUT", &target, &headers, &manifest()).await.status, 201);
    }

    pub(crate) async fn open(&self, repository: &str) {
        let target = format!("/api/v1/repositories/{repository}");
        let opened = self.ask("PATCH", &target, &basic("root-of-all"), br#"{"visibility":"public"}"#).await;
        assert_eq!(opened.status, 200, "{opened:?}");
    }

    pub(crate) async fn token(&self, account: &str, actions: &str, patterns: &[&str]) -> Secret {
        let token = NewToken {
            account: Some(account.parse().unwrap()),
            name: "test".to_owned(),
            actions: actions.parse().unwrap(),
            patterns: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
            expires_at: None,
            sources: Vec::new(),
        };
        self.accounts.add_token(token, &self.owner).await.unwrap().1
    }

    pub(crate) async fn grant(&self, subject: &str, pattern: &str, actions: &str) {
        let (subject, pattern, actions) =
            (subject.parse().unwrap(), pattern.parse().unwrap(), actions.parse().unwrap());
        self.accounts
            .add_grant(NewGrant { subject, pattern, actions, wide: false }, &self.owner)
            .await
            .unwrap();
    }
}

pub(crate) fn basic(user: &str) -> String {
    basic_with(user, PASSWORD)
}

pub(crate) fn basic_with(user: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{secret}")))
}

pub(crate) fn digest(content: &[u8]) -> String {
    Digest::sha256(content).to_string()
}

pub(crate) fn manifest() -> Vec<u8> {
    let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 2 });
    json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [] })
        .to_string()
        .into_bytes()
}
