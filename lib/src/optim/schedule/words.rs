use std::fmt;

use super::{OneCycleConfig, Schedule, Shape, WARMUP_FROM};

/// As it is written in code: `cosine().warmup(10).over(300)`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shape {
            Shape::Step { size, gamma } => write!(f, "step_decay({size}, {gamma})")?,
            Shape::Milestones { milestones, gamma } => write!(f, "multi_step({milestones:?}, {gamma})")?,
            Shape::Exponential { gamma } => write!(f, "exponential({gamma})")?,
            Shape::Linear { start, end } => write!(f, "linear({start}, {end})")?,
            Shape::Polynomial { power } => write!(f, "polynomial({power})")?,
            Shape::Restarts { first, growth: 1 } => write!(f, "cosine_restarts({first})")?,
            Shape::Restarts { first, growth } => write!(f, "cosine_restarts({first}).growing({growth})")?,
            Shape::OneCycle(config) if *config != OneCycleConfig::default() => {
                write!(f, "Schedule::from({config:?})")?;
            }
            Shape::Constant | Shape::Cosine | Shape::OneCycle(_) | Shape::Growing(_) => {
                write!(f, "{}()", self.shape.name())?;
            }
        }
        if self.warmup > 0 {
            write!(f, ".warmup({})", self.warmup)?;
            if self.warmup_from != WARMUP_FROM {
                write!(f, ".warmup_from({})", self.warmup_from)?;
            }
        }
        if self.floor > 0.0 {
            write!(f, ".floor({})", self.floor)?;
        }
        match self.length {
            Some(length) => write!(f, ".over({length})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{cosine, cosine_restarts, step_decay};

    #[test]
    fn schedules_read_as_they_are_written() {
        assert_eq!(
            cosine().warmup(10).floor(1e-5).over(300).to_string(),
            "cosine().warmup(10).floor(0.00001).over(300)"
        );
        assert_eq!(cosine_restarts(10).growing(2).to_string(), "cosine_restarts(10).growing(2)");
        assert_eq!(step_decay(30, 0.1).to_string(), "step_decay(30, 0.1)");
    }
}
