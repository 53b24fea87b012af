//! Files from a server that the test starts, and archives with evil in them.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use sconce::Error;
use sconce::data::{Checksum, ExtractLimits, Remote, extract};
use sha2::{Digest as _, Sha256};

/// What a path answers, request by request; the last answer stays.
#[derive(Clone)]
enum Answer {
    /// All of it, or the range that was asked for.
    File(Vec<u8>),
    /// All of it, whatever was asked for.
    NoRanges(Vec<u8>),
    /// The length of all, and then only so many bytes of what was asked for.
    Cut(Vec<u8>, usize),
    Missing,
}

/// A server for the length of a test. It notes each request with its range.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answers: &[(&str, Vec<Answer>)]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&requests);
        let mut answers: HashMap<String, Vec<Answer>> =
            answers.iter().map(|(path, answers)| ((*path).to_owned(), answers.clone())).collect();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &mut answers, &noted);
            }
        });
        Server { address, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answers: &mut HashMap<String, Vec<Answer>>, noted: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let mut start = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            start = Some(range.trim_end_matches('-').parse::<usize>().unwrap());
        }
    }
    noted.lock().unwrap().push(format!("{path} {}", start.unwrap_or(0)));
    let list = answers.get_mut(&path);
    let answer =
        list.map_or(Answer::Missing, |list| if list.len() > 1 { list.remove(0) } else { list[0].clone() });
    let (file, most, ranges) = match answer {
        Answer::Missing => {
            let _ = stream.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found",
            );
            return;
        }
        Answer::File(file) => (file, usize::MAX, true),
        Answer::NoRanges(file) => (file, usize::MAX, false),
        Answer::Cut(file, most) => (file, most, true),
    };
    let start = start.filter(|_| ranges);
    let from = start.unwrap_or(0);
    if from >= file.len() && start.is_some() {
        let _ = stream.write_all(
            b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
        return;
    }
    let rest = &file[from..];
    let status = match start {
        Some(start) => {
            format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{}", file.len() - 1, file.len())
        }
        None => "200 OK".to_owned(),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&rest[..rest.len().min(most)]);
}

fn content() -> Vec<u8> {
    (0..300_000_u32).flat_map(|n| n.to_le_bytes()).collect()
}

fn sha256(bytes: &[u8]) -> Checksum {
    Checksum::Sha256(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02X}")).collect())
}

