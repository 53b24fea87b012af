//! Connections over TLS.

use std::path::Path;
use std::sync::Arc;

use sconce_serve::Tls;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::models::*;

/// A connection of a client that trusts the tests' certificate, and speaks these protocols.
async fn connect(address: std::net::SocketAddr, protocols: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(files().certificates).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn files() -> Tls {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/tls");
    Tls { certificates: folder.join("certificate.pem"), key: folder.join("key.pem") }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_certificate_nothing_is_spoken_in_the_clear() {
    let (folder, _) = folder("{}");
    let server = serve(folder.path(), |config| config.tls = Some(files())).await;
    let address = server.http_address();
    let request = b"GET /v2/models/small HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut stream = connect(address, &["http/1.1"]).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"name\":\"small\""), "{answer}");
    let grpc = connect(server.grpc_address().unwrap(), &["h2"]).await.unwrap();
    assert_eq!(grpc.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert!(connect(address, &["h2"]).await.is_err(), "HTTP/2 is for gRPC");
    drop(grpc);
    let mut clear = TcpStream::connect(address).await.unwrap();
    clear.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // It may be cut off.
    let _ = clear.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    server.shutdown().await;
}
