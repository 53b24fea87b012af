//! Event files, read back by a reader that shares nothing with their writer.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use sconce::plot::{ConfusionMatrix, Picture};
use sconce::prelude::{Dataset, Device, Learner, Model, Seed, accuracy, datasets};
use sconce::train::TensorBoard;

/// A field of a message: its number and what it holds.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Whole(u64),
    Eight([u8; 8]),
    Four([u8; 4]),
    Bytes(Vec<u8>),
}

/// CRC-32C bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    let crc = !crc;
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The records of a file, each held against its checksums.
fn records(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).unwrap();
    let mut rest = file.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        assert_eq!(u32::from_le_bytes(rest[8..12].try_into().unwrap()), checksum(&rest[..8]));
        let bytes = &rest[12..12 + length];
        let end = u32::from_le_bytes(rest[12 + length..16 + length].try_into().unwrap());
        assert_eq!(end, checksum(bytes));
        records.push(bytes.to_vec());
        rest = &rest[16 + length..];
    }
    records
}

fn varint(rest: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = rest[0];
        *rest = &rest[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn fields(message: &[u8]) -> Vec<(u64, Field)> {
    let mut rest = message;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest);
        let mut take = |count: usize| {
            let (taken, left) = rest.split_at(count);
            rest = left;
            taken
        };
        let field = match key & 7 {
            1 => Field::Eight(take(8).try_into().unwrap()),
            5 => Field::Four(take(4).try_into().unwrap()),
            0 => Field::Whole(varint(&mut rest)),
            2 => {
                let length = varint(&mut rest) as usize;
                let (taken, left) = rest.split_at(length);
                rest = left;
                Field::Bytes(taken.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn get(fields: &[(u64, Field)], number: u64) -> Option<&Field> {
    fields.iter().find(|(known, _)| *known == number).map(|(_, field)| field)
}

fn inner(parent: &[(u64, Field)], number: u64) -> Vec<(u64, Field)> {
    match get(parent, number) {
        Some(Field::Bytes(bytes)) => fields(bytes),
        other => panic!("{other:?} in the place of message {number}"),
    }
}

fn text(parent: &[(u64, Field)], number: u64) -> String {
    match get(parent, number) {
        Some(Field::Bytes(bytes)) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?} in the place of text {number}"),
    }
}

fn step(event: &[(u64, Field)]) -> u64 {
    match get(event, 2) {
        None => 0,
        Some(Field::Whole(step)) => *step,
        other => panic!("{other:?}"),
    }
}

/// The event files of a folder by name, as TensorBoard reads them.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().unwrap().to_str().unwrap().contains("tfevents"));
    paths.sort();
    paths
}

fn events(folder: &Path) -> Vec<Vec<(u64, Field)>> {
    files(folder).iter().flat_map(|path| records(path)).map(|record| fields(&record)).collect()
}

/// Steps and values of the scalars of a name.
fn scalars(folder: &Path, tag: &str) -> Vec<(u64, f32)> {
    let mut found = Vec::new();
    for event in events(folder).iter().filter(|event| get(event, 5).is_some()) {
        let value = inner(&inner(event, 5), 1);
        if text(&value, 1) == tag
            && let Some(Field::Four(bytes)) = get(&value, 2)
        {
            found.push((step(event), f32::from_le_bytes(*bytes)));
        }
    }
    found
}

#[test]
fn numbers_pictures_and_texts_are_read_back() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("runs").join("first");
    let mut board = TensorBoard::new(&folder).unwrap();
    assert_eq!(board.folder(), folder);
    for (step, loss) in [(1, 0.75), (300, 0.1), (70_000, f64::NAN)] {
        board.scalar("train/loss", loss, step).unwrap();
        // What was written is there at once: nothing waits for the end.
        assert_eq!(scalars(&folder, "train/loss").last().unwrap().0, step as u64);
    }
    let red = Picture::rgb([2, 3], [255, 0, 0].repeat(6)).unwrap();
    board.image("red", &red, 5).unwrap();
    let matrix = ConfusionMatrix::new(&["a", "b"], &[3, 1, 0, 4]).unwrap();
    board.image("confusion", &matrix.picture().unwrap(), 6).unwrap();
    board.text("notes", "**first** run, é", 0).unwrap();

    let seen = scalars(&folder, "train/loss");
    assert_eq!(seen[..2], [(1, 0.75), (300, 0.1)]);
    assert!(seen[2].0 == 70_000 && seen[2].1.is_nan());
    let events = events(&folder);
    assert_eq!(text(&events[0], 3), "brain.Event:2");
    let Some(Field::Eight(time)) = get(&events[0], 1) else { panic!("no time") };
    assert!(f64::from_le_bytes(*time) > 1.7e9);

    let value = inner(&inner(&events[4], 5), 1);
    let image = inner(&value, 4);
    assert_eq!((text(&value, 1), step(&events[4])), ("red".to_owned(), 5));
    let sizes = [1, 2, 3].map(|number| get(&image, number).unwrap().clone());
    assert_eq!(sizes, [Field::Whole(2), Field::Whole(3), Field::Whole(3)]);
    let Some(Field::Bytes(png)) = get(&image, 4) else { panic!("no picture") };
    let decoded = image::load_from_memory(png).unwrap().into_rgb8();
    assert_eq!((decoded.dimensions(), decoded.into_raw()), ((3, 2), [255, 0, 0].repeat(6)));

    let value = inner(&inner(&events[6], 5), 1);
    let tensor = inner(&value, 8);
    assert_eq!((text(&value, 1), text(&tensor, 8)), ("notes".to_owned(), "**first** run, é".to_owned()));
    assert_eq!(get(&tensor, 1), Some(&Field::Whole(7)));
    assert_eq!(text(&inner(&inner(&value, 9), 1), 1), "text");
}

#[test]
fn a_run_never_writes_into_anothers_folder() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("run");
    let names: Vec<PathBuf> =
        (0..3).map(|_| TensorBoard::new(&folder).unwrap().folder().to_owned()).collect();
    assert_eq!(names, [folder.clone(), above.path().join("run-2"), above.path().join("run-3")]);
    // A folder without events is nobody's; a file of that name is in the way.
    std::fs::create_dir(above.path().join("empty")).unwrap();
    assert_eq!(TensorBoard::new(above.path().join("empty")).unwrap().folder(), above.path().join("empty"));
    std::fs::write(above.path().join("file"), "").unwrap();
    assert_eq!(TensorBoard::new(above.path().join("file")).unwrap().folder(), above.path().join("file-2"));
}

#[test]
fn a_run_goes_on_in_its_folder_from_the_step_where_it_does() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("run");
    let mut board = TensorBoard::new(&folder).unwrap();
    for step in 1..=5 {
        board.scalar("loss", step as f64, step).unwrap();
    }
    drop(board);
    let mut board = TensorBoard::resume(&folder).unwrap();
    board.scalar("loss", 40.0, 4).unwrap();
    board.scalar("loss", 50.0, 5).unwrap();
    assert_eq!(files(&folder).len(), 2);
    let restarts: Vec<u64> = events(&folder)
        .iter()
        .filter(|event| get(event, 7).is_some_and(|session| *session == Field::Bytes(vec![8, 1])))
        .map(|event| step(event))
        .collect();
    assert_eq!(restarts, [4]);
    assert_eq!(scalars(&folder, "loss").last(), Some(&(5, 50.0)));
}

