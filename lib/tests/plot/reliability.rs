//! How often something comes true against how sure one was.

use sconce::plot::{ReliabilityBin, ReliabilityDiagram};
use sconce::rich::Rich;

use crate::{image_of, texts};

fn bin(count: u64, confidence: f64, accuracy: f64) -> ReliabilityBin {
    ReliabilityBin { count, confidence, accuracy }
}

#[test]
fn bars_stand_as_high_as_their_bins_are_right() {
    let bins = [bin(0, 0.0, 0.0), bin(10, 0.4, 0.5), bin(20, 0.6, 0.25), bin(1200, 0.9, 1.0)];
    let diagram = ReliabilityDiagram::new("<a> & \u{1}", &bins).unwrap();
    let (alt, svg) = image_of(&diagram.rich());
    assert_eq!(texts(&svg)[0], "<a> & \u{fffd}");
    assert!(alt.contains("probability"), "{alt}");
    let document = roxmltree::Document::parse(&svg).unwrap();
    let groups: Vec<_> = document.descendants().filter(|node| node.has_tag_name("g")).collect();
    assert_eq!(groups.len(), 3, "nothing is drawn of an empty bin");
    let heights = |at: usize| -> Vec<f64> {
        let bars = groups[at].children().filter(|node| node.has_tag_name("rect"));
        bars.map(|bar| bar.attribute("height").unwrap().parse().unwrap()).collect()
    };
    // What is right, the mark, how many.
    assert_eq!((heights(0)[0], heights(1)[0], heights(2)[0]), (150.0, 75.0, 300.0));
    assert_eq!((heights(1)[2], heights(2)[2]), (1.0, 60.0));
    let explained = groups[2].descendants().find(|node| node.has_tag_name("title")).unwrap();
    assert_eq!(explained.text(), Some("0.75 to 1: 1,200 predictions, 0.9 sure, 1 right"));
    let lines: Vec<String> = diagram.text().lines().skip(3).map(str::to_owned).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["0.5", "to", "0.75", "20", "0.6", "0.25"]);
    assert_eq!(diagram.bins(), bins);
}

#[test]
fn what_is_no_part_of_a_whole_is_refused() {
    for (confidence, accuracy) in [(1.5, 0.0), (0.0, -0.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
        let error = ReliabilityDiagram::new("", &[bin(1, confidence, accuracy)]).unwrap_err().to_string();
        assert!(error.contains("from 0 to 1"), "{error}");
    }
    assert!(ReliabilityDiagram::new("", &[]).unwrap_err().to_string().contains("no bin"));
    let many = vec![bin(u64::MAX, 1.0, 1.0); 2000];
    let diagram = ReliabilityDiagram::new("", &many).unwrap();
    assert!(!texts(&diagram.svg().unwrap()).is_empty());
    let folder = tempfile::tempdir().unwrap();
    assert!(diagram.save(folder.path().join("a.png")).is_err());
    diagram.save(folder.path().join("a.svg")).unwrap();
}
