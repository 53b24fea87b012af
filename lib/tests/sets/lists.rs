//! Lists of one's own.

use std::fs;
use std::path::Path;

use sconce::data::{BBox, ManifestConfig, OutsidePaths, datasets};
use sconce::{Error, Result};

use crate::folders::picture;
use crate::layouts::write;
use crate::mutate;

fn list(root: &Path, name: &str, content: &str) -> Result<sconce::data::Dataset> {
    fs::write(root.join(name), content).unwrap();
    datasets::manifest(root.join(name))
}

#[test]
fn a_table_of_ones_own() {
    let root = tempfile::tempdir().unwrap();
    picture(&root.path().join("img/a,1.png"), 5);
    let text =
        "\u{feff}Image,label,caption\r\n\"img/a,1.png\",dog;wet,\"He said \"\"no\"\"\"\r\nimg/b.png,cat,\n";
    let data = list(root.path(), "list.csv", text).unwrap();
    assert_eq!(
        (data.name(), data.class_names()),
        ("list", &["cat".to_owned(), "dog".into(), "wet".into()][..])
    );
    assert_eq!((data.labels_of(0).unwrap(), data.labels_of(1).unwrap()), (&[1, 2][..], &[0][..]));
    let sample = data.sample(0).unwrap();
    assert_eq!(
        (sample.id.as_str(), sample.target.captions),
        ("img/a,1.png", vec!["He said \"no\"".to_owned()])
    );
    assert!(matches!(data.sample(1), Err(Error::Io { path, .. }) if path.ends_with("img/b.png")));

    let boxes = "filename\tclass\txmin\tymin\txmax\tymax\na.png\tdog\t0\t1\t2.5\t3\nb.png\tcat\t\t\t\t\na.png\tcat\t0\t0\t1\t1\n";
    let data = list(root.path(), "boxes.tsv", boxes).unwrap();
    assert_eq!((data.len(), data.labels_of(1).unwrap()), (2, &[0][..]));
    fs::rename(root.path().join("img/a,1.png"), root.path().join("a.png")).unwrap();
    let objects = data.sample(0).unwrap().target.objects;
    assert_eq!((objects.len(), objects[0].label, objects[1].label), (2, 1, 0));
    assert_eq!(objects[0].bbox, BBox { x0: 0.0, y0: 1.0, x1: 2.5, y1: 3.0 });
    let numbered = list(root.path(), "n.csv", "path,label\na.png,10\nb.png,9\n").unwrap();
    assert_eq!(numbered.class_names(), ["9", "10"]);
}

#[test]
fn lines_of_json() {
    let root = tempfile::tempdir().unwrap();
    picture(&root.path().join("a.png"), 5);
    let text = r#"{"image": "a.png", "label": 3, "captions": ["x", "y"], "taken": "2020"}

{"path": "b.png", "labels": ["cat", "dog"], "objects": [{"label": "cat", "bbox": [0, 0, 1.5, 2], "area": 2.5, "ignore": true}]}
"#;
    let data = list(root.path(), "list.jsonl", text).unwrap();
    assert_eq!(data.class_names(), ["3", "cat", "dog"]);
    assert_eq!(data.sample(0).unwrap().target.captions, ["x", "y"]);
    picture(&root.path().join("b.png"), 5);
    let object = &data.sample(1).unwrap().target.objects[0];
    assert_eq!((object.label, object.area, object.ignore), (1, Some(2.5), true));
    assert_eq!(data.labels_of(1).unwrap(), [1, 2]);
}

#[test]
fn what_is_wrong_with_a_list_is_named_with_its_line() {
    let root = tempfile::tempdir().unwrap();
    for (name, text, complaint) in [
        ("a.csv", "image,label\n../../etc/passwd,x\n", "`../../etc/passwd` in line 2"),
        ("a.csv", "image,label\n/etc/passwd,x\n", "`/etc/passwd`"),
        ("a.csv", "image,label\na.png,x,y\n", "line: 2"),
        ("a.csv", "image,label\n,x\n", "none in line 2"),
        ("a.csv", "name,label\na.png,x\n", "a column image or path"),
        ("a.csv", "image,label\n", "at least one image"),
        ("a.csv", "", "a column"),
        ("a.csv", "image,label,x0,y0,x1,y1\na.png,x,1,2,3\n", "line: 2"),
        ("a.csv", "image,label,x0,y0,x1,y1\na.png,x,1,2,3,\n", "`` in line 2"),
        ("a.csv", "image,label,x0,y0,x1,y1\na.png,x,4,2,3,3\n", "[4, 2, 3, 3] in line 2"),
        ("a.csv", "image,label,x0,y0,x1,y1\na.png,,1,2,3,3\n", "0 labels in line 2"),
        ("a.jsonl", "{\"image\": \"a.png\"}\n{\"label\": 1}\n", "line 2"),
        ("a.jsonl", "{\"image\": \"a.png\", \"label\": 1.5}\n", "1.5"),
        ("a.jsonl", "{\"image\": \"../a.png\"}\n", "`../a.png` in line 1"),
        (
            "a.jsonl",
            "{\"image\": \"a.png\", \"objects\": [{\"label\": \"x\", \"bbox\": [0, 0, 1]}]}\n",
            "line 1",
        ),
        ("a.txt", "a.png", "`.txt`"),
    ] {
        let error = list(root.path(), name, text).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains(complaint) && error.contains(name), "{complaint}: {error}");
    }
    fs::write(root.path().join("a.csv"), b"image\n\xff.png\n").unwrap();
    assert!(datasets::manifest(root.path().join("a.csv")).unwrap_err().to_string().contains("UTF-8"));
    assert!(matches!(datasets::manifest(root.path().join("missing.csv")), Err(Error::Io { .. })));
}

#[test]
fn the_root_the_classes_and_paths_outside_are_ones_own() {
    let root = tempfile::tempdir().unwrap();
    picture(&root.path().join("images/a.png"), 5);
    let path = root.path().join("lists/a.csv");
    write(path.clone(), "image,label\na.png,dog\n");
    let config = |classes: &[&str]| ManifestConfig {
        root: Some(root.path().join("images")),
        classes: Some(classes.iter().map(|&name| name.to_owned()).collect()),
        ..ManifestConfig::default()
    };
    let data = datasets::manifest_with(&path, config(&["cat", "dog"])).unwrap();
    assert_eq!(data.sample(0).unwrap().target.labels, [1]);
    let error = datasets::manifest_with(&path, config(&["cat"])).unwrap_err().to_string();
    assert!(error.contains("`dog` in line 2"), "{error}");
    write(
        path.clone(),
        format!("image,label\n../images/a.png,dog\n{},dog\n", root.path().join("images/a.png").display()),
    );
    let allowed = ManifestConfig { outside: OutsidePaths::Allow, ..ManifestConfig::default() };
    let data = datasets::manifest_with(&path, allowed).unwrap();
    assert!(data.sample(0).is_ok() && data.sample(1).is_ok());
    for (name, good) in [
        ("a.csv", fs::read(&path).unwrap()),
        ("a.jsonl", br#"{"image":"a.png","label":3,"objects":[{"label":"x","bbox":[0,0,1,2]}]}"#.to_vec()),
    ] {
        mutate::many(name, &good, mutate::rounds() * 2, |broken| {
            fs::write(root.path().join(name), broken).unwrap();
            let _ = datasets::manifest(root.path().join(name));
        });
    }
}
