//! Constrained regression on plain slices: which mixture of three pigments gives a measured colour?
//! Shares are not negative and add up to 1.

use morphograd_sets::solve::{FrankWolfe, Method, Objective, ProjectedGradient};
use morphograd_sets::{Constraint, Simplex};

/// Reflectance of each pigment at four wavelengths.
const PIGMENTS: [[f64; 3]; 4] =
    [[0.9, 0.1, 0.2], [0.7, 0.2, 0.3], [0.3, 0.6, 0.4], [0.1, 0.8, 0.9]];

/// Half the sum of squared residuals, and its gradient.
fn squares(measured: &[f64; 4], shares: &[f64], gradient: &mut [f64]) -> f64 {
    gradient.fill(0.0);
    let mut loss = 0.0;
    for (row, y) in PIGMENTS.iter().zip(measured) {
        let residual = row.iter().zip(shares).map(|(x, w)| x * w).sum::<f64>() - y;
        loss += 0.5 * residual * residual;
        gradient.iter_mut().zip(row).for_each(|(g, x)| *g += residual * x);
    }
    loss
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Seven parts of the first pigment and three of the second, and some noise.
    let measured = [0.67, 0.54, 0.38, 0.31];
    let (simplex, mut shares) = (Simplex { sum: 1.0 }, [1.0 / 3.0; 3]);
    let objective = Objective::new(&simplex, [3], &mut shares, |w, g| squares(&measured, w, g))?;
    let method = ProjectedGradient { accelerated: true, ..ProjectedGradient::default() };
    let solution = method.minimize(objective)?;
    println!("{shares:.3?} after {} steps", solution.iterations);
    assert!(solution.converged && simplex.contains([3].into(), &shares));
    // Without a projection, and with a bound on how much better any mixture could be.
    let mut again = [1.0, 0.0, 0.0];
    let objective = Objective::new(&simplex, [3], &mut again, |w, g| squares(&measured, w, g))?;
    let method = FrankWolfe { tolerance: 1e-5, ..FrankWolfe::default() };
    println!("{again:.3?}, at most {:.0e} above the least", method.minimize(objective)?.measure);
    Ok(())
}
