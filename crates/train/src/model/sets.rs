//! The sets of parameters by name, with their numbers.
//!
//! The one design choice: every set has the field `per`, so that a set of a whole parameter and a
//! set of each filter are one entry.

use morphograd_morphology::nn::autodiff::sets::Constraint;
use morphograd_morphology::nn::sets::combine::per::Along;
use morphograd_morphology::nn::sets::{
    Affine, Annulus, Bounds, CappedSimplex, Cardinality, FixedMean, FixedSum, Grid, Halfspace,
    Hyperplane, Intersection, Interval, Isotonic, KSparsePolytope, L1Ball, L2Ball, LInfBall,
    MaxNorm, Member, MinMaxNorm, NonNegative, NonPositive, NuclearBall, OrthonormalColumns, Per,
    Polyhedron, PositiveSemidefinite, RadialConstraint, Rank, Simplex, SpectralBall, Sphere,
    UnitNorm,
};
use morphograd_morphology::nn::tensor::{Shape, ShapeError, Tensor};
use morphograd_morphology::{
    Concave, ConstantKernel, PixelDistance, RadiallyNonIncreasing, Separable, SupNormalized,
    Support, Symmetric, ZeroCentre,
};

use super::elements::ELEMENT;
use super::fields::{Entry, Fields, Kind, Read};
use super::source::{Data, Value};
use crate::registry::{CONSTRAINTS, KernelConstraint};

/// A set, of a type that is chosen at run time.
pub type Set = Box<dyn Member>;

/// What a set can be; the words of `--constraint` too.
pub const SET: Kind<KernelConstraint> = Kind { what: "a set", entries: SETS, words: CONSTRAINTS };

/// What a member of an intersection can be.
const MEMBER: Kind<Set> = Kind { what: "a set", entries: MEMBERS, words: &[] };

/// The longest side of an axis that a set names.
const MOST: usize = 1_000_000;

