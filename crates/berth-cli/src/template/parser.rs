//! The form of a template: what is printed, chosen and repeated.

use serde_json::{Number, Value};

use super::TemplateError;
use super::tokens::{Piece, Token};

/// Things in things that are followed. No terminal's template is deeper.
const DEEPEST: usize = 50;

/// A part of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Print(Pipeline),
    Set(String, Pipeline),
    If(Pipeline, Vec<Node>, Vec<Node>),
    With(Pipeline, Vec<Node>, Vec<Node>),
    Range(Range),
}

/// `{{range $key, $value := …}}`
#[derive(Debug)]
pub(super) struct Range {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) over: Pipeline,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Calls, each of which is given what the one before it gave.
pub(super) type Pipeline = Vec<Vec<Term>>;

/// A function or one of its arguments.
#[derive(Debug)]
pub(super) enum Term {
    /// The names below the dot.
    Field(Vec<String>),
    /// The names below a variable; the one without a name is the whole document.
    Variable(String, Vec<String>),
    Function(String),
    Constant(Value),
    Nested(Pipeline, Vec<String>),
}

/// How a block ends.
enum Close {
    Text,
    End,
    /// `else`, and what stands behind it.
    Else(String, Vec<Token>),
}

/// Reads the pieces of a template.
pub(super) fn parse(pieces: Vec<Piece>) -> Result<Vec<Node>, TemplateError> {
    let mut pieces = pieces.into_iter();
    match block(&mut pieces, 0)? {
        (nodes, Close::Text) => Ok(nodes),
        _ => Err(TemplateError::Structure("an {{end}} or {{else}} has no beginning")),
    }
}

fn block(
    pieces: &mut impl Iterator<Item = Piece>,
    depth: usize,
) -> Result<(Vec<Node>, Close), TemplateError> {
    if depth > DEEPEST {
        return Err(TemplateError::Structure("it is too deep"));
    }
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let (action, tokens) = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(action, tokens) => (action, tokens),
        };
        let rest = || tokens[1..].to_vec();
        match tokens.first() {
            Some(Token::Word(word)) if word == "end" => return Ok((nodes, Close::End)),
            Some(Token::Word(word)) if word == "else" => return Ok((nodes, Close::Else(action, rest()))),
            Some(Token::Word(word)) if ["if", "with", "range"].contains(&word.as_str()) => {
                nodes.push(begun(word, &action, rest(), pieces, depth)?);
            }
            _ => nodes.push(simple(&action, &tokens)?),
        }
    }
    Ok((nodes, Close::Text))
}

/// A block that begins with a word.
fn begun(
    word: &str,
    action: &str,
    mut tokens: Vec<Token>,
    pieces: &mut impl Iterator<Item = Piece>,
    depth: usize,
) -> Result<Node, TemplateError> {
    let (mut key, mut value) = (None, None);
    if word == "range" {
        (key, value) = variables(&mut tokens);
    }
    let over = pipeline(action, &tokens)?;
    let (body, end) = block(pieces, depth + 1)?;
    let otherwise = match end {
        Close::Text => return Err(TemplateError::Structure("an {{end}} is missing")),
        Close::End => Vec::new(),
        // `else if` is an `if` in the other branch, which shares the end.
        Close::Else(action, tokens) => match tokens.split_first() {
            Some((Token::Word(word), rest)) => vec![begun(word, &action, rest.to_vec(), pieces, depth + 1)?],
            _ => match block(pieces, depth + 1)? {
                (nodes, Close::End) => nodes,
                _ => return Err(TemplateError::Structure("an {{end}} is missing")),
            },
        },
    };
    Ok(match word {
        "if" => Node::If(over, body, otherwise),
        "with" => Node::With(over, body, otherwise),
        "range" => Node::Range(Range { key, value, over, body, otherwise }),
        other => {
            let what = format!("{other:?} begins nothing");
            return Err(TemplateError::Parsing { what, action: action.to_owned() });
        }
    })
}

/// Takes `$key, $value :=` or `$value :=` off.
fn variables(tokens: &mut Vec<Token>) -> (Option<String>, Option<String>) {
    match tokens.as_slice() {
        [Token::Variable(key, _), Token::Comma, Token::Variable(value, _), Token::Set, ..] => {
            let named = (Some(key.clone()), Some(value.clone()));
            tokens.drain(..4);
            named
        }
        [Token::Variable(value, _), Token::Set, ..] => {
            let named = (None, Some(value.clone()));
            tokens.drain(..2);
            named
        }
        _ => (None, None),
    }
}

fn simple(action: &str, tokens: &[Token]) -> Result<Node, TemplateError> {
    match tokens {
        [Token::Variable(name, _), Token::Set, rest @ ..] => {
            Ok(Node::Set(name.clone(), pipeline(action, rest)?))
        }
        _ => Ok(Node::Print(pipeline(action, tokens)?)),
    }
}

fn pipeline(action: &str, tokens: &[Token]) -> Result<Pipeline, TemplateError> {
    let mut tokens = tokens.iter();
    let (pipeline, closed) = nested(action, &mut tokens, 0)?;
    match closed {
        None => Ok(pipeline),
        Some(_) => Err(wrong(action, "a ) too many")),
    }
}

/// Reads up to a closing parenthesis, or to the end.
fn nested<'a>(
    action: &str,
    tokens: &mut impl Iterator<Item = &'a Token>,
    depth: usize,
) -> Result<(Pipeline, Option<Vec<String>>), TemplateError> {
    if depth > DEEPEST {
        return Err(wrong(action, "too many ("));
    }
    let (mut calls, mut call, mut closed) = (Vec::new(), Vec::new(), None);
    while let Some(token) = tokens.next() {
        let term = match token {
            Token::Field(names) => Term::Field(names.clone()),
            Token::Variable(name, names) => Term::Variable(name.clone(), names.clone()),
            Token::Text(text) => Term::Constant(Value::String(text.clone())),
            Token::Number(text) => Term::Constant(number(action, text)?),
            Token::Word(word) => match word.as_str() {
                "true" => Term::Constant(Value::Bool(true)),
                "false" => Term::Constant(Value::Bool(false)),
                "nil" => Term::Constant(Value::Null),
                _ => Term::Function(word.clone()),
            },
            Token::Open => match nested(action, tokens, depth + 1)? {
                (inner, Some(names)) => Term::Nested(inner, names),
                _ => return Err(wrong(action, "a ( is not closed")),
            },
            Token::Close(names) => {
                closed = Some(names.clone());
                break;
            }
            Token::Pipe => {
                calls.push(std::mem::take(&mut call));
                continue;
            }
            Token::Comma | Token::Set => return Err(wrong(action, "unexpected , or :=")),
        };
        call.push(term);
    }
    calls.push(call);
    if calls.iter().any(Vec::is_empty) {
        return Err(wrong(action, "missing value"));
    }
    Ok((calls, closed))
}

fn number(action: &str, text: &str) -> Result<Value, TemplateError> {
    let whole = text.parse::<i64>().ok().map(Number::from);
    let number = whole.or_else(|| text.parse().ok().and_then(Number::from_f64));
    number.map(Value::Number).ok_or_else(|| wrong(action, &format!("bad number {text:?}")))
}

fn wrong(action: &str, what: &str) -> TemplateError {
    TemplateError::Parsing { what: what.to_owned(), action: action.to_owned() }
}
