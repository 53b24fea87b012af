//! The spellings that are known. Our models are named as torchvision names them, DETR as transformers does.

use super::spelling::Spelling;

/// Version 5 renamed much of what lies on the hub.
const OLD_TRANSFORMERS: &str = "transformers before 5";

/// All of them, our own first.
pub(crate) fn spellings() -> Vec<Spelling> {
    vec![
        Spelling::default(),
        Spelling::new("Lightning").rule("", "model."),
        old_torchvision_vit(),
        timm_vit(),
        hugging_face_vit(),
        old_hugging_face_vit(),
        hugging_face_resnet(),
        timm_convnext(),
        hugging_face_detr(),
        original_detr(),
    ]
}

/// torchvision's ViT as its published checkpoints still have it.
fn old_torchvision_vit() -> Spelling {
    Spelling::new("torchvision 0.12").rules(&[
        ("encoder.layers.*.mlp.0.", "encoder.layers.*.mlp.linear_1."),
        ("encoder.layers.*.mlp.3.", "encoder.layers.*.mlp.linear_2."),
    ])
}

/// ViT in timm and in the code of its paper.
fn timm_vit() -> Spelling {
    Spelling::new("timm").rules(&[
        ("class_token", "cls_token"),
        ("encoder.pos_embedding", "pos_embed"),
        ("conv_proj.", "patch_embed.proj."),
        ("encoder.layers.encoder_layer_*.ln_1.", "blocks.*.norm1."),
        ("encoder.layers.encoder_layer_*.ln_2.", "blocks.*.norm2."),
        ("encoder.layers.encoder_layer_*.self_attention.in_proj_", "blocks.*.attn.qkv."),
        ("encoder.layers.encoder_layer_*.self_attention.out_proj.", "blocks.*.attn.proj."),
        ("encoder.layers.encoder_layer_*.mlp.0.", "blocks.*.mlp.fc1."),
        ("encoder.layers.encoder_layer_*.mlp.3.", "blocks.*.mlp.fc2."),
        ("encoder.ln.", "norm."),
        ("heads.head.", "head."),
    ])
}

