//! Certificates for TLS.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::server::ServeError;

/// Where the certificates are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate, and those that vouch for it, in a PEM file.
    pub certificates: PathBuf,
    /// Its key, in a PEM file.
    pub key: PathBuf,
}

impl Tls {
    /// What accepts encrypted connections that speak `protocol`, by its ALPN name.
    ///
    /// # Errors
    /// If a file cannot be read, holds something else, or the key is not the certificate's.
    pub fn acceptor(&self, protocol: &str) -> Result<TlsAcceptor, ServeError> {
        let wrong = |path: &PathBuf, problem: String| ServeError::Tls { path: path.clone(), problem };
        let certificates = CertificateDer::pem_file_iter(&self.certificates)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(&self.certificates, error.to_string()))?;
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|error| wrong(&self.key, error.to_string()))?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&self.certificates, error.to_string()))?;
        let mut config = builder
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(|error| wrong(&self.certificates, error.to_string()))?;
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
