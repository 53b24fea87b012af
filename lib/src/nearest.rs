/// Up to three of `names` that `wrong` may have been meant as, the most alike first: those that need few letters changed,
/// and those that hold it or are held by it.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['-', ' ', '/', '.'], "_");
    let wrong = plain(wrong);
    let mut found: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let changes = changes(&wrong, &plain(name));
            let holds = wrong.len() >= 3 && (name.contains(&wrong) || wrong.contains(name));
            (holds || changes <= 1 + name.len() / 4).then_some((changes, name))
        })
        .collect();
    found.sort();
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The letters to change, add or take out of one to get the other (Levenshtein).
fn changes(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (taken, letter) in one.chars().enumerate() {
        let mut before = taken;
        let mut left = taken + 1;
        for (above, &second) in row[1..].iter_mut().zip(&other) {
            let changed = before + usize::from(letter != second);
            before = *above;
            left = changed.min(left + 1).min(*above + 1);
            *above = left;
        }
        row[0] = taken + 1;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted() {
        for (one, other, wanted) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("resnet", "resnet", 0),
            ("abc", "acb", 2),
        ] {
            assert_eq!(changes(one, other), wanted, "{one} {other}");
        }
    }

    #[test]
    fn the_most_alike_comes_first() {
        let names = ["resnet18", "resnet34", "vgg16", "vit_b_16"];
        let nearest = |wrong| nearest(wrong, names.into_iter());
        assert_eq!(nearest("resnet19"), ["resnet18", "resnet34"]);
        assert_eq!(nearest("ViT-B/16"), ["vit_b_16"]);
        assert_eq!(nearest("vgg"), ["vgg16"]);
        assert_eq!(nearest("yolo"), [""; 0]);
    }
}
