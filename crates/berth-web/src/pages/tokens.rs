//! Access tokens of a user or a robot: the list, the form, and the secret that is shown once.

use askama::Template;
use berth_auth::{AccountName, Action, Actions, NewToken, Secret, TokenId, TokenView};

use super::Call;
use crate::error::PageError;
use crate::format;
use crate::layout::Layout;
use crate::reply::{self, Done};
use crate::visit::Fields;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

#[derive(Template)]
#[template(path = "token.html")]
struct Made {
    l: Layout,
    token: TokenView,
    secret: Secret,
    /// Where the list is.
    back: String,
}

/// The tokens of an account, for the part of a page that lists them.
pub(super) async fn of(call: Call<'_>, account: &AccountName) -> Result<Vec<TokenView>, PageError> {
    Ok(call.web.accounts.tokens(Some(account), call.caller).await?)
}

/// Makes a token and shows its secret, once.
pub(super) async fn add(call: Call<'_>, account: &AccountName, back: &str) -> Done {
    let form = call.visit.form();
    let token = NewToken {
        account: Some(account.clone()),
        name: form.get("token").to_owned(),
        actions: actions(&form)?,
        patterns: form
            .get("patterns")
            .split([' ', ','])
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().map_err(PageError::invalid))
            .collect::<Result<_, _>>()?,
        expires_at: match form.get("days") {
            "" => None,
            text => {
                let days: u16 =
                    text.parse().map_err(|_| PageError::Invalid(format!("{text} is no number of days")))?;
                Some(format::now() + i64::from(days) * DAY)
            }
        },
        sources: Vec::new(),
    };
    let (token, secret) = call.web.accounts.add_token(token, call.caller).await?;
    let back = format!("{}{back}", call.web.options.root);
    reply::page(&Made { l: call.layout(), token, secret, back })
}

fn actions(form: &Fields) -> Result<Actions, PageError> {
    let words = form.all("actions").map(|word| word.parse::<Action>().map_err(PageError::invalid));
    words.collect::<Result<Vec<_>, _>>().map(|actions| actions.into_iter().collect())
}

/// Revokes a token.
pub(super) async fn revoke(call: Call<'_>, back: &str) -> Done {
    let id = call.visit.form().get("id").parse().map_err(|_| PageError::NotFound)?;
    call.web.accounts.revoke_token(TokenId(id), call.caller).await?;
    call.see(&format!("{back}?done=revoked"))
}

/// What a token may do, in words.
pub(super) fn reach(token: &TokenView) -> String {
    let actions = token.actions.iter().map(Action::as_str).collect::<Vec<_>>().join(", ");
    let patterns = token.patterns.iter().map(|pattern| pattern.as_str()).collect::<Vec<_>>().join(" ");
    if patterns.is_empty() { actions } else { format!("{actions}: {patterns}") }
}
