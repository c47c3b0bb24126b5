//! Tags that follow, stay, are kept, and have a past.

use berth_db::testing::on_each;
use berth_meta::{Copy, Keep, MetaError, Mode, Past, Rename, RuleKind, Use, Verdict};
use berth_oci::{Digest, Level};

use crate::support::{
    DAY, HOUR, NOW, at, by, later, manifest, name, names, open, push, put, rule, tag, tags_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn floating_tags_follow_versions_and_never_go_backwards() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let all = RuleKind::Float(Level::ALL.to_vec());
        meta.add_rule(rule("acme/*", "*", all), &by("root")).await.unwrap();
        let old = push(&meta, "acme/app", "{182}", &["1.8.2"], HOUR).await;
        assert_eq!(tags_of(&meta, "acme/app").await, ["1", "1.8", "1.8.2", "latest"], "{}", test.engine);
        let new = push(&meta, "acme/app", "{192}", &["1.9.2"], HOUR).await;
        for float in ["1.9", "1", "latest"] {
            assert_eq!(names(&meta, "acme/app", float).await, new, "{float}");
        }
        assert_eq!(names(&meta, "acme/app", "1.8").await, old);
        let late = push(&meta, "acme/app", "{187}", &["1.8.7"], HOUR).await;
        assert_eq!(names(&meta, "acme/app", "1.8").await, late);
        for float in ["1", "latest"] {
            assert_eq!(names(&meta, "acme/app", float).await, new, "{float} went backwards");
        }
        push(&meta, "acme/app", "{rc}", &["2.0.0-rc.1"], HOUR).await;
        assert_eq!(names(&meta, "acme/app", "latest").await, new);
        push(&meta, "acme/app", "{alpine}", &["1.9.2-alpine"], HOUR).await;
        let expected = [
            "1",
            "1-alpine",
            "1.8",
            "1.8.2",
            "1.8.7",
            "1.9",
            "1.9-alpine",
            "1.9.2",
            "1.9.2-alpine",
            "2.0.0-rc.1",
            "alpine",
            "latest",
        ];
        assert_eq!(tags_of(&meta, "acme/app").await, expected);
        let preview = meta.floating(&name("acme/app"), &tag("1.10.0")).await.unwrap();
        assert_eq!(preview, [tag("1.10"), tag("1"), tag("latest")]);
        assert_eq!(meta.floating(&name("acme/app"), &tag("0.9.0")).await.unwrap(), [tag("0.9"), tag("0")]);
        push(&meta, "other/app", "{192}", &["1.9.2"], HOUR).await;
        assert_eq!(tags_of(&meta, "other/app").await, ["1.9.2"], "no rule there");
        let told = meta.tag_history(&name("acme/app"), Some(&tag("1")), i64::MAX, 10).await.unwrap().items;
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].began_why.as_deref(), Some("follows 1.9.2 by rule 1"));
        assert_eq!(told[1].ended_by.as_deref(), Some("alice"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_around_an_immutable_tag() {
    on_each(|test| async move {
        let meta = open(&test).await;
        meta.add_rule(rule("acme/*", "*", RuleKind::Float(vec![Level::Minor])), &by("root")).await.unwrap();
        meta.add_rule(rule("acme/*", "*", RuleKind::Immutable), &by("root")).await.unwrap();
        let one = push(&meta, "acme/app", "{1}", &["1.9.2"], HOUR).await;
        push(&meta, "acme/app", "{1}", &["1.9.2"], HOUR).await;
        let (app, root) = (name("acme/app"), by("root"));
        let immutable =
            |error: MetaError| assert!(matches!(error, MetaError::TagImmutable { .. }), "{error:?}");
        immutable(meta.put_manifest(put("acme/app", manifest("{2}", &[]), &["1.9.2"])).await.unwrap_err());
        immutable(
            meta.put_manifest(put("acme/app", manifest("{2}", &[]), &["new", "1.9.2"])).await.unwrap_err(),
        );
        immutable(meta.put_manifest(put("acme/app", manifest("{2}", &[]), &["1.9"])).await.unwrap_err());
        immutable(meta.remove_tag(&app, &tag("1.9.2"), &root, Mode::Real).await.unwrap_err());
        immutable(meta.remove_tag(&app, &tag("1.9.2"), &root, Mode::DryRun).await.unwrap_err());
        immutable(meta.remove_manifest(&app, &one, &root, Mode::Real).await.unwrap_err());
        immutable(meta.remove_repository(&app, &root, Mode::Real).await.unwrap_err());
        push(&meta, "other/app", "{2}", &["1.9.2"], HOUR).await;
        let copy = Copy {
            from: name("other/app"),
            at: at("1.9.2"),
            into: app.clone(),
            tags: vec![tag("1.9.2")],
            referrers: true,
        };
        immutable(meta.copy(copy, &root, NOW.plus(HOUR), Mode::Real).await.unwrap_err());
        let rename = Rename { from: app.clone(), to: name("free/app"), redirect_until: None };
        immutable(meta.rename_repository(rename, &root, Mode::Real).await.unwrap_err());
        let two = push(&meta, "acme/app", "{2}", &["1.9.3"], HOUR).await;
        assert_eq!(names(&meta, "acme/app", "1.9").await, two, "what the rule moves, moves: {}", test.engine);
        immutable(meta.roll_back(&app, &tag("1.9"), Past::Previous, &root, Mode::Real).await.unwrap_err());
        assert_eq!(tags_of(&meta, "acme/app").await, ["1.9", "1.9.2", "1.9.3"]);
        assert_eq!(names(&meta, "acme/app", "1.9.2").await, one);
        // Another name under the same rule is no way around it.
        let rename = Rename { from: app.clone(), to: name("acme/new"), redirect_until: None };
        meta.rename_repository(rename, &root, Mode::Real).await.unwrap();
        immutable(meta.remove_tag(&name("acme/new"), &tag("1.9.2"), &root, Mode::Real).await.unwrap_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_has_a_past_that_one_can_go_back_to() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let (app, latest) = (name("a"), tag("latest"));
        let one = push(&meta, "a", "{1}", &["latest"], DAY).await;
        let two = push(&meta, "a", "{2}", &["latest"], DAY * 2).await;
        let on = |days: u32| NOW.plus(DAY * days);
        assert_eq!(meta.tag_at(&app, &latest, on(1)).await.unwrap().digest, one, "{}", test.engine);
        assert_eq!(meta.tag_at(&app, &latest, on(9)).await.unwrap().digest, two);
        assert!(matches!(meta.tag_at(&app, &latest, on(0)).await, Err(MetaError::NoHistory)));
        let tried = meta
            .roll_back(&app, &latest, Past::Previous, &later("bob", DAY * 3), Mode::DryRun)
            .await
            .unwrap();
        assert_eq!(tried.0, one);
        assert_eq!(names(&meta, "a", "latest").await, two, "a dry run changes nothing");
        meta.roll_back(&app, &latest, Past::Previous, &later("bob", DAY * 3), Mode::Real).await.unwrap();
        assert_eq!(names(&meta, "a", "latest").await, one);
        meta.roll_back(&app, &latest, Past::At(on(2)), &later("bob", DAY * 4), Mode::Real).await.unwrap();
        assert_eq!(names(&meta, "a", "latest").await, two);
        meta.remove_tag(&app, &latest, &later("carol", DAY * 5), Mode::Real).await.unwrap();
        let gone = meta.why_gone(&app, &at("latest")).await.unwrap().unwrap();
        assert_eq!((gone.by.as_deref(), gone.digest, gone.is_restorable), (Some("carol"), two.clone(), true));
        meta.roll_back(&app, &latest, Past::Previous, &later("bob", DAY * 6), Mode::Real).await.unwrap();
        assert_eq!(names(&meta, "a", "latest").await, two, "a deleted tag comes back");
        assert_eq!(meta.why_gone(&app, &at("latest")).await.unwrap(), None);
        let history = meta.tag_history(&app, Some(&latest), i64::MAX, 3).await.unwrap();
        assert_eq!((history.items.len(), history.more), (3, true));
        let rest = meta.tag_history(&app, Some(&latest), history.items[2].id, 3).await.unwrap();
        assert_eq!((rest.items.len(), rest.more), (2, false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_choose_tags_and_say_why() {
    on_each(|test| async move {
        let meta = open(&test).await;
        for (day, (content, name)) in
            [("{1}", "pr-1"), ("{2}", "pr-2"), ("{3}", "pr-3"), ("{4}", "pr-4"), ("{5}", "main")]
                .into_iter()
                .enumerate()
        {
            push(&meta, "acme/app", content, &[name], DAY * day as u32).await;
        }
        let keep = Keep { newest: Some(2), pulled: Some(5 * 86_400_000_000), ..Keep::default() };
        meta.add_rule(rule("acme/*", "pr-*", RuleKind::Keep(keep)), &by("root")).await.unwrap();
        let used = Use { pulls: 1, last_at: NOW.plus(DAY * 9) };
        meta.add_uses(vec![((name("acme/app"), Digest::sha256(b"{1}")), used)]).await.unwrap();
        let app = name("acme/app");
        let mut choices = Vec::new();
        let mut cursor = None;
        loop {
            let page = meta.choose(&app, cursor, NOW.plus(DAY * 10), 2).await.unwrap();
            choices.extend(page.choices);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let told: Vec<_> = choices
            .iter()
            .map(|choice| match &choice.verdict {
                Verdict::Kept(why) => (choice.tag.as_str(), why.as_str()),
                Verdict::Removed { why, .. } => (choice.tag.as_str(), why.as_str()),
            })
            .collect();
        assert_eq!(
            told,
            [
                ("main", "no rule is about it"),
                ("pr-4", "rule 1: it is number 1 of the newest 2"),
                ("pr-3", "rule 1: it is number 2 of the newest 2"),
                ("pr-2", "rule 1: not among the newest 2 of pr-*, not used within 5d"),
                ("pr-1", "rule 1: it was used within 5d"),
            ],
            "{}",
            test.engine
        );
        let tried =
            meta.end_chosen(&app, choices.clone(), &later("berth", DAY * 10), Mode::DryRun).await.unwrap();
        assert_eq!((tried.tags.as_slice(), tried.freed), (&["pr-2".to_owned()][..], 3));
        // Somebody deleted what was newer: doubt keeps the tag until it is chosen anew.
        for newer in ["pr-3", "pr-4", "main"] {
            meta.remove_tag(&app, &tag(newer), &later("bob", DAY * 10), Mode::Real).await.unwrap();
        }
        let done =
            meta.end_chosen(&app, choices.clone(), &later("berth", DAY * 10), Mode::Real).await.unwrap();
        assert_eq!(done.n_tags, 0);
        for newer in ["pr-3", "pr-4"] {
            meta.roll_back(&app, &tag(newer), Past::Previous, &later("bob", DAY * 10), Mode::Real)
                .await
                .unwrap();
        }
        let done = meta.end_chosen(&app, choices, &later("berth", DAY * 10), Mode::Real).await.unwrap();
        assert_eq!(done.tags, ["pr-2"]);
        let gone = meta.why_gone(&app, &at("pr-2")).await.unwrap().unwrap();
        assert!(gone.why.unwrap().starts_with("rule 1: not among the newest 2"));
    })
    .await;
}
