//! A compiled library: its machine code, and what that was made from.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

/// A library's file.
pub struct Program {
    bytes: Vec<u8>,
}

/// What a machine instruction was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The function, as Rust names it.
    pub function: String,
    /// The source file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1; it counts bytes.
    pub column: u32,
}

impl Program {
    /// Reads the file, which is removed.
    pub fn take(path: &Path) -> Option<Program> {
        let bytes = std::fs::read(path);
        // It lies in the session's folder, which goes with the session.
        let _ = std::fs::remove_file(path);
        Some(Program { bytes: bytes.ok()? })
    }

    fn file(&self) -> Option<object::File<'_>> {
        object::File::parse(self.bytes.as_slice()).ok()
    }

    /// Its machine code.
    pub fn code(&self) -> Option<&[u8]> {
        self.file()?.section_by_name(".text")?.data().ok()
    }

    /// The functions that these instructions are in. `None` where the file does not tell.
    pub fn functions(&self, offsets: &BTreeSet<u64>) -> Option<Vec<String>> {
        let file = self.file()?;
        let mut functions: Vec<(u64, u64, &str)> = file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
            .filter_map(|symbol| Some((symbol.address(), symbol.size(), symbol.name().ok()?)))
            .collect();
        functions.sort_unstable();
        let name = |offset: &u64| {
            let behind = functions.partition_point(|(start, _, _)| start <= offset);
            let (start, size, name) = functions.get(behind.checked_sub(1)?)?;
            (offset - start < *size).then(|| demangled(name))
        };
        offsets.iter().map(name).collect()
    }

    /// What these instructions were made from: the functions that are inlined there, and then the one that they
    /// are in. `None` where the file cannot be read, or does not tell of one of them.
    pub fn lines(&self, offsets: &BTreeSet<u64>) -> Option<HashMap<u64, Vec<Line>>> {
        let file = self.file()?;
        let section = |id: SectionId| {
            let data = file.section_by_name(id.name()).and_then(|section| section.data().ok());
            Ok::<_, addr2line::gimli::Error>(EndianSlice::new(data.unwrap_or_default(), LittleEndian))
        };
        let context = Context::from_dwarf(Dwarf::load(section).ok()?).ok()?;
        offsets.iter().map(|offset| Some((*offset, lines_at(&context, *offset)?))).collect()
    }
}

fn lines_at(context: &Context<EndianSlice<'_, LittleEndian>>, offset: u64) -> Option<Vec<Line>> {
    let mut frames = context.find_frames(offset).skip_all_loads().ok()?;
    let mut lines = Vec::new();
    while let Some(frame) = frames.next().ok()? {
        // What the compiler made up, such as the dropping of a value, has neither a name nor a line.
        let (Some(function), Some(at)) = (frame.function, frame.location) else { continue };
        let (Some(file), Some(line), Some(column)) = (at.file, at.line, at.column) else { continue };
        let function = demangled(&function.raw_name().ok()?);
        lines.push(Line { function, file: file.to_owned(), line, column });
    }
    Some(lines)
}

fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
