//! Answers that are still right because nothing was committed since.
//!
//! A cache may speed an answer up and never be the answer. Here that needs no thought about what to invalidate: an
//! answer is kept under the epoch of the rows that it was read from, and every commit begins a new epoch. On an engine
//! without epochs nothing is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What an answer weighs beside its content.
const OVERHEAD: usize = 512;

/// Joins the parts of a question. No part contains a line break: they are names, tags and digests.
pub(crate) fn question(parts: &[&str]) -> String {
    parts.join("\n")
}

/// Answers to questions, all of one epoch.
pub(crate) struct Answers<T> {
    /// Bytes that the answers may weigh together.
    most: usize,
    kept: Mutex<Kept<T>>,
}

struct Kept<T> {
    epoch: Option<u64>,
    weight: usize,
    answers: HashMap<String, T>,
}

impl<T: Clone> Answers<T> {
    pub(crate) fn new(most: usize) -> Answers<T> {
        Answers { most, kept: Mutex::new(Kept { epoch: None, weight: 0, answers: HashMap::new() }) }
    }

    /// The answer, if it was found in this epoch.
    pub(crate) fn get(&self, epoch: Option<u64>, question: &str) -> Option<T> {
        let kept = self.lock();
        if epoch.is_none() || kept.epoch != epoch { None } else { kept.answers.get(question).cloned() }
    }

    /// Keeps an answer whose content has `size` bytes. The caller made sure that the epoch held while it was found.
    pub(crate) fn put(&self, epoch: Option<u64>, question: String, answer: &T, size: usize) {
        let mut kept = self.lock();
        let weight = question.len() + size + OVERHEAD;
        if kept.epoch != epoch || kept.weight + weight > self.most {
            *kept = Kept { epoch, weight: 0, answers: HashMap::new() };
        }
        kept.weight += weight;
        kept.answers.insert(question, answer.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Kept<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Answers;

    fn ask(answers: &Answers<u8>, epoch: Option<u64>, question: &str) -> Option<u8> {
        answers.get(epoch, question)
    }

    #[test]
    fn an_answer_lasts_for_its_epoch() {
        let answers = Answers::new(10_000);
        answers.put(Some(2), "a".to_owned(), &1, 0);
        assert_eq!(ask(&answers, Some(2), "a"), Some(1));
        assert_eq!(ask(&answers, Some(4), "a"), None);
        assert_eq!(ask(&answers, None, "a"), None);
        answers.put(Some(4), "b".to_owned(), &2, 0);
        assert_eq!(ask(&answers, Some(2), "a"), None, "the old epoch is gone");
        assert_eq!(ask(&answers, Some(4), "b"), Some(2));
    }

    #[test]
    fn answers_never_weigh_more_than_the_bound() {
        let answers = Answers::new(10_000);
        for n in 0..100 {
            answers.put(Some(2), n.to_string(), &n, 1_000);
        }
        let kept = answers.lock();
        assert!(kept.weight <= 10_000 && kept.answers.len() < 10);
    }
}
