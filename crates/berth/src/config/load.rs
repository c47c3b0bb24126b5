//! From the sources to one checked configuration: defaults < file < environment < flags.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::file;
use super::model::Config;
use super::options::SETTINGS;
use super::report::{Mistake, Mistakes, Place};
use super::setting::{FILE_VARIABLE, Setting, VARIABLE_PREFIX};

/// The file that is read when it is there and nobody names another.
pub(crate) const DEFAULT_FILE: &str = "berth.toml";

/// Where values come from, besides the defaults.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// The environment, or the part of it that begins with `BERTH_`.
    pub(crate) environment: BTreeMap<String, String>,
    /// The flags that were given: the option's key and the text.
    pub(crate) flags: Vec<(&'static str, String)>,
}

impl Sources {
    /// What this process was started with.
    pub(crate) fn of_process(file: Option<PathBuf>, flags: Vec<(&'static str, String)>) -> Sources {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
            })
            .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX))
            .collect();
        Sources { file, environment, flags }
    }

    /// The file to read: `--config`, else `BERTH_CONFIG`, else `berth.toml` here if there is one.
    fn file(&self) -> Option<PathBuf> {
        let named = || self.environment.get(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let here = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists());
        self.file.clone().or_else(named).or_else(here)
    }
}

/// Where the value in effect was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Environment(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment(variable) => f.write_str(variable),
            Origin::Flag(flag) => write!(f, "--{flag}"),
        }
    }
}

/// The configuration in effect, and where each value of it comes from.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(crate) config: Config,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// What looks like a slip but may be none: told, not refused.
    pub(crate) warnings: Vec<String>,
    origins: BTreeMap<&'static str, Origin>,
}

impl Effective {
    /// Where the value of an option was written.
    pub(crate) fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// Every option with its value as TOML writes it, passwords hidden.
    pub(crate) fn literals(&self) -> Vec<(&'static Setting, String)> {
        let mut config = self.config.clone();
        SETTINGS.iter().map(|setting| (setting, (setting.slot)(&mut config).literal())).collect()
    }
}

/// Reads every source and checks the whole.
pub(crate) fn load(sources: &Sources) -> Result<Effective, Mistakes> {
    let mut loader = Loader::with_defaults();
    if let Some(path) = sources.file() {
        loader.file(&path);
    }
    loader.environment(&sources.environment);
    loader.flags(&sources.flags);
    loader.finish()
}

/// Reads a file alone over the defaults, as `berth config check FILE` does.
pub(crate) fn check_file(path: &Path) -> Result<Effective, Mistakes> {
    let mut loader = Loader::with_defaults();
    loader.file(path);
    loader.finish()
}

struct Loader {
    effective: Effective,
    mistakes: Vec<Mistake>,
}

impl Loader {
    fn with_defaults() -> Loader {
        let mut config = Config::default();
        for setting in SETTINGS {
            let read = (setting.slot)(&mut config).read(setting.default);
            debug_assert!(read.is_ok(), "the default of {} is tested to be readable", setting.key);
        }
        let effective = Effective { config, file: None, warnings: Vec::new(), origins: BTreeMap::new() };
        Loader { effective, mistakes: Vec::new() }
    }

    fn file(&mut self, path: &Path) {
        let input = match std::fs::read_to_string(path) {
            Ok(input) => input,
            Err(error) => {
                let message = format!("cannot read the configuration file {}: {error}", path.display());
                self.mistakes.push(Mistake { place: Place::Whole, message, hint: None });
                return;
            }
        };
        self.effective.file = Some(path.to_owned());
        let (entries, mistakes) = file::read(path, &input);
        self.mistakes.extend(mistakes);
        for entry in entries {
            self.set(entry.setting, &entry.text, entry.place);
        }
        self.mistakes.sort_by_key(|mistake| mistake.place.position());
    }

    fn environment(&mut self, environment: &BTreeMap<String, String>) {
        for setting in SETTINGS {
            let variable = setting.variable();
            if let Some(text) = environment.get(&variable) {
                self.set(setting, text, Place::Environment(variable));
            }
        }
        // A warning and no mistake: other programs may use this prefix too.
        for variable in
            environment.keys().filter(|variable| !is_known(variable) && !is_service_link(variable))
        {
            let key = variable[VARIABLE_PREFIX.len()..].to_lowercase();
            let near = SETTINGS.iter().find(|setting| did_you_mean_variable(&key, setting));
            let hint = near.map(|near| format!("; did you mean {}?", near.variable())).unwrap_or_default();
            self.effective
                .warnings
                .push(format!("the environment variable {variable} is no option of berth{hint}"));
        }
    }

