//! Copies and renames.

use berth_db::testing::on_each;
use berth_meta::{Bytes as Sum, Copy, EdgeRole, MetaError, Mode, Rename, RuleKind};
use berth_oci::Level;

use crate::support::{
    DAY, HOUR, NOW, add_blob, assert_sums_are_exact, at, by, manifest, name, open, push, push_with, put,
    rule, tag, tags_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_takes_all_that_belongs_to_an_image_and_no_bytes() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let layer = add_blob(&meta, "dev/app", b"layer").await;
        let child =
            push_with(&meta, "dev/app", manifest("{1}", &[(EdgeRole::Blob, &layer)]), &[], HOUR).await;
        let index =
            push_with(&meta, "dev/app", manifest("{i}", &[(EdgeRole::Child, &child)]), &["1.4.7"], HOUR)
                .await;
        let mut signature = manifest("{s}", &[]);
        signature.subject = Some(index.clone());
        push_with(&meta, "dev/app", signature, &[], HOUR).await;
        let attached = format!("{}.att", child.to_string().replace(':', "-"));
        push(&meta, "dev/app", "{a}", &[attached.as_str()], HOUR).await;
        meta.add_rule(rule("prod/*", "*", RuleKind::Float(vec![Level::Major])), &by("root")).await.unwrap();
        let copy = Copy {
            from: name("dev/app"),
            at: at("1.4.7"),
            into: name("prod/app"),
            tags: vec![tag("1.4.7")],
            referrers: true,
        };
        let tried = meta.copy(copy.clone(), &by("bob"), NOW.plus(HOUR), Mode::DryRun).await.unwrap();
        assert!(!meta.repository_exists(&name("prod/app")).await.unwrap());
        let done = meta.copy(copy.clone(), &by("bob"), NOW.plus(HOUR), Mode::Real).await.unwrap();
        assert_eq!(done, tried);
        assert_eq!((done.digest, done.manifests, done.blobs), (index.clone(), 4, 1), "{}", test.engine);
        assert_eq!(tags_of(&meta, "prod/app").await, ["1", "1.4.7", &attached]);
        assert_eq!(meta.manifest(&name("prod/app"), &at("1.4.7")).await.unwrap().content, "{i}");
        assert_eq!(meta.referrers(&name("prod/app"), &index, None, "", 9).await.unwrap().items.len(), 1);
        meta.blob(&name("prod/app"), &layer).await.unwrap();
        let again = meta.copy(copy.clone(), &by("bob"), NOW.plus(HOUR), Mode::Real).await.unwrap();
        assert_eq!((again.manifests, again.blobs, again.moves.len()), (0, 0, 0));
        let alone = Copy { into: name("prod/other"), referrers: false, ..copy };
        assert_eq!(meta.copy(alone, &by("bob"), NOW.plus(HOUR), Mode::Real).await.unwrap().manifests, 2);
        let weight = meta.weigh(&name("dev/app"), &at("1.4.7")).await.unwrap();
        assert_eq!(weight.bytes, Sum { all: 5 + 12, own: 12 });
        assert_sums_are_exact(&test).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_name_leads_to_the_new_one_for_a_time() {
    on_each(|test| async move {
        let meta = open(&test).await;
        push(&meta, "acme/old", "{1}", &["1"], HOUR).await;
        push(&meta, "acme/there", "{1}", &["1"], HOUR).await;
        let rename = |from: &str, to: &str, days: u32| Rename {
            from: name(from),
            to: name(to),
            redirect_until: Some(NOW.plus(DAY * days)),
        };
        let taken = meta.rename_repository(rename("acme/old", "acme/there", 3), &by("bob"), Mode::Real).await;
        assert!(matches!(taken, Err(MetaError::NameTaken { .. })), "{}", test.engine);
        meta.rename_repository(rename("acme/old", "acme/new", 3), &by("bob"), Mode::Real).await.unwrap();
        assert_eq!(tags_of(&meta, "acme/new").await, ["1"]);
        assert_eq!(meta.renamed(&name("acme/old"), NOW).await.unwrap(), Some(name("acme/new")));
        assert_eq!(meta.renamed(&name("acme/old"), NOW.plus(DAY * 4)).await.unwrap(), None);
        let reserved = meta.put_manifest(put("acme/old", manifest("{2}", &[]), &["2"])).await;
        assert!(matches!(reserved, Err(MetaError::Renamed { to }) if to == "acme/new"));
        // And on, and back.
        meta.rename_repository(rename("acme/new", "acme/newer", 3), &by("bob"), Mode::Real).await.unwrap();
        assert_eq!(meta.renamed(&name("acme/old"), NOW).await.unwrap(), Some(name("acme/newer")));
        meta.rename_repository(rename("acme/newer", "acme/old", 3), &by("bob"), Mode::Real).await.unwrap();
        assert_eq!(meta.renamed(&name("acme/newer"), NOW).await.unwrap(), Some(name("acme/old")));
        assert_eq!(meta.renamed(&name("acme/old"), NOW).await.unwrap(), None);
        // When the time is over the name is free.
        push(&meta, "acme/newer", "{9}", &["9"], DAY * 5).await;
        assert_eq!(tags_of(&meta, "acme/newer").await, ["9"]);
    })
    .await;
}
