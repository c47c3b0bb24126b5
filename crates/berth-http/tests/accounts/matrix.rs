//! R21: every route and method × every kind of caller × every state of a repository, against a small oracle.

use berth_oci::Route;

use crate::town::{Town, basic, basic_with, digest};

/// What a method of a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Any valid credentials, also an anonymous token.
    Anyone,
    /// Any valid credentials; of a token the scope of the catalog.
    Catalog,
    Pull,
    Push,
    Delete,
}

/// The methods of a route and what each needs. A new route without an entry does not compile.
fn needs(route: &Route) -> &'static [(&'static str, Need)] {
    match route {
        Route::Base => &[("GET", Need::Anyone), ("HEAD", Need::Anyone)],
        Route::Catalog => &[("GET", Need::Catalog), ("HEAD", Need::Catalog)],
        Route::Tags { .. } | Route::Referrers { .. } => &[("GET", Need::Pull), ("HEAD", Need::Pull)],
        Route::Manifest { .. } => {
            &[("GET", Need::Pull), ("HEAD", Need::Pull), ("PUT", Need::Push), ("DELETE", Need::Delete)]
        }
        Route::Blob { .. } => &[("GET", Need::Pull), ("HEAD", Need::Pull), ("DELETE", Need::Delete)],
        Route::Uploads { .. } => &[("POST", Need::Push)],
        Route::Upload { .. } => &[
            ("GET", Need::Push),
            ("HEAD", Need::Push),
            ("PATCH", Need::Push),
            ("PUT", Need::Push),
            ("DELETE", Need::Push),
        ],
    }
}

/// A target for every route. What a method would change is not there, so that one entry does not disturb another.
fn targets(name: &str) -> Vec<String> {
    let (known, unknown) = (digest(b"{}"), digest(b"unknown"));
    let upload = "0".repeat(32);
    vec![
        "/v2/".to_owned(),
        "/v2/_catalog".to_owned(),
        format!("/v2/{name}/tags/list"),
        format!("/v2/{name}/manifests/1.0"),
        format!("/v2/{name}/manifests/{unknown}"),
        format!("/v2/{name}/blobs/{known}"),
        format!("/v2/{name}/blobs/{unknown}"),
        format!("/v2/{name}/blobs/uploads/"),
        format!("/v2/{name}/blobs/uploads/{upload}?digest={known}"),
        format!("/v2/{name}/referrers/{unknown}"),
    ]
}

/// A caller: the name, its `Authorization`, and what it may in `alice/…` and in `acme/…`.
struct Somebody {
    name: &'static str,
    authorization: String,
    /// Whether its credentials count at all.
    is_valid: bool,
    is_anonymous: bool,
    alice: &'static [Need],
    acme: &'static [Need],
}

const ALL: &[Need] = &[Need::Pull, Need::Push, Need::Delete];

async fn everybody(town: &Town) -> Vec<Somebody> {
    town.accounts.add_robot("alice.ci".parse().unwrap(), &town.owner).await.unwrap();
    town.grant("alice.ci", "alice/**", "pull,push").await;
    let robot = town.token("alice.ci", "*", &[]).await;
    let narrow = town.token("alice", "pull", &["alice/*"]).await;
    let somebody = |name, authorization, alice, acme| Somebody {
        name,
        authorization,
        is_valid: true,
        is_anonymous: false,
        alice,
        acme,
    };
    vec![
        Somebody { is_anonymous: true, ..somebody("anonymous", String::new(), &[], &[]) },
        Somebody { is_anonymous: true, ..somebody("empty password", basic_with("", ""), &[], &[]) },
        somebody("owner", basic("alice"), ALL, &[]),
        somebody("stranger", basic("bob"), &[], &[]),
        somebody("reader", basic("reader"), &[], &[Need::Pull]),
        somebody("writer", basic("writer"), &[], &[Need::Pull, Need::Push]),
        somebody("chief", basic("chief"), &[], ALL),
        somebody("administrator", basic("root-of-all"), ALL, ALL),
        somebody("robot", basic_with("x", robot.reveal()), &[Need::Pull, Need::Push], &[]),
        somebody("narrowed", basic_with("x", narrow.reveal()), &[Need::Pull], &[]),
        Somebody {
            is_valid: false,
            ..somebody("wrong password", basic_with("alice", "wrong password"), &[], &[])
        },
        Somebody { is_valid: false, ..somebody("disabled", basic("gone"), &[], &[]) },
        Somebody { is_valid: false, ..somebody("bad token", "Bearer aaaa.bbbb.cccc".to_owned(), &[], &[]) },
        Somebody { is_valid: false, ..somebody("malformed", "Basic !".to_owned(), &[], &[]) },
    ]
}

