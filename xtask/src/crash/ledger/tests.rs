//! The model by example: which values each story leaves possible.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ledger, Object, Observed, Operation, Outcome, Value};

fn ledger() -> Ledger {
    Ledger::new(std::io::sink())
}

fn value(text: &str) -> Value {
    (text != "-").then(|| text.to_owned())
}

fn allowed(ledger: &Ledger, object: &Object) -> BTreeSet<String> {
    ledger.allowed(object).into_iter().map(|value| value.unwrap_or_else(|| "-".to_owned())).collect()
}

fn set(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

fn write(ledger: &Ledger, object: &Object, text: &str, outcome: Outcome) {
    let operation = begin(ledger, object, text);
    ledger.finish(operation, outcome);
}

fn begin(ledger: &Ledger, object: &Object, text: &str) -> Operation {
    ledger.begin("test", vec![(object.clone(), value(text))])
}

#[test]
fn acknowledged_writes_leave_one_value() {
    let (ledger, tag) = (ledger(), Object::tag("a", "latest"));
    assert_eq!(allowed(&ledger, &tag), set(&["-"]));
    write(&ledger, &tag, "one", Outcome::Acknowledged);
    write(&ledger, &tag, "two", Outcome::Acknowledged);
    assert_eq!(allowed(&ledger, &tag), set(&["two"]));
    write(&ledger, &tag, "-", Outcome::Acknowledged);
    assert_eq!(allowed(&ledger, &tag), set(&["-"]));
}

#[test]
fn an_unanswered_write_may_or_may_not_have_happened() {
    let (ledger, tag) = (ledger(), Object::tag("a", "latest"));
    write(&ledger, &tag, "one", Outcome::Acknowledged);
    write(&ledger, &tag, "two", Outcome::Unknown);
    assert_eq!(allowed(&ledger, &tag), set(&["one", "two"]));
    drop(begin(&ledger, &tag, "-"));
    assert_eq!(allowed(&ledger, &tag), set(&["-", "one", "two"]));
    write(&ledger, &tag, "four", Outcome::Acknowledged);
    // The server may still carry out "two" after "four": its client got no answer, so it never ended.
    assert_eq!(allowed(&ledger, &tag), set(&["-", "four", "two"]));
}

#[test]
fn a_refused_write_leaves_no_trace() {
    let (ledger, tag) = (ledger(), Object::tag("a", "latest"));
    write(&ledger, &tag, "one", Outcome::Acknowledged);
    write(&ledger, &tag, "two", Outcome::Refused);
    assert_eq!(allowed(&ledger, &tag), set(&["one"]));
}

#[test]
fn writes_at_the_same_time_may_end_in_either_order() {
    let (ledger, tag) = (ledger(), Object::tag("a", "latest"));
    write(&ledger, &tag, "zero", Outcome::Acknowledged);
    let (one, two) = (begin(&ledger, &tag, "one"), begin(&ledger, &tag, "two"));
    ledger.finish(one, Outcome::Acknowledged);
    ledger.finish(two, Outcome::Acknowledged);
    assert_eq!(allowed(&ledger, &tag), set(&["one", "two"]));
    write(&ledger, &tag, "three", Outcome::Acknowledged);
    assert_eq!(allowed(&ledger, &tag), set(&["three"]));
}

#[test]
fn deleting_a_manifest_takes_its_tags_along() {
    let (ledger, tag, manifest) = (ledger(), Object::tag("a", "latest"), Object::manifest("a", "one"));
    let push = || ledger.begin("push", vec![(manifest.clone(), value("one")), (tag.clone(), value("one"))]);
    ledger.finish(push(), Outcome::Acknowledged);
    drop(begin(&ledger, &manifest, "-"));
    assert_eq!(allowed(&ledger, &tag), set(&["-", "one"]));
    assert_eq!(allowed(&ledger, &manifest), set(&["-", "one"]));
    write(&ledger, &manifest, "-", Outcome::Acknowledged);
    assert_eq!(allowed(&ledger, &tag), set(&["-"]));

    // The same manifest pushed again under another tag does not bring the first tag back.
    write(&ledger, &manifest, "one", Outcome::Acknowledged);
    assert_eq!(allowed(&ledger, &tag), set(&["-"]));

    // A push and a deletion at the same time: either came last, for the tag as for the manifest.
    let (pushed, deleted) = (push(), begin(&ledger, &manifest, "-"));
    ledger.finish(pushed, Outcome::Acknowledged);
    ledger.finish(deleted, Outcome::Acknowledged);
    assert_eq!(allowed(&ledger, &tag), set(&["-", "one"]));
    // Another repository with the same manifest is not touched.
    write(&ledger, &Object::tag("b", "latest"), "one", Outcome::Acknowledged);
    assert_eq!(allowed(&ledger, &Object::tag("b", "latest")), set(&["one"]));
}

#[test]
fn a_deletion_that_ended_before_the_push_has_no_say() {
    let (ledger, tag, manifest) = (ledger(), Object::tag("a", "latest"), Object::manifest("a", "one"));
    write(&ledger, &manifest, "-", Outcome::Acknowledged);
    write(&ledger, &tag, "one", Outcome::Acknowledged);
    assert_eq!(allowed(&ledger, &tag), set(&["one"]));
}

#[test]
fn an_invented_loss_is_reported() {
    let ledger = ledger();
    let blob = Object::blob("a", "sha256:1");
    write(&ledger, &blob, "sha256:1", Outcome::Acknowledged);
    let seen = |observed: Observed| BTreeMap::from([(blob.clone(), observed)]);
    assert!(ledger.judge(&seen(Observed::Serves("sha256:1".into()))).is_empty());
    let lost = ledger.judge(&seen(Observed::Absent));
    assert_eq!(lost[0].to_string(), "blob a@sha256:1 is absent, must be sha256:1");
    let wrong = ledger.judge(&seen(Observed::Serves("sha256:2".into())));
    assert_eq!(wrong[0].to_string(), "blob a@sha256:1 is sha256:2, must be sha256:1");
    let broken = ledger.judge(&seen(Observed::Broken("status 500".into())));
    assert_eq!(broken[0].to_string(), "blob a@sha256:1 is broken: status 500");
}

#[test]
fn an_undone_deletion_is_reported_also_in_a_later_cycle() {
    let ledger = ledger();
    let blob = Object::blob("a", "sha256:1");
    write(&ledger, &blob, "sha256:1", Outcome::Acknowledged);
    write(&ledger, &blob, "-", Outcome::Unknown);
    ledger.settle(&BTreeMap::from([(blob.clone(), Observed::Absent)]));
    assert_eq!(allowed(&ledger, &blob), set(&["-"]));
    assert_eq!(ledger.objects(), vec![(blob.clone(), false)]);
    let back = ledger.judge(&BTreeMap::from([(blob.clone(), Observed::Serves("sha256:1".into()))]));
    assert_eq!(back.len(), 1);
}

#[test]
fn an_acknowledgement_after_the_power_began_to_go_counts_as_none() {
    let (ledger, tag) = (ledger(), Object::tag("a", "latest"));
    write(&ledger, &tag, "before", Outcome::Acknowledged);
    let across = begin(&ledger, &tag, "across");
    ledger.darken();
    ledger.finish(across, Outcome::Acknowledged);
    write(&ledger, &tag, "after", Outcome::Acknowledged);
    write(&ledger, &tag, "refused", Outcome::Refused);
    assert_eq!(allowed(&ledger, &tag), set(&["before", "across", "after"]));

    ledger.settle(&BTreeMap::from([(tag.clone(), Observed::Absent)]));
    write(&ledger, &tag, "next", Outcome::Acknowledged);
    assert_eq!(allowed(&ledger, &tag), set(&["next"]));
}
