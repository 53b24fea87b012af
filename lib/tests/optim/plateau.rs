//! Lowering the rate on a plateau against PyTorch's, state and refusals.

use sconce::optim::{PlateauState, ReduceOnPlateau};
use serde_json::Value;

use super::schedules::training;
use super::{Any, numbers};

fn plateau(args: &Value) -> ReduceOnPlateau {
    let whole =
        |name: &str, default: u64| usize::try_from(args[name].as_u64().unwrap_or(default)).expect("a usize");
    let number = |name: &str, default: f64| args[name].as_f64().unwrap_or(default);
    let plateau = ReduceOnPlateau::default()
        .patience(whole("patience", 10))
        .cooldown(whole("cooldown", 0))
        .factor(number("factor", 0.1))
        .min_scale(number("min_lr", 0.0) / 0.1);
    let threshold = number("threshold", 1e-4);
    let plateau = match args["threshold_mode"] == "abs" {
        true => plateau.absolute_threshold(threshold),
        false => plateau.threshold(threshold),
    };
    if args["mode"] == "max" { plateau.higher_is_better() } else { plateau }
}

#[test]
fn rates_are_pytorchs_and_go_on_after_json() -> Any {
    let fixture = training();
    let cases = fixture["plateau"].as_array().expect("cases");
    let mut drops = 0;
    for case in cases {
        let args = &case["args"];
        let mut plateau = plateau(args);
        for (at, (value, wanted)) in
            numbers(&case["values"]).into_iter().zip(numbers(&case["lrs"])).enumerate()
        {
            let before = plateau.scale();
            let dropped = plateau.observe(value)?;
            drops += usize::from(dropped.is_some());
            assert_eq!(dropped.unwrap_or(before), plateau.scale());
            let got = 0.1 * plateau.scale();
            assert!((got - wanted).abs() <= 1e-9 * wanted, "{args} at {at}: {got}, not {wanted}");
            // As another process would.
            let state: PlateauState = serde_json::from_str(&serde_json::to_string(&plateau.state())?)?;
            assert_eq!(state, plateau.state());
            plateau = self::plateau(args);
            plateau.restore(state);
        }
    }
    assert_eq!(cases.len(), 7);
    assert!(drops > 10, "only {drops}");
    Ok(())
}

#[test]
fn below_zero_a_worse_value_is_worse() -> Any {
    let mut plateau = ReduceOnPlateau::default().patience(0).threshold(0.1);
    assert_eq!(plateau.observe(-1.0)?, None);
    assert_eq!(plateau.observe(-0.95)?, Some(0.1));
    assert_eq!(plateau.best(), Some(-1.0));
    Ok(())
}

#[test]
fn bad_settings_and_values_are_refused() {
    let of = ReduceOnPlateau::default;
    let cases = [
        (of().factor(1.0), 1.0, "factor"),
        (of().factor(0.0), 1.0, "factor"),
        (of().min_scale(1.5), 1.0, "min_scale"),
        (of().threshold(1.0), 1.0, "threshold"),
        (of().absolute_threshold(f64::NAN), 1.0, "absolute threshold"),
        (of(), f64::NAN, "finite value"),
        (of(), f64::INFINITY, "finite value"),
    ];
    for (mut plateau, value, named) in cases {
        let error = plateau.observe(value).expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
        assert_eq!(plateau.best(), None);
    }
    for damaged in [
        r#"{"best":"NaN","bad":0,"cooldown":0,"scale":null}"#,
        r#"{"best":"x","bad":0,"cooldown":0,"scale":null}"#,
    ] {
        assert!(serde_json::from_str::<PlateauState>(damaged).is_err());
    }
}
