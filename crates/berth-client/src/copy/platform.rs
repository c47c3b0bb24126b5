//! One platform of several.

use std::fmt;
use std::str::FromStr;

use berth_oci::{Digest, Manifest, Platform};

use super::CopyError;
use crate::FetchedManifest;

/// A platform as people write it: `linux/amd64`, `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformName {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// A text is no platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a platform is written os/architecture[/variant], for example linux/amd64 or linux/arm64/v8")]
pub struct PlatformError;

impl PlatformName {
    /// What containers on this machine run on, of whatever variant: older ones run on newer machines.
    pub fn of_this_machine() -> PlatformName {
        let Platform { os, architecture, .. } = Platform::of_this_machine();
        PlatformName { os, architecture, variant: None }
    }

    /// The same in the words of an index.
    pub fn platform(&self) -> Platform {
        let PlatformName { os, architecture, variant } = self.clone();
        Platform { os, architecture, variant, ..Platform::default() }
    }

    /// The image of an index for this platform: the first that fits, as every client takes it.
    ///
    /// # Errors
    /// [`CopyError::Platform`] if there is none, [`CopyError::Manifest`] if it is no index.
    pub fn choose(&self, index: &FetchedManifest) -> Result<Digest, CopyError> {
        choose(self, &super::read(index)?)
    }

    /// Whether an image for that platform is meant. What is not said fits, and 64-bit Arm is `v8` whether it says so or
    /// not.
    fn fits(&self, platform: &Platform) -> bool {
        let usual = |variant: &Option<String>| match (self.architecture.as_str(), variant.as_deref()) {
            ("arm64", None | Some("")) => Some("v8".to_owned()),
            (_, variant) => variant.filter(|variant| !variant.is_empty()).map(str::to_owned),
        };
        let same = platform.os == self.os && platform.architecture == self.architecture;
        same && (self.variant.is_none() || usual(&self.variant) == usual(&platform.variant))
    }
}

impl fmt::Display for PlatformName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

impl FromStr for PlatformName {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<PlatformName, PlatformError> {
        let text = text.to_ascii_lowercase();
        let parts: Vec<_> = text.split('/').collect();
        let is_word = |part: &&str| {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            !part.is_empty() && part.bytes().all(is_letter)
        };
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
            _ => return Err(PlatformError),
        };
        if !parts.iter().all(is_word) {
            return Err(PlatformError);
        }
        let architecture = match architecture {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            "i386" => "386",
            other => other,
        };
        Ok(PlatformName { os: os.to_owned(), architecture: architecture.to_owned(), variant })
    }
}

/// The image of an index for one platform: the first that fits, as every client takes it.
pub(super) fn choose(wanted: &PlatformName, index: &Manifest) -> Result<Digest, CopyError> {
    let children = index.references.iter().map(|reference| &reference.descriptor);
    let mut platforms = children.clone().filter_map(|child| Some((child, child.platform.as_ref()?)));
    if let Some((child, _)) = platforms.find(|(_, platform)| wanted.fits(platform)) {
        return Ok(child.digest.clone());
    }
    let words = children.filter_map(|child| child.platform.as_ref()).map(Platform::word);
    let found = words.filter(|word| !word.is_empty()).collect();
    Err(CopyError::Platform { wanted: wanted.to_string(), found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/').map(str::to_owned);
        let (os, architecture) = (parts.next().unwrap(), parts.next().unwrap());
        Platform { os, architecture, variant: parts.next(), ..Platform::default() }
    }

    #[test]
    fn platforms_are_read_as_people_write_them() {
        for (text, shown) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/aarch64/v8", "linux/arm64/v8"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(text.parse::<PlatformName>().unwrap().to_string(), shown);
        }
        for text in ["", "amd64", "linux/", "/amd64", "linux/arm/v7/x", "linux/a b", "linux//v8"] {
            assert!(text.parse::<PlatformName>().is_err(), "{text}");
        }
        assert!(PlatformName::of_this_machine().to_string().parse::<PlatformName>().is_ok());
    }

    #[test]
    fn what_is_not_said_fits() {
        for (wanted, found, fits) in [
            ("linux/amd64", "linux/amd64", true),
            ("linux/amd64", "windows/amd64", false),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm64/v9", "linux/arm64", false),
            ("linux/arm", "linux/arm/v7", true),
            ("linux/arm/v7", "linux/arm/v6", false),
            ("linux/arm/v7", "linux/arm", false),
            ("linux/amd64", "unknown/unknown", false),
        ] {
            let wanted: PlatformName = wanted.parse().unwrap();
            assert_eq!(wanted.fits(&platform(found)), fits, "{wanted} {found}");
        }
    }
}
