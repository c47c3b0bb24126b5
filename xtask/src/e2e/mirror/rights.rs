//! Who may have what: credentials that the upstream believes or not, and an upstream that not everybody here may see.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::{GUARDED, Harbor, PASSWORD, ROOT, SECRET, TOKEN_PASSWORD};

/// Runs the steps.
pub(super) fn run(harbor: &Harbor<'_>) {
    credentials(harbor);
    visibility(harbor);
}

fn set_password(harbor: &Harbor<'_>, password: &str) -> anyhow::Result<()> {
    let set = ["mirror", "set", "quay.io", "--user", "ann", "--password-stdin"];
    let (said, succeeded) = harbor.berth.fed(password, &set)?;
    ensure!(succeeded, "berth mirror set: {said}");
    Ok(())
}

fn credentials(harbor: &Harbor<'_>) {
    let stage = harbor.stage;
    let known = format!("/v2/quay.io/{GUARDED}/manifests/multi");
    let unknown = format!("/v2/quay.io/{GUARDED}/manifests/later");
    stage.step("mirror", "credentials that the upstream does not believe are told as such", || {
        set_password(harbor, "not the word")?;
        let answer = harbor.ask(&unknown, &[])?;
        let told = answer.error()?;
        ensure!(answer.status >= 400, "{}", answer.head);
        // The person here is not the one who is to log in.
        ensure!(answer.status != 401, "the client was asked for a name: {told}");
        ensure!(told.contains("quay.io"), "{told} does not say whose credentials");
        Ok(())
    });
    stage.step("mirror", "with the right credentials it goes on", || {
        set_password(harbor, TOKEN_PASSWORD)?;
        let started = Instant::now();
        loop {
            let answer = harbor.ask(&known, &[])?;
            let fresh = answer.header("warning").is_none();
            if answer.status == 200 && fresh {
                return Ok(());
            }
            ensure!(started.elapsed() < Duration::from_secs(20), "still {}", answer.head);
            std::thread::sleep(Duration::from_millis(200));
        }
    });
}

fn visibility(harbor: &Harbor<'_>) {
    let stage = harbor.stage;
    let forms = [
        format!("/v2/private.test/{SECRET}/manifests/app"),
        format!("/v2/{SECRET}/manifests/app?ns=private.test"),
    ];
    let root = ["--user", &format!("{ROOT}:{PASSWORD}")];
    let alice = ["--user", &format!("alice:{PASSWORD}")];
    stage.step("mirror", "a private upstream is not there for who has no right", || {
        let (said, added) = harbor.berth.fed(PASSWORD, &["user", "add", "alice", "--password-stdin"])?;
        ensure!(added, "alice was not added: {said}");
        let mark = harbor.other.proxy.mark();
        for form in &forms {
            for who in [&[][..], &alice] {
                let status = harbor.ask(form, who)?.status;
                ensure!(matches!(status, 401 | 403 | 404), "{form} was answered {status}");
            }
            let status = harbor.ask_at(harbor.open, form, &[])?.status;
            ensure!((400..500).contains(&status), "{form} on the open listener was answered {status}");
        }
        ensure!(harbor.other.proxy.mark() == mark, "the upstream was asked for somebody without a right");
        Ok(())
    });
    stage.step("mirror", "who has the right pulls from it, also when it was stored for another", || {
        for form in &forms {
            let answer = harbor.ask(form, &root)?;
            ensure!(answer.status == 200, "{form}: {}", answer.head);
            ensure!(answer.header("docker-content-digest") == Some(&stage.images.app), "{}", answer.head);
            ensure!(harbor.ask(form, &alice)?.status >= 400, "alice sees what was stored for another");
        }
        harbor.berth.run(&["grant", "add", "alice", &format!("private.test/{SECRET}"), "pull"])?;
        for form in &forms {
            let answer = harbor.ask(form, &alice)?;
            ensure!(answer.status == 200, "{form} with a grant: {}", answer.head);
        }
        Ok(())
    });
}
