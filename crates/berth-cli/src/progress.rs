//! How transfers are shown: bars for who watches, docker's lines for who reads, documents for programs, or nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_client::{Step, Uploaded, Watch};
use berth_oci::{Descriptor, Digest};
use clap::Args;
use serde_json::{Value, json};

use crate::environment::Environment;
use crate::output;

mod bars;
mod stream;

use bars::Bars;
pub(crate) use stream::Stream;

/// How much is printed.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct ProgressArgs {
    /// Print the result alone
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Print a JSON document for each step, one a line, and one for the result
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) json: bool,
}

/// What the steps of a layer are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    /// It will be looked after.
    pub(crate) begun: &'static str,
    /// Its bytes move.
    pub(crate) moving: &'static str,
    /// It was there.
    pub(crate) existed: &'static str,
    /// It has moved, in one word after the other.
    pub(crate) done: &'static [&'static str],
}

/// What docker says of a pull.
pub(crate) const PULL: Words = Words {
    begun: "Pulling fs layer",
    moving: "Downloading",
    existed: "Already exists",
    done: &["Download complete", "Pull complete"],
};

/// What docker says of a push.
pub(crate) const PUSH: Words =
    Words { begun: "Preparing", moving: "Pushing", existed: "Layer already exists", done: &["Pushed"] };

/// What is said of a copy.
pub(crate) const COPY: Words =
    Words { begun: "Waiting", moving: "Copying", existed: "Already there", done: &["Copied"] };

/// A transfer that is shown. Clones show the same one.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Shown>);

struct Shown {
    words: Words,
    manner: Manner,
    layers: Mutex<HashMap<Digest, Layer>>,
    /// From which repository all layers are taken of which nothing else is known.
    home: Mutex<Option<String>>,
    /// The layers that were told of beforehand.
    order: Mutex<Vec<Descriptor>>,
}

enum Manner {
    Quiet,
    Lines,
    Json,
    Bars(Box<Bars>),
}

/// A layer that was met.
#[derive(Debug, Default)]
struct Layer {
    /// Bytes that a program was told of.
    told: u64,
    is_done: bool,
    /// From which repository the registry takes it, if it does.
    from: Option<String>,
}

impl Progress {
    /// A transfer that begins.
    pub(crate) fn new(environment: &Environment, args: ProgressArgs, words: Words) -> Progress {
        let manner = match (args.quiet, args.json) {
            (true, _) => Manner::Quiet,
            (false, true) => Manner::Json,
            (false, false) if environment.is_watched => {
                Manner::Bars(Box::new(Bars::new(environment.is_colored)))
            }
            (false, false) => Manner::Lines,
        };
        Progress(Arc::new(Shown {
            words,
            manner,
            layers: Mutex::default(),
            home: Mutex::default(),
            order: Mutex::default(),
        }))
    }

    /// Prints a line that is neither about a layer nor the result.
    pub(crate) fn line(&self, text: &str) {
        match &self.0.manner {
            Manner::Quiet | Manner::Json => {}
            Manner::Lines => say(text),
            Manner::Bars(bars) => bars.line(text),
        }
    }

    /// Prints what people should know and programs need not, to standard error.
    pub(crate) fn note(&self, text: &str) {
        match &self.0.manner {
            Manner::Quiet => {}
            Manner::Lines | Manner::Json => output::note(text),
            Manner::Bars(bars) => bars.line(text),
        }
    }

    /// Tells of the layers of which nothing was heard that they were there: somebody had all of them at once.
    pub(crate) fn settle(&self) {
        let mut layers = self.layers();
        let order = self.0.order.lock().unwrap_or_else(PoisonError::into_inner);
        for blob in order.iter() {
            let Some(layer) = layers.get_mut(&blob.digest).filter(|layer| !layer.is_done) else { continue };
            layer.is_done = true;
            self.0.done(blob, Uploaded::Existed, None);
        }
    }

