//! Graphs as pictures.

use sconce::Result;
use sconce::models::{self, ModelConfig};
use sconce::nn::{Detail, Model};
use sconce::plot::StandsFor;
use sconce::rich::Rich as _;

#[test]
fn layers_stand_with_what_follows_them_and_sums_join() -> Result<()> {
    let net = Model::build([1, 8, 8], |x| {
        let x = x.conv2d(4, 3).named("stem").batch_norm().relu();
        let y = x.conv2d(4, 3).named("body").batch_norm();
        (x + y).relu().global_avg_pool().linear(3).named("head")
    })?;
    let diagram = net.graph().diagram(Detail::Auto)?;
    assert_eq!(
        diagram.text(),
        "\
input  (1, 8, 8)
stem  conv2d 1 -> 4, 3 x 3, padding 1, batch_norm, relu  (4, 8, 8)
body  conv2d 4 -> 4, 3 x 3, padding 1, batch_norm  (4, 8, 8)
add_1  add, relu  (4, 8, 8)  <- stem, body
global_avg_pool_1  global_avg_pool  (4)
head  linear 4 -> 3  (3)
"
    );
    let svg = diagram.svg()?;
    for text in ["stem", "conv2d 1 -&gt; 4, 3 x 3", "(4, 8, 8)"] {
        assert!(svg.contains(text), "{svg}");
    }
    assert_eq!(svg.matches("<title>").count(), 6);
    assert!(diagram.rich().forms.iter().any(|(mime, _)| mime == "text/html"));
    Ok(())
}

#[test]
fn large_models_are_drawn_by_their_parts() -> Result<()> {
    let resnet = models::create("resnet50", ModelConfig::default())?;
    let diagram = resnet.graph().diagram(Detail::Auto)?;
    let blocks: Vec<&str> = diagram
        .boxes()
        .iter()
        .filter(|shown| shown.stands_for == StandsFor::Several)
        .map(|shown| shown.title.as_str())
        .collect();
    assert_eq!(blocks.len(), 16, "{blocks:?}");
    assert_eq!((blocks[0], blocks[15]), ("layer1.0", "layer4.2"));
    // Their shapes are those behind the sum.
    let first = diagram.boxes().iter().find(|shown| shown.title == "layer1.0").unwrap();
    assert!(first.lines.iter().any(|line| line.starts_with("(256, 56, 56)")), "{first:?}");
    assert_eq!(diagram.boxes().len(), 21, "{}", diagram.text());

    let stages = resnet.graph().diagram(Detail::Levels(1))?;
    assert_eq!(stages.boxes().len(), 9, "{}", stages.text());
    let whole = resnet.graph().diagram(Detail::Layers)?;
    assert!(whole.boxes().len() > 64);
    // 16 sums of two.
    assert_eq!(whole.boxes().iter().filter(|shown| shown.inputs.len() == 2).count(), 16);
    Ok(())
}

#[test]
fn every_architecture_can_be_drawn_at_every_level() -> Result<()> {
    for name in models::list().names() {
        let architecture = models::create(name, ModelConfig::default())?;
        for detail in [Detail::Auto, Detail::Layers, Detail::Levels(1), Detail::Levels(2), Detail::Levels(0)]
        {
            let diagram = architecture.graph().diagram(detail)?;
            assert!(!diagram.boxes().is_empty() && diagram.svg()?.ends_with("</svg>\n"), "{name}");
        }
        assert!(architecture.graph().diagram(Detail::Auto)?.boxes().len() <= 80, "{name}");
    }
    Ok(())
}
