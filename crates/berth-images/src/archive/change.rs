//! `--change`: instructions of a Dockerfile that say how an imported image runs.

use serde_json::{Map, Value, json};

use crate::Error;

/// Follows an instruction in the run-time part of a configuration.
pub(super) fn apply(config: &mut Map<String, Value>, text: &str) -> Result<(), Error> {
    let refuse = |what: String| Error::Change { text: text.to_owned(), what };
    let line = text.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(refuse("write an instruction and its value, for example CMD [\"/app\"]".to_owned()));
    }
    match word.to_ascii_uppercase().as_str() {
        "CMD" => drop(config.insert("Cmd".to_owned(), command(rest))),
        "ENTRYPOINT" => drop(config.insert("Entrypoint".to_owned(), command(rest))),
        "USER" => drop(config.insert("User".to_owned(), json!(rest))),
        "WORKDIR" => {
            let before = config.get("WorkingDir").and_then(Value::as_str).unwrap_or_default();
            config.insert("WorkingDir".to_owned(), json!(folder(before, rest)));
        }
        "ENV" => {
            for (key, value) in pairs(rest).map_err(refuse)? {
                set_variable(config, &key, &value);
            }
        }
        "LABEL" => {
            let pairs = pairs(rest).map_err(refuse)?;
            map(config, "Labels").extend(pairs.into_iter().map(|(key, value)| (key, json!(value))));
        }
        "EXPOSE" => {
            for word in words(rest).map_err(refuse)? {
                let ports = ports(&word)
                    .ok_or_else(|| refuse(format!("{word:?} is no port, such as 80 or 53/udp")))?;
                map(config, "ExposedPorts").extend(ports.into_iter().map(|port| (port, json!({}))));
            }
        }
        "VOLUME" => {
            let list = serde_json::from_str::<Vec<String>>(rest);
            let list = list.or_else(|_| words(rest)).map_err(refuse)?;
            map(config, "Volumes").extend(list.into_iter().map(|path| (path, json!({}))));
        }
        other => {
            const KNOWN: &str = "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME and WORKDIR";
            return Err(refuse(format!("{other} cannot be changed by an import; {KNOWN} can")));
        }
    }
    Ok(())
}

/// A list as JSON is what runs; everything else is for a shell.
fn command(text: &str) -> Value {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(list) => json!(list),
        Err(_) => json!(["/bin/sh", "-c", text]),
    }
}

/// A folder, beside the one that was set before if it does not begin at the root.
fn folder(before: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{before}/{path}") };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// `KEY=value`, more than once, or `KEY value` of old times.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let first = text.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let (key, value) = text.split_once(char::is_whitespace).ok_or("write KEY=value")?;
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{word:?} is not KEY=value")),
    };
    words(text)?.into_iter().map(pair).collect()
}

/// Words between spaces; quotes and backslashes keep what they hold together.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (character, Some(mark)) if character == mark => quote = None,
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            ('\\', None | Some('"')) => {
                let next = characters.next().ok_or("it ends with a backslash")?;
                word.get_or_insert_default().push(next);
            }
            (character, None) if character.is_whitespace() => words.extend(word.take()),
            (character, _) => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err("a quote has no end".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// `80`, `53/udp`, `8000-8010`.
fn ports(text: &str) -> Option<Vec<String>> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
    let is_known = matches!(protocol.as_str(), "tcp" | "udp" | "sctp") && first <= last;
    is_known.then(|| (first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn map<'a>(config: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = config.entry(key).or_insert_with(|| json!({}));
    value.as_object_mut().expect("these keys are only written here, as maps")
}

/// Sets a variable in the place of an earlier one of its name.
fn set_variable(config: &mut Map<String, Value>, key: &str, value: &str) {
    let list = config.entry("Env").or_insert_with(|| json!([]));
    let list = list.as_array_mut().expect("this key is only written here, as a list");
    let begin = format!("{key}=");
    let new = json!(format!("{begin}{value}"));
    match list.iter_mut().find(|old| old.as_str().is_some_and(|old| old.starts_with(&begin))) {
        Some(old) => *old = new,
        None => list.push(new),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::apply;

    fn changed(lines: &[&str]) -> Value {
        let mut config = Map::new();
        lines.iter().for_each(|line| apply(&mut config, line).unwrap());
        Value::Object(config)
    }

    #[test]
    fn instructions_are_followed_as_in_a_dockerfile() {
        let lines = [
            "CMD [\"/app\", \"-v\"]",
            "entrypoint exec  /init",
            "ENV A=1 B=\"two words\" C=it\\ is",
            "ENV A 2 and more",
            "EXPOSE 80 53/UDP 8000-8001",
            "LABEL team=x \"a key\"='$HOME'",
            "USER 1000:1000",
            "VOLUME [\"/a\", \"/b c\"]",
            "VOLUME /d /e",
            "WORKDIR /srv",
            "WORKDIR ./app/../bin",
        ];
        let expected = json!({
            "Cmd": ["/app", "-v"], "Entrypoint": ["/bin/sh", "-c", "exec  /init"],
            "Env": ["A=2 and more", "B=two words", "C=it is"],
            "ExposedPorts": { "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {} },
            "Labels": { "team": "x", "a key": "$HOME" }, "User": "1000:1000",
            "Volumes": { "/a": {}, "/b c": {}, "/d": {}, "/e": {} }, "WorkingDir": "/srv/bin",
        });
        assert_eq!(changed(&lines), expected);
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let cases = [
            ("RUN make", "cannot be changed by an import"),
            ("CMD", "write an instruction and its value"),
            ("", "write an instruction and its value"),
            ("ENV A", "write KEY=value"),
            ("ENV A=1 B", "is not KEY=value"),
            ("LABEL a=\"b", "a quote has no end"),
            ("LABEL a=\\", "ends with a backslash"),
            ("EXPOSE 70000", "is no port"),
            ("EXPOSE 9-8", "is no port"),
            ("EXPOSE 80/icmp", "is no port"),
        ];
        for (line, expected) in cases {
            let error = apply(&mut Map::new(), line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
