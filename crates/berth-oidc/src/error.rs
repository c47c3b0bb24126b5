//! What can go wrong with a sign-in.

use crate::{AddressError, CallbackError, HttpError, IdTokenError, RootsError};

/// Why there is no identity. The sentences are fit for the person who signs in: no secret is in them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OidcError {
    /// An option cannot be what it is.
    #[error("the {option} of the OpenID provider cannot be used: {problem}")]
    Option {
        /// Which one.
        option: &'static str,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// An address of the operator or of the provider is none that is asked.
    #[error("the {what} {url} cannot be used: {source}")]
    Address {
        /// Whose address: `issuer`, `token_endpoint` and so on.
        what: &'static str,
        /// The address.
        url: String,
        /// Why.
        source: AddressError,
    },
    /// There are no certificates to judge a provider by.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The system gave no random numbers.
    #[error("the system has no random numbers; try again, and look at the system's log")]
    Chance,
    /// The provider did not answer, or not with what was asked for.
    #[error("asking the OpenID provider for its {what} at {url} failed: {source}")]
    Ask {
        /// What was asked for.
        what: &'static str,
        /// Where.
        url: String,
        /// Why it failed.
        source: HttpError,
    },
    /// The provider failed some seconds ago and is left alone.
    #[error("the OpenID provider did not answer a moment ago; try again in some seconds")]
    Resting,
    /// The discovery document is another provider's (OpenID Connect Discovery 1.0, section 4.3).
    #[error(
        "the provider calls itself {found} and not {expected}; write the issuer letter for letter as it does, or \
         look who answers there"
    )]
    OtherIssuer {
        /// What the operator wrote.
        expected: String,
        /// What the provider says.
        found: String,
    },
    /// The provider asks for something that is not supported here.
    #[error("the OpenID provider cannot be used: {0}")]
    Unsupported(&'static str),
    /// What the browser brought back is refused, or is a refusal.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// The provider does not give an ID token for the code (RFC 6749, section 5.2).
    #[error("the provider gives no token for this sign-in ({error}){description}")]
    TokenRefused {
        /// The provider's word for it, at most 100 characters.
        error: String,
        /// Empty, or a colon and the provider's sentence, at most 300 characters.
        description: String,
    },
    /// The ID token is not believed.
    #[error("the provider's ID token is not believed: {0}")]
    IdToken(#[from] IdTokenError),
    /// The userinfo is about somebody else (OpenID Connect Core 1.0, section 5.3.2).
    #[error("the provider's userinfo is about somebody else; sign in again, and tell the administrator")]
    OtherSubject,
}

/// Whose fault an [`OidcError`] is, which decides about the status of an answer and about who is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The options, or this system: the operator can mend it.
    Operator,
    /// The provider is away or says what it must not say.
    Provider,
    /// What the browser brought: too late, not asked for, or the provider's no.
    Visitor,
}

impl OidcError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            OidcError::Option { .. }
            | OidcError::Roots(_)
            | OidcError::Chance
            | OidcError::OtherIssuer { .. }
            | OidcError::Address { what: "issuer" | "redirect address", .. } => Fault::Operator,
            OidcError::Address { .. }
            | OidcError::Ask { .. }
            | OidcError::Resting
            | OidcError::Unsupported(_)
            | OidcError::IdToken(_)
            | OidcError::OtherSubject => Fault::Provider,
            // A wrong secret is the operator's to mend; everything else is about the code that the browser brought.
            OidcError::TokenRefused { error, .. } if error == "invalid_client" => Fault::Operator,
            OidcError::TokenRefused { .. } | OidcError::Callback(_) => Fault::Visitor,
        }
    }
}