#[test]
fn what_cannot_be_written_is_said() {
    let above = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::new(above.path().join("run")).unwrap();
    let error = board.scalar("", 1.0, 1).unwrap_err().to_string();
    assert!(error.contains("TensorBoard::scalar") && error.contains("a name"), "{error}");
    let error = TensorBoard::resume(above.path()).unwrap_err().to_string();
    assert!(error.contains("holds none") && error.contains("TensorBoard::new"), "{error}");
    let error = TensorBoard::resume(above.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("none"), "{error}");
    std::fs::write(above.path().join("file"), "").unwrap();
    assert!(TensorBoard::new(above.path().join("file").join("run")).is_err());
    assert!(TensorBoard::new("..").unwrap_err().to_string().contains("a name of its own"));
}

/// Where the process that may write only small files puts its events.
const LIMITED: &str = "SCONCE_TEST_LIMITED";

/// A full disk: nothing stands in the file that could not be read, and there may be room again later. The test runs
/// itself in a process whose files may have 4 KiB.
#[cfg(target_os = "linux")]
#[test]
fn half_a_record_is_taken_back() {
    if let Some(folder) = std::env::var_os(LIMITED) {
        let mut board = TensorBoard::new(folder).unwrap();
        board.scalar("loss", 1.0, 1).unwrap();
        assert!(board.text("long", &"a".repeat(10_000), 2).unwrap_err().to_string().contains("tfevents"));
        board.scalar("loss", 2.0, 3).unwrap();
        return;
    }
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("run");
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact half_a_record_is_taken_back"])
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, &folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(scalars(&folder, "loss"), [(1, 1.0), (3, 2.0)]);
}

