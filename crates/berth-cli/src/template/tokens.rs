//! A template in pieces: text, and what stands between braces in words.

use super::TemplateError;

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// What stands between `{{` and `}}`, and its words.
    Action(String, Vec<Token>),
}

/// A word of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// `.`, `.Config.Env`: the names after the dots.
    Field(Vec<String>),
    /// `$`, `$name`, with the names after the dots.
    Variable(String, Vec<String>),
    Word(String),
    Text(String),
    Number(String),
    Open,
    /// `)` with the names after the dots.
    Close(Vec<String>),
    Pipe,
    Comma,
    /// `:=`
    Set,
    /// `=`
    Change,
}

/// Takes a template apart.
pub(super) fn pieces(mut text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut trims = false;
    while let Some(begin) = text.find("{{") {
        let (before, rest) = (&text[..begin], &text[begin + 2..]);
        let end = end_of(rest).ok_or_else(|| TemplateError::new("unclosed action, }} is missing"))?;
        let (mut action, after) = (&rest[..end], &rest[end + 2..]);
        let mut before = if trims { before.trim_start() } else { before };
        if let Some(inner) = action.strip_prefix('-').filter(|inner| inner.starts_with(char::is_whitespace)) {
            (action, before) = (inner, before.trim_end());
        }
        trims = false;
        if let Some(inner) = action.strip_suffix('-').filter(|inner| inner.ends_with(char::is_whitespace)) {
            (action, trims) = (inner, true);
        }
        push_text(&mut pieces, before);
        let action = action.trim();
        if !action.starts_with("/*") {
            pieces.push(Piece::Action(action.to_owned(), tokens(action)?));
        }
        text = after;
    }
    push_text(&mut pieces, if trims { text.trim_start() } else { text });
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Where an action ends; braces in quotes do not count.
fn end_of(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (place, character) in text.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if character == '\\' => escaped = true,
            Some(open) if open == character => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '`') => quote = Some(character),
            None if text[place..].starts_with("}}") => return Some(place),
            None => {}
        }
    }
    None
}

fn tokens(action: &str) -> Result<Vec<Token>, TemplateError> {
    let wrong = |what: &str| TemplateError::new(what).at(action);
    let mut tokens = Vec::new();
    let mut rest = action.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '(' => (Token::Open, &rest[1..]),
            ')' => {
                let (names, after) = names(&rest[1..]);
                (Token::Close(names), after)
            }
            '|' => (Token::Pipe, &rest[1..]),
            ',' => (Token::Comma, &rest[1..]),
            ':' if rest.starts_with(":=") => (Token::Set, &rest[2..]),
            '=' => (Token::Change, &rest[1..]),
            '"' | '`' => quoted(rest, first).ok_or_else(|| wrong("unterminated quoted string"))?,
            '.' => {
                let (names, after) = names(rest);
                (Token::Field(names), after.strip_prefix('.').unwrap_or(after))
            }
            '$' => {
                let (name, after) = word(&rest[1..]);
                let (names, after) = names(after);
                (Token::Variable(name.to_owned(), names), after)
            }
            '0'..='9' | '-' | '+' => {
                let is_part =
                    |character: char| character.is_ascii_alphanumeric() || "+-._".contains(character);
                let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
                (Token::Number(rest[..end].to_owned()), &rest[end..])
            }
            _ => match word(rest) {
                ("", _) => return Err(wrong(&format!("unexpected {first:?}"))),
                (name, after) => (Token::Word(name.to_owned()), after),
            },
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// The names of `.A.B`, and what is behind them.
fn names(mut text: &str) -> (Vec<String>, &str) {
    let mut names = Vec::new();
    while let Some(after) = text.strip_prefix('.') {
        let (name, rest) = word(after);
        if name.is_empty() {
            break;
        }
        names.push(name.to_owned());
        text = rest;
    }
    (names, text)
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_alphanumeric() && character != '_');
    text.split_at(end.unwrap_or(text.len()))
}

/// A text in quotes, and what is behind it.
fn quoted(text: &str, quote: char) -> Option<(Token, &str)> {
    let mut said = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((place, character)) = characters.next() {
        match character {
            _ if character == quote => return Some((Token::Text(said), &text[place + 1..])),
            '\\' if quote == '"' => match characters.next()?.1 {
                'n' => said.push('\n'),
                't' => said.push('\t'),
                other => said.push(other),
            },
            other => said.push(other),
        }
    }
    None
}