/// Whatever stands in a folder, hidden or not.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_comes_whole_and_only_once() {
    let server = Server::start(&[("/a.bin", vec![Answer::File(content())])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/a.bin");
    let remote = Remote::new(&server.url("/a.bin"), Some(sha256(&content())));
    remote.fetch(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
    remote.fetch(&path).unwrap();
    assert_eq!(server.requests(), ["/a.bin 0"]);
    assert_eq!(names(path.parent().unwrap()), ["a.bin"]);
    // A file that is not what it should be is fetched again.
    fs::write(&path, "something else").unwrap();
    remote.fetch(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
    let md5 = Checksum::Md5("5d41402abc4b2a76b9719d911017c592".into());
    fs::write(&path, "hello").unwrap();
    Remote::new(&server.url("/none"), Some(md5)).fetch(&path).unwrap();
}

#[test]
fn a_transfer_that_breaks_goes_on_where_it_stopped() {
    let cut = Answer::Cut(content(), 500_000);
    let server = Server::start(&[("/a.bin", vec![cut.clone(), cut, Answer::File(content())])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    Remote::new(&server.url("/a.bin"), Some(sha256(&content()))).fetch(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
    assert_eq!(server.requests(), ["/a.bin 0", "/a.bin 500000", "/a.bin 1000000"]);
}

#[test]
fn a_later_call_goes_on_too() {
    // No more comes from this server: nothing is gained by asking again.
    let server = Server::start(&[(
        "/a.bin",
        vec![Answer::Cut(content(), 500_000), Answer::Cut(content(), 0), Answer::File(content())],
    )]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    let remote = Remote::new(&server.url("/a.bin"), Some(sha256(&content())));
    let error = remote.fetch(&path).unwrap_err().to_string();
    assert!(error.contains("500.0 kB"), "{error}");
    assert_eq!(names(folder.path()), [".a.bin.part"]);
    remote.fetch(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
    assert_eq!(server.requests().last().unwrap(), "/a.bin 500000");
    assert_eq!(names(folder.path()), ["a.bin"]);
}

#[test]
fn a_beginning_of_another_file_is_thrown_away() {
    let server = Server::start(&[("/a.bin", vec![Answer::File(content())])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    for beginning in [vec![1; 1000], vec![2; 2_000_000]] {
        fs::write(folder.path().join(".a.bin.part"), beginning).unwrap();
        Remote::new(&server.url("/a.bin"), Some(sha256(&content()))).fetch(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), content());
        fs::remove_file(&path).unwrap();
    }
    // Without a checksum nothing proves that the two belong together.
    fs::write(folder.path().join(".a.bin.part"), [3; 10]).unwrap();
    Remote::new(&server.url("/a.bin"), None).fetch(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
}

#[test]
fn a_server_without_ranges_begins_anew() {
    let server = Server::start(&[("/a.bin", vec![Answer::NoRanges(content())])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    fs::write(folder.path().join(".a.bin.part"), &content()[..7]).unwrap();
    Remote::new(&server.url("/a.bin"), Some(sha256(&content()))).fetch(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
}

#[test]
fn the_next_mirror_is_asked_when_one_fails() {
    let server = Server::start(&[
        ("/wrong", vec![Answer::File(b"another file".to_vec())]),
        ("/good", vec![Answer::File(content())]),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    // Nobody listens there any more.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let remote = Remote::new(&server.url("/none"), Some(sha256(&content())))
        .mirror(&format!("http://{closed}/a.bin"))
        .mirror(&server.url("/wrong"))
        .mirror(&server.url("/good"));
    remote.fetch(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
}

#[test]
fn without_any_mirror_the_error_says_what_to_put_where() {
    let server = Server::start(&[("/wrong", vec![Answer::File(b"another file".to_vec())])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    let good = sha256(&content());
    let remote = Remote::new(&server.url("/none"), Some(good.clone())).mirror(&server.url("/wrong"));
    let error = remote.fetch(&path).unwrap_err().to_string();
    let digits = good.to_string();
    for part in ["404", "expected SHA-256", digits.as_str(), path.to_str().unwrap(), &server.url("/none")] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    assert_eq!(names(folder.path()), [""; 0], "something was left");
    let offline =
        Remote::new("http://no-such-host.invalid/a.bin", None).fetch(&path).unwrap_err().to_string();
    assert!(offline.contains("by other means and put it at"), "{offline}");
    assert!(Remote::new("nonsense", None).fetch(&path).is_err());
    assert!(Remote::new(&server.url("/wrong"), None).fetch("/").is_err());
}

#[test]
fn more_than_the_limit_is_refused() {
    let server = Server::start(&[("/a.bin", vec![Answer::File(content())])]);
    let folder = tempfile::tempdir().unwrap();
    let remote = Remote { max_bytes: 1000, ..Remote::new(&server.url("/a.bin"), None) };
    let error = remote.fetch(folder.path().join("a.bin")).unwrap_err().to_string();
    assert!(error.contains("more than 1.0 kB"), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);
}

/// A tar of these entries: kind, path, content or target of a link.
fn tar(entries: &[(u8, &str, &str)]) -> Vec<u8> {
    let mut file = Vec::new();
    for (kind, path, content) in entries {
        let mut header = [0_u8; 512];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        let is_link = matches!(kind, b'1' | b'2');
        let size = if is_link { 0 } else { content.len() };
        header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        header[156] = *kind;
        if is_link {
            header[157..157 + content.len()].copy_from_slice(content.as_bytes());
        }
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        file.extend(header);
        if !is_link {
            file.extend(content.bytes());
            file.resize(file.len().next_multiple_of(512), 0);
        }
    }
    file.resize(file.len() + 1024, 0);
    file
}

/// A zip without compression; `mode` as Unix keeps it.
fn zip(entries: &[(&str, &str, u32)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (path, content, mode) in entries {
        let mut crc = flate2::Crc::new();
        crc.update(content.as_bytes());
        let size = (content.len() as u32).to_le_bytes();
        let facts = [
            &[0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc.sum().to_le_bytes(),
            &size,
            &size,
            &(path.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        let at = (file.len() as u32).to_le_bytes();
        file.extend([&b"PK\x03\x04\x14\x00"[..], &facts, path.as_bytes(), content.as_bytes()].concat());
        let outside = [&[0; 6][..], &(mode << 16).to_le_bytes(), &at].concat();
        directory.extend([&b"PK\x01\x02\x14\x03\x14\x00"[..], &facts, &outside, path.as_bytes()].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let end = [
        &b"PK\x05\x06\0\0\0\0"[..],
        &count,
        &count,
        &(directory.len() as u32).to_le_bytes(),
        &(file.len() as u32).to_le_bytes(),
        &[0, 0],
    ]
    .concat();
    [file, directory, end].concat()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Unpacks into `root/into`; what else is in `root` shows what left it.
fn unpack(root: &Path, name: &str, bytes: &[u8]) -> sconce::Result<()> {
    fs::write(root.join(name), bytes).unwrap();
    let limits = ExtractLimits { max_bytes: 1000, max_files: 10 };
    let outcome = extract(root.join(name), root.join("into"), limits);
    fs::remove_file(root.join(name)).unwrap();
    outcome
}

#[test]
fn archives_are_unpacked_beside_what_is_there() {
    let good_tar = tar(&[(b'5', "set/", ""), (b'0', "set/a.txt", "one"), (b'0', "./set/deep/b.txt", "two")]);
    let good_zip =
        zip(&[("set/", "", 0o040_755), ("set/a.txt", "one", 0o100_644), ("set/deep/b.txt", "two", 0)]);
    for (name, bytes) in [
        ("a.tar", good_tar.clone()),
        ("a.tar.gz", gz(&good_tar)),
        ("A.TGZ", gz(&good_tar)),
        ("a.zip", good_zip),
    ] {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join("into").join(name);
        fs::create_dir_all(at("set")).unwrap();
        fs::write(at("set/old.txt"), "old").unwrap();
        fs::write(at("set/a.txt"), "earlier").unwrap();
        unpack(root.path(), name, &bytes).unwrap();
        assert_eq!(fs::read_to_string(at("set/a.txt")).unwrap(), "one", "{name}");
        assert_eq!(fs::read_to_string(at("set/deep/b.txt")).unwrap(), "two");
        assert_eq!(fs::read_to_string(at("set/old.txt")).unwrap(), "old");
        assert_eq!(names(&at("")), ["set"]);
    }
}

#[test]
fn nothing_leaves_the_folder() {
    let long = "x".repeat(1001);
    let many: Vec<(u8, String)> = (0..11).map(|at| (b'0', format!("{at}.txt"))).collect();
    let many: Vec<(u8, &str, &str)> = many.iter().map(|(kind, path)| (*kind, path.as_str(), "")).collect();
    let cases: [(&str, Vec<u8>, &str); 14] = [
        ("a.tar", tar(&[(b'0', "ok.txt", "x"), (b'0', "../../etc/passwd", "evil")]), "../../etc/passwd"),
        ("a.tar", tar(&[(b'0', "set/../../evil", "evil")]), "set/../../evil"),
        ("a.tar", tar(&[(b'0', "/tmp/sconce-evil", "evil")]), "/tmp/sconce-evil"),
        ("a.tar", tar(&[(b'2', "link", "/etc"), (b'0', "link/evil", "evil")]), "Symlink"),
        ("a.tar", tar(&[(b'1', "hard", "/etc/passwd")]), "Link"),
        ("a.tar", tar(&[(b'3', "device", "")]), "Char"),
        ("a.tar", tar(&[(b'0', "large.txt", &long)]), "at most 1.0 kB"),
        ("a.tar", tar(&many), "at most 10 files"),
        ("a.tar.gz", gz(&tar(&[(b'0', "a", "x")]))[..40].to_vec(), "whole archive"),
        ("a.zip", zip(&[("../evil", "evil", 0)]), "../evil"),
        ("a.zip", zip(&[("/tmp/sconce-evil", "evil", 0)]), "/tmp/sconce-evil"),
        ("a.zip", zip(&[("link", "/etc", 0o120_777)]), "Symlink"),
        ("a.zip", b"PK no zip".to_vec(), "whole archive"),
        ("a.rar", b"Rar!".to_vec(), ".tar.gz"),
    ];
    for (name, bytes, complaint) in cases {
        let root = tempfile::tempdir().unwrap();
        let error = unpack(root.path(), name, &bytes).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains(complaint) && error.contains(name), "{complaint}: {error}");
        assert_eq!(names(root.path()), ["into"], "{complaint}");
        assert_eq!(names(&root.path().join("into")), [""; 0], "{complaint}");
    }
    assert!(!Path::new("/tmp/sconce-evil").exists());
}

#[test]
fn a_link_where_files_go_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("into")).unwrap();
    fs::create_dir(root.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(root.path().join("elsewhere"), root.path().join("into/set")).unwrap();
    let outcome = unpack(root.path(), "a.tar", &tar(&[(b'0', "set/a.txt", "one")]));
    assert_eq!(names(&root.path().join("elsewhere")), [""; 0]);
    assert!(outcome.is_err() || root.path().join("into/set/a.txt").is_file());
}

#[test]
fn broken_archives_never_panic() {
    let tar = tar(&[(b'5', "set/", ""), (b'0', "set/a.txt", "one")]);
    let zip = zip(&[("set/a.txt", "one", 0o100_644), ("b", "two", 0)]);
    for (name, bytes) in [("a.tar", tar.clone()), ("a.tgz", gz(&tar)), ("a.zip", zip)] {
        let root = tempfile::tempdir().unwrap();
        crate::mutate::many(name, &bytes, crate::mutate::rounds(), |broken| {
            let _ = unpack(root.path(), name, broken);
            assert_eq!(names(root.path()), ["into"]);
        });
    }
}
