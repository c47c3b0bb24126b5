//! A template at work.

use serde_json::Value;

use super::TemplateError;
use super::functions::{call, is_true, printed};
use super::parser::{Action, Block, Node, Pipeline, Term};

/// Fields that are maps to Go: what is not in one is nothing, and no mistake.
const MAPS: [&str; 4] = ["Annotations", "ExposedPorts", "Labels", "Volumes"];

/// The document, the dot, and what was set.
pub(super) struct Evaluation<'a> {
    document: &'a Value,
    dot: Value,
    set: Vec<(String, Value)>,
}

/// Whether what stands behind is written as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Continue,
    Break,
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
    fn nodes(&mut self, nodes: &[Node], out: &mut String) -> Result<Flow, TemplateError> {
        let set = self.set.len();
        let mut flow = Flow::On;
        for node in nodes {
            match node {
                Node::Text(text) => out.push_str(text),
                Node::Action(text, action) => {
                    flow = self.action(action, out).map_err(|error| error.at(text))?;
                }
            }
            if flow != Flow::On {
                break;
            }
        }
        self.set.truncate(set);
        Ok(flow)
    }

    fn action(&mut self, action: &Action, out: &mut String) -> Result<Flow, TemplateError> {
        match action {
            Action::Print(pipeline) => match self.pipeline(pipeline)? {
                Some(value) => out.push_str(&printed(&value)),
                None => out.push_str("<no value>"),
            },
            Action::Set(name, pipeline) => {
                let value = self.pipeline(pipeline)?.unwrap_or_default();
                self.set.push((name.clone(), value));
            }
            Action::Change(name, pipeline) => {
                let value = self.pipeline(pipeline)?.unwrap_or_default();
                let known = self.set.iter_mut().rev().find(|(known, _)| known == name);
                known.ok_or_else(|| undefined(name))?.1 = value;
            }
            Action::If(block) => {
                let value = self.pipeline(&block.over)?.unwrap_or_default();
                let nodes = if is_true(&value) { &block.body } else { &block.otherwise };
                return self.with(&[(&block.value, &value)], nodes, out);
            }
            Action::With(block) => {
                return match self.pipeline(&block.over)?.filter(is_true) {
                    Some(value) => self.below(value.clone(), &[(&block.value, &value)], &block.body, out),
                    None => self.nodes(&block.otherwise, out),
                };
            }
            Action::Range(block) => return self.range(block, out),
            Action::Continue => return Ok(Flow::Continue),
            Action::Break => return Ok(Flow::Break),
        }
        Ok(Flow::On)
    }

    fn range(&mut self, block: &Block, out: &mut String) -> Result<Flow, TemplateError> {
        let entries: Vec<(Value, Value)> = match self.pipeline(&block.over)?.unwrap_or_default() {
            Value::Array(list) => {
                list.into_iter().enumerate().map(|(at, value)| (at.into(), value)).collect()
            }
            Value::Object(map) => {
                let mut entries: Vec<_> = map.into_iter().collect();
                entries.sort_by(|one, other| one.0.cmp(&other.0));
                entries.into_iter().map(|(key, value)| (key.into(), value)).collect()
            }
            Value::Null => Vec::new(),
            other => {
                return Err(TemplateError::new(format!("range can't iterate over {}", printed(&other))));
            }
        };
        if entries.is_empty() {
            return self.nodes(&block.otherwise, out);
        }
        for (key, value) in entries {
            let names = [(&block.key, &key), (&block.value, &value)];
            if self.below(value.clone(), &names, &block.body, out)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    /// Writes a block that has some variables of its own.
    fn with(
        &mut self,
        names: &[(&Option<String>, &Value)],
        nodes: &[Node],
        out: &mut String,
    ) -> Result<Flow, TemplateError> {
        let set = self.set.len();
        for (name, value) in names {
            self.set.extend(name.iter().map(|name| (name.clone(), (*value).clone())));
        }
        let done = self.nodes(nodes, out);
        self.set.truncate(set);
        done
    }

    /// Writes a block with another dot.
    fn below(
        &mut self,
        dot: Value,
        names: &[(&Option<String>, &Value)],
        nodes: &[Node],
        out: &mut String,
    ) -> Result<Flow, TemplateError> {
        let above = std::mem::replace(&mut self.dot, dot);
        let done = self.with(names, nodes, out);
        self.dot = above;
        done
    }

    /// The value of a pipeline; `None` for what is not in a map.
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
                _ => Err(TemplateError::new("only functions have arguments")),
            };
        };
        let arguments = arguments.iter().map(|term| Ok(self.term(term)?.unwrap_or_default()));
        let mut arguments = arguments.chain(piped.map(Ok));
        // What decides ends these two: what stands behind may make sense only if it does not.
        if let "and" | "or" = *name {
            let mut last = None;
            for value in arguments {
                let value = value?;
                let decides = is_true(&value) == (*name == "or");
                last = Some(value);
                if decides {
                    break;
                }
            }
            return match last {
                Some(value) => Ok(Some(value)),
                None => call(name, &[]).map(Some),
            };
        }
        let arguments = arguments.by_ref().collect::<Result<Vec<_>, TemplateError>>()?;
        call(name, &arguments).map(Some)
    }

    fn term(&self, term: &Term) -> Result<Option<Value>, TemplateError> {
        match term {
            Term::Constant(value) => Ok(Some(value.clone())),
            Term::Field(names) => below(&self.dot, names),
            Term::Variable(name, names) if name.is_empty() => below(self.document, names),
            Term::Variable(name, names) => {
                let found = self.set.iter().rev().find(|(known, _)| known == name);
                below(&found.ok_or_else(|| undefined(name))?.1, names)
            }
            Term::Function(name) => call(name, &[]).map(Some),
            Term::Nested(pipeline, names) => match self.pipeline(pipeline)? {
                Some(value) => below(&value, names),
                None => Ok(None),
            },
        }
    }
}

fn undefined(name: &str) -> TemplateError {
    TemplateError::new(format!("undefined variable \"${name}\""))
}

/// The field of a field of a value.
fn below(value: &Value, names: &[String]) -> Result<Option<Value>, TemplateError> {
    let (mut value, mut is_map) = (value, false);
    for name in names {
        let found = match value {
            Value::Object(map) => map.get(name),
            Value::Null => None,
            other => {
                let kind = super::printf::kind(other);
                return Err(TemplateError::new(format!("can't evaluate field {name} in type {kind}")));
            }
        };
        value = match found {
            Some(found) => found,
            None if is_map => return Ok(None),
            None => {
                let what = format!("map has no entry for key {name:?}");
                let fields = value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
                return Err(TemplateError { fields, ..TemplateError::new(what) });
            }
        };
        is_map = MAPS.contains(&name.as_str());
    }
    Ok(Some(value.clone()))
}
