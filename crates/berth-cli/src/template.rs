//! Go templates, as far as people write them for `docker … --format`: fields, functions, pipes, `if`, `range`, `with`.
//!
//! What is printed of a value is what Go prints of it. A field that there is not is a mistake, but below maps such as
//! `.Config.Labels`. The language: <https://pkg.go.dev/text/template>; the functions that docker adds:
//! <https://docs.docker.com/engine/cli/formatting/>.

use std::fmt;

use serde_json::Value;

use crate::failure::Failure;

mod evaluation;
mod functions;
mod parser;
mod printf;
mod tokens;

use evaluation::Evaluation;
use parser::Node;

/// A template that was read.
#[derive(Debug)]
pub(crate) struct Template(Vec<Node>);

/// Why a template is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateError {
    what: String,
    /// The words between the braces where it is; empty if it is about the whole.
    action: String,
    /// The fields that there are, if one was wanted that is not.
    fields: Vec<String>,
}

impl TemplateError {
    fn new(what: impl Into<String>) -> TemplateError {
        TemplateError { what: what.into(), action: String::new(), fields: Vec::new() }
    }

    /// The error with its place, unless it has one.
    fn at(mut self, action: &str) -> TemplateError {
        if self.action.is_empty() {
            action.clone_into(&mut self.action);
        }
        self
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template parsing error: {}", self.what)?;
        match self.action.as_str() {
            "" => Ok(()),
            action => write!(f, " in {{{{{action}}}}}"),
        }
    }
}

impl std::error::Error for TemplateError {}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Failure {
        let hint = match error.fields.as_slice() {
            [] => {
                "for example --format '{{json .}}', or '{{range .RepoTags}}{{println .}}{{end}}' of an image"
                    .to_owned()
            }
            fields => format!("there are {}", fields.join(", ")),
        };
        Failure::other(error).hint(hint)
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`] with the place.
    pub(crate) fn read(text: &str) -> Result<Template, TemplateError> {
        Ok(Template(parser::parse(tokens::pieces(text)?)?))
    }

    /// Reads the template of a list, for which docker takes `\t` and `\n` for what they mean: shells hand them on.
    ///
    /// # Errors
    /// [`TemplateError`] with the place.
    pub(crate) fn of_list(text: &str) -> Result<Template, TemplateError> {
        Template::read(&text.replace("\\t", "\t").replace("\\n", "\n"))
    }

    /// Writes the template with the fields of a document.
    ///
    /// # Errors
    /// [`TemplateError`] if a field is not there, or a function gets what it cannot work with.
    pub(crate) fn write(&self, document: &Value) -> Result<String, TemplateError> {
        Evaluation::new(document).write(&self.0)
    }
}

#[cfg(test)]
mod tests;
