//! Names at the mirror: by prefix, by `ns`, by path, and bare on the open listener; all are one copy.

use anyhow::{Context as _, ensure};

use super::{BARE, GUARDED, Harbor, nothing_fetched};

/// Runs the steps; skopeo and curl are the clients.
pub(super) fn run(harbor: &Harbor<'_>) -> anyhow::Result<()> {
    copies(harbor);
    forms(harbor);
    strangers(harbor);
    overview(harbor);
    Ok(())
}

fn copies(harbor: &Harbor<'_>) {
    let (stage, images) = (harbor.stage, &harbor.stage.images);
    stage.step("mirror", "skopeo copies an index by its prefix, with the upstream's digest", || {
        let mark = harbor.hub.proxy.mark();
        let name = format!("docker.io/library/{BARE}");
        harbor.copy(&format!("{name}:multi"))?;
        ensure!(harbor.hub.proxy.mark() > mark, "the upstream was not asked");
        let found = harbor.digest(&format!("{name}:multi"))?;
        ensure!(found == images.multi, "the index is {found}, not {}", images.multi);
        harbor.copy(&format!("docker.io/{BARE}:app"))?;
        let found = harbor.digest(&format!("{name}:app"))?;
        ensure!(found == images.app, "the image is {found}, not {}", images.app);
        Ok(())
    });
    stage.step("mirror", "a second copy brings nothing from the upstream", || {
        let mark = harbor.hub.proxy.mark();
        for tag in ["multi", "app"] {
            harbor.copy(&format!("docker.io/library/{BARE}:{tag}"))?;
        }
        nothing_fetched(&harbor.hub.proxy, mark)
    });
    stage.step("mirror", "an upstream that demands tokens gives what the mirror may have", || {
        let before = harbor.tokens.answered().len();
        harbor.copy(&format!("quay.io/{GUARDED}:multi"))?;
        let answered = harbor.tokens.answered().split_off(before);
        ensure!(answered.iter().all(|status| *status == 200), "the token server answered {answered:?}");
        // A dozen requests: a token is used again while it is good.
        ensure!((1..=3).contains(&answered.len()), "{} tokens were got for one image", answered.len());
        Ok(())
    });
}

fn forms(harbor: &Harbor<'_>) {
    let stage = harbor.stage;
    let digest = stage.images.app.clone();
    stage.step("mirror", "each form of a name is the same copy", || {
        let mark = harbor.hub.proxy.mark();
        let authority = harbor.hub.proxy.address();
        let (hub, bare) = (format!("library/{BARE}/manifests/app"), format!("{BARE}/manifests/app"));
        for path in [
            format!("/v2/docker.io/{hub}"),
            format!("/v2/docker.io/{bare}"),
            format!("/docker.io/v2/{hub}"),
            format!("/v2/{hub}?ns=docker.io"),
            format!("/v2/{hub}?ns={authority}"),
        ] {
            for options in [&["--head"][..], &[]] {
                let answer = harbor.ask(&path, options)?;
                let told = answer.header("docker-content-digest").unwrap_or_default();
                ensure!(answer.status == 200 && told == digest, "{path}: {}", answer.head);
                let namespace = answer.header("oci-namespace");
                let expected = path.split_once("ns=").map(|(_, ns)| ns);
                ensure!(namespace == expected, "{path}: OCI-Namespace is {namespace:?}");
            }
        }
        nothing_fetched(&harbor.hub.proxy, mark)
    });
    stage.step("mirror", "the open listener knows bare names, asks for no name, and takes nothing", || {
        let ping = harbor.ask_at(harbor.open, "/v2/", &[])?;
        ensure!(ping.status == 200 && ping.header("www-authenticate").is_none(), "/v2/: {}", ping.head);
        for path in
            [format!("/v2/library/{BARE}/manifests/app"), format!("/v2/{GUARDED}/manifests/app?ns=quay.io")]
        {
            let answer = harbor.ask_at(harbor.open, &path, &[])?;
            let told = answer.header("docker-content-digest");
            ensure!(answer.status == 200 && told == Some(digest.as_str()), "{path}: {}", answer.head);
        }
        let push = harbor.ask_at(harbor.open, "/v2/library/new/blobs/uploads/", &["--request", "POST"])?;
        ensure!((400..500).contains(&push.status), "a push was answered {}", push.head);
        ensure!(push.header("www-authenticate").is_none(), "a push was asked for a name: {}", push.head);
        Ok(())
    });
}

fn strangers(harbor: &Harbor<'_>) {
    harbor.stage.step("mirror", "a name of no upstream is not found, and nobody is asked", || {
        let upstreams = [&harbor.hub.proxy, &harbor.quay.proxy, &harbor.other.proxy];
        let before = upstreams.map(|proxy| proxy.mark());
        // An address that somebody listens on, and that is nobody's upstream.
        let stranger = harbor.hub.server.address();
        for ns in ["ghcr.io".to_owned(), stranger.to_string(), "169.254.169.254".to_owned()] {
            let answer = harbor.ask(&format!("/v2/library/{BARE}/manifests/app?ns={ns}"), &[])?;
            ensure!(answer.status == 404, "ns={ns} was answered {}", answer.head);
            answer.error().with_context(|| format!("ns={ns}"))?;
        }
        ensure!(upstreams.map(|proxy| proxy.mark()) == before, "an upstream was asked");
        Ok(())
    });
    harbor.stage.step("mirror", "an address of a private network is refused without --private", || {
        let (mark, url) = (harbor.hub.proxy.mark(), harbor.hub.proxy.url());
        let add = ["mirror", "add", "lan.test", "--url", &url, "--visibility", "public"];
        let (said, added) = harbor.berth.fed("", &add)?;
        if added {
            let answer = harbor.ask(&format!("/v2/lan.test/library/{BARE}/manifests/app"), &[])?;
            ensure!(answer.status >= 400, "it was asked: {}", answer.head);
            harbor.berth.run(&["mirror", "remove", "lan.test"])?;
        } else {
            ensure!(said.contains("private"), "the refusal does not say what to do: {said}");
        }
        ensure!(harbor.hub.proxy.mark() == mark, "the upstream was asked");
        Ok(())
    });
}

fn overview(harbor: &Harbor<'_>) {
    harbor.stage.step("berth", "tells how the mirror is, and what would fail without its upstreams", || {
        let shown = harbor.berth.says(&["mirror", "status"], "docker.io")?;
        ensure!(
            shown.contains("quay.io") && shown.contains("private.test"),
            "an upstream is missing: {shown}"
        );
        // Of this one only the manifest was asked for, so far.
        let half = format!("quay.io/{GUARDED}:app");
        harbor.berth.refuses(&["mirror", "rehearse"], &half)?;
        harbor.copy(&half)?;
        harbor.berth.says(&["mirror", "rehearse"], "without quay.io")?;
        Ok(())
    });
}
