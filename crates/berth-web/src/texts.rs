//! What the page says, one table for each language. The compiler refuses a table that lacks a key.

mod en;
mod zh;

pub(crate) use en::{EN, Texts};
pub(crate) use zh::ZH;

/// A language of the page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Language {
    #[default]
    English,
    Chinese,
}

impl Language {
    /// All of them, as they are offered.
    pub(crate) const ALL: [Language; 2] = [Language::English, Language::Chinese];

    /// Its code (BCP 47), which is written into the page and into the cookie.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Chinese => "zh-CN",
        }
    }

    /// Its name in itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Chinese => "简体中文",
        }
    }

    pub(crate) fn texts(self) -> &'static Texts {
        match self {
            Language::English => &EN,
            Language::Chinese => &ZH,
        }
    }

    pub(crate) fn by_code(code: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    /// The first of `Accept-Language` that we have. Browsers write them in the order in which they are liked.
    pub(crate) fn liked(header: &str) -> Language {
        let codes = header.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
        let known =
            |code: &str| match code.split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "en" => Some(Language::English),
                "zh" => Some(Language::Chinese),
                _ => None,
            };
        codes.filter_map(known).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{EN, Language, ZH};

    /// What is the same in both: names of things and words of commands.
    const SAME: &[&str] =
        &["README", "Docker", "podman", "containerd", "API", "OpenAPI", "Berth", "{}", "CMD"];

    #[test]
    fn no_text_is_missing_or_left_in_another_language() {
        let (en, zh) = (EN.all(), ZH.all());
        assert_eq!(en.len(), zh.len());
        for ((key, english), (other, chinese)) in en.into_iter().zip(zh) {
            assert_eq!(key, other);
            assert!(!english.trim().is_empty() && !chinese.trim().is_empty(), "{key} is empty");
            let places = |text: &str| text.matches("{}").count();
            assert_eq!(places(english), places(chinese), "{key} takes as much in each language");
            if !SAME.contains(&english) {
                assert!(
                    chinese.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)),
                    "{key} is not translated: {chinese}"
                );
            }
            assert!(!english.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{key}: {english}");
        }
    }

    #[test]
    fn languages_go_there_and_back() {
        for language in Language::ALL {
            assert_eq!(Language::by_code(language.code()), Some(language));
            assert_eq!(Language::liked(language.code()), language);
        }
        assert_eq!(Language::by_code("xx"), None);
    }
}
