use std::hash::{DefaultHasher, Hasher};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::PrepareError;

/// The oldest rustc that compiles cells.
const OLDEST: (u32, u32) = (1, 95);

const RUST_HINT: &str =
    "install Rust from https://rustup.rs and make sure that its bin folder is on the PATH";

/// The Rust toolchain that is in use.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// Where it is.
    pub sysroot: PathBuf,
    /// The compiler itself.
    pub rustc: PathBuf,
    /// What `rustc -vV` says.
    pub version: String,
}

impl Toolchain {
    /// The toolchain that `rustc` on the PATH stands for.
    pub fn find() -> Result<Toolchain, PrepareError> {
        let sysroot = PathBuf::from(said("rustc", &["--print", "sysroot"])?);
        let inside = sysroot.join("bin").join(format!("rustc{}", std::env::consts::EXE_SUFFIX));
        // A distribution's sysroot may have no `bin`; then `rustc` is no proxy either.
        let rustc = if inside.exists() { inside } else { PathBuf::from("rustc") };
        let version = said(&rustc.to_string_lossy(), &["-vV"])?;
        let toolchain = Toolchain { sysroot, rustc, version };
        if toolchain.release() < OLDEST {
            return Err(PrepareError::TooOld {
                found: toolchain.version.lines().next().unwrap_or_default().replace("rustc ", ""),
                wanted: format!("{}.{}", OLDEST.0, OLDEST.1),
            });
        }
        Ok(toolchain)
    }

    /// Errors unless cargo and a C compiler, which links, are there too.
    pub fn check_tools(&self) -> Result<(), PrepareError> {
        said("cargo", &["--version"])?;
        let linker = Command::new("cc").arg("--version").stdin(Stdio::null()).output();
        if linker.is_err() {
            return Err(PrepareError::Missing {
                program: "the linker driver `cc`".into(),
                hint: "install a C compiler (Debian and Ubuntu: apt install build-essential; macOS: xcode-select --install)"
                    .into(),
            });
        }
        Ok(())
    }

    /// The triple of the machine it runs on and compiles for.
    pub(super) fn host(&self) -> Option<&str> {
        self.version.lines().find_map(|line| line.strip_prefix("host: "))
    }

    /// The standard library in its dynamic form, which cells link to.
    pub(super) fn std_libraries(&self) -> Vec<PathBuf> {
        let host = self.host().unwrap_or_default();
        let folders = [self.sysroot.join("lib/rustlib").join(host).join("lib"), self.sysroot.join("lib")];
        let found = folders.iter().map(|folder| {
            let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            let is_std = |path: &PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                name.starts_with("libstd-") && name.ends_with(std::env::consts::DLL_SUFFIX)
            };
            files.filter(is_std).collect::<Vec<_>>()
        });
        found.into_iter().find(|files| !files.is_empty()).unwrap_or_default()
    }

    /// Major and minor release.
    fn release(&self) -> (u32, u32) {
        let release =
            self.version.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or_default();
        let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// Tells this toolchain from any other.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = DefaultHasher::new();
        hash.write(self.version.as_bytes());
        hash.write(self.sysroot.to_string_lossy().as_bytes());
        format!("{:08x}", hash.finish() as u32)
    }
}

fn said(program: &str, arguments: &[&str]) -> Result<String, PrepareError> {
    let missing = |hint: String| PrepareError::Missing { program: format!("`{program}`"), hint };
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|_| missing(RUST_HINT.into()))?;
    if !output.status.success() {
        // rustup's proxy without a toolchain says here what to do.
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(missing(format!("it is there but fails: {}", said.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
