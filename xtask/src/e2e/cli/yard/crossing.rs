//! Images that one program makes, and another one runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::{Registry, Yard, digest, named_in};
use crate::e2e::client::Client;
use crate::e2e::images::GREETING;
use crate::e2e::{docker, podman};

/// Runs the steps with one registry.
pub(super) fn run(yard: &Yard<'_>, registry: &Registry) -> anyhow::Result<()> {
    from_here(yard, registry);
    from_others(yard, registry);
    // With Berth, this was seen before.
    if registry.title != "Berth" {
        copies(yard, registry);
        engines(yard, registry);
    }
    Ok(())
}

/// An image at the registry is run by docker and by podman, and all programs find that digest.
fn runs_everywhere(yard: &Yard<'_>, name: &str, expected: &str) -> anyhow::Result<()> {
    docker::remove_all(&yard.docker)?;
    yard.docker.says(&["pull", name], &format!("Digest: {expected}"))?;
    runs(&yard.docker, name)?;
    yard.podman.run(&["rmi", "--all", "--force"])?;
    yard.podman.run(&["pull", "--tls-verify=false", name])?;
    let found = yard.podman.run(&["image", "inspect", "--format", "{{.Digest}}", name])?;
    ensure!(found.trim() == expected, "podman has {found}, not {expected}");
    runs_by_podman(&yard.podman, name)?;
    let inspected = yard.inspected(&format!("docker://{name}"))?;
    ensure!(inspected["Digest"] == expected, "skopeo finds {}, not {expected}", inspected["Digest"]);
    yard.berth.says(&["digest", name], expected)?;
    Ok(())
}

fn from_here(yard: &Yard<'_>, registry: &Registry) {
    let Registry { title, host } = registry;
    let app = format!("{host}/yard/app:1.9");
    yard.step(&format!("an image of a layout, pushed to {title}, runs everywhere"), || {
        let layout = format!("oci:{}:app", yard.stage.images.layout.display());
        yard.berth.run(&["copy", &layout, &format!("local:{app}")])?;
        let said = yard.berth.says(&["push", &app], ": Pushed\n")?;
        ensure!(digest(&said)? == yard.stage.images.app, "another digest: {said}");
        runs_everywhere(yard, &app, &yard.stage.images.app)?;
        yard.berth.says(&["push", &app], ": Layer already exists\n")?;
        let other = format!("{host}/yard/other:1");
        yard.berth.run(&["tag", &app, &other])?;
        yard.berth.says(&["push", &other], ": Mounted from yard/app\n")?;
        Ok(())
    });
    yard.step(&format!("an imported file system, pushed to {title}, runs everywhere"), || {
        let name = format!("{host}/yard/imported:2");
        let archive = yard.place("root.tar");
        let made = std::process::Command::new("tar")
            .args(["-cf", &archive.to_string_lossy(), "-C", &yard.stage.images.context.to_string_lossy()])
            .args(["hello", "first"])
            .status()?;
        ensure!(made.success(), "tar made no archive");
        let archive = archive.to_string_lossy();
        let id = yard.berth.run(&["import", "-c", "ENTRYPOINT [\"/hello\"]", &archive, &name])?;
        let pushed = digest(&yard.berth.run(&["push", &name])?)?;
        runs_everywhere(yard, &name, &pushed)?;
        let found = yard.docker.run(&["image", "inspect", "--format", "{{.Id}}", &name])?;
        ensure!(found == id, "the image is {id} here and {found} at docker");
        Ok(())
    });
    yard.step(&format!("what docker saved is loaded, pushed to {title}, and has docker's id"), || {
        let name = format!("{host}/yard/saved:3");
        docker::remove_all(&yard.docker)?;
        yard.docker.run(&["build", "-t", &name, &yard.stage.images.context.to_string_lossy()])?;
        let id = yard.docker.run(&["image", "inspect", "--format", "{{.Id}}", &name])?;
        let archive = yard.place("saved.tar");
        yard.docker.run(&["save", "-o", &archive.to_string_lossy(), &name])?;
        yard.berth.says(&["load", "-i", &archive.to_string_lossy()], &format!("Loaded image: {name}\n"))?;
        yard.berth.says(&["inspect", "-f", "{{.Id}}", &name], id.trim())?;
        let pushed = digest(&yard.berth.run(&["push", &name])?)?;
        runs_everywhere(yard, &name, &pushed)
    });
}

fn from_others(yard: &Yard<'_>, registry: &Registry) {
    let Registry { title, host } = registry;
    yard.step(&format!("docker's image from {title} is pulled, saved, loaded by docker, and runs"), || {
        let name = format!("{host}/docker/app:1");
        docker::remove_all(&yard.docker)?;
        yard.docker.run(&["build", "-t", &name, &yard.stage.images.context.to_string_lossy()])?;
        let pushed = digest(&yard.docker.run(&["push", &name])?)?;
        let id = yard.docker.run(&["image", "inspect", "--format", "{{.Id}}", &name])?;
        there_and_back(yard, &name, &pushed, id.trim())
    });
    yard.step(&format!("buildah's image from {title} is pulled, saved, loaded by docker, and runs"), || {
        let name = format!("{host}/buildah/app:1");
        let context = yard.stage.images.context.to_string_lossy();
        yard.buildah.run(&["build", "--isolation=chroot", "--tag", &name, &context])?;
        let told = yard.place("buildah-digest");
        yard.buildah.run(&["push", "--tls-verify=false", "--digestfile", &told.to_string_lossy(), &name])?;
        let pushed = fs::read_to_string(&told)?;
        let id = yard.buildah.run(&["images", "--no-trunc", "--quiet", &name])?;
        there_and_back(yard, &name, pushed.trim(), id.trim())
    });
}

