//! The loader: the same batches for any number of threads, bounded memory, errors, panics, early ends.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sconce::data::{
    Batch, Dataset, Image, LastBatch, OnError, Pixels, Replacement, Sample, Sampler, Source, Target,
    Transform,
};
use sconce::rich::Rich;
use sconce::transforms::RandomHorizontalFlip;
use sconce::{Error, Result, Rng, Seed};

/// What a source does beside giving its samples.
#[derive(Debug, Default)]
struct Watch {
    /// Samples that were asked for.
    begun: AtomicUsize,
    /// Samples whose file is damaged.
    damaged: HashSet<usize>,
    /// A sample that makes the source panic.
    panics: Option<usize>,
    /// How long a sample takes, more for the earlier ones of each four.
    takes: Duration,
    threads: Mutex<HashSet<std::thread::ThreadId>>,
}

/// Images of 1 x 3 x 2 whose values follow from their index.
#[derive(Debug)]
struct Watched {
    len: usize,
    classes: Vec<String>,
    watch: Arc<Watch>,
}

impl Source for Watched {
    fn len(&self) -> usize {
        self.len
    }
    fn id(&self, index: usize) -> String {
        format!("image {index}")
    }
    fn path(&self, index: usize) -> Option<std::path::PathBuf> {
        Some(format!("/images/{index}.png").into())
    }
    fn labels(&self, index: usize) -> Vec<u32> {
        vec![(index % 3) as u32]
    }
    fn target(&self, index: usize) -> Result<Target> {
        Ok(Target { labels: self.labels(index), ..Target::default() })
    }
    fn sample(&self, index: usize) -> Result<Sample> {
        self.watch.begun.fetch_add(1, Ordering::SeqCst);
        self.watch.threads.lock().unwrap().insert(std::thread::current().id());
        if !self.watch.takes.is_zero() {
            std::thread::sleep(self.watch.takes * (4 - index as u32 % 4));
        }
        if self.watch.damaged.contains(&index) {
            return Err(Error::Format {
                path: format!("/images/{index}.png").into(),
                expected: "an image".into(),
                got: "noise".into(),
                hint: "Fetch it again.".into(),
            });
        }
        assert_ne!(self.watch.panics, Some(index), "sample {index} is cursed");
        let values = (0..6).map(|at| (index * 7 + at * 31) as u8).collect();
        let image = Image::new([2, 3, 1], Pixels::U8(values))?;
        Ok(Sample { id: self.id(index), image, target: self.target(index)? })
    }
    fn class_names(&self) -> &[String] {
        &self.classes
    }
}

/// Makes each value a random one.
#[derive(Debug)]
struct Noise;

impl Transform for Noise {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let [height, width, channels] = sample.image.shape();
        let Pixels::U8(values) = sample.image.into_pixels() else { unreachable!("bytes") };
        let values = values.into_iter().map(|value| f32::from(value) + rng.uniform_f32()).collect();
        Ok(Sample { image: Image::new([height, width, channels], Pixels::F32(values))?, ..sample })
    }
}

fn watched(len: usize, watch: Watch) -> (Dataset, Arc<Watch>) {
    let watch = Arc::new(watch);
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    (Dataset::from_source(Watched { len, classes, watch: Arc::clone(&watch) }), watch)
}

/// All that a batch holds.
fn contents(batch: &Batch) -> (Vec<usize>, Vec<u32>, Vec<u32>) {
    let values = batch.images.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    (batch.indices.clone(), values.into_iter().map(f32::to_bits).collect(), batch.labels.to_vec1().unwrap())
}

/// Waits for something that other threads do, a minute at most.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::yield_now();
    }
}

#[test]
fn any_number_of_workers_gives_the_same_batches_bit_for_bit() {
    let (data, _) = watched(37, Watch { takes: Duration::from_micros(300), ..Watch::default() });
    let data = data.transform(Noise).transform(RandomHorizontalFlip::new(0.5));
    let walk = |workers, prefetch, epoch| -> Vec<_> {
        let batches = data.batches(8).shuffle(Seed(3)).epoch(epoch).workers(workers).prefetch(prefetch);
        batches.map(|batch| contents(&batch.unwrap())).collect()
    };
    let expected = walk(0, 0, 1);
    assert_eq!(expected.len(), 5);
    for (workers, prefetch) in [(0, 4), (1, 0), (1, 1), (2, 2), (4, 1), (4, 9), (16, 3)] {
        assert_eq!(walk(workers, prefetch, 1), expected, "{workers} workers, {prefetch} ahead");
    }
    assert_ne!(walk(2, 2, 2), expected);
    // They are what the samples one by one are.
    let (indices, values, _) = &expected[0];
    let sample = data.transformed(indices[2], 1, Seed(3)).unwrap();
    let Pixels::F32(single) = sample.image.pixels() else { panic!("numbers") };
    assert_eq!(values[12..18], single.iter().map(|value| value.to_bits()).collect::<Vec<_>>());
}

