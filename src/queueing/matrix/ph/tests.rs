use super::*;
use crate::queueing::Law;
use approx::assert_relative_eq;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn random(rng: &mut ChaCha8Rng, n: usize) -> PhaseType {
    let start: Vec<f64> = (0..n).map(|_| rng.random::<f64>() + 0.01).collect();
    let total: f64 = start.iter().sum();
    let start: Vec<f64> = start.iter().map(|p| p / total).collect();
    let mut rates: Vec<Vec<f64>> = (0..n).map(|_| (0..n).map(|_| rng.random()).collect()).collect();
    for (i, row) in rates.iter_mut().enumerate() {
        row[i] = 0.0;
        row[i] = -row.iter().sum::<f64>() - rng.random::<f64>() - 0.1;
    }
    PhaseType::new(&start, &rates).unwrap()
}

#[test]
fn families_are_those_of_law() {
    let branches = [(0.3, 0.5), (0.7, 4.0)];
    let pairs = [
        (PhaseType::exponential(1.7).unwrap(), Law::exponential(1.7).unwrap()),
        (PhaseType::erlang(1.7, 5).unwrap(), Law::erlang(1.7, 5).unwrap()),
        (PhaseType::hyperexponential(&branches).unwrap(), Law::hyperexponential(&branches).unwrap()),
    ];
    for (phases, law) in pairs {
        for k in 1..5 {
            assert_relative_eq!(phases.moment(k), law.moment(k), max_relative = 1e-12);
        }
        for x in [0.0, 0.2, 1.0, 5.0, 40.0] {
            assert_relative_eq!(phases.survival(x), law.survival(x), max_relative = 1e-11);
            assert_relative_eq!(phases.density(x), law.density(x), max_relative = 1e-11, epsilon = 1e-300);
        }
    }
}

#[test]
fn closures_hold() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for n in 1..5 {
        let (a, b) = (random(&mut rng, n), random(&mut rng, 3));
        let (sum, least) = (a.then(&b), a.minimum(&b));
        assert_relative_eq!(sum.mean_s(), a.mean_s() + b.mean_s(), max_relative = 1e-12);
        let s = 0.7;
        let product = a.transform(s).unwrap() * b.transform(s).unwrap();
        assert_relative_eq!(sum.transform(s).unwrap(), product, max_relative = 1e-12);
        assert_relative_eq!(least.survival(0.9), a.survival(0.9) * b.survival(0.9), max_relative = 1e-12);
        let mixed = PhaseType::mixture(&[(0.25, a.clone()), (0.75, b.clone())]).unwrap();
        assert_relative_eq!(mixed.density(0.4), 0.25 * a.density(0.4) + 0.75 * b.density(0.4), max_relative = 1e-12);
        for p in [0.0, 0.01, 0.5, 0.99, 1.0 - 1e-9] {
            assert_relative_eq!(a.survival(a.quantile_s(p).unwrap()), 1.0 - p, max_relative = 1e-11);
        }
        let wide = a.scaled(3.0).unwrap();
        assert_relative_eq!(wide.quantile_s(0.9).unwrap(), 3.0 * a.quantile_s(0.9).unwrap(), max_relative = 1e-12);
    }
}

#[test]
fn stiff_laws_are_evaluated_too() {
    let law = PhaseType::hyperexponential(&[(0.5, 1e6), (0.5, 1.0)]).unwrap();
    assert_relative_eq!(law.survival(2.0), 0.5 * (-2.0_f64).exp(), max_relative = 1e-9);
    assert_eq!((law.survival(f64::INFINITY), law.survival(0.0)), (0.0, 1.0));
}

#[test]
fn samples_have_the_mean() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let law = random(&mut rng, 4);
    let n = 100_000;
    let mean = (0..n).map(|_| law.sample(&mut rng)).sum::<f64>() / f64::from(n);
    assert!((mean / law.mean_s() - 1.0).abs() < 4.5 * (law.squared_cv() / f64::from(n)).sqrt());
}

#[test]
fn what_is_no_phase_type_law_is_refused() {
    let fine = vec![vec![-1.0]];
    assert!(PhaseType::new(&[0.9], &fine).is_err() && PhaseType::new(&[1.1], &fine).is_err());
    assert!(PhaseType::new(&[-1.0], &fine).is_err() && PhaseType::new(&[f64::NAN], &fine).is_err());
    assert!(PhaseType::new(&[], &[]).is_err() && PhaseType::new(&[1.0, 0.0], &fine).is_err());
    assert!(PhaseType::new(&[1.0], &[vec![1.0]]).is_err() && PhaseType::new(&[1.0], &[vec![0.0]]).is_err());
    assert!(PhaseType::new(&[1.0], &[vec![f64::INFINITY]]).is_err());
    let trap = [vec![-1.0, 1.0], vec![1.0, -1.0]];
    assert!(matches!(PhaseType::new(&[1.0, 0.0], &trap), Err(QueueError::Parameter { name: "rates", .. })));
    assert!(PhaseType::new(&[1.0, 0.0], &[vec![-1.0, -1.0], vec![0.0, -1.0]]).is_err());
    assert!(PhaseType::new(&[1.0, 0.0], &[vec![-1.0, 1.0], vec![0.0]]).is_err());
    assert!(PhaseType::erlang(1.0, 0).is_err() && PhaseType::exponential(-1.0).is_err());
    assert!(PhaseType::coxian(&[]).is_err() && PhaseType::coxian(&[(1.0, 1.5)]).is_err());
    assert!(PhaseType::hyperexponential(&[]).is_err() && PhaseType::mixture(&[]).is_err());
    assert!(PhaseType::exponential(1.0).unwrap().quantile_s(1.0).is_err());
    assert!(PhaseType::exponential(1.0).unwrap().transform(f64::NAN).is_err());
}