/// Pulls what another program pushed, and gives it to docker and podman as an archive.
fn there_and_back(yard: &Yard<'_>, name: &str, pushed: &str, id: &str) -> anyhow::Result<()> {
    yard.clear()?;
    yard.berth
        .says(&["pull", name], &format!("Digest: {pushed}\nStatus: Downloaded newer image for {name}\n"))?;
    yard.berth.says(&["pull", name], &format!("Status: Image is up to date for {name}\n"))?;
    yard.berth.says(&["inspect", "-f", "{{.Id}} {{index .RepoDigests 0}}", name], id)?;
    yard.berth.says(&["images", "--digests", "--no-trunc"], pushed)?;
    type Runs = fn(&Client, &str) -> anyhow::Result<()>;
    let docker = (&yard.docker, runs as Runs);
    let podman = (&yard.podman, runs_by_podman as Runs);
    for (form, (program, runs)) in [("docker", docker), ("docker", podman), ("oci", podman)] {
        let archive = yard.place("back.tar");
        yard.berth.run(&["save", "--format", form, "-o", &archive.to_string_lossy(), name])?;
        // It may not have it.
        drop(program.run(&["image", "rm", "--force", name]));
        program.run(&["load", "-i", &archive.to_string_lossy()])?;
        let found = program.run(&["image", "inspect", "--format", "{{.Id}}", name])?;
        ensure!(
            found.trim().ends_with(id.trim_start_matches("sha256:")),
            "{found} is another image than {id}"
        );
        runs(program, name)?;
    }
    Ok(())
}

/// podman runs an image of ours.
fn runs_by_podman(podman: &Client, name: &str) -> anyhow::Result<()> {
    podman.says(&[&podman::RUN[..], &[name]].concat(), GREETING).map(drop)
}

/// docker runs an image of ours.
fn runs(docker: &Client, name: &str) -> anyhow::Result<()> {
    docker.says(&["run", "--rm", "--network=none", name], GREETING).map(drop)
}

fn copies(yard: &Yard<'_>, registry: &Registry) {
    let Registry { title, host } = registry;
    let multi = format!("{host}/copied/multi:1");
    yard.step(&format!("a copy to and from {title} has the blobs that skopeo's has"), || {
        let layout = format!("oci:{}:multi", yard.stage.images.layout.display());
        yard.berth.says(&["copy", &layout, &multi], &yard.stage.images.multi)?;
        let (own, others) = (yard.place("copied-by-berth"), yard.place("copied-by-skopeo"));
        for folder in [&own, &others] {
            // Those of the registry before.
            drop(fs::remove_dir_all(folder));
        }
        yard.berth.run(&["copy", &multi, &format!("oci:{}:x", own.display())])?;
        let target = format!("oci:{}:x", others.display());
        yard.skopeo.run(&[
            "copy",
            "--all",
            "--src-tls-verify=false",
            &format!("docker://{multi}"),
            &target,
        ])?;
        let (own_blobs, other_blobs) = (blobs(&own)?, blobs(&others)?);
        ensure!(own_blobs == other_blobs, "the blobs are {own_blobs:?}, skopeo's {other_blobs:?}");
        ensure!(own_blobs.len() == 10, "an index of three images of one layer has {} blobs", own_blobs.len());
        ensure!(named_in(&own, "x")? == yard.stage.images.multi, "another digest in the layout");
        Ok(())
    });
    yard.step(&format!("archives of both kinds from {title} are read by skopeo, and come back"), || {
        let app = format!("{host}/copied/app:1");
        let source = format!("oci:{}:app", yard.stage.images.layout.display());
        yard.berth.run(&["copy", &source, &app])?;
        for form in ["oci-archive", "docker-archive"] {
            let place = format!("{form}:{}", yard.place(&format!("{form}.tar")).display());
            yard.berth.run(&["copy", &app, &place])?;
            let inspected = yard.inspected(&place)?;
            let layers = inspected["Layers"].as_array().context("no layers")?.len();
            ensure!(layers == 2, "skopeo finds {layers} layers in {place}");
            let back = format!("{host}/copied/{form}:1");
            yard.berth.run(&["copy", &place, &back])?;
            let found = digest(&format!("Digest: {}", yard.berth.run(&["digest", &back])?))?;
            runs_everywhere(yard, &back, &found)?;
            ensure!(form != "oci-archive" || found == yard.stage.images.app, "the digest became {found}");
        }
        Ok(())
    });
}

fn engines(yard: &Yard<'_>, registry: &Registry) {
    let Registry { title, host } = registry;
    yard.step(
        &format!("an image of docker's engine goes to {title}, and one from there to the engine"),
        || {
            let (local, remote) = ("engine/app:1", format!("{host}/engine/app:1"));
            docker::remove_all(&yard.docker)?;
            yard.docker.run(&["build", "-t", local, &yard.stage.images.context.to_string_lossy()])?;
            let id = yard.docker.run(&["image", "inspect", "--format", "{{.Id}}", local])?;
            yard.berth.run(&["copy", &format!("docker-daemon:{local}"), &remote])?;
            docker::remove_all(&yard.docker)?;
            yard.berth.run(&["copy", &remote, "docker-daemon:engine/back:1"])?;
            runs(&yard.docker, "engine/back:1")?;
            let back = yard.docker.run(&["image", "inspect", "--format", "{{.Id}}", "engine/back:1"])?;
            ensure!(back == id, "{id} came back as {back}");
            Ok(())
        },
    );
}

/// The blobs of a layout, by name, with their sizes.
fn blobs(layout: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let entries = fs::read_dir(layout.join("blobs/sha256"))?.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.metadata()?.len()))
    });
    entries.collect()
}