/// Defines both tables at once: a set as the constraint of a parameter, and as a member of an
/// intersection.
macro_rules! sets {
    ($($name:literal, $about:literal, $read:expr;)*) => {
        /// The sets as constraints.
        pub const SETS: &[Entry<KernelConstraint>] = &[$(Entry {
            name: $name,
            about: $about,
            read: |f| {
                let read: fn(&mut Fields<'_>) -> Read<Set> = $read;
                let set: Box<dyn Constraint<f32>> = read(f)?;
                Ok(Some(set))
            },
        }),*];

        /// The same sets as members.
        const MEMBERS: &[Entry<Set>] = &[$(Entry { name: $name, about: $about, read: $read }),*];
    };
}

sets! {
    "Affine", "the solutions of linear equations: `matrix` times w is `sums`", |f| {
        let (matrix, sums) = (f.rows("matrix")?, f.numbers("sums")?);
        let columns = matrix[0].len();
        let matrix = tensor(f, &[matrix.len(), columns], matrix.concat())?;
        let set = Affine::new(&matrix, &sums).map_err(|error| refused(f, error))?;
        of_groups(f, set)
    };
    "Annulus", "min <= Euclidean norm <= max", |f| {
        let set = Annulus { min: f.number("min", 0.0)?, max: f.number("max", 1.0)? };
        of_groups(f, set)
    };
    "Bounds", "min <= w <= max with bounds for each entry", |f| {
        let shape = f.wholes("shape", 1..=MOST, vec![1])?;
        let (min, max) = (f.numbers("min")?, f.numbers("max")?);
        let set = Bounds { min: tensor(f, &shape, min)?, max: tensor(f, &shape, max)? };
        of_groups(f, set)
    };
    "CappedSimplex", "0 <= w <= cap with a sum", |f| {
        let set = CappedSimplex { sum: f.number("sum", 1.0)?, cap: f.number("cap", 1.0)? };
        of_groups(f, set)
    };
    "Cardinality", "at most `count` entries that are not 0", |f| {
        let set = Cardinality { count: f.whole("count", 0..=MOST, 1)? };
        of_groups(f, set)
    };
    "Concave", "second differences <= 0 along rows, columns and diagonals", |f| {
        of_groups(f, Concave)
    };
    "ConstantKernel", "all entries of a channel and filter equal, or those on an element", |f| {
        let element = f.choice("element", &ELEMENT, "the whole kernel")?;
        of_groups(f, element.map_or_else(ConstantKernel::default, ConstantKernel::on))
    };
    "FixedMean", "a given mean", |f| {
        let set = FixedMean { mean: f.number("mean", 0.0)? };
        of_groups(f, set)
    };
    "FixedSum", "a given sum", |f| {
        let set = FixedSum { sum: f.number("sum", 1.0)? };
        of_groups(f, set)
    };
    "Grid", "the numbers origin + n step, with whole n from min to max", |f| {
        let set = Grid {
            origin: f.number("origin", 0.0)?,
            step: f.number("step", 1.0)?,
            min: f.number("min", f64::NEG_INFINITY)?,
            max: f.number("max", f64::INFINITY)?,
        };
        of_groups(f, set)
    };
    "Halfspace", "the product with `normal` is at most `offset`", |f| {
        let set = Halfspace { normal: f.numbers("normal")?, offset: f.number("offset", 0.0)? };
        of_groups(f, set)
    };
    "Hyperplane", "the product with `normal` is `offset`", |f| {
        let set = Hyperplane { normal: f.numbers("normal")?, offset: f.number("offset", 0.0)? };
        of_groups(f, set)
    };
    "Intersection", "what lies in each of `sets`, convex ones, by Dykstra's algorithm", |f| {
        let members = f.choices("sets", &MEMBER, "has to be given")?;
        match members {
            Some(members) if !members.is_empty() => {
                let mut members = members.into_iter();
                let first = members.next().map(|set| Intersection {
                    members: vec![set],
                    ..Intersection::of(NonNegative)
                });
                let mut all = first.expect("there is one");
                all.members.extend(members);
                of_groups(f, all)
            }
            _ if f.is_describing() => of_groups(f, NonNegative),
            _ => Err(f.missing("sets", "a list of sets, not empty")),
        }
    };
    "Interval", "min <= w <= max", |f| {
        let set = Interval { min: f.number("min", -1.0)?, max: f.number("max", 1.0)? };
        of_groups(f, set)
    };
    "Isotonic", "entries that do not decrease, or do not increase", |f| {
        const ORDERS: &[(&str, Isotonic)] = &[
            ("non-decreasing", Isotonic::NonDecreasing),
            ("non-increasing", Isotonic::NonIncreasing),
        ];
        let set = f.word("order", ORDERS, Isotonic::NonDecreasing)?;
        of_groups(f, set)
    };
    "KSparsePolytope", "the hull of what has `count` entries of magnitude `size`", |f| {
        let set = KSparsePolytope {
            count: f.whole("count", 1..=MOST, 1)?,
            size: f.number("size", 1.0)?,
        };
        of_groups(f, set)
    };
    "L1Ball", "the sum of magnitudes is at most a radius", |f| {
        let set = L1Ball { radius: f.number("radius", 1.0)? };
        of_groups(f, set)
    };
    "L2Ball", "the Euclidean norm is at most a radius", |f| {
        let set = L2Ball { radius: f.number("radius", 1.0)? };
        of_groups(f, set)
    };
    "LInfBall", "no magnitude is above a radius", |f| {
        let set = LInfBall { radius: f.number("radius", 1.0)? };
        of_groups(f, set)
    };
    "MaxNorm", "Keras' MaxNorm, a rescaling and no projection", |f| {
        let default = MaxNorm::default();
        let set = MaxNorm { max: f.number("max", default.max)?, axes: axes(f, default.axes)? };
        of_groups(f, set)
    };
    "MinMaxNorm", "Keras' MinMaxNorm, a rescaling and no projection", |f| {
        let default = MinMaxNorm::default();
        let set = MinMaxNorm {
            min: f.number("min", default.min)?,
            max: f.number("max", default.max)?,
            rate: f.number("rate", default.rate)?,
            axes: axes(f, default.axes)?,
        };
        of_groups(f, set)
    };
    "NonNegative", "w >= 0", |f| of_groups(f, NonNegative);
    "NonPositive", "w <= 0, with no lower bound", |f| of_groups(f, NonPositive);
    "NuclearBall", "the sum of singular values is at most a radius", |f| {
        let set = NuclearBall { radius: f.number("radius", 1.0)? };
        of_groups(f, set)
    };
    "OrthonormalColumns", "columns of norm 1 at right angles", |f| of_groups(f, OrthonormalColumns);
    "Polyhedron", "the product of `matrix` with w is at most `bounds`", |f| {
        let (matrix, bounds) = (f.rows("matrix")?, f.numbers("bounds")?);
        if matrix.len() != bounds.len() && !f.is_describing() {
            let expected = format!("a bound for each of {} rows", matrix.len());
            return Err(f.conflict(expected, format!("{} bounds", bounds.len())));
        }
        let columns = matrix[0].len();
        let rows = matrix.into_iter().map(|row| row.into_iter().enumerate().collect());
        let set = Polyhedron::new(columns, rows.zip(bounds)).map_err(|error| refused(f, error))?;
        of_groups(f, set)
    };
    "PositiveSemidefinite", "symmetric matrices without negative eigenvalues", |f| {
        of_groups(f, PositiveSemidefinite)
    };
    "RadialConstraint", "Keras' RadialConstraint, a map and no projection", |f| {
        of_groups(f, RadialConstraint)
    };
    "RadiallyNonIncreasing", "no entry above one nearer to the centre", |f| {
        let set = RadiallyNonIncreasing { distance: distance(f)? };
        of_groups(f, set)
    };
    "Rank", "matrices of at most a rank", |f| {
        let set = Rank { rank: f.whole("rank", 0..=MOST, 1)? };
        of_groups(f, set)
    };
    "Separable", "kernels w_ij = a_i + b_j", |f| of_groups(f, Separable);
    "Simplex", "w >= 0 with a sum", |f| {
        let set = Simplex { sum: f.number("sum", 1.0)? };
        of_groups(f, set)
    };
    "SpectralBall", "no singular value is above a radius", |f| {
        let set = SpectralBall { radius: f.number("radius", 1.0)? };
        of_groups(f, set)
    };
    "Sphere", "the Euclidean norm is a radius", |f| {
        let set = Sphere { radius: f.number("radius", 1.0)? };
        of_groups(f, set)
    };
    "SupNormalized", "w <= 0 and the largest entry 0", |f| of_groups(f, SupNormalized);
    "Support", "min <= w <= max on an element, and -inf off it", |f| {
        let element = f.choice("element", &ELEMENT, "has to be given")?;
        let (min, max) = (f.number("min", f64::NEG_INFINITY)?, f.number("max", f64::INFINITY)?);
        match element {
            Some(element) => of_groups(f, Support { min, max, ..Support::of(element) }),
            None if f.is_describing() => of_groups(f, NonNegative),
            None => Err(f.missing("element", ELEMENT.what)),
        }
    };
    "Symmetric", "the same under symmetries of the square", |f| {
        const GROUPS: &[(&str, Symmetric)] = &[
            ("axial", Symmetric::Axial),
            ("central", Symmetric::Central),
            ("dihedral", Symmetric::Dihedral),
            ("left-right", Symmetric::LeftRight),
            ("up-down", Symmetric::UpDown),
        ];
        let set = f.word("group", GROUPS, Symmetric::Dihedral)?;
        of_groups(f, set)
    };
    "UnitNorm", "Keras' UnitNorm, a rescaling and no projection", |f| {
        let set = UnitNorm { axes: axes(f, UnitNorm::default().axes)? };
        of_groups(f, set)
    };
    "ZeroCentre", "min <= w <= max with the centre at 0", |f| {
        let set = ZeroCentre { min: f.number("min", -1.0)?, max: f.number("max", 0.0)? };
        of_groups(f, set)
    };
}

/// The set of the whole parameter, or of each of its groups.
fn of_groups<S: Member + 'static>(f: &mut Fields<'_>, set: S) -> Read<Set> {
    let expected = "\"filter\", \"channel\" or a list of axes: a set for each";
    let along = match f.value("per", expected, "one set for all") {
        None => return Ok(Box::new(set)),
        Some(Value { data: Data::Text(word), .. }) if word == "filter" => Along::Filter,
        Some(Value { data: Data::Text(word), .. }) if word == "channel" => Along::Channel,
        Some(Value { data: Data::List(_), .. }) => Along::Axes(f.wholes("per", 0..=5, vec![])?),
        Some(value) => return Err(f.wrong("per", value, expected)),
    };
    Ok(Box::new(Per { along, set }))
}

fn axes(f: &mut Fields<'_>, default: Vec<usize>) -> Read<Vec<usize>> {
    f.wholes("axes", 0..=5, default)
}

fn distance(f: &mut Fields<'_>) -> Read<PixelDistance> {
    const DISTANCES: &[(&str, PixelDistance)] = &[
        ("euclidean", PixelDistance::Euclidean),
        ("chessboard", PixelDistance::Chessboard),
        ("taxicab", PixelDistance::Taxicab),
    ];
    f.word("distance", DISTANCES, PixelDistance::default())
}

fn tensor(f: &Fields<'_>, shape: &[usize], data: Vec<f64>) -> Read<Tensor<f64>> {
    let size = shape.iter().try_fold(1usize, |size, n| size.checked_mul(*n));
    if shape.len() > 5 || size != Some(data.len()) {
        let expected = format!("as many numbers as the shape {shape:?} has, of at most 5 axes");
        return Err(f.conflict(expected, data.len()));
    }
    Tensor::from_vec(Shape::new(shape), data).map_err(|error| refused(f, error))
}

fn refused(f: &Fields<'_>, error: ShapeError) -> super::error::ModelError {
    f.conflict(error.expected, error.found)
}
