//! One call of rustc for one cell.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;

use serde::Deserialize;

use super::deps::Layer;
use super::generate::CRATE;
use super::interrupter::Interrupter;
use super::names::{self, Names};
use super::plan::{FOLDERS, Generated};
use super::prepare::Prepared;
use super::waiting::{Features, Waiting};

/// Compiles cells in a folder of its own.
#[derive(Debug)]
pub struct Rustc {
    prepared: Prepared,
    layers: Vec<Layer>,
    folder: PathBuf,
    /// The compiler of the next cell.
    next: RefCell<Option<Waiting>>,
}

/// What rustc is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// A library to load, with the types of the new variables.
    Library {
        /// 0 to 3.
        optimize: u8,
        /// It is not to be loaded: it says which lines its code, which is the same, was made from.
        lines: bool,
    },
    /// Only the diagnostics, as a person reads them.
    Diagnostics,
}

/// What rustc said.
#[derive(Debug)]
pub struct Said {
    /// Whether it made what was asked.
    pub success: bool,
    /// Its diagnostics, in order.
    pub diagnostics: Vec<Diagnostic>,
    /// What else it wrote, e.g. of a compiler that crashed.
    pub rest: String,
}

/// One diagnostic, as rustc writes it in JSON.
#[derive(Debug, Clone, Deserialize)]
pub struct Diagnostic {
    /// What it says.
    pub message: String,
    /// `E0382`, or a lint's name.
    pub code: Option<Code>,
    /// `error`, `warning`, `note`, `help`, `failure-note`.
    pub level: String,
    /// The places it is about.
    pub spans: Vec<Span>,
    /// Notes and helps.
    pub children: Vec<Diagnostic>,
}

/// A diagnostic's code.
#[derive(Debug, Clone, Deserialize)]
pub struct Code {
    /// `E0382`, or a lint's name.
    pub code: String,
}

/// A place in the source.
#[derive(Debug, Clone, Deserialize)]
pub struct Span {
    /// The file.
    pub file_name: String,
    /// Where it begins.
    pub byte_start: usize,
    /// Where it ends.
    pub byte_end: usize,
    /// Whether the diagnostic is mainly about this place.
    pub is_primary: bool,
    /// What it says about this place.
    pub label: Option<String>,
    /// What could stand there instead.
    pub suggested_replacement: Option<String>,
    /// The macro call that the place is in.
    pub expansion: Option<Box<Expansion>>,
}

/// A macro call.
#[derive(Debug, Clone, Deserialize)]
pub struct Expansion {
    /// Where it stands.
    pub span: Span,
}

impl Diagnostic {
    /// Whether it stops the compilation.
    pub fn is_error(&self) -> bool {
        self.level.starts_with("error")
    }

    /// Its code.
    pub fn code(&self) -> Option<&str> {
        self.code.as_ref().map(|code| code.code.as_str())
    }
}

impl Rustc {
    /// A compiler that writes into `folder`, which exists.
    pub fn new(prepared: Prepared, folder: PathBuf) -> io::Result<Rustc> {
        for name in FOLDERS {
            std::fs::create_dir_all(folder.join(name))?;
        }
        let rustc = Rustc { prepared, layers: Vec::new(), folder, next: RefCell::default() };
        std::fs::write(rustc.linker(), include_str!("link.sh"))?;
        std::fs::set_permissions(rustc.linker(), Permissions::from_mode(0o755))?;
        rustc.get_ready();
        Ok(rustc)
    }

    /// From now on cells can name these crates, and link to the layers that hold them.
    pub fn link_with(&mut self, prepared: Prepared, layers: Vec<Layer>) {
        self.prepared = prepared;
        self.layers = layers;
    }

    /// Where a cell's library goes.
    pub fn library(&self, cell: u32) -> PathBuf {
        self.folder.join(format!("libcell{cell}.so"))
    }

    /// Where the library goes that says what the code of a cell's library was made from.
    pub fn library_with_lines(&self, cell: u32) -> PathBuf {
        self.folder.join(format!("lines{cell}.so"))
    }

    /// The path of a generated file, as it stands in diagnostics.
    pub fn path(&self, folder: &str, cell: u32) -> PathBuf {
        self.folder.join(folder).join(format!("cell {cell}"))
    }

    /// Compiles a cell. `Ok(None)` when an interrupt ended it.
    pub fn compile(
        &self,
        generated: &Generated,
        cell: u32,
        crates: &[String],
        make: Make,
        interrupter: &Interrupter,
    ) -> io::Result<Option<Said>> {
        let mut root = String::new();
        for file in &generated.files {
            let path = self.path(file.folder, file.cell);
            std::fs::write(&path, file.placed.text())?;
            root.push_str(&format!("include!({:?});\n", path.display().to_string()));
        }
        let layers = self.layers_for(generated, crates);
        for (name, _) in layers.iter().filter_map(|layer| layer.library.as_ref()) {
            root.push_str(&format!("extern crate {name} as _;\n"));
        }
        let root_path = self.folder.join("cell.rs");
        std::fs::write(&root_path, root)?;

        let arguments = self.arguments(layers, &root_path, cell, crates, make);
        let mut child = self.run(&arguments, make)?;
        interrupter.compiling(child.id());
        let mut said = Vec::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_end(&mut said)?;
        }
        let status = child.wait()?;
        if make != Make::Diagnostics {
            self.get_ready();
        }
        if interrupter.compiled() {
            return Ok(None);
        }
        let mut diagnostics = Vec::new();
        let mut rest = String::new();
        for line in String::from_utf8_lossy(&said).lines() {
            match serde_json::from_str::<Diagnostic>(line) {
                Ok(diagnostic) => diagnostics.push(diagnostic),
                Err(_) => {
                    rest.push_str(line);
                    rest.push('\n');
                }
            }
        }
        Ok(Some(Said { success: status.success(), diagnostics, rest }))
    }
}

