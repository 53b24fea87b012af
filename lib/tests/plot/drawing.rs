//! What a person draws with plotters.

use sconce::plot::drawing;
use sconce::plotters::prelude::*;
use sconce::rich::Rich;

use super::{image_of, texts};

#[test]
fn a_drawing_is_a_value() {
    let made = drawing([300, 200], |area| {
        area.draw(&Text::new("a < b\u{1}", (10, 10), ("sans-serif", 12)))?;
        area.draw(&Circle::new((150, 100), 20, RED.filled()))?;
        Ok(())
    });
    let made = made.unwrap();
    let (description, svg) = image_of(&made.rich());
    assert_eq!(texts(&svg), ["a < b\u{fffd}"]);
    assert_eq!(description, "a drawing of 300 x 200 pixels: a < b\u{fffd}");
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"300\" height=\"200\" viewBox=\"0 0 300 200\" role=\"img\" aria-label="));
    assert!(
        svg.contains("<circle cx=\"150\" cy=\"100\" r=\"20\"") && svg.matches("<svg").count() == 1,
        "{svg}"
    );
    let told = made.description("a \"red\" dot");
    assert_eq!(told.text(), "a \"red\" dot\n");
    assert!(told.svg().unwrap().contains("aria-label=\"a &quot;red&quot; dot\""));
    let folder = tempfile::tempdir().unwrap();
    told.save(folder.path().join("dot.svg")).unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("dot.svg")).unwrap(), told.svg().unwrap());
}

#[test]
fn drawings_that_fail_say_why() {
    for size in [[0, 10], [10, 0], [20_001, 10]] {
        let error = drawing(size, |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("1 to 20000 pixels") && error.contains(&format!("{size:?}")), "{error}");
    }
    let error = drawing([10, 10], |_| Err("the data are missing".into())).unwrap_err().to_string();
    assert_eq!(error, "drawing with plotters: the data are missing");
    assert_eq!(drawing([10, 10], |_| Ok(())).unwrap().text(), "a drawing of 10 x 10 pixels\n");
}
