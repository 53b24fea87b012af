#![allow(missing_docs, unused)]
use sconce::prelude::*;
use sconce::rich::{Rich, display}; use sconce::data::datasets;
fn show(x: impl Rich) { std::fs::create_dir_all("/tmp/scratch/l3out").unwrap(); let b = x.rich(); println!("{}", b.plain().unwrap());
 static N: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
 let n = N.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
 for (m, c) in &b.forms { let ext = match m.as_str() {"text/html"=>"html","image/svg+xml"=>"svg","image/png"=>"png",_=>"txt"};
  let bytes = match c { sconce_display::Content::Text(t)|sconce_display::Content::Json(t)=>t.clone().into_bytes(), sconce_display::Content::Bytes(b)=>b.clone()};
  std::fs::write(format!("/tmp/scratch/l3out/{n}.{ext}"), bytes).unwrap(); } }
#[test] fn notebook() -> std::result::Result<(), Box<dyn std::error::Error>> {
let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
show(data.train.show_batch(32));
let architecture = Model::build([1, 8, 8], |x| {
    let x = x.conv2d(32, 3).batch_norm().relu().named("stem");
    let y = x.conv2d(32, 3).batch_norm().relu().conv2d(32, 3).batch_norm();
    let x = (x + y).relu().max_pool2d(2); // (32, 4, 4)
    let x = x.conv2d(64, 3).batch_norm().relu();
    let y = x.conv2d(64, 3).batch_norm().relu().conv2d(64, 3).batch_norm();
    (x + y).relu().global_avg_pool().dropout(0.2).linear(10)
})?;
let model = architecture.init(Seed(42), &Device::Cpu)?;
show(model.summary());
let mut learner = Learner::new(model, data)
    .loss(cross_entropy())
    .optimizer(adamw(3e-3))
    .metric(accuracy())
    .seed(Seed(42));
learner.fit(12)?;
learner.set_learning_rate(3e-4)?;
let history = learner.fit(4)?;
show(history.table());
show(history.curves());
let evaluation = learner.evaluate(Split::Test)?;
let test_accuracy = evaluation.metric("accuracy")?;
assert!(test_accuracy >= 0.98, "the accuracy on the test part is only {test_accuracy:.4}");
show(evaluation.clone());
show(evaluation.confusion_matrix());
let images = learner.data().test.images();
show(learner.predict(&images.i(..8)?)?);
let (image, label) = learner.data().test.get(0)?;
println!("a handwritten {label}");
display(&image);
show(learner.model()?.feature_maps(&image, "stem")?);
let path = std::env::temp_dir().join(format!("digits-{}.safetensors", std::process::id()));
learner.model()?.save(&path)?;

let loaded = architecture.init(Seed(7), &Device::Cpu)?;
loaded.load(&path)?;
std::fs::remove_file(&path)?;
let before = learner.model()?.forward(&images, Mode::Eval)?;
let after = loaded.forward(&images, Mode::Eval)?;
assert_eq!(before.to_vec2::<f32>()?, after.to_vec2::<f32>()?);
println!("the same predictions for all {} images", images.dim(0)?);
Ok(()) }
