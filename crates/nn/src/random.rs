//! Randomness as a function of a seed, a purpose and an index: no global generator, no clock, and
//! no draw that depends on how many others were made before it.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A stream of random numbers (xoshiro256++).
///
/// ```
/// use morphograd_nn::random::Stream;
/// let mut order: Vec<usize> = (0..10).collect();
/// Stream::new(42, "shuffle", 3).shuffle(&mut order); // the order of epoch 3
/// let mut again: Vec<usize> = (0..10).collect();
/// Stream::new(42, "shuffle", 3).shuffle(&mut again);
/// assert_eq!(order, again);
/// ```
#[derive(Debug, Clone)]
pub struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// The stream of a purpose (a parameter's path, `shuffle`, ...) and an index (an epoch, a
    /// step).
    pub fn new(seed: u64, purpose: &str, index: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(key(seed, purpose, index)))
    }

    /// A uniform number in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A standard normal number (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt(); // 1 - u is never 0
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A uniform integer in `0..n`, without bias.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "an integer below 0");
        let n = n as u64;
        // Values beyond the last full multiple of n are drawn again.
        let limit = u64::MAX - u64::MAX % n;
        loop {
            let x = self.0.next_u64();
            if x < limit {
                return (x % n) as usize;
            }
        }
    }

    /// Puts the items into a uniformly random order (Fisher and Yates).
    pub fn shuffle<I>(&mut self, items: &mut [I]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// A number that depends on every bit of the seed, the purpose and the index.
pub fn key(seed: u64, purpose: &str, index: u64) -> u64 {
    // FNV-1a over the purpose, then two rounds of mixing.
    let name = purpose
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    mix(mix(seed ^ name).wrapping_add(index))
}

/// SplitMix64's output function: a bijection of 64-bit integers that scatters neighbours. Applied
/// to a counter it is a random stream of which any element can be had without the ones before it.
#[inline(always)]
pub fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_other_seeds_purposes_and_indices_differ() {
        let first = |seed, purpose, index| Stream::new(seed, purpose, index).uniform().to_bits();
        let all = [first(0, "a", 0), first(1, "a", 0), first(0, "b", 0), first(0, "a", 1)];
        for i in 0..4 {
            assert!(all[..i].iter().all(|x| *x != all[i]));
        }
    }

    #[test]
    fn moments_are_those_of_the_distribution() {
        let mut stream = Stream::new(7, "moments", 0);
        let n = 20_000;
        let (mut u, mut z, mut zz) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            u += stream.uniform();
            let x = stream.normal();
            z += x;
            zz += x * x;
        }
        let n = f64::from(n);
        assert!((u / n - 0.5).abs() < 0.01 && (z / n).abs() < 0.03 && (zz / n - 1.0).abs() < 0.04);
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_every_integer_below_n_occurs() {
        let mut items: Vec<usize> = (0..50).collect();
        let mut stream = Stream::new(1, "shuffle", 0);
        stream.shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        let mut seen = [0; 3];
        (0..300).for_each(|_| seen[stream.below(3)] += 1);
        assert!(seen.iter().all(|n| *n > 60));
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
