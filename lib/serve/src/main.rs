//! The program `sconce-serve`, which `sconce serve` hands over to.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use sconce_serve::{Limits, ServeConfig, Server, Tls};
use tracing::Level;

/// Serve models: TensorFlow Serving's REST API, the Open Inference Protocol over HTTP and gRPC, pictures, and a page.
#[derive(Debug, Parser)]
#[command(name = "sconce serve", version, max_term_width = 100)]
struct Arguments {
    /// The folder with the models: NAME/VERSION/model.safetensors, and NAME/config.json for settings.
    models: PathBuf,
    /// The address to listen at; 0.0.0.0 for all of this machine's.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The port for HTTP; 0 for any that is free.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// The port for gRPC; 0 for any that is free.
    #[arg(long, default_value_t = 8001)]
    grpc_port: u16,
    /// Seconds between two looks for new versions.
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS", allow_negative_numbers = true)]
    poll: f64,
    /// What clients have to bring as `Authorization: Bearer TOKEN`. Other users of the machine see arguments, not
    /// variables.
    #[arg(long, env = "SCONCE_SERVE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The certificate for TLS, a PEM file.
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// Its key, a PEM file.
    #[arg(long, requires = "tls_certificate", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Bytes of a request at most.
    #[arg(long, default_value_t = Limits::default().request_bytes, value_name = "BYTES")]
    max_request_bytes: usize,
    /// Bytes of all requests at most that are read or answered at the same time.
    #[arg(long, default_value_t = Limits::default().total_bytes, value_name = "BYTES")]
    max_total_bytes: usize,
    /// Connections of each protocol at most.
    #[arg(long, default_value_t = Limits::default().connections, value_name = "NUMBER")]
    max_connections: usize,
    /// Seconds in which answers may still go out after SIGTERM or Ctrl-C.
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS", allow_negative_numbers = true)]
    drain: f64,
    /// The form of the log, on stderr.
    #[arg(long, value_enum, default_value_t = LogFormat::Plain)]
    log_format: LogFormat,
    /// What goes into the log: error, warn, info, debug or trace.
    #[arg(long, default_value_t = Level::INFO)]
    log_level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Lines for people.
    Plain,
    /// A JSON object in each line.
    Json,
}

fn main() -> ExitCode {
    // While there is a single thread, for the pools' sizes.
    let threads = sconce::threads::init().map_err(|error| error.to_string());
    match threads.and_then(|()| run(Arguments::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // With stderr closed there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), String> {
    let log = tracing_subscriber::fmt().with_max_level(arguments.log_level).with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Plain => log.with_ansi(false).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    let seconds = |name: &str, value: f64| {
        Duration::try_from_secs_f64(value)
            .map_err(|_| format!("--{name}: expected seconds, 0 or more, got {value}"))
    };
    let limits = Limits {
        request_bytes: arguments.max_request_bytes,
        total_bytes: arguments.max_total_bytes,
        connections: arguments.max_connections,
        drain_time: seconds("drain", arguments.drain)?,
        ..Limits::default()
    };
    let tls = arguments.tls_certificate.zip(arguments.tls_key);
    let config = ServeConfig {
        models: arguments.models,
        host: arguments.host,
        port: arguments.port,
        grpc_port: Some(arguments.grpc_port),
        // Looking without a pause would keep a core busy.
        poll: seconds("poll", arguments.poll)?.max(Duration::from_millis(10)),
        token: arguments.token,
        tls: tls.map(|(certificates, key)| Tls { certificates, key }),
        limits,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("threads could not be started: {error}"))?;
    runtime.block_on(async {
        let server = Server::start(config).await.map_err(|error| error.to_string())?;
        wait_for_the_end().await.map_err(|error| format!("signals: {error}"))?;
        server.shutdown().await;
        Ok(())
    })
}

/// Ctrl-C, or what systems send to programs that shall end.
#[cfg(unix)]
async fn wait_for_the_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
async fn wait_for_the_end() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