#[test]
fn a_seed_of_its_own_changes_the_draws_and_not_the_order() {
    let (data, _) = watched(12, Watch::default());
    let data = data.transform(Noise);
    let first = |seed: Option<u64>| {
        let batches = data.batches(12).shuffle(Seed(1));
        let batches = seed.map_or(batches.clone(), |seed| batches.seed(Seed(seed)));
        contents(&batches.workers(2).next().unwrap().unwrap())
    };
    assert_eq!(first(None), first(Some(1)));
    assert_eq!(first(None).0, first(Some(2)).0);
    assert_ne!(first(None).1, first(Some(2)).1);
}

#[test]
fn several_threads_work_and_none_where_none_was_asked_for() {
    let (data, watch) = watched(64, Watch { takes: Duration::from_millis(1), ..Watch::default() });
    assert_eq!(data.batches(8).workers(0).count(), 8);
    assert_eq!(*watch.threads.lock().unwrap(), HashSet::from([std::thread::current().id()]));
    watch.threads.lock().unwrap().clear();
    assert_eq!(data.batches(8).workers(3).count(), 8);
    let threads = watch.threads.lock().unwrap().clone();
    assert!(threads.len() > 1 && threads.len() <= 3, "{threads:?}");
    assert!(!threads.contains(&std::thread::current().id()));
}

#[test]
fn no_more_samples_are_begun_than_the_prefetch_allows() {
    const SIZE: usize = 4;
    for (workers, prefetch) in [(1, 0), (1, 1), (2, 1), (4, 2), (8, 3)] {
        let (data, watch) = watched(60, Watch::default());
        let mut batches = data.batches(SIZE).workers(workers).prefetch(prefetch);
        for taken in 1..=15 {
            // While a batch is waited for, it is one of those ahead, if there is any.
            assert!(watch.begun.load(Ordering::SeqCst) <= (taken - 1 + prefetch) * SIZE);
            batches.next().unwrap().unwrap();
            assert!(watch.begun.load(Ordering::SeqCst) >= taken * SIZE);
            // They do use what they may, and stop there.
            let allowed = (60).min((taken + prefetch) * SIZE);
            wait_until("the prefetch", || watch.begun.load(Ordering::SeqCst) >= allowed);
            std::thread::sleep(Duration::from_millis(1));
            assert_eq!(watch.begun.load(Ordering::SeqCst), allowed, "{workers} workers, {prefetch} ahead");
        }
        assert!(batches.next().is_none() && batches.next().is_none());
    }
}

#[test]
fn dropping_it_half_way_ends_the_threads() {
    let (data, watch) = watched(1000, Watch { takes: Duration::from_micros(100), ..Watch::default() });
    let mut batches = data.batches(10).workers(4).prefetch(50);
    batches.next().unwrap().unwrap();
    drop((batches, data));
    // The threads hold the source; when they are gone, only the test holds the watch.
    wait_until("the end of the threads", || Arc::strong_count(&watch) == 1);
    assert!(watch.begun.load(Ordering::SeqCst) < 1000);
    // The same before the first batch, and where nobody ever asks.
    let (data, watch) = watched(10, Watch::default());
    drop(data.batches(2).workers(2));
    drop(data);
    assert_eq!((Arc::strong_count(&watch), watch.begun.load(Ordering::SeqCst)), (1, 0));
}

#[test]
fn a_panic_is_an_error_of_its_batch_and_nothing_hangs() {
    for workers in [0, 1, 3] {
        let (data, _) = watched(12, Watch { panics: Some(5), ..Watch::default() });
        let outcomes: Vec<_> = data.batches(4).workers(workers).collect();
        assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        let text = outcomes[1].as_ref().unwrap_err().to_string();
        assert!(text.contains("sample 5 is cursed") && text.contains("sample 5 (image 5)"), "{text}");
        // It may be skipped as any other error.
        let mut batches = data.batches(4).workers(workers).on_error(OnError::Skip);
        assert!(batches.all(|batch| batch.is_ok()));
    }
}

