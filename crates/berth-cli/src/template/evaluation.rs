//! A template at work.

use serde_json::Value;

use super::TemplateError;
use super::functions::{call, is_true, printed};
use super::parser::{Node, Pipeline, Range, Term};

/// The document, the dot, and what was set.
pub(super) struct Evaluation<'a> {
    document: &'a Value,
    dot: Value,
    set: Vec<(String, Value)>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(document: &'a Value) -> Evaluation<'a> {
        Evaluation { document, dot: document.clone(), set: Vec::new() }
    }

    pub(super) fn write(&mut self, nodes: &[Node]) -> Result<String, TemplateError> {
        let mut out = String::new();
        self.nodes(nodes, &mut out)?;
        Ok(out)
    }

    /// Variables that are set in a block are gone behind it.
    fn nodes(&mut self, nodes: &[Node], out: &mut String) -> Result<(), TemplateError> {
        let set = self.set.len();
        let done = nodes.iter().try_for_each(|node| self.node(node, out));
        self.set.truncate(set);
        done
    }

    fn node(&mut self, node: &Node, out: &mut String) -> Result<(), TemplateError> {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Print(pipeline) => match self.pipeline(pipeline)? {
                Some(value) => out.push_str(&printed(&value)),
                None => out.push_str("<no value>"),
            },
            Node::Set(name, pipeline) => {
                let value = self.pipeline(pipeline)?.unwrap_or_default();
                self.set.push((name.clone(), value));
            }
            Node::If(condition, body, otherwise) => {
                let value = self.pipeline(condition)?.unwrap_or_default();
                self.nodes(if is_true(&value) { body } else { otherwise }, out)?;
            }
            Node::With(over, body, otherwise) => match self.pipeline(over)?.filter(is_true) {
                Some(value) => self.below(value, body, out)?,
                None => self.nodes(otherwise, out)?,
            },
            Node::Range(range) => self.range(range, out)?,
        }
        Ok(())
    }

    fn range(&mut self, range: &Range, out: &mut String) -> Result<(), TemplateError> {
        let entries: Vec<(Value, Value)> = match self.pipeline(&range.over)?.unwrap_or_default() {
            Value::Array(list) => {
                list.into_iter().enumerate().map(|(at, value)| (at.into(), value)).collect()
            }
            Value::Object(map) => {
                let mut entries: Vec<_> = map.into_iter().collect();
                entries.sort_by(|one, other| one.0.cmp(&other.0));
                entries.into_iter().map(|(key, value)| (key.into(), value)).collect()
            }
            Value::Null => Vec::new(),
            other => return Err(TemplateError::Use(format!("range can't iterate over {}", printed(&other)))),
        };
        if entries.is_empty() {
            return self.nodes(&range.otherwise, out);
        }
        for (key, value) in entries {
            let set = self.set.len();
            self.set.extend(range.key.iter().map(|name| (name.clone(), key.clone())));
            self.set.extend(range.value.iter().map(|name| (name.clone(), value.clone())));
            let done = self.below(value, &range.body, out);
            self.set.truncate(set);
            done?;
        }
        Ok(())
    }

    fn below(&mut self, dot: Value, nodes: &[Node], out: &mut String) -> Result<(), TemplateError> {
        let above = std::mem::replace(&mut self.dot, dot);
        let done = self.nodes(nodes, out);
        self.dot = above;
        done
    }

    /// The value of a pipeline; `None` for a field that there is not.
    fn pipeline(&self, pipeline: &Pipeline) -> Result<Option<Value>, TemplateError> {
        let mut given = None;
        for (place, terms) in pipeline.iter().enumerate() {
            let piped = (place > 0).then(|| given.take().unwrap_or_default());
            given = self.call(terms, piped)?;
        }
        Ok(given)
    }

    fn call(&self, terms: &[Term], piped: Option<Value>) -> Result<Option<Value>, TemplateError> {
        let Some((Term::Function(name), arguments)) = terms.split_first() else {
            return match (terms, piped) {
                ([term], None) => self.term(term),
                _ => Err(TemplateError::Use("can't give argument to what is no function".to_owned())),
            };
        };
        let arguments = arguments.iter().map(|term| Ok(self.term(term)?.unwrap_or_default()));
        let mut arguments = arguments.collect::<Result<Vec<_>, TemplateError>>()?;
        arguments.extend(piped);
        call(name, &arguments).map(Some)
    }

    fn term(&self, term: &Term) -> Result<Option<Value>, TemplateError> {
        Ok(match term {
            Term::Constant(value) => Some(value.clone()),
            Term::Field(names) => below(&self.dot, names),
            Term::Variable(name, names) if name.is_empty() => below(self.document, names),
            Term::Variable(name, names) => {
                let found = self.set.iter().rev().find(|(known, _)| known == name);
                let (_, value) =
                    found.ok_or_else(|| TemplateError::Use(format!("undefined variable \"${name}\"")))?;
                below(value, names)
            }
            Term::Function(name) => Some(call(name, &[])?),
            Term::Nested(pipeline, names) => self.pipeline(pipeline)?.and_then(|value| below(&value, names)),
        })
    }
}

/// The field of a field of a value.
fn below(value: &Value, names: &[String]) -> Option<Value> {
    names.iter().try_fold(value, |value, name| value.get(name)).cloned()
}
