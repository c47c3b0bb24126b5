//! A provider on this machine that answers what it was told to, and remembers what it was asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::signer::public_keys;

/// What is answered at one path.
#[derive(Clone)]
pub(crate) enum Reply {
    /// A document.
    Json(u16, Value),
    /// Something else.
    Text(u16, String),
    /// A redirect to there.
    Redirect(String),
    /// Nothing, for ever.
    Never,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) accept: Option<String>,
    pub(crate) body: String,
}

/// What the provider says.
pub(crate) struct Script {
    pub(crate) discovery: Value,
    pub(crate) keys: Vec<Value>,
    pub(crate) token: Reply,
    pub(crate) user_info: Reply,
    /// If it is there, it is answered to everything.
    pub(crate) instead: Option<Reply>,
    pub(crate) asked: Vec<Asked>,
}

impl Script {
    pub(crate) fn new(issuer: &str) -> Script {
        let discovery = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize?tenant=a"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported":
                ["none", "HS256", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"],
            "code_challenge_methods_supported": ["plain", "S256"],
        });
        let token = Reply::Json(400, json!({"error": "invalid_grant"}));
        let user_info = Reply::Text(404, String::new());
        Script { discovery, keys: public_keys(), token, user_info, instead: None, asked: Vec::new() }
    }

    fn reply(&self, path: &str) -> Reply {
        if let Some(reply) = &self.instead {
            return reply.clone();
        }
        match path {
            "/.well-known/openid-configuration" => Reply::Json(200, self.discovery.clone()),
            "/keys" => Reply::Json(200, json!({"keys": self.keys})),
            "/token" => self.token.clone(),
            "/userinfo" => self.user_info.clone(),
            _ => Reply::Text(404, "nothing here".to_owned()),
        }
    }
}

/// The provider. It ends with the runtime of its test.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) issuer: String,
    script: Arc<Mutex<Script>>,
}

impl Fake {
    pub(crate) async fn start() -> Fake {
        let (listener, fake) = Fake::listen("http", "127.0.0.1").await;
        let served = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(served.clone().serve(stream));
            }
        });
        fake
    }

    /// One whose connections somebody else accepts.
    pub(crate) async fn listen(scheme: &str, host: &str) -> (TcpListener, Fake) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("{scheme}://{host}:{}", listener.local_addr().unwrap().port());
        let script = Arc::new(Mutex::new(Script::new(&issuer)));
        (listener, Fake { issuer, script })
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// How often that path was asked.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.script().asked.iter().filter(|asked| asked.path == path).count()
    }

    pub(crate) async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let answer = service_fn(|request| self.answer(request));
        // That a client goes away in the middle is what some tests are about.
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let field = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (authorization, accept) = (field("authorization"), field("accept"));
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        let reply = {
            let mut script = self.script();
            let reply = script.reply(&path);
            script.asked.push(Asked { path, authorization, accept, body });
            reply
        };
        let (status, header, body) = match reply {
            Reply::Json(status, body) => {
                (status, ("content-type", "application/json".to_owned()), body.to_string())
            }
            Reply::Text(status, body) => (status, ("content-type", "text/html".to_owned()), body),
            Reply::Redirect(to) => (302, ("location", to), String::new()),
            Reply::Never => std::future::pending().await,
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response.headers_mut().insert(header.0, header.1.parse().unwrap());
        Ok(response)
    }
}
