//! Batches on the device that trains: on a GPU too, where there is one.
#![allow(clippy::unwrap_used)]

mod gpu;
#[allow(dead_code, reason = "it runs on narrower vectors too, which other tests ask for")]
mod rerun;

use candle_core::Tensor;
use gpu::device;
use sconce::Seed;
use sconce::data::{Dataset, Image, Pixels, Sample, Target};
use sconce::transforms::CutMix;

/// Images that are large enough for a copy to take its time, each of one value all over.
fn plain(count: usize) -> Dataset {
    let samples = (0..count).map(|at| Sample {
        id: at.to_string(),
        image: Image::new([128, 128, 3], Pixels::U8(vec![(at % 251) as u8; 128 * 128 * 3])).unwrap(),
        target: Target { labels: vec![(at % 4) as u32], ..Target::default() },
    });
    Dataset::in_memory(samples.collect(), &["a", "b", "c", "d"]).unwrap()
}

/// Whoever brings a batch, all of it is there when it is taken: what is computed of it at once is right.
#[test]
fn batches_that_threads_bring_are_whole() {
    let data = plain(96);
    // Work of this thread on the device, which a copy must neither disturb nor be taken before its end.
    let busy = Tensor::ones((256, 256), candle_core::DType::F32, &device()).unwrap();
    for workers in [0, 1, 4] {
        let batches = data.batches(16).shuffle(Seed(3)).workers(workers).prefetch(3).device(&device());
        let mut seen = 0;
        for batch in batches {
            let batch = batch.unwrap();
            assert!(batch.images.device().same_device(&device()));
            let mut product = busy.clone();
            for _ in 0..4 {
                product = (product.matmul(&busy).unwrap() / 256.0).unwrap();
            }
            let flat = batch.images.flatten_from(1).unwrap(); // (B, C * H * W)
            let least: Vec<f32> = flat.min(1).unwrap().to_vec1().unwrap();
            let most: Vec<f32> = flat.max(1).unwrap().to_vec1().unwrap();
            for ((&index, least), most) in batch.indices.iter().zip(least).zip(most) {
                let wanted = (index % 251) as f32 / 255.0;
                assert!(least == wanted && most == wanted, "{index}: {least} to {most}, {workers} workers");
            }
            let labels: Vec<u32> = batch.labels.to_vec1().unwrap();
            assert!(batch.indices.iter().zip(labels).all(|(index, label)| index % 4 == label as usize));
            assert_eq!(product.get(0).unwrap().get(0).unwrap().to_scalar::<f32>().unwrap(), 1.0);
            seen += batch.len();
        }
        assert_eq!(seen, 96);
    }
}

#[test]
fn mixed_batches_come_with_their_shares() {
    let batch = plain(8).batches(8).transform(CutMix::new(4)).workers(2).device(&device()).next();
    let batch = batch.unwrap().unwrap();
    let shares = batch.shares.unwrap();
    assert!(shares.device().same_device(&device()));
    let sums: Vec<f32> = shares.sum(1).unwrap().to_vec1().unwrap();
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{sums:?}");
}

#[test]
fn all_of_this_holds_on_a_gpu() {
    gpu::again_on_a_gpu(&["batches"]);
}