/// What must come of it: allowed, or the status of the refusal. Written without a look at the code that decides.
fn oracle(who: &Somebody, need: Need, name: &str, is_bearer: bool) -> Option<u16> {
    if !who.is_valid {
        return Some(401);
    }
    let own = if name.starts_with("alice/") { who.alice } else { who.acme };
    // A narrowed token is bound also where everybody may pull.
    let is_public = name.ends_with("/public") && (who.name != "narrowed" || name.starts_with("alice/"));
    let allowed = match need {
        Need::Anyone => !who.is_anonymous || is_bearer,
        Need::Catalog => !who.is_anonymous && !is_bearer,
        Need::Pull => own.contains(&need) || is_public,
        Need::Push | Need::Delete => own.contains(&need),
    };
    match allowed {
        true => None,
        false if who.is_anonymous || is_bearer => Some(401),
        false => Some(403),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_caller_as_the_oracle_says() {
    let town = Town::new().await;
    for namespace in ["alice", "acme"] {
        for repository in ["public", "private"] {
            town.push(&format!("{namespace}/{repository}")).await;
        }
        town.open(&format!("{namespace}/public")).await;
    }
    let (mut asked, mut seen) = (0, [false; 8]);
    for who in everybody(&town).await {
        for name in
            ["alice/public", "alice/private", "alice/absent", "acme/public", "acme/private", "acme/absent"]
        {
            let scope = format!("repository:{name}:pull,push,delete");
            let bearer =
                if who.is_valid { Some(town.bearer(&who.authorization, &[&scope]).await) } else { None };
            for target in targets(name) {
                let route = Route::parse(target.split('?').next().unwrap()).unwrap();
                seen[place(&route)] = true;
                for (method, need) in needs(&route) {
                    let is_kept = target.ends_with("/1.0") || target.ends_with(&digest(b"{}"));
                    if is_kept && matches!(*method, "DELETE" | "PUT") && !target.contains("uploads") {
                        continue;
                    }
                    for authorization in std::iter::once(&who.authorization).chain(&bearer) {
                        let is_bearer = bearer.as_ref() == Some(authorization);
                        let reply = town.ask(method, &target, authorization, b"").await;
                        // After some wrong passwords nobody even looks at them.
                        let status = if reply.status == 429 && !who.is_valid { 401 } else { reply.status };
                        let refused = Some(status).filter(|status| matches!(status, 401 | 403));
                        let expected = oracle(&who, *need, name, is_bearer);
                        assert_eq!(
                            refused, expected,
                            "{} {method} {target} bearer: {is_bearer}: {reply:?}",
                            who.name
                        );
                        assert!(reply.status < 500, "{reply:?}");
                        asked += 1;
                    }
                }
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen), "a route has no target");
    assert!(asked > 3000, "{asked}");
}

/// A place for every route, so that none is forgotten among the targets.
fn place(route: &Route) -> usize {
    match route {
        Route::Base => 0,
        Route::Catalog => 1,
        Route::Tags { .. } => 2,
        Route::Manifest { .. } => 3,
        Route::Blob { .. } => 4,
        Route::Uploads { .. } => 5,
        Route::Upload { .. } => 6,
        Route::Referrers { .. } => 7,
    }
}
