//! A request without its body, who makes it, and what it asks for.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use berth_auth::Accounts;
use berth_mirror::Mirror;
use berth_registry::{Caller, Mode, Registry};
use http::StatusCode;
use http::request::Parts;

use super::operation::Operation;
use super::parameter::{AFTER, AFTER_NUMBER, DRY_RUN, KEEP, LIMIT, MOST, Parameter, USUAL};
use super::problem::Problem;
use super::route::Captures;
use crate::origin::Origin;
use crate::query::Form;
use crate::rfc3339;

/// A request without its body, who makes it, and what it asks for.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) registry: &'a Registry,
    pub(super) accounts: &'a Accounts,
    /// What is mirrored, where something can be.
    pub(super) mirror: Option<&'a Mirror>,
    pub(super) caller: &'a Caller,
    pub(super) origin: &'a Origin,
    pub(super) head: &'a Parts,
    pub(super) operation: &'a Operation,
    pub(super) captures: &'a Captures,
    pub(super) query: &'a str,
}

impl<'a> Call<'a> {
    /// What is mirrored here.
    pub(super) fn mirror(self) -> Result<&'a Mirror, Problem> {
        let none = || Problem::new(StatusCode::NOT_FOUND, "this server mirrors nothing");
        self.mirror.ok_or_else(none)
    }
}

impl Call<'_> {
    /// A part of the path, read by the type's own rule.
    pub(super) fn part<T>(self, name: &str) -> Result<T, Problem>
    where
        T: FromStr,
        T::Err: Display,
    {
        parse(self.captures.get(name))
    }

    /// A part of the path that is a number.
    pub(super) fn id(self) -> Result<i64, Problem> {
        number(self.captures.get("id"))
    }

    /// The value of a parameter.
    pub(super) fn get(self, parameter: &Parameter) -> Option<String> {
        debug_assert!(
            self.operation.parameters.iter().any(|declared| declared.name == parameter.name),
            "{} reads {} without a word about it",
            self.operation.id,
            parameter.name
        );
        Form::new(self.query).get(parameter.name).map(Cow::into_owned)
    }

    /// The value of a parameter that has to be there.
    pub(super) fn need(self, parameter: &Parameter) -> Result<String, Problem> {
        let missing =
            || Problem::new(StatusCode::BAD_REQUEST, format!("the parameter {} is missing", parameter.name));
        self.get(parameter).ok_or_else(missing)
    }

    /// The value of a parameter that is a number.
    pub(super) fn number(self, parameter: &Parameter) -> Result<Option<i64>, Problem> {
        self.get(parameter).map(|text| number(&text)).transpose()
    }

    /// The value of a parameter that is a time.
    pub(super) fn time(self, parameter: &Parameter) -> Result<Option<i64>, Problem> {
        self.get(parameter).map(|text| time(&text)).transpose()
    }

    /// The number of entries that the caller wants on a page.
    pub(super) fn limit(self) -> Result<usize, Problem> {
        let Some(limit) = self.number(&LIMIT)? else { return Ok(USUAL) };
        Ok(usize::try_from(limit).unwrap_or(1).clamp(1, MOST))
    }

    /// The entry behind which the page begins; empty for the first page.
    pub(super) fn after(self) -> String {
        self.get(&AFTER).unwrap_or_default()
    }

    /// The number behind which the page begins; 0 for the first page.
    pub(super) fn after_number(self) -> Result<i64, Problem> {
        Ok(self.number(&AFTER_NUMBER)?.unwrap_or(0))
    }

    /// Whether the caller only wants to know what would happen.
    pub(super) fn mode(self) -> Result<Mode, Problem> {
        Ok(if self.flag(&DRY_RUN)? { Mode::DryRun } else { Mode::Real })
    }

    /// Whether what a removal leaves behind is kept on purpose.
    pub(super) fn keeps(self) -> Result<bool, Problem> {
        self.flag(&KEEP)
    }

    /// What is neither yes nor no is an error: `dry_run=yes` must not do it for real.
    pub(super) fn flag(self, parameter: &Parameter) -> Result<bool, Problem> {
        match self.get(parameter).as_deref() {
            Some("1" | "true") => Ok(true),
            None | Some("0" | "false") => Ok(false),
            Some(other) => {
                let detail = format!("{} is true or false, not {other:?}", parameter.name);
                Err(Problem::new(StatusCode::BAD_REQUEST, detail))
            }
        }
    }
}

/// Reads a word of the path or body by the type's own rule, whose sentence the client gets.
pub(super) fn parse<T>(text: &str) -> Result<T, Problem>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))
}

/// Reads a time such as 2026-11-25T10:00:00Z or a day such as 2026-11-25.
pub(super) fn time(text: &str) -> Result<i64, Problem> {
    let bad =
        || Problem::new(StatusCode::BAD_REQUEST, format!("{text:?} is no time such as 2026-11-25T10:00:00Z"));
    rfc3339::to_micros(text).ok_or_else(bad)
}

fn number(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, format!("{text:?} is no number")))
}
