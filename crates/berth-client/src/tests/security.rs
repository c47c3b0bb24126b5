//! With TLS or without: as it is allowed, and never with a password before it is known.

use super::fake::{Fake, Reply};
use super::{alice, authorization, head, manifest, options, secure};
use crate::{Client, ClientError, ClientOptions, FindError, Security};

fn door(asked: &super::Asked) -> Reply {
    match (asked.target.as_str(), authorization(asked)) {
        ("/v2/", sent) => {
            assert_eq!(sent, "", "nobody has to know before it is known how he is spoken to");
            Reply::new(401, &[("www-authenticate", "Basic realm=\"x\"")], "")
        }
        (_, "") => super::challenge("Basic realm=\"x\""),
        _ => manifest(asked),
    }
}

async fn find(fake: &Fake, security: Security, rest: ClientOptions) -> Result<Client, FindError> {
    let rest = ClientOptions { credentials: Some(alice()), ..rest };
    Client::find(&fake.address.to_string(), security, rest).await
}

#[tokio::test]
async fn a_registry_with_tls_is_spoken_to_with_it() {
    let (fake, rest, _folder) = secure(door).await;
    for security in [Security::Tls, Security::Insecure] {
        let client = find(&fake, security, rest.clone()).await.unwrap();
        assert!(client.origin().is_secure());
        head(&client).await.unwrap();
    }
    // A certificate that nobody vouches for will do where anything does, and nowhere else.
    let stranger = ClientOptions { ca_file: None, ..rest };
    let client = find(&fake, Security::Insecure, stranger.clone()).await.unwrap();
    assert!(client.origin().is_secure());
    fake.take();
    let error = find(&fake, Security::Tls, stranger).await.err().unwrap();
    assert!(error.to_string().contains("nobody who is trusted here"), "{error}");
    assert!(fake.take().is_empty());
}

#[tokio::test]
async fn a_registry_without_tls_is_spoken_to_if_it_may_be_so() {
    let fake = Fake::start(door).await;
    let client = find(&fake, Security::Insecure, options(&fake)).await.unwrap();
    assert!(!client.origin().is_secure());
    head(&client).await.unwrap();
    fake.take();
    let error = find(&fake, Security::Tls, options(&fake)).await.err().unwrap();
    assert!(matches!(error, FindError::Plain { .. }) && error.to_string().contains("--insecure"), "{error}");
    assert!(fake.take().is_empty());
}

#[tokio::test]
async fn nobody_is_told_as_nobody_and_no_name_as_none() {
    let fake = Fake::start(door).await;
    let rest = options(&fake);
    let error = Client::find("127.0.0.1:1", Security::Insecure, rest.clone()).await.err().unwrap();
    assert!(error.to_string().contains("no connection to 127.0.0.1"), "{error}");
    for name in ["a b", "user@host", "host/path", "", "0x7f.1"] {
        let error = Client::find(name, Security::Tls, rest.clone()).await.err().unwrap();
        assert!(matches!(error, FindError::Client(ClientError::Pointer(_))), "{name}: {error:?}");
    }
}
