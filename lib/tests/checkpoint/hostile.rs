//! Files made to do harm, and files that are wrong in a way that a tensor's name can be told for.

use std::fs;
use std::io::{Cursor, Write as _};

use sconce::checkpoint::Checkpoint;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::fixture;

type Entries = Vec<(String, Vec<u8>)>;

/// The entries of `net.pth`.
fn entries() -> Entries {
    let mut archive = ZipArchive::new(fs::File::open(fixture("net.pth")).unwrap()).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            std::io::copy(&mut entry, &mut bytes).unwrap();
            (entry.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn zipped(entries: &Entries, method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(name.as_str(), SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// What opening the file, or reading every tensor in it, says.
fn refusal(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evil.pth");
    fs::write(&path, bytes).unwrap();
    let read = Checkpoint::open(&path).and_then(|file| {
        for tensor in file.tensors() {
            file.tensor(tensor.name(), &candle_core::Device::Cpu)?;
        }
        Ok(())
    });
    let error = read.unwrap_err().to_string();
    assert!(error.contains("evil.pth: expected"), "{error}");
    error
}

fn changed(change: impl FnOnce(&mut Entries)) -> String {
    let mut entries = entries();
    change(&mut entries);
    refusal(&zipped(&entries, CompressionMethod::Stored))
}

fn pickle(entries: &mut Entries) -> &mut Vec<u8> {
    &mut entries.iter_mut().find(|(name, _)| name.ends_with("data.pkl")).unwrap().1
}

fn replaced(entries: &mut Entries, from: &[u8], to: &[u8]) {
    let pickle = pickle(entries);
    let at = pickle.windows(from.len()).position(|window| window == from).unwrap();
    pickle.splice(at..at + from.len(), to.iter().copied());
}

#[test]
fn the_archive_by_itself_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("good.pth");
    fs::write(&path, zipped(&entries(), CompressionMethod::Stored)).unwrap();
    assert_eq!(Checkpoint::open(&path).unwrap().tensors().len(), 9);
}

#[test]
fn archives_with_evil_in_them_are_refused() {
    let bomb = zipped(&vec![("a/data.pkl".into(), vec![b'N'; 50_000_000])], CompressionMethod::Deflated);
    assert!(bomb.len() < 100_000);
    assert!(refusal(&bomb).contains("compressed"));
    assert!(changed(|entries| entries.push(("../up".into(), vec![1]))).contains("leads out"));
    assert!(
        changed(|entries| entries.push(("other/data.pkl".into(), vec![b'.']))).contains("one `data.pkl`")
    );
    assert!(
        changed(|entries| entries.retain(|(name, _)| !name.ends_with("data.pkl"))).contains("one `data.pkl`")
    );
    assert!(
        changed(|entries| replaced(entries, b"ctorch._utils\n_rebuild_tensor_v2\n", b"cos\nsystem\n"))
            .contains("`os.system`, and nothing of a file is run")
    );
    let many = changed(|entries| *pickle(entries) = vec![b'N'; 5_000_000]);
    assert!(many.contains("more than 4194304 operations"), "{many}");
}

#[test]
fn a_storage_that_is_gone_or_too_small_is_told_with_its_tensor() {
    let gone = changed(|entries| entries.retain(|(name, _)| !name.ends_with("data/0")));
    assert!(gone.contains("a whole tensor \"stem.weight\", got no entry \"net/data/0\""), "{gone}");
    let small = changed(|entries| {
        entries.iter_mut().find(|(name, _)| name.ends_with("data/1")).unwrap().1.truncate(8);
    });
    assert!(small.contains("\"stem.bias\"") && small.contains("8 bytes instead of 3 values of 4"), "{small}");
    // The shape (3, 1, 3, 3) becomes (255, 1, 3, 3), or has a negative side.
    let shape = b"(K\x03K\x01K\x03K\x03t";
    let large = changed(|entries| replaced(entries, shape, b"(K\xffK\x01K\x03K\x03t"));
    assert!(large.contains("\"stem.weight\"") && large.contains("storage of 27 values"), "{large}");
    let negative = changed(|entries| replaced(entries, shape, b"(J\xff\xff\xff\xffK\x01K\x03K\x03t"));
    assert!(negative.contains("without a shape"), "{negative}");
    // More values than there is memory.
    let huge = b"(J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7fK\x03t";
    assert!(changed(|entries| replaced(entries, shape, huge)).contains("which no memory holds"));
    // A storage that claims to be larger than its entry.
    let storage = b"X\x03\x00\x00\x00cpu";
    let claimed = changed(|entries| {
        let at = pickle(entries).windows(storage.len()).position(|window| window == storage).unwrap();
        // After the location, kept in the memo, stands the number of values, `K` and a byte.
        let count = at + pickle(entries)[at..].iter().position(|&byte| byte == b'K').unwrap();
        pickle(entries)[count + 1] = 200;
    });
    assert!(claimed.contains("instead of 200 values of 4"), "{claimed}");
}

#[test]
fn a_changed_value_is_found_by_its_checksum() {
    let mut bytes = fs::read(fixture("net.pth")).unwrap();
    let value = 1.0_f32.to_le_bytes();
    let weights = [value, value, value].concat();
    let at = bytes.windows(12).position(|window| window == weights).unwrap();
    bytes[at] ^= 1;
    let error = refusal(&bytes);
    assert!(error.contains("\"norm.weight\"") && error.contains("checksum"), "{error}");
}

#[test]
fn a_legacy_file_that_ends_too_soon_is_told_with_the_storage() {
    let bytes = fs::read(fixture("net_legacy.pth")).unwrap();
    assert!(refusal(&bytes[..bytes.len() - 1]).contains("the file ends before"));
    assert!(refusal(&bytes[..100]).contains("ends too soon"));
}

#[test]
fn what_people_take_by_mistake_is_named() {
    for (bytes, named) in [
        (&b"<!DOCTYPE html><html>"[..], "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "git lfs pull"),
        (b"\x89HDF\r\n\x1a\n and more", "HDF5"),
        (b"\x80\x02}q\x00.", "magic number"),
        (b"", "empty"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff{}", "begin as no such file does"),
    ] {
        let error = refusal(bytes);
        assert!(error.contains(named), "{error}");
    }
}
