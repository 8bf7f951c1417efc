//! The table of sets, and random numbers for them.

use morphograd_sets::tensor::{Shape, Tensor};
use morphograd_sets::*;
use proptest::prelude::*;

/// A set for some shape.
pub(super) struct Entry {
    /// As in the tables of the documents.
    pub(super) name: &'static str,
    pub(super) set: Box<dyn Member>,
    pub(super) shape: Shape,
    /// What the projection is computed to.
    pub(super) tolerance: f64,
    /// How far a step along a tangent direction may lead out: `curvature` times the square of its
    /// length.
    pub(super) curvature: f64,
}

impl Entry {
    fn new(name: &'static str, shape: impl Into<Shape>, set: impl Member + 'static) -> Self {
        let (set, shape): (Box<dyn Member>, _) = (Box::new(set), shape.into());
        Self { name, set, shape, tolerance: 1e-12, curvature: 0.0 }
    }

    fn curved(self, curvature: f64) -> Self {
        Self { curvature, ..self }
    }

    fn within(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    pub(super) fn double(&self) -> &dyn Constraint<f64> {
        &*self.set
    }

    pub(super) fn single(&self) -> &dyn Constraint<f32> {
        &*self.set
    }
}

fn matrix(rows: usize, columns: usize) -> Tensor<f64> {
    let entry = |i: usize| ((i * 7 + 3) % 5) as f64 - 1.5 + (i as f64 * 0.7).sin();
    Tensor::from_vec([rows, columns], (0..rows * columns).map(entry).collect()).unwrap()
}

/// Every set of the crate that is a projection, 12 entries each.
pub(super) fn sets() -> Vec<Entry> {
    let v = [12];
    let normal: Vec<f64> = matrix(1, 12).data().to_vec();
    let affine = Affine::new(&matrix(3, 12), &[1.0, -0.5, 0.25]).unwrap();
    let bends = (1..11).map(|i| (vec![(i - 1, 1.0), (i, -2.0), (i + 1, 1.0)], 0.0));
    let mut signs = matrix(1, 12);
    signs.data_mut()[3] = 0.0;
    let orthant = Bounds::orthant(&Tensor::from_vec(v, signs.data().to_vec()).unwrap());
    let bounds = Bounds {
        min: Tensor::from_vec(v, (0..12).map(|i| -0.1 * f64::from(i)).collect()).unwrap(),
        max: Tensor::from_vec(v, (0..12).map(|i| 0.3 * f64::from(i % 3)).collect()).unwrap(),
    };
    let both = || Intersection::of(Interval { min: -1.0, max: 1.0 }).and(FixedSum { sum: 0.0 });
    vec![
        Entry::new("NonNegative", v, NonNegative),
        Entry::new("NonPositive", v, NonPositive),
        Entry::new("Interval", v, Interval { min: -1.0, max: 0.5 }),
        Entry::new("Bounds", v, bounds),
        Entry::new("orthant", v, orthant),
        Entry::new("decimals", v, Grid::decimals(1)),
        Entry::new("Grid", v, Grid { origin: 0.1, step: 0.7, min: -1.0, max: 2.0 }),
        Entry::new("FixedSum", v, FixedSum { sum: 1.5 }),
        Entry::new("FixedMean", v, FixedMean { mean: -0.25 }),
        Entry::new("Hyperplane", v, Hyperplane { normal: normal.clone(), offset: 1.0 }),
        Entry::new("Halfspace", v, Halfspace { normal, offset: -1.0 }),
        Entry::new("Affine", v, affine),
        Entry::new("Polyhedron", v, Polyhedron::new(12, bends).unwrap()).within(1e-11),
        Entry::new("L1Ball", v, L1Ball { radius: 3.0 }),
        Entry::new("KSparsePolytope", v, KSparsePolytope { count: 3, size: 0.75 }),
        Entry::new("L2Ball", v, L2Ball { radius: 1.5 }).curved(1.0),
        Entry::new("LInfBall", v, LInfBall { radius: 0.75 }),
        Entry::new("Sphere", v, Sphere { radius: 1.5 }).curved(1.0),
        Entry::new("Annulus", v, Annulus { min: 2.0, max: 3.0 }).curved(1.0),
        Entry::new("Simplex", v, Simplex { sum: 2.0 }),
        Entry::new("CappedSimplex", v, CappedSimplex { sum: 4.0, cap: 0.75 }),
        Entry::new("Isotonic", v, Isotonic::NonDecreasing),
        Entry::new("Isotonic", v, Isotonic::NonIncreasing),
        Entry::new("Cardinality", v, Cardinality { count: 5 }),
        Entry::new("Rank", [4, 3], Rank { rank: 2 }).within(1e-11).curved(4.0),
        Entry::new("SpectralBall", [3, 4], SpectralBall { radius: 1.5 }).within(1e-11).curved(4.0),
        Entry::new("NuclearBall", [2, 2, 3], NuclearBall { radius: 2.5 }).within(1e-11).curved(4.0),
        Entry::new("PositiveSemidefinite", [3, 3], PositiveSemidefinite).within(1e-11).curved(4.0),
        Entry::new("OrthonormalColumns", [4, 3], OrthonormalColumns).within(1e-11).curved(4.0),
        Entry::new("Intersection", v, both()).within(1e-6),
        // Groups.
        Entry::new("Per", [2, 3, 2], Per::filter(L2Ball { radius: 1.0 })).curved(2.0),
        Entry::new("Per", [2, 3, 2], Per::channel(Simplex { sum: 1.0 })),
        Entry::new("Per", [2, 3, 2], Per::axes([1], Isotonic::NonDecreasing)),
        Entry::new("Per", [2, 3, 2], Per::axes([0, 2], FixedMean { mean: 0.5 })),
        Entry::new("Per", [2, 3, 2], Per::channel(Rank { rank: 1 })).within(1e-11).curved(4.0),
        Entry::new("Per", [2, 3, 2], Per::axes([], Interval { min: 0.0, max: 0.5 })),
        Entry::new("Per", [3, 2, 2], Per::filter(L1Ball { radius: 1.0 })),
        Entry::new("Per", [4, 3, 1], Per::channel(Sphere { radius: 1.0 })).curved(2.0),
    ]
}

/// The sets with inequalities that hold coordinates, which they count. `Per` counts if its set
/// does.
pub(super) const COUNTED: [&str; 19] = [
    "NonNegative",
    "NonPositive",
    "Interval",
    "Bounds",
    "orthant",
    "Halfspace",
    "Polyhedron",
    "L1Ball",
    "KSparsePolytope",
    "L2Ball",
    "LInfBall",
    "Annulus",
    "Simplex",
    "CappedSimplex",
    "Isotonic",
    "Cardinality",
    "SpectralBall",
    "NuclearBall",
    "PositiveSemidefinite",
];

/// Numbers of which some are equal and some 0, so that bounds and ties are met.
pub(super) fn number() -> impl Strategy<Value = f64> {
    prop_oneof![3 => -3.0..3.0f64, 1 => (-4..4i8).prop_map(|i| f64::from(i) / 2.0)]
}
