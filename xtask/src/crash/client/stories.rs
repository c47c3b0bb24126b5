//! Short lives of images in repositories of their own: renamed, deleted, restored, ended by a rule, thrown away for good.

use serde_json::json;

use super::{Blob, Client, Image, MANIFEST, Object, Outcome, Request, Value, manifest, outcome, sha256};
use std::sync::Arc;

/// One image in a repository that nobody else uses.
struct Story {
    name: String,
    blob: Blob,
    image: Image,
}

impl Story {
    /// What the repository holds, each thing with its value.
    fn all(&self, tags: &[&str]) -> Vec<(Object, Value)> {
        let digest = || Some(self.image.digest.clone());
        let mut all = vec![
            (Object::blob(&self.name, &self.blob.digest), Some(self.blob.digest.clone())),
            (Object::manifest(&self.name, &self.image.digest), digest()),
        ];
        all.extend(tags.iter().map(|tag| (Object::tag(&self.name, tag), digest())));
        all
    }

    fn api(&self, rest: &str) -> String {
        format!("/api/v1/repositories/{}{rest}", self.name)
    }
}

fn none(all: &[(Object, Value)]) -> Vec<(Object, Value)> {
    all.iter().map(|(object, _)| (object.clone(), None)).collect()
}

/// The tags that each story begins with.
const TAGS: [&str; 2] = ["1", "2"];

impl Client<'_> {
    /// One story; it ends early when the server does.
    pub(super) fn tell_a_story(&mut self) {
        let Some(story) = self.begin_story() else { return };
        match self.random.within(0..5) {
            0 => self.rename_story(story),
            1 => self.restore_repository(&story),
            2 => self.restore_tag(&story),
            3 => self.restore_manifest(&story),
            _ => self.keep_newest(&story),
        }
    }

    fn begin_story(&mut self) -> Option<Story> {
        let name = format!("life/{:016x}", self.random.next());
        let length = if self.random.chance(50) { 500 } else { 80_000 };
        let bytes = self.random.bytes(length);
        let blob = Blob { digest: sha256(&bytes), size: bytes.len() };
        let post = Request::new("POST", format!("/v2/{name}/blobs/uploads/?digest={}", blob.digest))
            .header("Content-Type", "application/octet-stream")
            .body(&bytes);
        let kind = if length < 64 << 10 { "push small blob" } else { "push large blob" };
        let effects = vec![(Object::blob(&name, &blob.digest), Some(blob.digest.clone()))];
        if !self.decide(kind, effects, &post, 201) {
            return None;
        }
        let bytes = manifest(&blob, &[], self.random.next());
        let image = Image { digest: sha256(&bytes), bytes: Arc::new(bytes) };
        let story = Story { name, blob, image };
        self.push_tags(&story, &TAGS).then_some(story)
    }

    fn push_tags(&mut self, story: &Story, tags: &[&str]) -> bool {
        let target =
            format!("/v2/{}/manifests/{}?tag={}", story.name, story.image.digest, tags.join("&tag="));
        let put = Request::new("PUT", target).header("Content-Type", MANIFEST).body(&story.image.bytes);
        self.decide("push manifest", story.all(tags), &put, 201)
    }

    fn rename_story(&mut self, story: Story) {
        let to = format!("{}/renamed", story.name);
        let body = json!({ "to": to }).to_string();
        let request = Request::new("POST", story.api("/-/rename")).body(body.as_bytes());
        let before = story.all(&TAGS);
        let after = Story { name: to, ..story }.all(&TAGS);
        self.decide("rename", none(&before).into_iter().chain(after).collect(), &request, 200);
    }

    fn restore_repository(&mut self, story: &Story) {
        let all = story.all(&TAGS);
        if !self.decide("delete repository", none(&all), &Request::new("DELETE", story.api("")), 200) {
            return;
        }
        if self.random.chance(50) {
            let restore = Request::new("POST", story.api("/-/restore")).body(b"{}");
            self.decide("restore repository", all, &restore, 200);
        } else {
            // From here on the cleaning takes it apart.
            self.decide("empty the trash", none(&all), &Request::new("DELETE", story.api("/-/trash")), 200);
        }
    }

    fn restore_tag(&mut self, story: &Story) {
        let tag = vec![(Object::tag(&story.name, "2"), Some(story.image.digest.clone()))];
        let delete = Request::new("DELETE", format!("/v2/{}/manifests/2", story.name));
        if self.decide("delete tag", none(&tag), &delete, 202) {
            let restore = Request::new("POST", story.api("/-/tags/2/rollback")).body(b"{}");
            self.decide("restore tag", tag, &restore, 200);
        }
    }

    fn restore_manifest(&mut self, story: &Story) {
        // The blob stays: it is still promised.
        let all: Vec<_> = story.all(&TAGS).split_off(1);
        let delete = Request::new("DELETE", format!("/v2/{}/manifests/{}", story.name, story.image.digest));
        if self.decide("delete manifest", none(&all), &delete, 202) {
            let target = story.api(&format!("/-/manifests/{}/restore", story.image.digest));
            self.decide("restore manifest", all, &Request::new("POST", target), 200);
        }
    }

    /// The rule ends the older tag when it is applied; no server here lives long enough to do that by itself.
    fn keep_newest(&mut self, story: &Story) {
        let rule = json!({ "kind": "keep", "pattern": "life/*", "tags": "pr-*", "newest": 1 }).to_string();
        // It is there already but for the first time.
        let _ = self.connection.send(&Request::new("POST", "/api/v1/rules").body(rule.as_bytes()));
        if !self.push_tags(story, &["pr-1"]) {
            return;
        }
        let ending = self.ledger.begin("retention", vec![(Object::tag(&story.name, "pr-1"), None)]);
        let ended = self.push_tags(story, &["pr-2"])
            && self.ask(&Request::new("POST", story.api("/-/retention")), 200).is_some();
        self.ledger.finish(ending, if ended { outcome(200, 200) } else { Outcome::Unknown });
    }
}
