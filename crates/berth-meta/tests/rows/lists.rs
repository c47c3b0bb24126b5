//! What the page lists and searches.

use berth_db::testing::on_each;
use berth_meta::{FoundIn, Meta, RepositoryChange, TagOrder, Timestamp};
use berth_oci::Digest;
use bytes::Bytes;

use crate::support::{DAY, HOUR, NOW, TRASH, add_blob, by, clean, manifest, name, open, push, push_with};

async fn page_by_page(meta: &Meta, order: TagOrder, filter: &str) -> Vec<String> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = meta.list_tags(&name("acme/app"), order, filter, after, 2).await.unwrap();
        after = page.items.last().map(|tag| tag.place.clone());
        seen.extend(page.items.into_iter().map(|tag| tag.place.name));
        if !page.more {
            return seen;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_sorted_filtered_and_paged() {
    on_each(|test| async move {
        let meta = open(&test).await;
        // Two were set at the same time: no page may lose or repeat one.
        for (content, tags, after) in [
            ("{b}", &["B", "b_1"][..], HOUR),
            ("{c}", &["c"], HOUR),
            ("{a}", &["a"], HOUR * 2),
            ("{d}", &["D"], HOUR * 3),
        ] {
            push(&meta, "acme/app", content, tags, after).await;
        }
        push(&meta, "acme/app", "{d}", &["a"], HOUR * 4).await;
        assert_eq!(
            page_by_page(&meta, TagOrder::Name, "").await,
            ["B", "D", "a", "b_1", "c"],
            "{}",
            test.engine
        );
        assert_eq!(page_by_page(&meta, TagOrder::NameDown, "").await, ["c", "b_1", "a", "D", "B"]);
        let newest = page_by_page(&meta, TagOrder::Newest, "").await;
        assert_eq!(newest[..2], ["a", "D"]);
        let mut oldest = page_by_page(&meta, TagOrder::Oldest, "").await;
        oldest.reverse();
        assert_eq!(newest, oldest);
        assert_eq!(newest.len(), 5);
        assert_eq!(page_by_page(&meta, TagOrder::Name, "b").await, ["B", "b_1"]);
        assert_eq!(page_by_page(&meta, TagOrder::Name, "_").await, ["b_1"], "no wildcard");
        assert_eq!(page_by_page(&meta, TagOrder::Name, "%").await, Vec::<String>::new());
        let recent = meta.recent_tags(None, 3).await.unwrap();
        assert_eq!(recent.iter().map(|tag| tag.place.name.as_str()).collect::<Vec<_>>(), ["a", "D", "c"]);
        let cards = meta.cards(vec!["acme/none".to_owned(), "acme/app".to_owned()]).await.unwrap();
        assert_eq!((cards.len(), cards[0].tags), (1, 5));
        assert_eq!(cards[0].pushed_at, Some(NOW.plus(HOUR * 4)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_in_tags_and_in_what_images_say_of_themselves() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let labelled = |content, value: &str| {
            let mut manifest = manifest(content, &[]);
            manifest.labels = vec![("org.opencontainers.image.title".to_owned(), value.to_owned())];
            manifest
        };
        push_with(&meta, "acme/app", labelled("{1}", "Old Title"), &["v1"], HOUR).await;
        push_with(&meta, "acme/app", labelled("{2}", "Fancy\0 Title"), &["v2", "v2-slim"], HOUR).await;
        push(&meta, "acme/other", "{3}", &["v2"], HOUR).await;
        let change =
            RepositoryChange { description: Some("100% Fancy".to_owned()), ..RepositoryChange::default() };
        meta.change_repository(&name("acme/other"), change, &by("alice")).await.unwrap();
        let of = |found: Vec<berth_meta::WordFound>| {
            found.into_iter().map(|found| (found.repository.name, found.place)).collect::<Vec<_>>()
        };
        let tags = of(meta.search_tags("v2", 10).await.unwrap());
        let tag = |repository: &str| (repository.to_owned(), FoundIn::Tag("v2".to_owned()));
        assert_eq!(tags, [tag("acme/app"), tag("acme/other")], "{}", test.engine);
        let labels = of(meta.search_labels("fancy", 10).await.unwrap());
        let place = FoundIn::Label("org.opencontainers.image.title".to_owned(), "Fancy Title".to_owned());
        assert_eq!(labels, [("acme/app".to_owned(), place)]);
        assert!(meta.search_labels("old", 10).await.unwrap().is_empty(), "the last push counts");
        let named = meta.search_repositories("fancy", "", 10).await.unwrap().items;
        assert_eq!(named.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["acme/other"]);
        assert_eq!(meta.search_repositories("%", "", 10).await.unwrap().items.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_of_a_layer_goes_with_it() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let layer = add_blob(&meta, "acme/app", b"layer").await;
        assert_eq!(meta.layer_index(&layer).await.unwrap(), None);
        for content in [&b"one"[..], b"two"] {
            meta.keep_layer_index(&layer, Bytes::from_static(content), NOW).await.unwrap();
        }
        assert_eq!(meta.layer_index(&layer).await.unwrap().unwrap(), "two", "{}", test.engine);
        let absent = Digest::sha256(b"absent");
        meta.keep_layer_index(&absent, Bytes::from_static(b"x"), NOW).await.unwrap();
        assert_eq!(meta.layer_index(&absent).await.unwrap(), None);
        clean(&meta, NOW.plus(DAY * 30), TRASH).await;
        assert_eq!(meta.layer_index(&layer).await.unwrap(), None, "no manifest names the layer");
        let days = meta.cleaned_days(Timestamp(NOW.0).plus(DAY * 30), 3).await.unwrap();
        assert_eq!(days.iter().map(|day| day.blobs).sum::<u64>(), 1);
    })
    .await;
}
