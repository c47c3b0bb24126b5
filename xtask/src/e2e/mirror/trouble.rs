//! An upstream in trouble: away, refusing, broken in the middle, wrong.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::{BARE, Harbor};
use crate::e2e::images::{LAYER, noise};
use crate::fault::{self, Fault, On, Place};
use crate::mirror::images::{Image, TAG};
use crate::random::Random;

/// How long the mirror may keep away from an upstream that is well again.
const HEALING: Duration = Duration::from_secs(75);

/// Runs the steps.
pub(super) fn run(harbor: &Harbor<'_>) {
    refusals(harbor);
    broken_transfers(harbor);
    prefetched(harbor);
}

/// Pushes an image to the upstream that the mirror has never seen, and gives its name and digest.
fn fresh(harbor: &Harbor<'_>, name: &str, seed: u64) -> anyhow::Result<(String, String)> {
    let image = Image::of(vec![noise(seed, LAYER)], &mut Random::new(seed));
    let repository = format!("library/{name}");
    image.push(harbor.hub.server.address(), &repository, TAG)?;
    Ok((format!("docker.io/{repository}:{TAG}"), image.manifest.digest))
}

/// Copies as soon as the mirror asks the upstream again.
fn copy_when_well(harbor: &Harbor<'_>, name: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        match harbor.copy(name) {
            Ok(_) => return Ok(()),
            Err(error) if started.elapsed() > HEALING => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn refusals(harbor: &Harbor<'_>) {
    let proxy = &harbor.hub.proxy;
    let known = format!("library/{BARE}");
    let judge = |trouble: &str, seed: u64| {
        let unknown = format!("/v2/docker.io/library/nobody-{seed}/manifests/{TAG}");
        let stale = harbor.ask(&format!("/v2/docker.io/{known}/manifests/app"), &["--head"]);
        let stale = stale.with_context(|| format!("{trouble}, a known tag"))?;
        ensure!(stale.header("warning").is_some(), "{trouble}: no Warning in {}", stale.head);
        harbor
            .copy(&format!("docker.io/{known}:app"))
            .with_context(|| format!("{trouble}, a known image"))?;
        let answer = harbor.ask(&unknown, &[]).with_context(|| format!("{trouble}, an unknown tag"))?;
        let told = answer.error()?;
        ensure!(
            answer.status == 429 || answer.status >= 500,
            "{trouble}: what is unknown was answered {} {told}",
            answer.status
        );
        ensure!(told.contains("docker.io"), "{trouble}: {told} does not say who is in trouble");
        Ok(())
    };
    harbor.stage.step("mirror", "an upstream that is away: known tags go on, others say why", || {
        proxy.go_away();
        let judged = judge("away", 1);
        proxy.come_back()?;
        judged?;
        let (name, _) = fresh(harbor, "after-away", 101)?;
        copy_when_well(harbor, &name)
    });
    for (title, fault, seed) in [
        ("answers 429", Fault::TooMany(1), 102),
        ("answers 503", Fault::Failing(503), 103),
        ("is silent", Fault::Late(Duration::from_secs(3600)), 110),
    ] {
        harbor.stage.step("mirror", &format!("an upstream that {title}: the same"), || {
            proxy.misbehave(On::Everything, &[fault]);
            let judged = judge(title, seed);
            proxy.behave();
            judged?;
            let (name, _) = fresh(harbor, &format!("after-{seed}"), seed)?;
            copy_when_well(harbor, &name)
        });
    }
}

fn broken_transfers(harbor: &Harbor<'_>) {
    let proxy = &harbor.hub.proxy;
    harbor.stage.step("mirror", "a blob that was cut is fetched on from there", || {
        let (name, digest) = fresh(harbor, "cut", 104)?;
        let mark = proxy.mark();
        proxy.misbehave_times(1, On::Blobs, Fault::Cut(Place::After(1 << 20)));
        copy_when_well(harbor, &name)?;
        ensure!(harbor.digest(&name)? == digest, "another digest");
        let asked = proxy.since(mark);
        ensure!(asked.iter().any(|asked| asked.is_range && asked.status == 206), "no part was asked for");
        let bytes = fault::blob_bytes(&asked);
        ensure!(bytes < LAYER as u64 * 3 / 2, "{bytes} bytes came for a layer of {LAYER}");
        Ok(())
    });
    for (title, fault, seed) in [
        ("wrong bytes", Fault::Flip, 105),
        ("a byte too many", Fault::Extra, 106),
        ("a page in the place of a blob", Fault::Page, 107),
        ("a blob without end", Fault::Endless, 108),
    ] {
        harbor.stage.step("mirror", &format!("{title}: the pull fails, and a later one is right"), || {
            let (name, digest) = fresh(harbor, &format!("wrong-{seed}"), seed)?;
            proxy.misbehave(On::Blobs, &[fault]);
            let copied = harbor.copy(&name);
            proxy.behave();
            // A mirror may also cut what is too much, and have given the right bytes before.
            let is_tolerable = title == "a byte too many" || title == "a blob without end";
            ensure!(copied.is_err() || is_tolerable, "skopeo took what was wrong");
            copy_when_well(harbor, &name)?;
            ensure!(harbor.digest(&name)? == digest, "another digest");
            proxy.go_away();
            let alone = harbor.copy(&name);
            proxy.come_back()?;
            alone.map(drop).context("what is stored is not whole")
        });
    }
}

fn prefetched(harbor: &Harbor<'_>) {
    harbor.stage.step("mirror", "what was prefetched is there when the upstream is away", || {
        let (name, digest) = fresh(harbor, "prefetched", 109)?;
        harbor.berth.run(&["prefetch", &name])?;
        harbor.hub.proxy.go_away();
        let alone = harbor.copy(&name).and_then(|_| harbor.digest(&name));
        harbor.hub.proxy.come_back()?;
        ensure!(alone? == digest, "another digest");
        Ok(())
    });
}
