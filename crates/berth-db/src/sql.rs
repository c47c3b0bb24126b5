//! One text of SQL, two engines: parameters and column types are spelled for each.
//!
//! Statements use `?1, ?2, …`, which SQLite takes as they are (`$1` would be a *named* parameter to it, numbered by first
//! appearance). PostgreSQL gets `$1`. Schemas use three words of our own for column types:
//!
//! | word | meaning | SQLite | PostgreSQL |
//! |---|---|---|---|
//! | `IDENTITY` | row number, never used twice | `INTEGER PRIMARY KEY AUTOINCREMENT` | `BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY` |
//! | `KEY` before a comma, bracket or constraint | text that is compared and sorted by its bytes | `TEXT` | `TEXT COLLATE "C"` |
//! | `BYTES` | byte string | `BLOB` | `BYTEA` |

/// Rewrites `?n` to `$n`, leaving string literals alone.
pub(crate) fn for_postgres(sql: &str) -> String {
    let mut quoted = false;
    sql.chars()
        .map(|c| match c {
            '\'' => {
                quoted = !quoted;
                c
            }
            '?' if !quoted => '$',
            _ => c,
        })
        .collect()
}

/// An engine, as far as a schema's words are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// Spells a schema for an engine. Words are whole words in capitals; `PRIMARY KEY` and `FOREIGN KEY` stay.
pub(crate) fn schema(sql: &str, dialect: Dialect) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut previous = String::new();
    let mut rest = sql;
    while !rest.is_empty() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if end == 0 {
            let next = rest.find(is_word).unwrap_or(rest.len());
            out.push_str(&rest[..next]);
            rest = &rest[next..];
            continue;
        }
        let word = &rest[..end];
        out.push_str(match (word, dialect) {
            ("IDENTITY", Dialect::Sqlite) => "INTEGER PRIMARY KEY AUTOINCREMENT",
            ("IDENTITY", Dialect::Postgres) => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            ("BYTES", Dialect::Sqlite) => "BLOB",
            ("BYTES", Dialect::Postgres) => "BYTEA",
            ("KEY", dialect) if previous != "PRIMARY" && previous != "FOREIGN" => match dialect {
                Dialect::Sqlite => "TEXT",
                Dialect::Postgres => "TEXT COLLATE \"C\"",
            },
            _ => word,
        });
        word.clone_into(&mut previous);
        rest = &rest[end..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Dialect, for_postgres, schema};

    #[test]
    fn parameters_keep_their_numbers() {
        assert_eq!(for_postgres("SELECT ?2, ?1, '?1'"), "SELECT $2, $1, '?1'");
    }

    #[test]
    fn schema_words_are_spelled_for_each_engine() {
        let sql = "CREATE TABLE t (id IDENTITY, name KEY NOT NULL, body BYTES, a BIGINT, PRIMARY KEY (a), FOREIGN KEY (a))";
        assert_eq!(
            schema(sql, Dialect::Sqlite),
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, body BLOB, a BIGINT, PRIMARY KEY (a), FOREIGN KEY (a))"
        );
        assert_eq!(
            schema(sql, Dialect::Postgres),
            "CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT COLLATE \"C\" NOT NULL, body BYTEA, a BIGINT, PRIMARY KEY (a), FOREIGN KEY (a))"
        );
    }
}