#[test]
fn a_picture_that_is_too_large_is_refused() {
    let above = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::new(above.path().join("run")).unwrap();
    let huge = Picture::grey([4096, 4097], vec![0; 4096 * 4097]).unwrap();
    let error = board.image("huge", &huge, 2).unwrap_err().to_string();
    assert!(error.contains("4096 × 4097") && error.contains("reduced"), "{error}");
}

#[test]
fn a_training_is_written_while_it_goes_on() {
    let above = tempfile::tempdir().unwrap();
    let board = TensorBoard::new(above.path().join("run")).unwrap();
    let folder = board.folder().to_owned();
    let data = datasets::digits().unwrap().subset(&(0..200).collect::<Vec<_>>()).unwrap();
    let learner = |data: &Dataset| {
        let data = data.split([0.6, 0.2, 0.2], Seed(1)).unwrap();
        let net =
            Model::build([1, 8, 8], |x| x.flatten().linear(10)).unwrap().init(Seed(1), &Device::Cpu).unwrap();
        Learner::new(net, data).metric(accuracy()).batch_size(40)
    };
    let mut learner_of = learner(&data).callback(board);
    let history = learner_of.fit(2).unwrap();
    let steps = history.step_losses();
    let every: Vec<(u64, f32)> = (1..).zip(steps.iter().map(|loss| *loss as f32)).collect();
    assert_eq!(scalars(&folder, "step/loss"), every);
    assert_eq!(scalars(&folder, "step/learning_rate").len(), steps.len());
    let per_epoch = (steps.len() / 2) as u64;
    for (tag, of) in [
        ("train/loss", history.epochs().iter().map(|epoch| epoch.train_loss).collect::<Vec<_>>()),
        ("valid/loss", history.epochs().iter().map(|epoch| epoch.valid_loss.unwrap()).collect()),
        ("train/accuracy", history.epochs().iter().map(|epoch| epoch.train_metrics[0].1).collect()),
        ("valid/accuracy", history.epochs().iter().map(|epoch| epoch.valid_metrics[0].1).collect()),
        ("epoch", vec![1.0, 2.0]),
    ] {
        let wanted = [(per_epoch, of[0] as f32), (2 * per_epoch, of[1] as f32)];
        assert_eq!(scalars(&folder, tag), wanted, "{tag}");
    }
    let settings = events(&folder)
        .iter()
        .filter(|event| get(event, 5).is_some())
        .map(|event| inner(&inner(event, 5), 1))
        .find(|value| text(value, 1) == "settings")
        .map(|value| text(&inner(&value, 8), 8));
    assert!(settings.is_some_and(|settings| settings.contains("| optimizer.name | adamw |")));

    let table = events(&folder)
        .iter()
        .filter(|event| get(event, 5).is_some())
        .map(|event| inner(&inner(event, 5), 1))
        .find(|value| text(value, 1) == "_hparams_/session_start_info")
        .map(|value| inner(&inner(&inner(&value, 9), 1), 2));
    let entries: Vec<Vec<(u64, Field)>> = inner(&table.unwrap(), 3)
        .iter()
        .filter(|(number, _)| *number == 1)
        .map(|(_, field)| match field {
            Field::Bytes(bytes) => fields(bytes),
            other => panic!("{other:?}"),
        })
        .collect();
    let entry = |name: &str| inner(entries.iter().find(|entry| text(entry, 1) == name).unwrap(), 2);
    assert_eq!(entry("optimizer.lr"), [(2, Field::Eight(0.001f64.to_le_bytes()))]);
    assert_eq!(entry("optimizer.name"), [(3, Field::Bytes(b"adamw".to_vec()))]);

    // The next fit goes on in the same file, and a run that is taken up again behind its last step.
    learner_of.fit(1).unwrap();
    assert_eq!(scalars(&folder, "epoch"), [(per_epoch, 1.0), (2 * per_epoch, 2.0), (3 * per_epoch, 3.0)]);
    drop(learner_of);
    let mut again = learner(&data);
    again.fit(3).unwrap();
    let mut again = again.callback(TensorBoard::resume(&folder).unwrap());
    again.fit(1).unwrap();
    assert_eq!(scalars(&folder, "epoch").last(), Some(&(4 * per_epoch, 4.0)));
    let restarts: Vec<u64> =
        events(&folder).iter().filter(|event| get(event, 7).is_some()).map(|event| step(event)).collect();
    assert_eq!(restarts, [3 * per_epoch + 1]);
}
