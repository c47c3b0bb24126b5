//! Users of an htpasswd file.

use std::collections::HashSet;

use berth_db::{Tx, params};

use crate::accounts::bump;
use crate::manage::{self, Journal};
use crate::password::is_bcrypt;
use crate::{AccountKind, AccountName, Accounts, AuthError, Caller};

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// Users that were added.
    pub added: Vec<String>,
    /// Lines that were not taken: line number from 1, and why.
    pub refused: Vec<(usize, String)>,
}

/// A user to add.
#[derive(Debug, Clone)]
struct Line {
    number: usize,
    name: AccountName,
    hash: String,
}

impl Accounts {
    /// Adds the users of an htpasswd file (bcrypt only). Their hashes go on working, and become argon2id at the next
    /// login. Users that exist already are refused, each with its line. For administrators, of which there must be one.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::Invalid`] without any administrator.
    pub async fn import_htpasswd(&self, text: &str, by: &Caller) -> Result<Imported, AuthError> {
        let manager = self.manager(by)?;
        manager.require_admin("adding users")?;
        manager.require_in_person("adding users")?;
        if !self.any() {
            return Err(AuthError::Invalid("add an administrator first".to_owned()));
        }
        let (lines, refused) = read(text);
        let journal = manager.journal();
        let mut imported = self
            .0
            .db
            .write(move |mut tx| {
                let (lines, refused, journal) = (lines.clone(), refused.clone(), journal.clone());
                Box::pin(async move { add_all(&mut tx, &lines, refused, &journal).await })
            })
            .await?;
        self.reload().await?;
        imported.refused.sort();
        Ok(imported)
    }
}

async fn add_all(
    tx: &mut Tx<'_>,
    lines: &[Line],
    refused: Vec<(usize, String)>,
    journal: &Journal,
) -> Result<Imported, AuthError> {
    let mut imported = Imported { added: Vec::new(), refused };
    for line in lines {
        match manage::insert(tx, AccountKind::User, &line.name, None, journal.at).await {
            Ok(id) => {
                tx.execute("UPDATE accounts SET password = ?1 WHERE id = ?2", params![&line.hash, id])
                    .await?;
                journal.tell(tx, "user.add", line.name.as_str(), "htpasswd").await?;
                imported.added.push(line.name.to_string());
            }
            Err(error @ AuthError::Exists { .. }) => imported.refused.push((line.number, error.to_string())),
            Err(error) => return Err(error),
        }
    }
    bump(tx).await?;
    Ok(imported)
}

/// Reads the lines of a file: those that can be added, and those that cannot.
fn read(text: &str) -> (Vec<Line>, Vec<(usize, String)>) {
    let (mut lines, mut refused, mut names) = (Vec::new(), Vec::new(), HashSet::new());
    for (number, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match read_line(number, text) {
            Ok(line) if names.insert(line.name.clone()) => lines.push(line),
            Ok(line) => refused.push((number, format!("{} stands on an earlier line", line.name))),
            Err(reason) => refused.push((number, reason)),
        }
    }
    (lines, refused)
}

fn read_line(number: usize, text: &str) -> Result<Line, String> {
    let (name, hash) = text.split_once(':').ok_or("a line is NAME:HASH")?;
    let name: AccountName = name.parse().map_err(|error: crate::NameError| error.to_string())?;
    if name.robot_owner().is_some() {
        return Err(format!("{name} is the name of a robot"));
    }
    if !is_bcrypt(hash) {
        return Err(format!(
            "the password of {name} is not hashed with bcrypt; make it anew: htpasswd -B FILE {name}"
        ));
    }
    Ok(Line { number, name, hash: hash.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_lines_are_taken_and_bad_ones_told_by_number() {
        let hash = "$2y$05$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ01234";
        assert!(is_bcrypt(hash));
        let text = format!(
            "# users\n\nalice:{hash}\r\nBob:{hash}\nbob:$apr1$x$y\nnobody\nalice:{hash}\nacme.ci:{hash}\ncarol:{hash}"
        );
        let (lines, refused) = read(&text);
        assert_eq!(lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["alice", "carol"]);
        assert_eq!(refused.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
        assert!(refused[1].1.contains("htpasswd -B"), "{}", refused[1].1);
        assert!(refused.iter().all(|(_, reason)| !reason.contains("$2y$") && !reason.contains("$apr1$")));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let (lines, refused) = read(&text);
            prop_assert!(lines.len() + refused.len() <= text.lines().count());
        }
    }
}
