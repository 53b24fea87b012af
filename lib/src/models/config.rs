use crate::{Error, Result};

/// What to change about an architecture; the default changes nothing, and each architecture has its own published
/// values ([`super::ModelEntry::defaults`]).
///
/// ```
/// use sconce::models::ModelConfig;
///
/// let config = ModelConfig::default().num_classes(10).image([1, 64, 64]).dropout(0.1);
/// assert_eq!(config.num_classes, Some(10));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The number of classes.
    pub num_classes: Option<usize>,
    /// [C, H, W] of the images.
    pub image: Option<[usize; 3]>,
    /// The share of the values that dropout sets to 0, in `[0, 1)`.
    pub dropout: Option<f64>,
    /// The share of the images for which the last residual block is left out, in `[0, 1)`; earlier blocks have less.
    pub stochastic_depth: Option<f64>,
}

impl ModelConfig {
    /// With so many classes.
    #[must_use]
    pub fn num_classes(mut self, num_classes: usize) -> ModelConfig {
        self.num_classes = Some(num_classes);
        self
    }

    /// For images of `image` = [C, H, W]: channels, height and width in pixels.
    #[must_use]
    pub fn image(mut self, image: [usize; 3]) -> ModelConfig {
        self.image = Some(image);
        self
    }

    /// With this dropout, in `[0, 1)`.
    #[must_use]
    pub fn dropout(mut self, p: f64) -> ModelConfig {
        self.dropout = Some(p);
        self
    }

    /// With this stochastic depth (Huang et al. 2016), in `[0, 1)`.
    #[must_use]
    pub fn stochastic_depth(mut self, p: f64) -> ModelConfig {
        self.stochastic_depth = Some(p);
        self
    }

    /// What the architecture `name`, whose own settings are `defaults`, is built with.
    pub(super) fn over(self, name: &str, defaults: Settings) -> Result<Settings> {
        Ok(Settings {
            num_classes: self.num_classes.unwrap_or(defaults.num_classes),
            image: self.image.unwrap_or(defaults.image),
            dropout: probability(name, "dropout", self.dropout, defaults.dropout)?,
            stochastic_depth: probability(
                name,
                "stochastic depth",
                self.stochastic_depth,
                defaults.stochastic_depth,
            )?,
        })
    }
}

/// What was chosen, or else the architecture's own. An option that would change nothing is refused.
fn probability(name: &str, what: &str, chosen: Option<f64>, own: Option<f64>) -> Result<Option<f64>> {
    let Some(p) = chosen else { return Ok(own) };
    let refused = |expected: String, hint: &str| Error::Argument {
        op: format!("models::create({name:?})"),
        expected,
        got: format!("{what} {p}"),
        hint: hint.into(),
    };
    if own.is_none() {
        return Err(refused(format!("no {what}: this architecture has none"), "Leave it out of the config."));
    }
    if !(0.0..1.0).contains(&p) {
        return Err(refused(format!("{what} of at least 0 and less than 1"), "It is a share of all values."));
    }
    Ok(Some(p))
}

/// All that an architecture is built with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The number of classes.
    pub num_classes: usize,
    /// [C, H, W] of the images.
    pub image: [usize; 3],
    /// The share of the values that dropout sets to 0; `None` if the architecture has no dropout.
    pub dropout: Option<f64>,
    /// The share of the images for which the last residual block is left out; `None` if the architecture has no
    /// stochastic depth.
    pub stochastic_depth: Option<f64>,
}

impl Settings {
    /// As models of ImageNet are published: 1000 classes, 224 × 224 pixels in three colours.
    pub(super) const IMAGENET: Settings =
        Settings { num_classes: 1000, image: [3, 224, 224], dropout: None, stochastic_depth: None };

    /// Refuses images whose sides the architecture `name` cannot cut into squares of `side` pixels.
    pub(super) fn check_multiple_of(&self, name: &str, side: usize) -> Result<()> {
        let [_, height, width] = self.image;
        if height.is_multiple_of(side) && width.is_multiple_of(side) {
            return Ok(());
        }
        let down = [height, width].map(|pixels| (pixels / side * side).max(side));
        Err(Error::Argument {
            op: format!("models::create, {name}"),
            expected: format!("images whose height and width are multiples of {side} pixels"),
            got: format!("{height} x {width}"),
            hint: format!("Resize them, for example to {} x {}.", down[0], down[1]),
        })
    }

    pub(super) const fn with_dropout(self, p: f64) -> Settings {
        Settings { dropout: Some(p), ..self }
    }

    pub(super) const fn with_stochastic_depth(self, p: f64) -> Settings {
        Settings { stochastic_depth: Some(p), ..self }
    }
}
