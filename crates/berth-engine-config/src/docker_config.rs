//! Docker's `config.json`, and podman's `auth.json` of the same form: who is signed in where.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use berth_oci::Secret;
use serde_json::{Map, Value, json};

use crate::{ConfigError, Helper, SignIn, atomic, name};

/// The file. What we do not know of it is kept as it is.
#[derive(Clone)]
pub struct DockerConfig {
    path: PathBuf,
    document: Map<String, Value>,
}

impl std::fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DockerConfig").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Where a sign-in is kept from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "whoever has a password in a file in the clear has to be told"]
pub enum Kept {
    /// With this program.
    Helper(String),
    /// In this file, where everybody who can read it can read the password.
    InTheClear(PathBuf),
}

impl DockerConfig {
    /// Reads the file. One that is not there is one that says nothing.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::Damaged`].
    pub fn read(path: &Path) -> Result<DockerConfig, ConfigError> {
        let damaged = |what: String| ConfigError::Damaged { path: path.to_owned(), what };
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            text => text.map_err(|source| ConfigError::Read { path: path.to_owned(), source })?,
        };
        let document = match text.trim_ascii() {
            [] => Map::new(),
            text => match serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))? {
                Value::Object(document) => document,
                _ => return Err(damaged("it is no JSON object".to_owned())),
            },
        };
        Ok(DockerConfig { path: path.to_owned(), document })
    }

    /// The sign-in for an image or a registry.
    ///
    /// # Errors
    /// That it is kept and cannot be had.
    pub fn sign_in(&self, image: &str) -> Result<Option<SignIn>, ConfigError> {
        let host = name::bare(image);
        // The longest name counts, and one for a namespace is never with a helper for the whole registry.
        for key in name::prefixes(image).filter(|key| key.contains('/')) {
            if let Some(found) = self.stored(key, &self.auths()[key])? {
                return Ok(Some(found));
            }
        }
        if let Some(helper) = self.helper(host)? {
            let found = helper.get(&name::key(host))?;
            // What was stored before the helper was named is good yet.
            return if found.is_some() { Ok(found) } else { self.stored_for(host) };
        }
        self.stored_for(host)
    }

    /// Keeps a sign-in for a registry: with the helper, if one is named, else in the file, in the clear.
    ///
    /// # Errors
    /// That it cannot be kept. Then everything is as it was.
    pub fn keep(&mut self, registry: &str, sign_in: &SignIn) -> Result<Kept, ConfigError> {
        let key = name::key(registry);
        if let Some(helper) = self.helper(registry)? {
            helper.store(&key, sign_in)?;
            // As Docker does it: that the key is there shows who is signed in where.
            self.change(|auths| {
                auths.retain(|known, _| !name::is_of_registry(known, registry));
                auths.insert(key, json!({}));
            })?;
            return Ok(Kept::Helper(helper.program()));
        }
        let coded = |user: &str, password: &str| STANDARD.encode(format!("{user}:{password}"));
        let entry = match sign_in {
            SignIn::Password { user, password } => json!({ "auth": coded(user, password.reveal()) }),
            SignIn::IdentityToken { user, token } => {
                json!({ "auth": coded(user, ""), "identitytoken": token.reveal() })
            }
        };
        self.change(|auths| {
            auths.retain(|known, _| !name::is_of_registry(known, registry));
            auths.insert(key, entry);
        })?;
        Ok(Kept::InTheClear(self.path.clone()))
    }

    /// Forgets the sign-in for a registry, wherever it is kept; tells whether there was one.
    ///
    /// # Errors
    /// That it cannot be forgotten.
    pub fn forget(&mut self, registry: &str) -> Result<bool, ConfigError> {
        if let Some(helper) = self.helper(registry)? {
            helper.erase(&name::key(registry))?;
        }
        let before = self.auths().as_object().map_or(0, Map::len);
        if !self.keys().any(|key| name::is_of_registry(key, registry)) {
            return Ok(false);
        }
        self.change(|auths| auths.retain(|key, _| !name::is_of_registry(key, registry)))?;
        Ok(self.auths().as_object().map_or(0, Map::len) < before)
    }

    /// Registries and namespaces with a sign-in, by their keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.auths().as_object().into_iter().flat_map(|auths| auths.keys().map(String::as_str))
    }

    /// Headers that are to be sent with each request. They may hold secrets.
    pub fn http_headers(&self) -> Vec<(String, Secret)> {
        let headers = self.document.get("HttpHeaders").and_then(Value::as_object);
        let text = |(name, value): (&String, &Value)| Some((name.clone(), Secret::new(value.as_str()?)));
        headers.into_iter().flatten().filter_map(text).collect()
    }

    /// Who keeps the passwords for a registry.
    fn helper(&self, registry: &str) -> Result<Option<Helper>, ConfigError> {
        let own = self.document.get("credHelpers").and_then(Value::as_object).into_iter().flatten();
        let mut own = own.filter(|(key, _)| name::is_of_registry(key, registry));
        let named = own.next().map(|(_, helper)| helper).or_else(|| self.document.get("credsStore"));
        match named.and_then(Value::as_str).filter(|name| !name.is_empty()) {
            Some(name) => Helper::named(name, &self.path).map(Some),
            None => Ok(None),
        }
    }

    fn stored_for(&self, host: &str) -> Result<Option<SignIn>, ConfigError> {
        // The key as we write it counts before older ones.
        let keys = [name::key(host)].into_iter().chain(self.keys().map(str::to_owned));
        for key in keys.filter(|key| name::is_of_registry(key, host)) {
            if let Some(found) = self.stored(&key, &self.auths()[&key])? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// What an entry of `auths` says.
    fn stored(&self, key: &str, entry: &Value) -> Result<Option<SignIn>, ConfigError> {
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        let (mut user, mut password) = (text("username").to_owned(), text("password").to_owned());
        if !text("auth").is_empty() {
            let what = || format!("the sign-in for {key} is not base64 of a name, a colon and a password");
            let damaged = || ConfigError::Damaged { path: self.path.clone(), what: what() };
            let pair = STANDARD.decode(text("auth").trim()).map_err(|_| damaged())?;
            let pair = String::from_utf8(pair).map_err(|_| damaged())?;
            let (name, secret) = pair.split_once(':').ok_or_else(damaged)?;
            // Some programs pad it.
            (user, password) = (name.to_owned(), secret.trim_matches('\0').to_owned());
        }
        let token = text("identitytoken");
        if !token.is_empty() {
            return Ok(Some(SignIn::IdentityToken { user, token: Secret::new(token) }));
        }
        if password.is_empty() {
            return Ok(None);
        }
        Ok(Some(SignIn::Password { user, password: Secret::new(password) }))
    }

    fn auths(&self) -> &Value {
        self.document.get("auths").unwrap_or(&Value::Null)
    }

    /// Changes `auths` in the file as it is by now: somebody else may have written it since it was read.
    fn change(&mut self, change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), ConfigError> {
        let mut fresh = DockerConfig::read(&self.path)?;
        let auths = fresh.document.entry("auths").or_insert_with(|| json!({}));
        match auths {
            Value::Object(auths) => change(auths),
            Value::Null => {
                let mut new = Map::new();
                change(&mut new);
                *auths = Value::Object(new);
            }
            _ => {
                let what = "auths is no JSON object".to_owned();
                return Err(ConfigError::Damaged { path: self.path.clone(), what });
            }
        }
        let mut text = Vec::new();
        let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut writer = serde_json::Serializer::with_formatter(&mut text, tabs);
        let written = serde::Serialize::serialize(&fresh.document, &mut writer).map_err(std::io::Error::from);
        let written = written.and_then(|()| atomic::replace(&self.path, &text));
        written.map_err(|source| ConfigError::Write { path: self.path.clone(), source })?;
        *self = fresh;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
