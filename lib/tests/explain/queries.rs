//! Object queries of a DETR: what they found and where they looked, against what PyTorch computes.

use candle_core::{Device, Tensor};
use sconce::explain::{self, QueryAttentionConfig, QueryChoice};
use sconce::models::{DetrBackbone, DetrConfig};
use sconce::nn::Model;
use sconce::plot::Picture;
use sconce::rich::Rich;
use sconce::{Result, Seed};

use crate::formula::{fill, images};
use crate::{FIXTURE, near, numbers};

fn detr() -> Result<(Model, Tensor)> {
    let config = DetrConfig {
        backbone: DetrBackbone::Small(vec![8, 16, 32]),
        embed_dim: 32,
        feedforward_dim: 48,
        num_queries: 5,
        ..DetrConfig::small([3, 32, 40])
    };
    let net = config.architecture()?.init(Seed(1), &Device::Cpu)?;
    fill(&net)?;
    Ok((net, images(&[1, 3, 48, 32], &Device::Cpu)?))
}

fn these(queries: &[usize]) -> QueryAttentionConfig {
    QueryAttentionConfig { queries: QueryChoice::These(queries.to_vec()), ..Default::default() }
}

#[test]
fn queries_are_those_of_the_reference() -> Result<()> {
    let (net, x) = detr()?;
    let case = &FIXTURE["detr"];
    let (attention, probabilities) = (numbers(&case["attention"]), numbers(&case["probabilities"]));
    // (4 heads, 5 queries, 6 x 4 places)
    let of_head = |head: usize, query: usize| attention[(head * 5 + query) * 24..][..24].to_vec();
    let seen = explain::query_attention(&net, &x, these(&[4, 0, 2]))?;
    assert_eq!(seen.layer(), "model.decoder.layers.2.encoder_attn");
    let order: Vec<usize> = seen.queries().iter().map(|query| query.query).collect();
    assert_eq!(order, [4, 0, 2]);
    for query in seen.queries() {
        let mean: Vec<f64> =
            (0..24).map(|at| (0..4).map(|head| of_head(head, query.query)[at]).sum::<f64>() / 4.0).collect();
        let (size, map) = query.map.coarse().unwrap();
        assert_eq!((size, query.map.size()), ([6, 4], [48, 32]));
        near("the mean of the heads", map, &mean);
        near("the box", &query.bbox, &numbers(&case["boxes"])[query.query * 4..][..4]);
        let row = &probabilities[query.query * 4..][..3];
        let best = (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        assert_eq!((query.class, query.map.class()), (best, Some(best)));
        near("the score", &[query.score as f32], &[row[best]]);
        // Places are 8 x 8 pixels.
        let within = |at: usize| {
            let (y, x) = ((at / 4 * 8 + 4) as f32, (at % 4 * 8 + 4) as f32);
            let [left, top, right, bottom] = query.bbox;
            left <= x && x <= right && top <= y && y <= bottom
        };
        let part: f64 = (0..24).filter(|&at| within(at)).map(|at| mean[at]).sum();
        assert!(part > 0.0 && part < 1.0, "a box of {:?} shows nothing", query.bbox);
        near("the part in the box", &[query.inside as f32], &[part]);
    }
    let second = explain::query_attention(&net, &x, QueryAttentionConfig { head: Some(1), ..these(&[3]) })?;
    near("head 1", second.queries()[0].map.coarse().unwrap().1, &of_head(1, 3));
    // An earlier layer is another one.
    let name = "model.decoder.layers.0.encoder_attn";
    let config = QueryAttentionConfig { layer: Some(name.into()), head: Some(1), ..these(&[3]) };
    let first = explain::query_attention(&net, &x.squeeze(0)?, config)?;
    assert_eq!(first.layer(), name);
    assert_ne!(first.queries()[0].map.values(), second.queries()[0].map.values());
    Ok(())
}

#[test]
fn the_surest_come_first() -> Result<()> {
    let (net, x) = detr()?;
    let probabilities = numbers(&FIXTURE["detr"]["probabilities"]);
    let score = |query: usize| probabilities[query * 4..][..3].iter().copied().fold(0.0, f64::max);
    let found = |min_score: f64, most: usize| -> Result<Vec<usize>> {
        let queries = QueryChoice::Found { min_score, most };
        let config = QueryAttentionConfig { queries, ..Default::default() };
        let seen = explain::query_attention(&net, &x, config)?;
        assert_eq!(seen.grid()?.len(), seen.queries().len() + 1);
        Ok(seen.queries().iter().map(|query| query.query).collect())
    };
    let mut wanted: Vec<usize> = (0..5).collect();
    wanted.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
    assert_eq!(found(0.0, 12)?, wanted);
    assert_eq!(found(0.0, 2)?, wanted[..2]);
    let between = (score(wanted[1]) + score(wanted[2])) / 2.0;
    assert_eq!(found(between, 12)?, wanted[..2]);
    let none = explain::query_attention(&net, &x, QueryAttentionConfig::default())?;
    assert!(none.queries().is_empty());
    let text = none.rich().plain().unwrap().to_owned();
    assert!(text.contains("no query found anything") && text.contains("0 of 5 object queries"), "{text}");
    Ok(())
}

#[test]
fn they_show_themselves() -> Result<()> {
    let (net, x) = detr()?;
    let seen = explain::query_attention(&net, &x, these(&[1, 2]))?;
    assert!(seen.table().text().contains("class 0"), "{}", seen.table().text());
    let seen =
        seen.class_names(&["circle", "square", "cross"])?.over(Picture::grey([48, 32], vec![9; 1536])?)?;
    let bundle = seen.rich();
    let text = bundle.plain().unwrap();
    for part in ["the mean of all heads", "2 of 5 object queries", "circle", "25.", "in the box"] {
        assert!(text.contains(part), "{text}\nlacks {part:?}");
    }
    let svg = seen.grid()?.svg()?;
    assert!(svg.contains("1: circle 25") && svg.contains("2: circle 25") && svg.contains("yellow"));
    let alone = seen.queries()[0].map.overlay()?.svg()?;
    assert!(alone.contains("query 1 in") && alone.contains("circle"), "the legend of one map");
    // The box is drawn over the map: without it there are fewer colours.
    let [with, without] = [seen.grid()?.picture().unwrap(), seen.queries()[0].map.overlay()?.picture()?];
    let colors = |picture: &Picture| {
        picture.pixels().chunks(3).map(<[u8]>::to_vec).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(colors(&with).difference(&colors(&without)).count() > 2);
    Ok(())
}

#[test]
fn what_is_wrong_is_named() -> Result<()> {
    let (net, x) = detr()?;
    #[track_caller]
    fn refused<T>(result: Result<T>, parts: &[&str]) {
        let error = result.err().unwrap().to_string();
        for part in parts {
            assert!(error.contains(part), "{error}\nlacks {part:?}");
        }
    }
    let seen = |config: QueryAttentionConfig| explain::query_attention(&net, &x, config);
    refused(seen(these(&[0, 5])), &["explain::query_attention", "queries below 5, got 5"]);
    refused(seen(these(&[])), &["at least one query, got none"]);
    refused(seen(QueryAttentionConfig { head: Some(4), ..these(&[0]) }), &["a head below 4, got 4"]);
    let found = |min_score: f64, most: usize| QueryAttentionConfig {
        queries: QueryChoice::Found { min_score, most },
        ..Default::default()
    };
    refused(seen(found(f64::NAN, 3)), &["a least score in 0..=1", "min_score NaN"]);
    refused(seen(found(0.5, 0)), &["most 0"]);
    let layer = |name: &str| QueryAttentionConfig { layer: Some(name.into()), ..these(&[0]) };
    refused(seen(layer("model.encoder.layers.0.self_attn")), &["the 5 object queries", "24 queries"]);
    refused(seen(layer("model.decoder.layers.0.self_attn")), &["keys that are places of the image"]);
    refused(seen(layer("input_projection")), &["Is it \"model.input_projection\""]);
    refused(seen(these(&[0]))?.class_names(&[] as &[&str]), &["a name for each", "0 names"]);
    let small = Picture::grey([2, 2], vec![0; 4])?;
    refused(seen(these(&[0]))?.over(small), &["48 x 32 pixels, as the image", "2 x 2"]);
    let plain = Model::build([3, 16, 16], |x| {
        let tokens = x.conv2d(8, 3).image_to_tokens().self_attention(2);
        tokens.mean([0]).linear(3)
    })?
    .init(Seed(0), &Device::Cpu)?;
    let image = images(&[1, 3, 16, 16], &Device::Cpu)?;
    let other = explain::query_attention(&plain, &image, QueryAttentionConfig::default());
    refused(other, &["the outputs \"logits\" and \"boxes\"", "got one with \"output\""]);
    let state = net.state()?.into_iter().map(|(name, value)| match name.as_str() {
        "class_labels_classifier.bias" => Ok((name, (value / 0.0)?)),
        _ => Ok((name, value)),
    });
    net.set_state(&state.collect::<Result<Vec<_>>>()?)?;
    refused(seen(these(&[0])), &["logits and boxes that are numbers"]);
    Ok(())
}