/// What `ViTForImageClassification` calls a layer and the parts of it.
struct HuggingFaceVit {
    title: &'static str,
    layer: &'static str,
    /// Queries, keys, values, what follows the attention; the two linear layers.
    parts: [&'static str; 6],
}

impl HuggingFaceVit {
    fn spelling(&self) -> Spelling {
        let [query, key, value, output, first, second] =
            self.parts.map(|part| format!("{}*.{part}.", self.layer));
        let ours = "encoder.layers.encoder_layer_*.";
        Spelling::new(self.title)
            .joined(&format!("{ours}self_attention.in_proj_"), &[&query, &key, &value])
            .rule(format!("{ours}self_attention.out_proj."), output)
            .rule(format!("{ours}ln_1."), format!("{}*.layernorm_before.", self.layer))
            .rule(format!("{ours}ln_2."), format!("{}*.layernorm_after.", self.layer))
            .rule(format!("{ours}mlp.0."), first)
            .rule(format!("{ours}mlp.3."), second)
            .rules(&[
                ("class_token", "vit.embeddings.cls_token"),
                ("encoder.pos_embedding", "vit.embeddings.position_embeddings"),
                ("conv_proj.", "vit.embeddings.patch_embeddings.projection."),
                ("encoder.ln.", "vit.layernorm."),
                ("heads.head.", "classifier."),
            ])
    }
}

fn hugging_face_vit() -> Spelling {
    let parts = [
        "attention.q_proj",
        "attention.k_proj",
        "attention.v_proj",
        "attention.o_proj",
        "mlp.fc1",
        "mlp.fc2",
    ];
    HuggingFaceVit { title: "transformers", layer: "vit.layers.", parts }.spelling()
}

/// As it lies on the hub.
fn old_hugging_face_vit() -> Spelling {
    let parts = [
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ];
    HuggingFaceVit { title: OLD_TRANSFORMERS, layer: "vit.encoder.layer.", parts }.spelling()
}

/// `ResNetForImageClassification` of transformers.
fn hugging_face_resnet() -> Spelling {
    let mut spelling = Spelling::new("transformers").rules(&[
        ("conv1.", "resnet.embedder.embedder.convolution."),
        ("bn1.", "resnet.embedder.embedder.normalization."),
        ("fc.", "classifier.1."),
    ]);
    for stage in 1..=4 {
        let (ours, theirs) =
            (format!("layer{stage}.*."), format!("resnet.encoder.stages.{}.layers.*.", stage - 1));
        for layer in 1..=3 {
            let theirs = format!("{theirs}layer.{}.", layer - 1);
            spelling = spelling
                .rule(format!("{ours}conv{layer}."), format!("{theirs}convolution."))
                .rule(format!("{ours}bn{layer}."), format!("{theirs}normalization."));
        }
        spelling = spelling
            .rule(format!("{ours}downsample.0."), format!("{theirs}shortcut.convolution."))
            .rule(format!("{ours}downsample.1."), format!("{theirs}shortcut.normalization."));
    }
    spelling
}

/// ConvNeXt in timm, whose layer scales are vectors.
fn timm_convnext() -> Spelling {
    let mut spelling = Spelling::new("timm").rules(&[
        ("features.0.", "stem."),
        ("classifier.0.", "head.norm."),
        ("classifier.2.", "head.fc."),
    ]);
    for stage in 0..4 {
        let (block, theirs) = (format!("features.{}.*.", 2 * stage + 1), format!("stages.{stage}.blocks.*."));
        let parts = [
            ("block.0.", "conv_dw."),
            ("block.2.", "norm."),
            ("block.3.", "mlp.fc1."),
            ("block.5.", "mlp.fc2."),
            ("layer_scale", "gamma"),
        ];
        for (ours, part) in parts {
            spelling = spelling.rule(format!("{block}{ours}"), format!("{theirs}{part}"));
        }
        if stage > 0 {
            spelling =
                spelling.rule(format!("features.{}.", 2 * stage), format!("stages.{stage}.downsample."));
        }
    }
    spelling
}

/// DETR as it lies on the Hugging Face hub: what transformers wrote before version 5.
fn hugging_face_detr() -> Spelling {
    let mut spelling =
        Spelling::new(OLD_TRANSFORMERS).rule("model.backbone.", "model.backbone.conv_encoder.");
    for part in ["encoder", "decoder"] {
        let layer = format!("model.{part}.layers.*.");
        for attention in ["self_attn", "encoder_attn"] {
            spelling =
                spelling.rule(format!("{layer}{attention}.o_proj."), format!("{layer}{attention}.out_proj."));
        }
        for linear in ["fc1.", "fc2."] {
            spelling = spelling.rule(format!("{layer}mlp.{linear}"), format!("{layer}{linear}"));
        }
    }
    spelling
}

/// DETR of the code of its paper, `facebookresearch/detr`.
fn original_detr() -> Spelling {
    let mut spelling = Spelling::new("facebookresearch/detr").rules(&[
        ("model.backbone.model.", "backbone.0.body."),
        ("model.input_projection.", "input_proj."),
        ("model.query_position_embeddings.", "query_embed."),
        ("model.decoder.layernorm.", "transformer.decoder.norm."),
        ("class_labels_classifier.", "class_embed."),
        ("bbox_predictor.", "bbox_embed."),
        ("model.encoder.layers.*.self_attn_layer_norm.", "transformer.encoder.layers.*.norm1."),
        ("model.encoder.layers.*.final_layer_norm.", "transformer.encoder.layers.*.norm2."),
        ("model.decoder.layers.*.self_attn_layer_norm.", "transformer.decoder.layers.*.norm1."),
        ("model.decoder.layers.*.encoder_attn_layer_norm.", "transformer.decoder.layers.*.norm2."),
        ("model.decoder.layers.*.final_layer_norm.", "transformer.decoder.layers.*.norm3."),
    ]);
    for part in ["encoder", "decoder"] {
        let (ours, theirs) = (format!("model.{part}.layers.*."), format!("transformer.{part}.layers.*."));
        for (attention, name) in [("self_attn", "self_attn"), ("encoder_attn", "multihead_attn")] {
            let [q, k, v] = ["q", "k", "v"].map(|which| format!("{ours}{attention}.{which}_proj."));
            spelling = spelling
                .split(&[&q, &k, &v], &format!("{theirs}{name}.in_proj_"))
                .rule(format!("{ours}{attention}.o_proj."), format!("{theirs}{name}.out_proj."));
        }
        for linear in ["1.", "2."] {
            spelling = spelling.rule(format!("{ours}mlp.fc{linear}"), format!("{theirs}linear{linear}"));
        }
    }
    spelling
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::{BTreeSet, HashMap};

    use super::*;
    use crate::checkpoint::Source;

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");

    type Listed = HashMap<String, Vec<usize>>;

    fn listed(json: &serde_json::Value) -> Listed {
        let tensors: Vec<(String, Vec<usize>)> = serde_json::from_value(json.clone()).unwrap();
        tensors.into_iter().filter(|(name, _)| !name.ends_with("num_batches_tracked")).collect()
    }

    fn json(path: &str) -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(format!("{FIXTURES}/{path}")).unwrap()).unwrap()
    }

    /// Every tensor of ours is in theirs, with as many values, and none of theirs is left.
    fn assert_covers(spelling: &Spelling, ours: &Listed, theirs: &Listed) {
        let count = |name: &String| {
            let shape = theirs.get(name).unwrap_or_else(|| panic!("no {name}"));
            shape.iter().product::<usize>()
        };
        let mut used = BTreeSet::new();
        for (name, shape) in ours {
            let (names, values) = match spelling.source(name) {
                Source::Whole(whole) => (vec![whole.clone()], count(&whole)),
                Source::Part { whole, of, .. } => (vec![whole.clone()], count(&whole) / of),
                Source::Joined(parts) => (parts.clone(), parts.iter().map(count).sum()),
            };
            assert_eq!(values, shape.iter().product::<usize>(), "{name}");
            used.extend(names);
        }
        assert_eq!(used, theirs.keys().cloned().collect());
    }

    fn renamed(names: &Listed, rules: &[(&str, &str)]) -> Listed {
        let rename =
            |name: &str| rules.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to));
        names.iter().map(|(name, shape)| (rename(name), shape.clone())).collect()
    }

    #[test]
    fn whole_models_are_found_in_the_files_of_others() {
        let names = json("checkpoints/names.json");
        let of = |model: &str| listed(&names[model]);
        assert_covers(&timm_vit(), &of("torchvision vit"), &of("timm vit"));
        assert_covers(&hugging_face_vit(), &of("torchvision vit"), &of("transformers vit"));
        assert_covers(&hugging_face_resnet(), &of("torchvision resnet"), &of("transformers resnet"));
        assert_covers(&timm_convnext(), &of("torchvision convnext"), &of("timm convnext"));
        let old = [
            ("vit.layers.", "vit.encoder.layer."),
            ("attention.q_proj", "attention.attention.query"),
            ("attention.k_proj", "attention.attention.key"),
            ("attention.v_proj", "attention.attention.value"),
            ("attention.o_proj", "attention.output.dense"),
            ("mlp.fc1", "intermediate.dense"),
            ("mlp.fc2", "output.dense"),
        ];
        let old = renamed(&of("transformers vit"), &old);
        assert_covers(&old_hugging_face_vit(), &of("torchvision vit"), &old);
    }

    #[test]
    fn detr_is_found_in_all_its_spellings() {
        let ours = listed(&json("models/detr_resnet50.json")["state_dict"]);
        // As the fixtures' README has it.
        let hub =
            [("model.backbone.", "model.backbone.conv_encoder."), ("o_proj", "out_proj"), ("mlp.fc", "fc")];
        assert_covers(&hugging_face_detr(), &ours, &renamed(&ours, &hub));
        let original = original_detr();
        let whole = |name: &str| match original.source(name) {
            Source::Whole(whole) => whole,
            other => panic!("{other:?}"),
        };
        for (name, theirs) in [
            ("model.backbone.model.layer1.0.conv1.weight", "backbone.0.body.layer1.0.conv1.weight"),
            ("model.query_position_embeddings.weight", "query_embed.weight"),
            ("model.input_projection.bias", "input_proj.bias"),
            ("model.encoder.layers.5.mlp.fc1.weight", "transformer.encoder.layers.5.linear1.weight"),
            ("model.encoder.layers.0.final_layer_norm.bias", "transformer.encoder.layers.0.norm2.bias"),
            ("model.decoder.layers.0.final_layer_norm.bias", "transformer.decoder.layers.0.norm3.bias"),
            (
                "model.decoder.layers.1.encoder_attn.o_proj.weight",
                "transformer.decoder.layers.1.multihead_attn.out_proj.weight",
            ),
            ("class_labels_classifier.weight", "class_embed.weight"),
            ("bbox_predictor.layers.2.bias", "bbox_embed.layers.2.bias"),
        ] {
            assert_eq!(whole(name), theirs);
        }
        let value = original.source("model.decoder.layers.1.encoder_attn.v_proj.weight");
        let attention = "transformer.decoder.layers.1.multihead_attn.in_proj_weight";
        assert_eq!(value, Source::Part { whole: attention.into(), index: 2, of: 3 });
        // No two tensors of ours come from one place.
        let sources: Vec<String> = ours.keys().map(|name| format!("{:?}", original.source(name))).collect();
        assert_eq!(sources.iter().collect::<BTreeSet<_>>().len(), ours.len());
    }
}
