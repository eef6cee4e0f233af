//! How regular or bursty a trace is, and how its lengths hang together.

use super::Trace;

/// Index of dispersion of counts, I(w) = Var N / E N for the number N of arrivals in a window of w seconds: 1 for Poisson
/// arrivals at every w, growing with w when the rate itself moves. Windows begin at the first arrival; only whole ones
/// count. None with fewer than two windows.
/// Reference: Gusella, "Characterizing the variability of arrival processes with indexes of dispersion", IEEE JSAC 1991.
#[must_use]
pub fn index_of_dispersion(trace: &Trace, window_s: f64) -> Option<f64> {
    let first = trace.first()?.arrival;
    let last = trace.last()?.arrival;
    let windows = ((last - first).seconds() / window_s).floor();
    if !(window_s > 0.0 && (2.0..1e9).contains(&windows)) {
        return None;
    }
    let mut moments = (0.0, 0.0);
    let mut close = |count: u64| {
        let count = count as f64;
        moments = (moments.0 + count, moments.1 + count * count);
    };
    let (mut window, mut count) = (0, 0);
    for request in trace {
        let place = ((request.arrival - first).seconds() / window_s) as u64;
        if place != window {
            close(std::mem::take(&mut count));
            window = place;
        }
        if place >= windows as u64 {
            break;
        }
        count += 1;
    }
    close(count);
    // Sums of whole numbers below 2⁵³ are exact.
    let (sum, squares) = moments;
    let mean = sum / windows;
    (mean > 0.0).then(|| (squares / windows - mean * mean).max(0.0) / mean)
}

/// Coefficient of variation of the interarrival times; none with fewer than three requests or when all arrive at once.
#[must_use]
pub fn interarrival_cv(trace: &Trace) -> Option<f64> {
    let gaps = || trace.iter().zip(trace.iter().skip(1)).map(|(one, next)| (next.arrival - one.arrival).seconds());
    let (mean, variance) = mean_and_variance(gaps)?;
    (mean > 0.0).then_some(variance.sqrt() / mean)
}

/// Pearson's correlation of prompt and output lengths; none with fewer than two requests or when one length never varies.
#[must_use]
pub fn length_correlation(trace: &Trace) -> Option<f64> {
    let prompts = || trace.iter().map(|request| request.prompt as f64);
    let outputs = || trace.iter().map(|request| request.output as f64);
    let (prompt_mean, prompt_variance) = mean_and_variance(prompts)?;
    let (output_mean, output_variance) = mean_and_variance(outputs)?;
    let products = prompts().zip(outputs()).map(|(s, o)| (s - prompt_mean) * (o - output_mean));
    let covariance = products.sum::<f64>() / trace.len() as f64;
    let scale = (prompt_variance * output_variance).sqrt();
    (scale > 0.0).then_some(covariance / scale)
}

/// Mean and variance of the values as they are (divisor n); none for fewer than two.
fn mean_and_variance<Values: Iterator<Item = f64>>(values: impl Fn() -> Values) -> Option<(f64, f64)> {
    let (count, sum) = values().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    if count < 2.0 {
        return None;
    }
    let mean = sum / count;
    Some((mean, values().map(|value| (value - mean).powi(2)).sum::<f64>() / count))
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;
    use crate::scenario::trace::read;

    fn trace(rows: &str) -> Trace {
        read("test", &format!("arrival_time,prefill_length,decode_length\n{rows}")).unwrap()
    }

    #[test]
    fn regular_arrivals_have_no_dispersion() {
        let even = trace("0,1,3\n1,2,2\n2,3,1\n3,4,1\n4,4,1\n");
        assert_eq!(index_of_dispersion(&even, 1.0), Some(0.0));
        assert_eq!(interarrival_cv(&even), Some(0.0));
    }

    #[test]
    fn figures_of_a_small_trace_by_hand() {
        // Gaps 1, 3; counts in windows of 2 s: 2, 0 (mean 1, variance 1).
        let small = trace("10,1,3\n11,2,2\n14,3,1\n");
        assert_eq!(index_of_dispersion(&small, 2.0), Some(1.0));
        assert_eq!(interarrival_cv(&small), Some(0.5));
        assert_relative_eq!(length_correlation(&small).unwrap(), -1.0, epsilon = 1e-15);
    }

    #[test]
    fn too_little_data_has_no_figure() {
        let together = trace("1,5,5\n1,5,5\n1,5,5\n");
        assert_eq!(index_of_dispersion(&together, 1.0), None);
        assert_eq!(interarrival_cv(&together), None);
        assert_eq!(length_correlation(&together), None);
        assert_eq!(index_of_dispersion(&trace("0,1,1\n9,1,1\n"), f64::NAN), None);
    }
}