#[derive(Debug)]
struct Loop;

impl Transform for Loop {
    fn apply(&self, _: Sample, _: &mut Rng) -> Result<Sample> {
        panic!("not a sample")
    }
}

#[test]
fn a_transform_that_panics_says_so() {
    let (data, _) = watched(4, Watch::default());
    let error = data.transform(Loop).batches(2).workers(2).next().unwrap().unwrap_err();
    assert!(matches!(&error, Error::Sample { index: 0, .. }), "{error:?}");
    assert!(error.to_string().contains("a panic: not a sample"), "{error}");
}

#[test]
fn a_damaged_file_fails_its_batch_with_its_name() {
    for workers in [0, 2] {
        let (data, _) = watched(9, Watch { damaged: HashSet::from([4, 5]), ..Watch::default() });
        let outcomes: Vec<_> = data.batches(3).workers(workers).collect();
        let error = outcomes[1].as_ref().unwrap_err();
        // Always the first of the two.
        let text = error.to_string();
        assert!(text.contains("sample 4 (image 4)") && text.contains("/images/4.png"), "{text}");
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    }
}

#[test]
fn damaged_files_may_be_skipped_and_are_reported() {
    let damaged = HashSet::from([1, 3, 4, 5]);
    let walk = |workers| {
        let (data, _) = watched(10, Watch { damaged: damaged.clone(), ..Watch::default() });
        let mut batches = data.batches(3).workers(workers).on_error(OnError::Skip);
        let indices: Vec<Vec<usize>> = batches.by_ref().map(|batch| batch.unwrap().indices).collect();
        (indices, batches.skipped().clone())
    };
    let (indices, report) = walk(0);
    // The second batch has nothing left and does not come.
    assert_eq!(indices, [vec![0, 2], vec![6, 7, 8], vec![9]]);
    assert_eq!(report.samples.iter().map(|skipped| skipped.index).collect::<Vec<_>>(), [1, 3, 4, 5]);
    assert_eq!(report.samples[0].path.as_deref(), Some(std::path::Path::new("/images/1.png")));
    let text = report.rich().plain().unwrap().to_owned();
    assert!(text.contains("4 samples were skipped") && text.contains("got noise"), "{text}");
    for workers in [1, 4] {
        assert_eq!(walk(workers), (indices.clone(), report.clone()));
    }
}

#[test]
fn a_walk_goes_on_where_it_stopped_and_a_clone_is_its_own() {
    let (data, watch) = watched(20, Watch::default());
    let batches = data.transform(Noise).batches(4).shuffle(Seed(1)).workers(2);
    let all: Vec<_> = batches.clone().map(|batch| contents(&batch.unwrap())).collect();
    let before = watch.begun.load(Ordering::SeqCst);
    let rest: Vec<_> = batches.clone().start_at(3).map(|batch| contents(&batch.unwrap())).collect();
    assert_eq!(rest, all[3..]);
    assert_eq!(watch.begun.load(Ordering::SeqCst) - before, 8);
    assert_eq!((batches.clone().start_at(5).count(), batches.clone().start_at(99).count()), (0, 0));
    let mut first = batches;
    first.next().unwrap().unwrap();
    let (second, first) = (first.clone(), first);
    assert_eq!(first.map(|batch| contents(&batch.unwrap())).collect::<Vec<_>>(), all[1..]);
    assert_eq!(second.map(|batch| contents(&batch.unwrap())).collect::<Vec<_>>(), all[1..]);
}

#[test]
fn weights_say_how_often_a_sample_comes() {
    let (data, _) = watched(30, Watch::default());
    let mut weights = vec![1.0; 30];
    weights[7] = 31.0;
    weights[8] = 0.0;
    let sampler = Sampler::weighted(&weights).unwrap().draws(4000);
    let batches = data.batches(100).sampler(&sampler, Seed(5));
    assert_eq!(batches.len(), 40);
    let mut counts = [0; 30];
    for batch in batches.workers(2) {
        for index in batch.unwrap().indices {
            counts[index] += 1;
        }
    }
    // 31 of 59 draws, within five standard deviations.
    let expected = 4000.0 * 31.0 / 59.0;
    assert!((f64::from(counts[7]) - expected).abs() < 160.0 && counts[8] == 0, "{counts:?}");
    assert!(counts.iter().enumerate().all(|(index, count)| index == 8 || *count > 20), "{counts:?}");
}

