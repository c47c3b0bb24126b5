//! Compose files and manifests as people write them.

use super::{Found, filled, read};

const TAG_IS_NOT_SET: &str = "TAG is not set; set it in the environment (set -a; . ./.env)";

fn images(text: &str) -> Vec<String> {
    let found = read(text, &|_| None).unwrap();
    assert_eq!((found.unknown, found.skipped), (Vec::<String>::new(), Vec::<String>::new()));
    found.images
}

#[test]
fn images_of_services_are_found_and_nothing_else() {
    let text = r#"
name: shop
x-app: &app
  image: quay.io/org/app:1 # what all of them run
  environment: { image: not-this.png }
services:
  web:
    <<: *app
    labels: ["image=not-this"]
  worker: { <<: [*app], command: "run image: nothing" }
  db:
    image: 'postgres:17'
  cache:
    image: "postgres:17"
  frozen:
    image: alpine@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
volumes:
  data: {}
"#;
    let frozen = "alpine@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(images(text), ["quay.io/org/app:1", "postgres:17", frozen]);
}

#[test]
fn containers_are_found_wherever_they_stand() {
    let text = r#"
apiVersion: v1
kind: List
items:
- kind: Deployment
  spec:
    template:
      spec:
        initContainers:
        - { name: init, image: busybox }
        containers:
        - name: app
          image: ghcr.io/org/app:2
        - name: side
          image: "registry.k8s.io/pause:3.10"
        volumes:
        - name: model
          image: { reference: quay.io/org/model:1 }
        - name: plain
          emptyDir: {}
---
kind: CronJob
spec: { jobTemplate: { spec: { template: { spec: { containers: [ { image: alpine } ] } } } } }
---
kind: Pod
spec:
  ephemeralContainers: [{ image: debug }]
---
kind: ConfigMap
data:
  image: not-an-image
  pod.yaml: |
    containers:
    - image: not-this-either
---
kind: CustomResourceDefinition
spec:
  properties:
    containers:
      type: array
    image:
      type: string
---
"#;
    assert_eq!(
        images(text),
        [
            "busybox",
            "ghcr.io/org/app:2",
            "registry.k8s.io/pause:3.10",
            "quay.io/org/model:1",
            "alpine",
            "debug"
        ]
    );
    assert_eq!(images(r#"{"kind":"Pod","spec":{"containers":[{"image":"json"}]}}"#), ["json"]);
    assert_eq!(images(""), [""; 0]);
}

#[test]
fn what_is_built_is_not_fetched_and_what_is_not_known_is_told() {
    let text = r#"
services:
  a:
    build: .
    image: org/built
  b:
    image: org/b:${TAG}
  c:
    image: ${HUB:-quay.io}/c
"#;
    let found = read(text, &|_| None).unwrap();
    assert_eq!(
        found,
        Found {
            images: vec!["quay.io/c".to_owned()],
            unknown: vec![format!("the image of b is org/b:${{TAG}}, and {TAG_IS_NOT_SET}")],
            skipped: vec!["a is built, so org/built is not fetched".to_owned()],
        }
    );
}

#[test]
fn variables_are_filled_in_as_compose_does() {
    let variable = |name: &str| match name {
        "TAG" => Some("1.9".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    for (text, expected) in [
        ("app:$TAG", Some("app:1.9")),
        ("app:${TAG}-slim", Some("app:1.9-slim")),
        ("app:${TAG:-2}", Some("app:1.9")),
        ("app:${NONE:-2}", Some("app:2")),
        ("app:${NONE-2}", Some("app:2")),
        ("app:${EMPTY:-2}", Some("app:2")),
        ("app:${EMPTY-2}", Some("app:")),
        ("app:${NONE:-${TAG}}", Some("app:1.9")),
        ("app:${NONE:-a${OTHER:-b}}c", Some("app:abc")),
        ("app${TAG:+-debug}", Some("app-debug")),
        ("app${NONE:+-debug}", Some("app")),
        ("a$$b", Some("a$b")),
        ("app:${NONE}", None),
        ("app:${NONE:?say which}", None),
        ("app:${TAG", None),
        ("app:${}", None),
        ("app:$", None),
    ] {
        assert_eq!(filled(text, &variable).ok().as_deref(), expected, "{text}");
    }
}

#[test]
fn a_template_is_no_document_and_a_bomb_does_not_explode() {
    assert!(read("image: {{ .Values.image }}:{{ .Values.tag }}\n", &|_| None).is_err());
    let lines: Vec<_> =
        (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1)).collect();
    assert!(read(&format!("a0: &a0 [x]\n{}", lines.concat()), &|_| None).is_err());
}
