//! What a person reads: the list, and what is said about names and options that cannot be.

use std::collections::HashSet;

use sconce::models::{self, ModelConfig};
use sconce::rich::Rich;

fn refused(name: &str, config: ModelConfig) -> String {
    models::create(name, config).unwrap_err().to_string()
}

#[test]
fn unknown_names_lead_to_known_ones() {
    let said = refused("resnet81", ModelConfig::default());
    assert!(said.contains("\"resnet81\"") && said.contains("\"resnet18\""), "{said}");
    let said = refused("ViT-B/16", ModelConfig::default());
    assert!(said.contains("\"vit_b_16\""), "{said}");
    let said = refused("", ModelConfig::default());
    assert!(said.contains("models::list()"), "{said}");
}

#[test]
fn options_that_cannot_be_are_refused() {
    let config = ModelConfig::default();
    for (name, config, part) in [
        ("resnet18", config.num_classes(0), "at least 1 class"),
        ("resnet18", config.image([0, 224, 224]), "(0, 224, 224)"),
        ("vgg11", config.image([3, 31, 64]), "at least 32 x 32"),
        ("resnet18", config.dropout(0.1), "has none"),
        ("vgg11", config.dropout(1.0), "less than 1"),
        ("vgg11", config.dropout(f64::NAN), "dropout NaN"),
        ("efficientnet_b0", config.stochastic_depth(-0.1), "stochastic depth -0.1"),
        ("vit_b_16", config.image([3, 224, 230]), "multiples of 16"),
        ("coatnet_0", config.image([3, 225, 224]), "224 x 224"),
        ("vit_b_16", config.image([3, 1 << 40, 1 << 40]), "memory"),
        ("resnet18", config.image([3, usize::MAX, usize::MAX]), "resnet18"),
    ] {
        let said = format!("{name}: {}", refused(name, config));
        assert!(said.contains(part), "{name}: {said}");
    }
}

#[test]
fn entries_hold_together() {
    let list = models::list();
    let mut names = HashSet::new();
    for entry in list.entries() {
        assert!(names.insert(entry.name), "{} twice", entry.name);
        assert!(entry.year >= 1998 && entry.year <= 2030 && !entry.paper.is_empty());
        let architecture = entry.architecture(ModelConfig::default()).unwrap();
        for layer in entry.stages.iter().chain(entry.head) {
            assert!(architecture.graph().node(layer).is_ok(), "{}: no layer {layer}", entry.name);
        }
        assert!(!entry.stages.is_empty() && !entry.head.is_empty(), "{}", entry.name);
        let smallest = ModelConfig::default().image([3, entry.smallest[0], entry.smallest[1]]);
        assert!(entry.architecture(smallest).is_ok(), "{} on its smallest images", entry.name);
        let mut weights = HashSet::new();
        for published in entry.weights {
            assert!(weights.insert(published.name), "{}: {} twice", entry.name, published.name);
            assert!(published.url.starts_with("https://"), "{}", published.url);
            if published.url.contains("download.pytorch.org") {
                assert!(published.sha256_start().is_some(), "{}", published.url);
            }
        }
    }
}

#[test]
fn the_list_is_a_table() {
    let list = models::list();
    assert!(list.names().len() > 30);
    let few = list.matching("ResNeXt");
    assert_eq!(few.names(), ["resnext50_32x4d"]);
    let text = few.text();
    assert_eq!(
        text,
        "model            family   image          parameters  multiply-adds  published accuracy  \
         paper                         weights\n\
         ---------------  -------  -------------  ----------  -------------  ------------------  \
         ----------------------------  ----------------------------\n\
         resnext50_32x4d  ResNeXt  3 x 224 x 224  25,028,904        4,230 M  81.2 % top-1        \
         Xie et al., arXiv:1611.05431  IMAGENET1K_V1, IMAGENET1K_V2\n"
    );
    let bundle = few.rich();
    let shown = format!("{bundle:?}");
    assert!(shown.contains("<table") && shown.contains("resnext50_32x4d"));
}
