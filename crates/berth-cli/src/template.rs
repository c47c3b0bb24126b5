//! Go templates, as far as people write them for `docker … --format`: fields, functions, pipes, `if`, `range`, `with`.
//!
//! What is printed of a value is what Go prints of it. The language: <https://pkg.go.dev/text/template>; the functions
//! that docker adds: <https://docs.docker.com/engine/cli/formatting/>.

use serde_json::Value;

use crate::failure::Failure;

mod evaluation;
mod functions;
mod parser;
mod tokens;

use evaluation::Evaluation;
use parser::Node;

/// A template that was read.
#[derive(Debug)]
pub(crate) struct Template(Vec<Node>);

/// Why a template is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// It cannot be read.
    #[error("template parsing error: {what} in {{{{{action}}}}}")]
    Parsing {
        /// What is wrong.
        what: String,
        /// The words between the braces.
        action: String,
    },
    /// Something is begun that does not end, or the other way round.
    #[error("template parsing error: {0}")]
    Structure(&'static str),
    /// It does not fit what it is used for.
    #[error("template: {0}")]
    Use(String),
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Failure {
        Failure::other(error).hint(
            "for example --format '{{.ID}} {{.Size}}', '{{json .}}', '{{range .RepoTags}}{{println .}}{{end}}'",
        )
    }
}

impl Template {
    /// Reads a template. Shells hand `\t` and `\n` on as they are; they are taken for what they mean.
    ///
    /// # Errors
    /// [`TemplateError`] with the place.
    pub(crate) fn read(text: &str) -> Result<Template, TemplateError> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        Ok(Template(parser::parse(tokens::pieces(&text)?)?))
    }

    /// Writes the template with the fields of a document.
    ///
    /// # Errors
    /// [`TemplateError::Use`] if a function gets what it cannot work with.
    pub(crate) fn write(&self, document: &Value) -> Result<String, TemplateError> {
        Evaluation::new(document).write(&self.0)
    }
}

#[cfg(test)]
mod tests;
