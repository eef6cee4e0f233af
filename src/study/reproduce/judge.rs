//! Published figures beside ours.

use super::{Frame, Level, Part, Published, Solver};
use crate::study::sweep::{Datum, Side};

/// How a published figure and ours stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As close as it must be.
    Agrees,
    /// It need not agree; the study says why.
    Explained,
    /// It must agree and does not.
    Differs,
    /// Ours has no such figure, and it need not agree.
    Absent,
}

impl Verdict {
    /// The verdict as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Explained => "explained",
            Self::Differs => "DIFFERS",
            Self::Absent => "none",
        }
    }
}

/// One published figure beside ours.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Labels of its point.
    pub labels: Vec<String>,
    /// Where it stands in a picture, axis by axis.
    pub xs: Vec<Option<f64>>,
    /// Key of its quantity.
    pub quantity: String,
    /// The published figure.
    pub published: f64,
    /// Ours, from the solver that it is held against.
    pub ours: Option<Datum>,
    /// Theory's, where the engine's is the one held against it.
    pub theory: Option<Datum>,
    /// How they stand to each other.
    pub verdict: Verdict,
    /// Where it was published.
    pub place: String,
    /// Why ours differs, or what makes it the same.
    pub why: String,
}

/// Every published figure whose cell is in the frame.
pub fn judge(part: &Part, frame: &Frame) -> Vec<Judged> {
    part.published.iter().flat_map(|published| judged(part, frame, published)).collect()
}

fn judged(part: &Part, frame: &Frame, published: &Published) -> Vec<Judged> {
    frame
        .points
        .iter()
        .zip(&frame.rows)
        .filter_map(|(point, row)| {
            let value = published_at(part, published, &point.labels).filter(|value| !value.is_nan())?;
            let of = |side: Side| frame.cell(row, &published.quantity, side);
            let (theory, engine) = (of(Side::Theory), of(Side::Engine));
            let ours = match published.solver {
                Some(Solver::Analytic) => theory,
                Some(_) => engine,
                None if part.has_engine() => engine,
                None => theory,
            };
            Some(Judged {
                labels: point.labels.clone(),
                xs: point.xs.clone(),
                quantity: published.quantity.clone(),
                published: value,
                ours: ours.cloned(),
                theory: theory.filter(|_| ours != theory).cloned(),
                verdict: verdict(published, value, ours),
                place: published.place.clone(),
                why: published.why.clone(),
            })
        })
        .collect()
}

/// The published figure at a point, if this entry has one there.
fn published_at(part: &Part, published: &Published, labels: &[String]) -> Option<f64> {
    let mut index = 0;
    for (axis, label) in part.axis.iter().zip(labels) {
        match published.at.get(&axis.name) {
            Some(wanted) if wanted != label => return None,
            None => index = axis.values.iter().map(Level::label).position(|level| level == *label)?,
            Some(_) => {}
        }
    }
    published.values.get(index).copied()
}

fn verdict(published: &Published, value: f64, ours: Option<&Datum>) -> Verdict {
    let must = published.agree.is_some() || published.printed.is_some();
    let Some((ours, found)) = ours.and_then(|datum| Some((datum, datum.value()?))) else {
        return if must { Verdict::Differs } else { Verdict::Absent };
    };
    let half = ours.ends().map_or(0.0, |(low, high)| (high - low) / 2.0);
    let room = match (published.agree, published.printed) {
        (Some(share), _) => share * value.abs() + half,
        // Half a digit, and the rounding of the last bits.
        (None, Some(unit)) => 0.5 * unit * (1.0 + 1e-9) + half,
        (None, None) => return Verdict::Explained,
    };
    if (found - value).abs() <= room { Verdict::Agrees } else { Verdict::Differs }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn entry(agree: Option<f64>, printed: Option<f64>) -> Published {
        let text = "quantity = \"q\"\nvalues = [1.0]\nwhere = \"here\"\nwhy = \"so\"";
        Published { agree, printed, ..toml::from_str(text).unwrap() }
    }

    #[test]
    fn a_figure_must_be_as_close_as_the_study_says() {
        let exact = |value: f64| Some(Datum::Number(value));
        let cases = [
            (entry(Some(0.01), None), exact(1.009), Verdict::Agrees),
            (entry(Some(0.01), None), exact(1.011), Verdict::Differs),
            (entry(Some(0.01), None), Some(Datum::Estimate(1.02, 1.0, 1.04)), Verdict::Agrees),
            (entry(Some(0.01), None), None, Verdict::Differs),
            (entry(None, Some(0.1)), exact(1.049), Verdict::Agrees),
            (entry(None, Some(0.1)), exact(1.051), Verdict::Differs),
            (entry(None, None), exact(3.0), Verdict::Explained),
            (entry(None, None), None, Verdict::Absent),
        ];
        for (published, ours, expected) in cases {
            assert_eq!(verdict(&published, 1.0, ours.as_ref()), expected, "{ours:?}");
        }
    }
}
