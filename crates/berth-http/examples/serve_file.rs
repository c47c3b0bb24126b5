//! Serves one file at any path, and takes any upload: `serve_file FILE [ADDRESS [CERTIFICATE KEY]]`, to measure the
//! transport alone.

use std::fs::File;
use std::sync::Arc;

use berth_http::health::Operations;
use berth_http::metrics::Metrics;
use berth_http::server::{ConnInfo, RequestBody, ResponseBody, Server, ServerConfig, TlsConfig};
use futures_util::StreamExt;
use http::{Request, Response};

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: serve_file FILE [ADDRESS [CERTIFICATE KEY]]")?;
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let mut config = ServerConfig::new(address.parse()?);
    if let (Some(certificate), Some(key)) = (arguments.next(), arguments.next()) {
        config.tls = Some(TlsConfig::new(certificate, key));
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config, &path))
}

async fn serve(config: ServerConfig, path: &str) -> Result<(), AnyError> {
    let file = Arc::new(File::open(path)?);
    let len = file.metadata()?.len();
    let handler = move |mut request: Request<RequestBody>, _connection: ConnInfo| {
        let file = Arc::clone(&file);
        async move {
            if request.body().is_end() {
                return Response::new(ResponseBody::File { file, offset: 0, len });
            }
            let (mut received, mut pieces) = (0, 0);
            while let Some(Ok(piece)) = request.body_mut().next().await {
                received += piece.len();
                pieces += 1;
            }
            Response::new(ResponseBody::from(format!("{received} bytes in {pieces} pieces\n")))
        }
    };
    let operations = Operations::new(Metrics::new("example"), || async { Ok(()) });
    let server = Server::bind(config, operations, handler)?;
    println!("{}", server.local_addr());
    let interrupt = async {
        // Without the signal handler there is nothing to wait for: end at once.
        let _ = tokio::signal::ctrl_c().await;
    };
    server.serve(interrupt, std::future::pending()).await;
    Ok(())
}
