//! A provider, and the two halves of a sign-in at it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::callback::refusal;
use crate::claims::{Claims, Expected};
use crate::discovery::Discovery;
use crate::endpoint::Endpoint;
use crate::form;
use crate::http::Client;
use crate::identity::{Profile, UserInfo};
use crate::known::{KEPT, Known, LOOK};
use crate::pending::same;
use crate::signature::{Signed, verify};
use crate::token::{Tokens, exchange};
use crate::{
    AddressError, Begun, Callback, CallbackError, IdTokenError, Identity, OidcError, Pending, ProviderOptions,
};

/// An OpenID provider that the operator trusts. Clones share what is known of it.
///
/// What it says of itself and its keys are fetched when they are first needed and kept for an hour. Keys are fetched
/// anew when one is missing, at most once a minute. After a failed fetch it is left alone for five seconds.
#[derive(Clone)]
pub struct Provider {
    inner: Arc<Inner>,
}

struct Inner {
    options: ProviderOptions,
    client: Client,
    known: Known,
}

impl Provider {
    /// Takes the options, and reads certificates from files. Nothing is asked over the network: a provider that is
    /// away must not keep a server from starting.
    ///
    /// # Errors
    ///
    /// If an option cannot be used, or there are no certificates.
    pub fn new(options: ProviderOptions) -> Result<Provider, OidcError> {
        let issuer = options.check()?;
        let client = Client::new(&issuer, options.ca_file.as_deref())?;
        Ok(Provider { inner: Arc::new(Inner { options, client, known: Known::default() }) })
    }

    /// The name of the provider.
    pub fn issuer(&self) -> &str {
        &self.inner.options.issuer
    }