    fn flags(&mut self, flags: &[(&'static str, String)]) {
        for setting in SETTINGS {
            for (_, text) in flags.iter().filter(|(key, _)| *key == setting.key) {
                self.set(setting, text, Place::Flag(setting.flag()));
            }
        }
    }

    fn set(&mut self, setting: &'static Setting, text: &str, place: Place) {
        let slot = (setting.slot)(&mut self.effective.config);
        match slot.read(text) {
            Ok(()) => {
                let origin = match place {
                    Place::File { path, line, .. } => Origin::File { path, line },
                    Place::Environment(variable) => Origin::Environment(variable),
                    Place::Flag(flag) => Origin::Flag(flag),
                    Place::Whole => Origin::Default,
                };
                self.effective.origins.insert(setting.key, origin);
            }
            Err(hint) => {
                // The address of a database may hold a password: it is not repeated.
                let found = if setting.key == "database.url" {
                    "no such address".to_owned()
                } else {
                    format!("\"{text}\"")
                };
                let message = format!("`{}` is {found}; expected {}", setting.key, slot.expected());
                self.mistakes.push(Mistake { place, message, hint });
            }
        }
    }

    fn finish(mut self) -> Result<Effective, Mistakes> {
        if self.mistakes.is_empty() {
            self.check_tls();
        }
        if self.mistakes.is_empty() { Ok(self.effective) } else { Err(Mistakes(self.mistakes)) }
    }

    /// A certificate without its key, or a key without its certificate, would silently serve plain HTTP.
    fn check_tls(&mut self) {
        let tls = &self.effective.config.tls;
        let (there, missing) = match (&tls.cert, &tls.key) {
            (Some(_), None) => ("tls.cert", "tls.key"),
            (None, Some(_)) => ("tls.key", "tls.cert"),
            _ => return,
        };
        let message = format!("`{there}` is given ({}) but `{missing}` is not", self.effective.origin(there));
        let hint = Some("HTTPS needs both, plain HTTP neither".to_owned());
        self.mistakes.push(Mistake { place: Place::Whole, message, hint });
    }
}

fn is_known(variable: &str) -> bool {
    // BERTH_BLESS belongs to this project's own tests.
    [FILE_VARIABLE, "BERTH_BLESS"].contains(&variable)
        || SETTINGS.iter().any(|setting| setting.variable() == variable)
}

fn did_you_mean_variable(key: &str, setting: &Setting) -> bool {
    let spelled = setting.key.replace('.', "_");
    setting.name() == key || super::suggest::nearest(key, std::iter::once(spelled.as_str())).is_some()
}

/// Whether Kubernetes sets this variable for a Service with our name (`BERTH_PORT=tcp://…`).
pub(crate) fn is_service_link(variable: &str) -> bool {
    ["BERTH_PORT", "BERTH_SERVICE_"].iter().any(|prefix| variable.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("berth.toml");
        std::fs::write(&path, text).expect("a file in it");
        (folder, path)
    }

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let (_folder, path) = written("listen = 'a:1'\ndata = 'a'\n\n[log]\nlevel = 'warn'\n");
        let sources = Sources {
            file: Some(path.clone()),
            environment: environment(&[("BERTH_LISTEN", "b:2"), ("BERTH_DATA", "b")]),
            flags: vec![("listen", "c:3".to_owned())],
        };
        let effective = load(&sources).expect("all of it is right");
        assert_eq!(effective.config.listen.to_string(), "c:3");
        assert_eq!(effective.config.data, Path::new("b"));
        assert_eq!(effective.config.log.level.0, "warn");
        assert_eq!(effective.config.limits.header_size.0, 32 << 10);
        assert_eq!(*effective.origin("listen"), Origin::Flag("listen".to_owned()));
        assert_eq!(*effective.origin("data"), Origin::Environment("BERTH_DATA".to_owned()));
        assert_eq!(*effective.origin("log.level"), Origin::File { path, line: 5 });
        assert_eq!(*effective.origin("drain"), Origin::Default);
    }

    #[test]
    fn the_file_is_named_by_flag_then_by_environment() {
        let (_folder, by_flag) = written("data = 'flag'");
        let (_other, by_variable) = written("data = 'variable'");
        let variables = environment(&[("BERTH_CONFIG", by_variable.to_str().expect("UTF-8"))]);
        let mut sources = Sources { file: Some(by_flag), environment: variables, flags: Vec::new() };
        assert_eq!(load(&sources).expect("right").config.data, Path::new("flag"));
        sources.file = None;
        assert_eq!(load(&sources).expect("right").config.data, Path::new("variable"));
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let (_folder, path) = written("listen = '5000'\n");
        let sources = Sources {
            file: Some(path.clone()),
            environment: environment(&[
                ("BERTH_DRAIN", "60"),
                ("BERTH_DATABASE_URL", "mysql://me:s3cret@db"),
            ]),
            flags: vec![("log.format", "xml".to_owned())],
        };
        let told = load(&sources).expect_err("four mistakes").to_string();
        assert!(
            told.contains(&format!("{}:1:10: `listen` is \"5000\"; expected an address", path.display())),
            "{told}"
        );
        assert!(told.contains("environment variable BERTH_DRAIN: `drain` is \"60\""), "{told}");
        assert!(told.contains("a number needs its unit: 60s?"), "{told}");
        assert!(
            told.contains("--log-format: `log.format` is \"xml\"; expected \"text\" or \"json\""),
            "{told}"
        );
        assert!(told.contains("BERTH_DATABASE_URL") && !told.contains("s3cret"), "{told}");
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let sources = Sources { flags: vec![("tls.cert", "a.crt".to_owned())], ..Sources::default() };
        let told = load(&sources).expect_err("no key").to_string();
        assert_eq!(
            told,
            "`tls.cert` is given (--tls-cert) but `tls.key` is not; HTTPS needs both, plain HTTP neither"
        );
    }

    #[test]
    fn unknown_variables_are_told_and_service_links_are_not() {
        let variables =
            [("BERTH_LISEN", "x"), ("BERTH_PORT", "tcp://10.0.0.1:5000"), ("BERTH_SERVICE_HOST", "10.0.0.1")];
        let sources = Sources { environment: environment(&variables), ..Sources::default() };
        let warnings = load(&sources).expect("warnings are no mistakes").warnings;
        assert_eq!(
            warnings,
            ["the environment variable BERTH_LISEN is no option of berth; did you mean BERTH_LISTEN?"]
        );
    }

    #[test]
    fn a_missing_file_is_a_mistake_only_when_named() {
        let named = Sources { file: Some(PathBuf::from("/nowhere/berth.toml")), ..Sources::default() };
        assert!(load(&named).expect_err("it is not there").to_string().contains("/nowhere/berth.toml"));
    }
}
