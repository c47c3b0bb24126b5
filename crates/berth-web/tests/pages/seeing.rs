//! Nobody sees names that he may not, and everything is below the root.

use crate::town::Town;

/// The pages of a repository.
const PAGES: &[&str] = &[
    "",
    "?sort=name&filter=v",
    "/-/history",
    "/-/history?tag=v1",
    "/-/image/v1",
    "/-/image/v1/files",
    "/-/compare?from=v1&to=v1",
    "/-/delete?at=v1",
    "/-/delete",
    "/-/trash",
    "/-/settings",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_one_may_not_see_is_as_if_it_were_not_there() {
    let town = Town::new().await;
    let bob = town.sign_in("bob").await;
    for cookie in ["", bob.as_str()] {
        for page in PAGES {
            let hidden = town.visit(&format!("/r/alice/secret{page}"), cookie, None).await;
            let absent = town.visit(&format!("/r/alice/absent{page}"), cookie, None).await;
            let same = |text: &str| {
                text.replace("alice/secret", "alice/absent").replace("alice%2Fsecret", "alice%2Fabsent")
            };
            assert_eq!(hidden.status, absent.status, "{page}");
            assert_eq!(same(&hidden.text), absent.text, "{page}");
            assert_eq!(same(hidden.location()), absent.location(), "{page}");
            assert_ne!(hidden.status, 200, "{page}");
        }
        for list in
            ["/", "/r", "/search?q=alice", "/search?q=what", "/search?q=v1", "/search?q=secret&part=1"]
        {
            let seen = town.visit(list, cookie, None).await;
            assert_eq!(seen.status, 200, "{list}");
            assert!(!seen.text.contains("alice/secret"), "{list} tells of it");
        }
    }
    let alice = town.sign_in("alice").await;
    for page in PAGES {
        let own = town.visit(&format!("/r/alice/secret{page}"), &alice, None).await;
        assert_eq!(own.status, 200, "{page}: {}", own.text);
    }
    for list in ["/", "/r", "/search?q=secret", "/search?q=alice+v1"] {
        assert!(town.visit(list, &alice, None).await.text.contains("alice/secret"), "{list}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_public_is_read_and_not_changed() {
    let town = Town::new().await;
    let bob = town.sign_in("bob").await;
    for page in ["", "/-/history", "/-/image/v1"] {
        let seen = town.visit(&format!("/r/alice/open{page}"), "", None).await;
        assert_eq!(seen.status, 200, "{page}");
        assert!(
            !seen.text.contains("/-/settings") && !seen.text.contains("/-/delete"),
            "{page} offers changes"
        );
    }
    let digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    for (page, form) in [
        ("/r/alice/open/-/delete", "at=v1".to_owned()),
        ("/r/alice/open/-/delete", "name=alice%2Fopen".to_owned()),
        ("/r/alice/open/-/settings", "action=about&description=mine".to_owned()),
        ("/r/alice/open/-/settings", "action=rename&to=bob%2Fopen".to_owned()),
        ("/r/alice/open/-/settings", "action=rule&kind=immutable".to_owned()),
        ("/r/alice/open/-/history", format!("tag=v1&digest={digest}")),
        ("/r/alice/open/-/trash", format!("digest={digest}")),
        ("/r/alice/open/-/trash", "empty=1".to_owned()),
        ("/admin/users", "action=promote&name=bob".to_owned()),
        ("/admin/jobs", String::new()),
        ("/teams", "name=mine".to_owned()),
        ("/robots", "name=alice.mine".to_owned()),
        ("/account", "action=revoke&id=1".to_owned()),
    ] {
        for cookie in ["", bob.as_str()] {
            let done = town.visit(page, cookie, Some(&form)).await;
            assert!((401..=404).contains(&done.status), "{page} {form}: {}", done.status);
        }
    }
    let still = town.visit("/r/alice/open", "", None).await;
    assert!(still.text.contains("what it is for") && still.text.contains("/-/image/v1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_on_a_page_is_below_the_root() {
    let town = Town::with("/berth", None).await;
    let form = "name=root-of-all&password=correct+horse+battery+staple&to=%2Fberth%2Fr";
    let done = town.visit("/berth/sign-in", "", Some(form)).await;
    assert_eq!((done.status, done.location()), (303, "/berth/r"));
    let cookie = done.cookies();
    for page in [
        "/",
        "/r",
        "/r/alice/open",
        "/r/alice/open/-/image/v1",
        "/r/alice/open/-/settings",
        "/admin",
        "/account",
        "/api",
        "/nope",
    ] {
        // A proxy takes the root off, or leaves it.
        for root in ["", "/berth"] {
            let seen = town.visit(&format!("{root}{page}"), &cookie, None).await;
            for place in ["href=\"/", "action=\"/", "src=\"/"] {
                for found in seen.text.split(place).skip(1) {
                    assert!(found.starts_with("berth/"), "{page}: {place}{}", &found[..found.len().min(40)]);
                }
            }
        }
    }
    let asset = town.visit("/berth/", "", None).await;
    let style =
        asset.text.split("href=\"/berth/assets/").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let icon = town.visit(&format!("/berth/assets/{style}"), "", None).await;
    assert_eq!(icon.status, 200);
    assert!(icon.headers["cache-control"].to_str().unwrap().contains("immutable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_answered_with_a_page() {
    let town = Town::new().await;
    let alice = town.sign_in("alice").await;
    for target in [
        "/r/UPPER",
        "/r/",
        "/r//",
        "/r/../etc/passwd",
        "/r/a/-/",
        "/r/alice/open/-/image/",
        "/r/alice/open/-/image/%00",
        "/r/alice/open/-/image/sha256:zz",
        "/r/alice/open/-/compare",
        "/r/alice/open/-/compare?from=v1&to=nope",
        "/r/alice/open?after=nonsense&sort=nonsense",
        "/r/alice/open/-/history?tag=%ff&before=x",
        "/assets/../x",
        "/admin/nothing",
        "/admin/mirrors",
        "/teams/..%2f",
        "/robots/x%00",
        "/search?q=%00%ff",
        "/r?after=%ff",
        "/account/x",
    ] {
        let seen = town.visit(target, &alice, None).await;
        assert!(seen.status < 500, "{target}: {} {}", seen.status, seen.text);
        assert!(seen.text.contains("<footer>") || seen.status == 303, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_see_how_upstreams_are() {
    let town = Town::new().await;
    let root = town.sign_in("root-of-all").await;
    let empty = town.visit("/admin/mirrors", &root, None).await;
    assert!(empty.status == 200 && empty.text.contains("berth mirror add docker.io"), "{}", empty.text);
    let access = town.administration();
    let set = |settings| berth_mirror::Change { settings, password: None };
    let broken = berth_mirror::Settings {
        url: "https://up.example".into(),
        ca_file: Some("/nowhere/<b>.pem".into()),
        max_bytes: Some(1 << 30),
        ..Default::default()
    };
    town.mirror.set_upstream(&access, "up.example", set(broken)).await.unwrap();
    town.mirror.set_upstream(&access, "quay.io", set(Default::default())).await.unwrap();
    let seen = town.visit("/admin/mirrors", &root, None).await;
    for part in ["quay.io", "not asked yet", "up.example", "fails", "1.07 GB", "/nowhere/&#60;b&#62;.pem"] {
        assert!(seen.text.contains(part), "{part}: {}", seen.text);
    }
    let usage = town.visit("/admin", &root, None).await;
    assert!(usage.text.contains("href=\"/admin/mirrors\""));
    let alice = town.sign_in("alice").await;
    assert_eq!(town.visit("/admin/mirrors", &alice, None).await.status, 403);
    assert_eq!(town.visit("/admin/mirrors", "", None).await.status, 303);
}
