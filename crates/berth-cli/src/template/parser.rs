//! The form of a template: what is printed, chosen and repeated.

use serde_json::{Number, Value};

use super::TemplateError;
use super::functions::FUNCTIONS;
use super::tokens::{Piece, Token};

/// Things in things that are followed. No terminal's template is deeper.
const DEEPEST: usize = 50;

/// A part of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    /// The words between the braces, for errors, and what they mean.
    Action(String, Action),
}

/// What stands between braces.
#[derive(Debug)]
pub(super) enum Action {
    Print(Pipeline),
    /// `$x := …`, a new variable.
    Set(String, Pipeline),
    /// `$x = …`, of one that is there.
    Change(String, Pipeline),
    If(Block),
    With(Block),
    Range(Block),
    /// The next round of the innermost `range`.
    Continue,
    /// The end of the innermost `range`.
    Break,
}

/// `{{if $value := …}}…{{else}}…{{end}}`, and likewise `with` and `range`.
#[derive(Debug)]
pub(super) struct Block {
    /// Only `range` has it: `$key, $value := …`.
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
    Function(&'static str),
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

/// Where the reader is.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    is_in_range: bool,
}

/// Reads the pieces of a template.
pub(super) fn parse(pieces: Vec<Piece>) -> Result<Vec<Node>, TemplateError> {
    let mut pieces = pieces.into_iter();
    match block(&mut pieces, Place { depth: 0, is_in_range: false })? {
        (nodes, Close::Text) => Ok(nodes),
        (_, Close::End) => Err(TemplateError::new("unexpected {{end}}")),
        (_, Close::Else(..)) => Err(TemplateError::new("unexpected {{else}}")),
    }
}

fn block(
    pieces: &mut impl Iterator<Item = Piece>,
    place: Place,
) -> Result<(Vec<Node>, Close), TemplateError> {
    if place.depth > DEEPEST {
        return Err(TemplateError::new("too many blocks in each other"));
    }
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let (text, tokens) = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(text, tokens) => (text, tokens),
        };
        let (first, rest) = match tokens.split_first() {
            Some((Token::Word(word), rest)) => (word.as_str(), rest),
            _ => ("", tokens.as_slice()),
        };
        let action = match first {
            "end" => return Ok((nodes, Close::End)),
            "else" => return Ok((nodes, Close::Else(text, rest.to_vec()))),
            "if" | "with" | "range" => begun(first, &text, rest, pieces, place)?,
            "break" | "continue" if !place.is_in_range => {
                return Err(TemplateError::new(format!("{{{{{first}}}}} outside of {{{{range}}}}")));
            }
            "break" => Action::Break,
            "continue" => Action::Continue,
            "define" | "template" | "block" => {
                return Err(TemplateError::new(format!("{first} is not known here")).at(&text));
            }
            _ => simple(&text, &tokens)?,
        };
        nodes.push(Node::Action(text, action));
    }
    Ok((nodes, Close::Text))
}

/// A block that begins with a word.
fn begun(
    word: &str,
    text: &str,
    tokens: &[Token],
    pieces: &mut impl Iterator<Item = Piece>,
    place: Place,
) -> Result<Action, TemplateError> {
    let (key, value, tokens) = match tokens {
        [Token::Variable(key, _), Token::Comma, Token::Variable(value, _), Token::Set, rest @ ..]
            if word == "range" =>
        {
            (Some(key.clone()), Some(value.clone()), rest)
        }
        [Token::Variable(value, _), Token::Set, rest @ ..] => (None, Some(value.clone()), rest),
        rest => (None, None, rest),
    };
    if tokens.is_empty() {
        return Err(TemplateError::new(format!("missing value for {word}")).at(text));
    }
    let over = pipeline(text, tokens)?;
    let inside = Place { depth: place.depth + 1, is_in_range: place.is_in_range || word == "range" };
    let (body, close) = block(pieces, inside)?;
    let outside = Place { depth: place.depth + 1, ..place };
    let otherwise = match close {
        Close::Text => return Err(no_end(word)),
        Close::End => Vec::new(),
        // `else if` is an `if` in the other branch, which shares the end.
        Close::Else(text, tokens) => match tokens.split_first() {
            None => match block(pieces, outside)? {
                (nodes, Close::End) => nodes,
                _ => return Err(no_end(word)),
            },
            Some((Token::Word(word), rest)) if word == "if" || word == "with" => {
                let action = begun(word, &text, rest, pieces, outside)?;
                vec![Node::Action(text, action)]
            }
            Some(_) => return Err(TemplateError::new("unexpected words behind else").at(&text)),
        },
    };
    let block = Block { key, value, over, body, otherwise };
    Ok(match word {
        "if" => Action::If(block),
        "with" => Action::With(block),
        _ => Action::Range(block),
    })
}

