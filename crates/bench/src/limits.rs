//! What the machine can do at most, measured before anything else: the denominators of "share of
//! the limit". The best of several samples counts, for a limit is not a habit.

use std::hint::black_box;
use std::time::Instant;

use morphograd::morphology::nn::tensor::parallel;
use morphograd::morphology::nn::tensor::simd::{Kernel, dispatch, level};
use rayon::ThreadPool;
use serde::{Deserialize, Serialize};

use crate::case::{Unit, three};

/// Limits of a number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The threads.
    pub threads: usize,
    /// Additions, each followed by a maximum, of numbers in registers: a second, in `f32`.
    pub max_plus: f64,
    /// Additions and multiplications of fused operations on numbers in registers: a second, in
    /// `f32`.
    pub flop: f64,
    /// Bytes a second of `a = b + s c` on arrays that no cache holds.
    pub byte: f64,
}

impl Limits {
    /// Measures them on a pool.
    pub fn measure(pool: &ThreadPool) -> Self {
        let threads = pool.current_num_threads();
        let everywhere = |kernel: fn(u32)| {
            let rounds = 400_000;
            let seconds = best(40, || {
                pool.broadcast(|_| kernel(rounds));
            });
            threads as f64 * f64::from(rounds) * (VECTORS * LANES) as f64 / seconds
        };
        Self {
            threads,
            max_plus: everywhere(|rounds| {
                black_box(dispatch(MaxPlusPeak { rounds }));
            }),
            // One fused operation is an addition and a multiplication.
            flop: 2.0
                * everywhere(|rounds| {
                    black_box(dispatch(FusedPeak { rounds }));
                }),
            byte: bandwidth(pool),
        }
    }

    /// The limit of a unit, if it has one.
    pub fn of(&self, unit: Unit) -> Option<f64> {
        match unit {
            Unit::MaxPlus => Some(self.max_plus),
            Unit::Flop => Some(self.flop),
            Unit::Byte => Some(self.byte),
            Unit::Image => None,
        }
    }

    /// In one line.
    pub fn line(&self) -> String {
        let Self { threads, max_plus, flop, byte } = self;
        format!(
            "{threads} {}: {} G max-plus/s, {} GFLOP/s, {} GB/s",
            if *threads == 1 { "thread" } else { "threads" },
            three(max_plus / 1e9),
            three(flop / 1e9),
            three(byte / 1e9)
        )
    }
}

/// Seconds of the fastest of several runs.
fn best(samples: usize, mut run: impl FnMut()) -> f64 {
    run();
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    (0..samples).map(|_| time(&mut run)).fold(f64::INFINITY, f64::min)
}

/// Vectors that are computed side by side, so that one need not wait for the other; they and a
/// constant fit into 16 registers.
const VECTORS: usize = 12;
/// Numbers of a vector: those of the widest registers there are. Narrower ones take two or four
/// steps for it.
const LANES: usize = 16;

struct MaxPlusPeak {
    rounds: u32,
}

impl Kernel for MaxPlusPeak {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        let step = black_box(1e-3_f32);
        turn(self.rounds, |best| {
            let raised = best + step;
            if raised > best { raised } else { best }
        })
    }
}

struct FusedPeak {
    rounds: u32,
}

impl Kernel for FusedPeak {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        let factor = black_box(0.999_f32);
        // Without the instruction `mul_add` would be a call of a library.
        if level() == "baseline" {
            turn(self.rounds, |sum| sum * factor + factor)
        } else {
            turn(self.rounds, |sum| sum.mul_add(factor, factor))
        }
    }
}

/// Applies the operation to every lane of every vector, again and again. Each vector is a variable
/// of its own: in an array of vectors they would be kept in memory.
#[inline(always)]
fn turn(rounds: u32, operation: impl Fn(f32) -> f32 + Copy) -> f32 {
    let start = black_box([[0.5_f32; LANES]; VECTORS]);
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h, mut i, mut j, mut k, mut l] =
        start;
    for _ in 0..rounds {
        for vector in [&mut a, &mut b, &mut c, &mut d, &mut e, &mut f] {
            vector.iter_mut().for_each(|lane| *lane = operation(*lane));
        }
        for vector in [&mut g, &mut h, &mut i, &mut j, &mut k, &mut l] {
            vector.iter_mut().for_each(|lane| *lane = operation(*lane));
        }
    }
    [a, b, c, d, e, f, g, h, i, j, k, l].as_flattened().iter().sum()
}

/// The STREAM benchmark's triad (J. McCalpin, 1995): two arrays are read and one is written.
fn bandwidth(pool: &ThreadPool) -> f64 {
    const ENTRIES: usize = 1 << 25;
    const PIECE: usize = 1 << 16;
    let (b, c, mut a) = (vec![1.0f32; ENTRIES], vec![2.0f32; ENTRIES], vec![0.0f32; ENTRIES]);
    let scale = black_box(3.0);
    let seconds = best(7, || {
        pool.install(|| {
            parallel::for_each_piece(&mut a, PIECE, |i, a| {
                let range = i * PIECE..i * PIECE + a.len();
                dispatch(Triad { a, b: &b[range.clone()], c: &c[range], scale });
            });
        });
    });
    black_box(&a);
    (3 * ENTRIES * size_of::<f32>()) as f64 / seconds
}

struct Triad<'a> {
    a: &'a mut [f32],
    b: &'a [f32],
    c: &'a [f32],
    scale: f32,
}

impl Kernel for Triad<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for ((a, b), c) in self.a.iter_mut().zip(self.b).zip(self.c) {
            *a = b + self.scale * c;
        }
    }
}
