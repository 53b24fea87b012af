//! Confusion matrices, normalised and sorted.

use sconce::plot::{ClassOrder, ConfusionMatrix, Normalisation};

use super::texts;

fn matrix() -> ConfusionMatrix {
    #[rustfmt::skip]
    let counts = [
        8, 0, 2,
        1, 0, 0,
        0, 0, 9,
    ];
    ConfusionMatrix::new(&["cat", "dog", "owl"], &counts).unwrap()
}

/// What stands in the cells.
fn cells(matrix: &ConfusionMatrix) -> Vec<String> {
    let svg = matrix.svg().unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let groups = document.descendants().filter(|node| node.has_tag_name("g"));
    groups
        .map(|group| {
            group.children().find(|node| node.has_tag_name("text")).unwrap().text().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn cells_are_parts_of_what_is_asked_for() {
    assert_eq!(cells(&matrix()), ["8", "0", "2", "1", "0", "0", "0", "0", "9"]);
    let by_truth = matrix().normalised(Normalisation::Truth);
    assert_eq!(cells(&by_truth), ["80 %", "0", "20 %", "100 %", "0", "0", "0", "0", "100 %"]);
    // Nobody said dog.
    let by_prediction = matrix().normalised(Normalisation::Prediction);
    assert_eq!(cells(&by_prediction), ["89 %", "–", "18 %", "11 %", "–", "0", "0", "–", "82 %"]);
    let of_all = matrix().normalised(Normalisation::All);
    assert_eq!(cells(&of_all), ["40 %", "0", "10 %", "5 %", "0", "0", "0", "0", "45 %"]);
    assert_eq!(
        by_prediction.text(),
        "confusion matrix: 85.0 % of 20 right; parts of each predicted class\n\
         true \\ predicted     cat  dog     owl\n\
         ----------------  ------  ---  ------\n\
         cat               88.9 %    –  18.2 %\n\
         dog               11.1 %    –   0.0 %\n\
         owl                0.0 %    –  81.8 %\n"
    );
    assert!(texts(&of_all.svg().unwrap())[0].ends_with("right; parts of all images"));
    // The counts stay, and the colours of parts by truth are those of the counts.
    assert_eq!(by_truth.counts(), matrix().counts());
    assert_eq!(by_truth.picture().unwrap(), matrix().picture().unwrap());
    // The largest part of all images has the darkest colour.
    let darkest = by_truth.picture().unwrap().pixels()[24..].to_vec();
    assert_eq!(of_all.picture().unwrap().pixels()[24..], darkest);
    let little = ConfusionMatrix::new(&["a", "b"], &[1, 999, 0, 0]).unwrap().normalised(Normalisation::Truth);
    assert_eq!(cells(&little), ["<1 %", ">99 %", "–", "–"]);
    for by in [Normalisation::Truth, Normalisation::Prediction, Normalisation::All] {
        let empty = ConfusionMatrix::new(&["a"], &[0]).unwrap().normalised(by);
        assert_eq!((cells(&empty), empty.text().contains("no images")), (vec!["–".to_owned()], true));
        let many = vec![u64::MAX; 25 * 25];
        let names: Vec<String> = (0..25).map(|class| class.to_string()).collect();
        let many = ConfusionMatrix::new(&names, &many).unwrap().normalised(by);
        assert!(many.text().contains("part\n") && many.text().contains(" %"), "{}", many.text());
        assert!(!many.svg().unwrap().contains("NaN"));
    }
}

#[test]
fn classes_stand_in_the_order_that_is_asked_for() {
    #[rustfmt::skip]
    let counts = [
        50, 0, 0,  0, 0,
         0, 5, 0,  0, 5,
         0, 0, 9,  1, 0,
         0, 0, 2, 28, 0,
         0, 4, 0,  0, 6,
    ];
    let matrix = ConfusionMatrix::new(&["a", "b", "c", "d", "e"], &counts).unwrap();
    let order = |order| matrix.clone().sorted(order).class_names().join("");
    assert_eq!(order(ClassOrder::Frequency), "adbce");
    assert_eq!(order(ClassOrder::MostConfused), "becda");
    assert_eq!(order(ClassOrder::Clusters), "becda");
    let sorted = matrix.clone().sorted(ClassOrder::Clusters).normalised(Normalisation::Truth);
    assert_eq!(sorted.counts()[..10], [5, 5, 0, 0, 0, 4, 6, 0, 0, 0]);
    assert_eq!((sorted.accuracy(), sorted.confused()), (matrix.accuracy(), matrix.confused()));
    assert!(sorted.text().lines().nth(3).unwrap().starts_with("b "));
}

/// Ten groups of classes that are confused within, dealt out over the labels: each comes out in one piece.
#[test]
fn clusters_of_many_classes_are_found() {
    let classes = 600;
    let mut counts = vec![0_u64; classes * classes];
    for one in 0..classes {
        for other in 0..classes {
            counts[one * classes + other] = match (one == other, one % 10 == other % 10) {
                (true, _) => 500,
                (false, true) => 1 + ((one * 7 + other * 13) % 5) as u64,
                (false, false) => u64::from((one * 31 + other * 17) % 101 == 0),
            };
        }
    }
    let names: Vec<String> = (0..classes).map(|class| (class % 10).to_string()).collect();
    let sorted = ConfusionMatrix::new(&names, &counts).unwrap().sorted(ClassOrder::Clusters);
    let changes = sorted.class_names().windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(changes, 9, "each group is in one piece");
}