impl Rustc {
    fn arguments(
        &self,
        layers: &[Layer],
        root: &Path,
        cell: u32,
        crates: &[String],
        make: Make,
    ) -> Vec<OsString> {
        let mut arguments = Arguments::default();
        arguments.text(["--crate-name", CRATE, "--edition", "2024", "--crate-type", "cdylib"]);
        arguments.path("", root);
        // One identity for all cells' crates: the types of one are those of the others.
        arguments.text(["-C", "metadata=sconce", "-C", "debuginfo=0"]);
        arguments.text(["--error-format=json", "--cap-lints=warn"]);
        arguments.text(["-A", "warnings", "--force-warn", "unused_must_use", "--remap-path-scope=macro"]);
        for name in FOLDERS {
            arguments.around("--remap-path-prefix=", &self.folder.join(name), "/=");
        }
        for (name, path) in &self.prepared.crates {
            if self.prepared.nameable.contains(name) || crates.contains(name) {
                arguments.path(&format!("--extern={name}="), path);
            }
        }
        arguments.path("-Ldependency=", &self.prepared.dependencies);
        for layer in layers {
            arguments.path("-Ldependency=", &layer.folder);
            if let Some((name, library)) = &layer.library {
                arguments.path(&format!("--extern={name}="), library);
                // The worker finds it there. An old-style rpath is also that of what the library needs in turn.
                for flag in ["--disable-new-dtags", "-rpath"] {
                    arguments.text(["-Clink-arg=-Xlinker", &format!("-Clink-arg={flag}")]);
                }
                arguments.text(["-Clink-arg=-Xlinker"]);
                arguments.path("-Clink-arg=", &layer.folder);
            }
        }
        match make {
            Make::Library { optimize, lines } => {
                arguments.text(["-o"]);
                let library = if lines { self.library_with_lines(cell) } else { self.library(cell) };
                arguments.path("", &library);
                if lines {
                    arguments.text(["-Cdebuginfo=limited"]);
                }
                arguments.path("-Clinker=", &self.linker());
                arguments.text([&*format!("-Copt-level={optimize}")]);
                // The same meaning at every level: arithmetic that overflows is an error, `debug_assert!` holds.
                // The standard library's own checks of unsafe code would make loops slow.
                arguments.text(["-Coverflow-checks=on", "-Cdebug-assertions=on", "-Zub-checks=no"]);
                // The link-time optimisation among a crate's own parts costs a third of an optimised cell,
                // and cells are small: most are one part.
                arguments.text(["-Clto=off"]);
                // Types as they must be written to be found from anywhere. The lint names them in the same
                // run that makes the library: its text, unlike an error's, comes after all inference.
                arguments.text(["--verbose", "-Ztrim-diagnostic-paths=no"]);
                arguments.text(["--force-warn", "dropping_references"]);
            }
            Make::Diagnostics => {
                arguments.text(["--emit=metadata", "-o"]);
                arguments.path("", &self.folder.join("cell.rmeta"));
            }
        }
        arguments.0
    }

    /// Starts a compilation, and the compiler of the next one.
    fn run(&self, arguments: &[OsString], make: Make) -> io::Result<Child> {
        if make == Make::Diagnostics {
            return Waiting::start(&self.prepared.rustc, Features::Stable)?.tell(arguments);
        }
        let start = || Waiting::start(&self.prepared.rustc, Features::All);
        let ready = self.next.take().map(|waiting| waiting.tell(arguments));
        match ready {
            Some(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            Some(Ok(child)) => Ok(child),
            _ => start()?.tell(arguments),
        }
    }

    /// Has a compiler ready for the next cell.
    fn get_ready(&self) {
        // Where none can start, the next cell tries again and says why.
        self.next.replace(Waiting::start(&self.prepared.rustc, Features::All).ok());
    }

    fn linker(&self) -> PathBuf {
        // From the name rustc guesses which arguments it takes.
        self.folder.join("cc")
    }

    /// The layers that a cell needs: all, if it names anything that one has. A cell must see all layers that
    /// hold a crate it names, or it would get a copy of its own.
    fn layers_for(&self, generated: &Generated, crates: &[String]) -> &[Layer] {
        if self.layers.is_empty() {
            return &[];
        }
        let mut names = Names::new();
        for file in &generated.files {
            names::collect(file.placed.text(), &mut names);
        }
        names.extend(crates.iter().cloned());
        let needed = self.layers.iter().any(|layer| {
            layer.has_runtime
                || layer.crates.keys().chain(layer.names.keys()).any(|name| names.contains(name))
        });
        if needed { &self.layers } else { &[] }
    }
}

/// In the order that rustc reads them.
#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn text<const N: usize>(&mut self, arguments: [&str; N]) {
        self.0.extend(arguments.map(OsString::from));
    }

    fn path(&mut self, flag: &str, path: &Path) {
        self.around(flag, path, "");
    }

    fn around(&mut self, before: &str, path: &Path, after: &str) {
        let mut argument = OsString::from(before);
        argument.push(path);
        argument.push(after);
        self.0.push(argument);
    }
}