fn no_end(word: &str) -> TemplateError {
    TemplateError::new(format!("unexpected EOF, the {{{{end}}}} of {{{{{word} …}}}} is missing"))
}

fn simple(text: &str, tokens: &[Token]) -> Result<Action, TemplateError> {
    Ok(match tokens {
        [Token::Variable(name, _), Token::Set, rest @ ..] => Action::Set(name.clone(), pipeline(text, rest)?),
        [Token::Variable(name, _), Token::Change, rest @ ..] => {
            Action::Change(name.clone(), pipeline(text, rest)?)
        }
        _ => Action::Print(pipeline(text, tokens)?),
    })
}

fn pipeline(text: &str, tokens: &[Token]) -> Result<Pipeline, TemplateError> {
    let mut tokens = tokens.iter();
    match nested(&mut tokens, 0).map_err(|error| error.at(text))? {
        (pipeline, None) => Ok(pipeline),
        (_, Some(_)) => Err(TemplateError::new("unexpected \")\"").at(text)),
    }
}

/// Reads up to a closing parenthesis, or to the end.
fn nested<'a>(
    tokens: &mut impl Iterator<Item = &'a Token>,
    depth: usize,
) -> Result<(Pipeline, Option<Vec<String>>), TemplateError> {
    if depth > DEEPEST {
        return Err(TemplateError::new("too many \"(\""));
    }
    let (mut calls, mut call, mut closed) = (Vec::new(), Vec::new(), None);
    while let Some(token) = tokens.next() {
        let term = match token {
            Token::Field(names) => Term::Field(names.clone()),
            Token::Variable(name, names) => Term::Variable(name.clone(), names.clone()),
            Token::Text(text) => Term::Constant(Value::String(text.clone())),
            Token::Number(text) => Term::Constant(number(text)?),
            Token::Word(word) => named(word)?,
            Token::Open => match nested(tokens, depth + 1)? {
                (inner, Some(names)) => Term::Nested(inner, names),
                _ => return Err(TemplateError::new("unclosed left paren")),
            },
            Token::Close(names) => {
                closed = Some(names.clone());
                break;
            }
            Token::Pipe => {
                calls.push(std::mem::take(&mut call));
                continue;
            }
            Token::Comma => return Err(TemplateError::new("unexpected \",\"")),
            Token::Set => return Err(TemplateError::new("unexpected \":=\"")),
            Token::Change => return Err(TemplateError::new("unexpected \"=\"")),
        };
        call.push(term);
    }
    calls.push(call);
    if calls.iter().any(Vec::is_empty) {
        return Err(TemplateError::new("missing value for command"));
    }
    Ok((calls, closed))
}

fn named(word: &str) -> Result<Term, TemplateError> {
    Ok(match word {
        "true" => Term::Constant(Value::Bool(true)),
        "false" => Term::Constant(Value::Bool(false)),
        "nil" => Term::Constant(Value::Null),
        word => {
            let known = FUNCTIONS.into_iter().find(|known| *known == word);
            Term::Function(known.ok_or_else(|| TemplateError::new(format!("function {word:?} not defined")))?)
        }
    })
}

fn number(text: &str) -> Result<Value, TemplateError> {
    let whole = text.parse::<i64>().ok().map(Number::from);
    let number = whole.or_else(|| text.parse().ok().and_then(Number::from_f64));
    number.map(Value::Number).ok_or_else(|| TemplateError::new(format!("bad number syntax: {text:?}")))
}
