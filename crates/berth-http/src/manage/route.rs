//! From a path to its operation.

use http::Method;

use super::operation::Operation;
use super::parameter::REPOSITORY;

/// The parts of a path that a template leaves open, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Captures(Vec<(&'static str, String)>);

impl Captures {
    /// A part that the template of the operation has.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(part, _)| *part == name);
        &found.unwrap_or_else(|| panic!("no part of the path is called {name}")).1
    }
}

/// What a path leads to.
pub(super) enum Route<'a> {
    Operation(&'a Operation, Captures),
    /// The path is known, with other methods.
    Methods(Vec<&'a Method>),
    Nothing,
}

/// Finds the operation of a method and a path below `/api/v1`.
pub(super) fn find<'a>(
    operations: impl Iterator<Item = &'a Operation>,
    method: &Method,
    path: &str,
) -> Route<'a> {
    let mut methods = Vec::new();
    for operation in operations {
        let Some(captures) = fit(operation.path, path) else { continue };
        if operation.method == *method {
            return Route::Operation(operation, captures);
        }
        if !methods.contains(&&operation.method) {
            methods.push(&operation.method);
        }
    }
    if methods.is_empty() { Route::Nothing } else { Route::Methods(methods) }
}

/// Reads a path by a template. A repository's name ends where the path does, or before the segment `-`.
fn fit(template: &'static str, path: &str) -> Option<Captures> {
    let mut captures = Captures::default();
    let mut segments = path.split('/').peekable();
    for piece in template.split('/') {
        let Some(name) = piece.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else {
            if segments.next()? == piece { continue } else { return None }
        };
        let mut value = segments.next()?.to_owned();
        while name == REPOSITORY
            && let Some(segment) = segments.next_if(|segment| *segment != "-")
        {
            value.push('/');
            value.push_str(segment);
        }
        if value.is_empty() {
            return None;
        }
        captures.0.push((name, decoded(&value)));
    }
    segments.next().is_none().then_some(captures)
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Captures, fit};

    #[test]
    fn a_name_of_a_repository_spans_segments_and_no_other_part_does() {
        let app = Some(Captures(vec![("repository", "a/b/c".to_owned())]));
        assert_eq!(fit("/repositories/{repository}", "/repositories/a/b/c"), app);
        assert_eq!(fit("/repositories/{repository}", "/repositories/a%2Fb%2fc"), app);
        assert_eq!(fit("/repositories/{repository}/-/tags", "/repositories/a/b/c/-/tags"), app);
        let tag = Captures(vec![("repository", "a".to_owned()), ("tag", "1.0".to_owned())]);
        assert_eq!(fit("/repositories/{repository}/-/tags/{tag}", "/repositories/a/-/tags/1%2E0"), Some(tag));
        for path in ["/repositories", "/repositories/", "/repositories/a/-", "/repositories/a/-/tags"] {
            assert_eq!(fit("/repositories/{repository}", path), None, "{path}");
        }
        for path in ["/users", "/users/", "/users/a/b", "/user/a"] {
            assert_eq!(fit("/users/{user}", path), None, "{path}");
        }
    }
}