#[test]
fn a_sample_that_comes_again_is_augmented_otherwise() {
    let (data, _) = watched(2, Watch::default());
    let data = data.transform(Noise);
    let sampler = Sampler::weighted(&[1.0, 0.0]).unwrap().draws(6);
    let walk = |workers| {
        let mut batches = data.batches(6).sampler(&sampler, Seed(1)).workers(workers);
        contents(&batches.next().unwrap().unwrap())
    };
    let (indices, values, _) = walk(0);
    assert_eq!(indices, [0; 6]);
    assert_eq!(values.chunks(6).collect::<HashSet<_>>().len(), 6);
    assert_eq!(walk(3), (indices, values, vec![0; 6]));
}

#[test]
fn balanced_classes_come_equally_often() {
    let labels: Vec<u32> = (0..200).map(|at| u32::from(at >= 190)).collect();
    let images = sconce::prelude::Tensor::zeros(
        (200, 1, 1, 1),
        sconce::prelude::DType::F32,
        &sconce::prelude::Device::Cpu,
    );
    let data = Dataset::new(images.unwrap(), &labels, &["common", "rare"]).unwrap();
    let sampler = Sampler::balanced(&data).unwrap().draws(2000);
    let mut rare = 0;
    for batch in data.batches(50).sampler(&sampler, Seed(2)) {
        rare += batch.unwrap().labels.to_vec1::<u32>().unwrap().iter().sum::<u32>();
    }
    assert!((900..1100).contains(&rare), "{rare}");
}

#[test]
fn wrong_samplers_are_refused() {
    for weights in [&[][..], &[0.0, 0.0], &[1.0, -1.0], &[f64::NAN, 1.0], &[f64::MAX, f64::MAX]] {
        let error = Sampler::weighted(weights).unwrap_err().to_string();
        assert!(error.contains("Sampler::weighted"), "{error}");
    }
    let (data, _) = watched(3, Watch::default());
    let first = |sampler: &Sampler| data.batches(2).sampler(sampler, Seed(0)).next().unwrap();
    let error = first(&Sampler::weighted(&[1.0; 4]).unwrap()).unwrap_err().to_string();
    assert!(error.contains("3 weights") && error.contains("one of 4"), "{error}");
    let few = Sampler::weighted(&[1.0, 0.0, 2.0]).unwrap().replacement(Replacement::Without);
    let error = first(&few).unwrap_err().to_string();
    assert!(error.contains("at most 2 draws") && error.contains("got 3"), "{error}");
    assert!(first(&few.draws(2)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn without_replacement_none_comes_twice(
        weights in proptest::collection::vec(0.0..5.0_f64, 1..60), seed in any::<u64>(), size in 1..9_usize
    ) {
        let positive = weights.iter().filter(|weight| **weight > 0.0).count();
        prop_assume!(positive > 0);
        let (data, _) = watched(weights.len(), Watch::default());
        let sampler = Sampler::weighted(&weights).unwrap().replacement(Replacement::Without).draws(positive);
        let mut drawn: Vec<usize> = data
            .batches(size).sampler(&sampler, Seed(seed)).workers(2)
            .flat_map(|batch| batch.unwrap().indices).collect();
        drawn.sort_unstable();
        let expected: Vec<usize> = (0..weights.len()).filter(|at| weights[*at] > 0.0).collect();
        prop_assert_eq!(drawn, expected);
    }

    #[test]
    fn every_sample_comes_once_whatever_the_settings(
        n in 0..50_usize, size in 1..20_usize, workers in 0..5_usize, prefetch in 0..5_usize, start in 0..4_usize
    ) {
        let (data, _) = watched(n, Watch::default());
        let batches = data.batches(size).shuffle(Seed(n as u64)).workers(workers).prefetch(prefetch);
        let whole: Vec<Vec<usize>> = batches.clone().map(|batch| batch.unwrap().indices).collect();
        prop_assert_eq!(whole.len(), batches.len());
        let mut all = whole.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
        let dropped = batches.clone().drop_last(LastBatch::Drop);
        prop_assert_eq!(dropped.len(), n / size);
        let dropped: Vec<Vec<usize>> = dropped.map(|batch| batch.unwrap().indices).collect();
        prop_assert_eq!(&dropped[..], &whole[..n / size]);
        let rest: Vec<Vec<usize>> = batches.start_at(start).map(|batch| batch.unwrap().indices).collect();
        prop_assert_eq!(&rest[..], whole.get(start..).unwrap_or_default());
    }
}