    /// Begins a sign-in (OpenID Connect Core 1.0, section 3.1.2.1). `redirect_uri` is where the browser comes back to;
    /// the provider has to know it, and each provider should have one of its own.
    ///
    /// # Errors
    ///
    /// If the provider is away or cannot be used, or the address is none.
    pub async fn begin(&self, redirect_uri: &str, now: SystemTime) -> Result<Begun, OidcError> {
        check_redirect(redirect_uri)?;
        let options = &self.inner.options;
        let discovery = self.discovery(now).await?;
        let pending = Pending::new(&options.issuer, &options.client_id, redirect_uri, now)?;
        let query = form::joined(&[
            ("response_type", "code"),
            ("client_id", &options.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", &options.scope()),
            ("state", &pending.state),
            ("nonce", &pending.nonce),
            ("code_challenge", &pending.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        let separator = if discovery.authorization.has_query() { '&' } else { '?' };
        Ok(Begun { url: format!("{}{separator}{query}", discovery.authorization.as_str()), pending })
    }

    /// Finishes a sign-in. Call it once for a sign-in; afterwards the [`Pending`] is to be forgotten, however this
    /// ends.
    ///
    /// # Errors
    ///
    /// Whatever does not hold, of what the browser brought and of what the provider says. [`OidcError::fault`] tells
    /// whose fault it is.
    pub async fn finish(
        &self,
        pending: &Pending,
        callback: &Callback,
        now: SystemTime,
    ) -> Result<Identity, OidcError> {
        self.check_pending(pending, callback, now)?;
        let discovery = self.discovery(now).await?;
        let code = self.check_callback(callback, &discovery)?;
        let inner = &*self.inner;
        let tokens = exchange(&inner.client, &discovery, &inner.options, pending, code).await?;
        let claims = self.believe(&tokens, pending, &discovery, now).await?;
        self.identity(claims, &tokens, &discovery).await
    }

    async fn discovery(&self, now: SystemTime) -> Result<Arc<Discovery>, OidcError> {
        self.inner.known.discovery(&self.inner.client, &self.inner.options, now).await
    }

    /// Whether this browser began this sign-in here. Before that nothing of the callback is looked at.
    fn check_pending(
        &self,
        pending: &Pending,
        callback: &Callback,
        now: SystemTime,
    ) -> Result<(), CallbackError> {
        let options = &self.inner.options;
        if pending.issuer != options.issuer || pending.client_id != options.client_id {
            return Err(CallbackError::OtherProvider);
        }
        if !pending.is_alive(now) {
            return Err(CallbackError::Expired);
        }
        let is_same = callback.state.as_deref().is_some_and(|state| same(state, &pending.state));
        if is_same { Ok(()) } else { Err(CallbackError::State) }
    }

    /// The code, if it is from this provider (RFC 9207, section 2.4; it comes before the errors, which it covers too).
    fn check_callback<'a>(
        &self,
        callback: &'a Callback,
        discovery: &Discovery,
    ) -> Result<&'a str, CallbackError> {
        match callback.iss.as_deref() {
            Some(issuer) if issuer != self.inner.options.issuer => return Err(CallbackError::Issuer),
            None if discovery.names_itself => return Err(CallbackError::Issuer),
            _ => (),
        }
        if let Some(error) = &callback.error {
            let (error, description) = refusal(error, callback.error_description.as_deref());
            return Err(CallbackError::Refused { error, description });
        }
        callback.code.as_deref().filter(|code| !code.is_empty()).ok_or(CallbackError::NoCode)
    }

    /// What the ID token says, if it is to be believed.
    async fn believe(
        &self,
        tokens: &Tokens,
        pending: &Pending,
        discovery: &Discovery,
        now: SystemTime,
    ) -> Result<Claims, OidcError> {
        let Inner { options, client, known } = &*self.inner;
        let keys = known.keys(client, discovery, KEPT, now).await?;
        let mut signed = verify::<Claims>(&tokens.id, &keys, &discovery.algorithms);
        // The provider may have a new key, and one without an id shows only by its signature.
        if matches!(signed, Err(IdTokenError::UnknownKey | IdTokenError::Signature)) {
            let keys = known.keys(client, discovery, LOOK, now).await?;
            signed = verify::<Claims>(&tokens.id, &keys, &discovery.algorithms);
        }
        let Signed { algorithm, claims } = signed?;
        let expected =
            Expected { issuer: &options.issuer, client_id: &options.client_id, nonce: &pending.nonce, now };
        claims.check(&expected)?;
        claims.check_access_token(algorithm, tokens.access.as_deref())?;
        Ok(claims)
    }

    /// Asks for the userinfo only if the ID token lacks what the operator named a claim for (section 5.3).
    async fn identity(
        &self,
        claims: Claims,
        tokens: &Tokens,
        discovery: &Discovery,
    ) -> Result<Identity, OidcError> {
        let Inner { options, client, .. } = &*self.inner;
        let mut profile = Profile { options, subject: claims.sub, sources: vec![claims.others] };
        if let (true, Some(at), Some(access)) =
            (profile.is_incomplete(), &discovery.user_info, &tokens.access)
        {
            let answer = client.get(at, Some(access)).await.and_then(|answer| answer.document::<UserInfo>());
            let failed = |source| OidcError::Ask { what: "userinfo", url: at.as_str().to_owned(), source };
            let info = answer.map_err(failed)?;
            if info.sub != profile.subject {
                return Err(OidcError::OtherSubject);
            }
            profile.sources.push(info.claims);
        }
        Ok(profile.into_identity())
    }
}

/// An address without a fragment (RFC 6749, section 3.1.2). A registry in a network without TLS has an `http` one;
/// whether that is allowed is the provider's to say.
fn check_redirect(redirect_uri: &str) -> Result<(), OidcError> {
    match Endpoint::parse(redirect_uri) {
        Ok(_) | Err(AddressError::Insecure) => Ok(()),
        Err(source) => {
            Err(OidcError::Address { what: "redirect address", url: redirect_uri.to_owned(), source })
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("options", &self.inner.options).finish_non_exhaustive()
    }
}
