//! Medians, and what can be claimed of them.

use serde::{Deserialize, Serialize};

/// A ratio of two medians, and between what bounds it lies with a probability of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ratio {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Ratio {
    /// Whether anything can be claimed: that the one differs from the other.
    pub fn is_clear(&self) -> bool {
        self.high < 1.0 || self.low > 1.0
    }

    /// Of `part` to `whole`, which were measured in turn; None: too few.
    pub fn of(part: &[f64], whole: &[f64]) -> Option<Self> {
        const ROUNDS: usize = 1000;
        if part.len() < 5 || whole.len() < 5 {
            return None;
        }
        // The same samples shall give the same bounds.
        let mut chance = fastrand::Rng::with_seed(1);
        let mut again = |from: &[f64]| {
            let mut drawn: Vec<f64> = (0..from.len())
                .map(|_| from[chance.usize(..from.len())])
                .collect();
            median(&mut drawn)
        };
        let mut ratios: Vec<f64> = (0..ROUNDS).map(|_| again(part) / again(whole)).collect();
        ratios.sort_by(f64::total_cmp);
        Some(Self {
            median: median(&mut part.to_vec()) / median(&mut whole.to_vec()),
            low: ratios[ROUNDS / 40],
            high: ratios[ROUNDS - 1 - ROUNDS / 40],
        })
    }
}

/// 0 of nothing.
pub fn median(of: &mut [f64]) -> f64 {
    of.sort_by(f64::total_cmp);
    match of.len() {
        0 => 0.0,
        n if n % 2 == 1 => of[n / 2],
        n => (of[n / 2 - 1] + of[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_one_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&mut []), 0.0);
    }

    #[test]
    fn the_same_twice_is_no_difference() {
        let mut chance = fastrand::Rng::with_seed(7);
        let mut samples = || (0..40).map(|_| 1.0 + chance.f64()).collect::<Vec<_>>();
        let ratio = Ratio::of(&samples(), &samples()).expect("enough of them");
        assert!(!ratio.is_clear(), "{ratio:?}");
    }

    #[test]
    fn half_is_half() {
        let whole: Vec<f64> = (0..40).map(|n| 100.0 + f64::from(n % 7)).collect();
        let part: Vec<f64> = whole.iter().map(|n| n / 2.0).collect();
        let ratio = Ratio::of(&part, &whole).expect("enough of them");
        assert!(
            ratio.is_clear() && (ratio.median - 0.5).abs() < 1e-9,
            "{ratio:?}"
        );
        assert!(ratio.low <= 0.5 && 0.5 <= ratio.high);
    }

    #[test]
    fn a_few_are_not_enough() {
        assert_eq!(Ratio::of(&[1.0; 4], &[1.0; 40]), None);
    }
}