    /// Tells which layers there will be, in their order.
    pub(crate) fn begin<'a>(&self, layers: impl Iterator<Item = &'a Descriptor>) {
        let mut known = self.layers();
        let mut order = self.0.order.lock().unwrap_or_else(PoisonError::into_inner);
        for layer in layers {
            if known.contains_key(&layer.digest) {
                continue;
            }
            known.insert(layer.digest.clone(), Layer::default());
            order.push(layer.clone());
            match &self.0.manner {
                Manner::Lines => say(&format!("{}: {}", short(&layer.digest), self.0.words.begun)),
                Manner::Bars(bars) => bars.expect(layer),
                Manner::Quiet | Manner::Json => {}
            }
        }
    }

    /// Tells of a layer that was there, if it is worth telling.
    pub(crate) fn existed(&self, layer: &Descriptor, is_told: bool) {
        let known = Layer { is_done: true, ..Layer::default() };
        let is_met = self.layers().insert(layer.digest.clone(), known).is_some_and(|layer| layer.is_done);
        if is_told && !is_met {
            self.0.done(layer, Uploaded::Existed, None);
        }
    }

    /// Tells from which repository the registry is asked to take a layer.
    pub(crate) fn mounting(&self, layer: &Digest, from: &str) {
        self.layers().entry(layer.clone()).or_default().from = Some(from.to_owned());
    }

    /// Tells from which repository the registry is asked to take whatever it has there.
    pub(crate) fn mounting_all(&self, from: &str) {
        *self.0.home.lock().unwrap_or_else(PoisonError::into_inner) = Some(from.to_owned());
    }

    /// Who is told of each step.
    pub(crate) fn watch(&self) -> Option<Watch> {
        let shown = Arc::clone(&self.0);
        match shown.manner {
            Manner::Quiet => None,
            _ => Some(Arc::new(move |blob, step| shown.step(blob, step))),
        }
    }

    /// Prints one of several results: a document for programs, a line for people.
    pub(crate) fn one(&self, result: &Value, text: &str) {
        match &self.0.manner {
            Manner::Json => say(&result.to_string()),
            Manner::Bars(bars) => bars.beside(|| say(text)),
            Manner::Lines | Manner::Quiet => say(text),
        }
    }

    /// Prints the result: a document for programs, a line for people.
    ///
    /// # Errors
    /// That nobody reads it.
    pub(crate) fn finish(&self, result: &Value, text: &str) -> Result<(), crate::failure::Failure> {
        match &self.0.manner {
            Manner::Json => output::line(&result.to_string()),
            Manner::Bars(bars) => {
                bars.end();
                output::line(text)
            }
            Manner::Lines | Manner::Quiet => output::line(text),
        }
    }

    fn layers(&self) -> MutexGuard<'_, HashMap<Digest, Layer>> {
        self.0.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn step(&self, blob: &Descriptor, step: Step) {
        // Configurations are part of the image, and no layer that anybody counts.
        if is_config(blob) {
            return;
        }
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let layer = layers.entry(blob.digest.clone()).or_default();
        match step {
            Step::Moved(bytes) => self.moved(blob, layer, bytes),
            Step::Done(_) if layer.is_done => {}
            Step::Done(how) => {
                layer.is_done = true;
                self.done(blob, how, layer.from.as_deref());
            }
        }
    }

    fn moved(&self, blob: &Descriptor, layer: &mut Layer, bytes: u64) {
        /// A program hears of a layer at most so often: each hundredth of it, and not of less than a mebibyte.
        const PARTS: u64 = 100;
        const LEAST: u64 = 1024 * 1024;
        match &self.manner {
            Manner::Bars(bars) => bars.moved(blob, self.words.moving, bytes),
            Manner::Json if bytes.abs_diff(layer.told) >= LEAST.max(blob.size / PARTS) => {
                layer.told = bytes;
                let (layer, size) = (blob.digest.to_string(), blob.size);
                say(&json!({ "layer": layer, "state": "moving", "bytes": bytes, "size": size }).to_string());
            }
            Manner::Json | Manner::Lines | Manner::Quiet => {}
        }
    }

    fn done(&self, blob: &Descriptor, how: Uploaded, from: Option<&str>) {
        let home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        let from = from.or(home.as_deref()).filter(|_| how == Uploaded::Mounted);
        let mounted = format!("Mounted from {}", from.unwrap_or("another repository"));
        let (state, words): (_, Vec<&str>) = match how {
            Uploaded::Existed => ("existed", vec![self.words.existed]),
            Uploaded::Mounted => ("mounted", vec![&mounted]),
            Uploaded::Sent => ("done", self.words.done.to_vec()),
        };
        match &self.manner {
            Manner::Quiet => {}
            Manner::Lines => {
                words.iter().for_each(|word| say(&format!("{}: {word}", short(&blob.digest))));
            }
            Manner::Json => {
                let (layer, size) = (blob.digest.to_string(), blob.size);
                say(&json!({ "layer": layer, "state": state, "size": size, "from": from }).to_string());
            }
            Manner::Bars(bars) => bars.done(blob, words.last().copied().unwrap_or_default()),
        }
    }
}

/// Whether a blob is a configuration, or stands for none.
fn is_config(blob: &Descriptor) -> bool {
    use berth_oci::media_type::{DOCKER_CONFIG, OCI_CONFIG, OCI_EMPTY};
    [OCI_CONFIG, DOCKER_CONFIG, OCI_EMPTY].contains(&blob.media_type.as_str())
}

/// As many digits as docker shows.
pub(crate) fn short(digest: &Digest) -> String {
    digest.hex().chars().take(12).collect()
}

/// Prints a step. That nobody reads it any more shows with the result.
fn say(text: &str) {
    let _ = output::line(text);
}
