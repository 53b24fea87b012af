//! Values where they do not belong: in another model, or after their own is built.

use sconce::Result;
use sconce::nn::{Model, Value};

fn refusal(input: [usize; 3], layers: impl FnOnce(Value) -> Value) -> String {
    Model::build(input, layers).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn values_of_another_model_are_refused() {
    let mut leaked = None;
    Model::build([1, 8, 8], |x| {
        leaked = Some(x.clone());
        x.relu()
    })
    .unwrap();
    let leaked = leaked.unwrap();
    let error = refusal([1, 8, 8], |_| leaked.relu());
    assert!(error.starts_with("Model::build: expected a value made from the closure's argument"), "{error}");
    let error = refusal([1, 8, 8], |x| &x + &leaked);
    assert!(error.starts_with("add \"add_1\": expected values of one model"), "{error}");
}

#[test]
fn a_value_that_outlives_its_model_harms_nothing() -> Result<()> {
    let mut kept = None;
    let net = Model::build([3, 8, 8], |x| {
        let y = x.conv2d(4, 3).relu();
        kept = Some(y.clone());
        y
    })?;
    let kept = kept.unwrap();
    // What is built on it goes nowhere.
    assert_eq!(kept.shape(), Some(vec![4, 8, 8]));
    assert_eq!(kept.conv2d(5, 3).named("late").shape(), Some(vec![5, 8, 8]));
    assert_eq!(net.graph().nodes().len(), 3);
    let message = refusal([4, 8, 8], |x| x + kept);
    assert!(message.contains("a value of another model"), "{message}");
    Ok(())
}
