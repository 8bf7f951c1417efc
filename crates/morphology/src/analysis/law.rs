//! How far an operator is from the laws of mathematical morphology, as numbers: for tests, and for
//! finding out what a border or a learned kernel does to an operator's algebra.
//!
//! An operator is any function from images to images (made with [`evaluate`](crate::evaluate())
//! from an operator on the tape, or written otherwise). Every function returns the largest
//! violation found on the given images, 0 where the law holds on all of them, NaN where the
//! operator gave NaN. A law that holds on some images is not proved; one that fails is refuted, by
//! how much the number says. With flat structuring elements the laws hold exactly; others round,
//! and a violation of a few units in the last place is rounding.
//!
//! ```
//! use morphograd_morphology::nn::tensor::{Tensor, TensorRef, Window2d};
//! use morphograd_morphology::{evaluate, law, opening2d};
//!
//! let window = Window2d::new([2, 3]).same();
//! let flat = Tensor::<f32>::zeros([2, 3, 1]);
//! let opening = |x: TensorRef<'_, f32>| {
//!     evaluate([x, flat.view()], |graph, [x, w]| opening2d(graph, x, w, window))
//!         .expect("shapes that fit")
//! };
//! let images: Vec<_> =
//!     (1..4).map(|k| Tensor::from_fn([1, 8, 9, 1], |i| (i * k % 7) as f32)).collect();
//! assert_eq!(law::anti_extensivity(&opening, &images), 0.0);
//! assert_eq!(law::idempotence(&opening, &images), 0.0);
//! assert_eq!(law::increasingness(&opening, &images), 0.0);
//! assert!(law::extensivity(&opening, &images) > 0.0); // an opening removes something
//! ```

use morphograd_nn::tensor::{Real, Tensor, TensorRef};

/// Extensivity, $x \le \psi(x)$: the largest $x - \psi(x)$.
pub fn extensivity<T: Real>(
    operator: &impl Fn(TensorRef<'_, T>) -> Tensor<T>,
    images: &[Tensor<T>],
) -> f64 {
    worst(images.iter().map(|x| excess(x, &operator(x.view()))))
}

/// Anti-extensivity, $\psi(x) \le x$: the largest $\psi(x) - x$.
pub fn anti_extensivity<T: Real>(
    operator: &impl Fn(TensorRef<'_, T>) -> Tensor<T>,
    images: &[Tensor<T>],
) -> f64 {
    worst(images.iter().map(|x| excess(&operator(x.view()), x)))
}

/// Idempotence, $\psi(\psi(x)) = \psi(x)$: the largest difference.
pub fn idempotence<T: Real>(
    operator: &impl Fn(TensorRef<'_, T>) -> Tensor<T>,
    images: &[Tensor<T>],
) -> f64 {
    worst(images.iter().map(|x| {
        let once = operator(x.view());
        difference(&operator(once.view()), &once)
    }))
}

/// Increasingness, $x \le y \Rightarrow \psi(x) \le \psi(y)$: the largest
/// $\psi(x \wedge y) - \psi(y)$ over all pairs of the images.
pub fn increasingness<T: Real>(
    operator: &impl Fn(TensorRef<'_, T>) -> Tensor<T>,
    images: &[Tensor<T>],
) -> f64 {
    let values: Vec<Tensor<T>> = images.iter().map(|x| operator(x.view())).collect();
    let pairs = (0..images.len()).flat_map(|i| (0..images.len()).map(move |j| (i, j)));
    worst(pairs.filter(|(i, j)| i != j).map(|(i, j)| {
        let below = zip(&images[i], &images[j], |a, b| if b < a { b } else { a });
        excess(&operator(below.view()), &values[j])
    }))
}

/// Adjunction, $\delta(x) \le y \iff x \le \varepsilon(y)$. For increasing operators it says the
/// same as $x \le \varepsilon(\delta(x))$ and $\delta(\varepsilon(x)) \le x$ for all $x$: the
/// largest amount by which one of them is missed.
pub fn adjunction<T: Real>(
    dilation: &impl Fn(TensorRef<'_, T>) -> Tensor<T>,
    erosion: &impl Fn(TensorRef<'_, T>) -> Tensor<T>,
    images: &[Tensor<T>],
) -> f64 {
    let closing = |x: TensorRef<'_, T>| erosion(dilation(x).view());
    let opening = |x: TensorRef<'_, T>| dilation(erosion(x).view());
    worst([extensivity(&closing, images), anti_extensivity(&opening, images)].into_iter())
}

/// Duality under negation, $\psi^*(x) = -\psi(-x)$: the largest difference.
pub fn duality<T: Real>(
    operator: &impl Fn(TensorRef<'_, T>) -> Tensor<T>,
    dual: &impl Fn(TensorRef<'_, T>) -> Tensor<T>,
    images: &[Tensor<T>],
) -> f64 {
    worst(images.iter().map(|x| {
        let negated = operator(map(x, |x| -x).view());
        difference(&dual(x.view()), &map(&negated, |y| -y))
    }))
}

/// Equivariance under translations, $\psi(\tau x) = \tau \psi(x)$ for a shift by `rows` and
/// `columns` around the torus: the largest difference at pixels more than `margin` away from the
/// border, and from where the shift has carried the border to. A margin of the operator's reach
/// makes the border irrelevant; with a periodic border the law holds with margin 0 (which compares
/// all pixels).
pub fn translation<T: Real>(
    operator: &impl Fn(TensorRef<'_, T>) -> Tensor<T>,
    images: &[Tensor<T>],
    [rows, columns]: [usize; 2],
    margin: usize,
) -> f64 {
    worst(images.iter().map(|x| {
        let shifted = operator(roll(x, [rows, columns]).view());
        let expected = roll(&operator(x.view()), [rows, columns]);
        let &[_, height, width, channels] = x.shape().dims() else { return f64::NAN };
        let inside = |p: usize, n: usize, shift: usize| {
            let before = (p + n - shift % n) % n;
            [p, before].iter().all(|p| (margin..n.saturating_sub(margin)).contains(p))
        };
        let pixels = (0..shifted.data().len()).filter(|i| {
            let pixel = i / channels;
            inside(pixel / width % height, height, rows) && inside(pixel % width, width, columns)
        });
        worst(pixels.map(|i| apart(shifted.data()[i], expected.data()[i])))
    }))
}

/// Equivariance under shifts of the grey scale, $\psi(x + c) = \psi(x) + k c$: the largest
/// difference. `k` is 1 for dilations, erosions and what is composed of them, 0 for their
/// differences (gradients, top-hats), which are invariant.
pub fn grey_shift<T: Real>(
    operator: &impl Fn(TensorRef<'_, T>) -> Tensor<T>,
    images: &[Tensor<T>],
    c: f64,
    k: f64,
) -> f64 {
    worst(images.iter().map(|x| {
        let shifted = operator(map(x, |x| x + T::of(c)).view());
        difference(&shifted, &map(&operator(x.view()), |y| y + T::of(k * c)))
    }))
}

/// The largest amount by which an element of `a` exceeds that of `b`.
fn excess<T: Real>(a: &Tensor<T>, b: &Tensor<T>) -> f64 {
    assert_eq!(
        a.shape(),
        b.shape(),
        "a law that compares images needs an operator that keeps their shape"
    );
    worst(a.data().iter().zip(b.data()).map(|(a, b)| if a <= b { 0.0 } else { a.f64() - b.f64() }))
}

fn difference<T: Real>(a: &Tensor<T>, b: &Tensor<T>) -> f64 {
    assert_eq!(
        a.shape(),
        b.shape(),
        "a law that compares images needs an operator that keeps their shape"
    );
    worst(a.data().iter().zip(b.data()).map(|(a, b)| apart(*a, *b)))
}

/// The distance of two numbers; equal infinities are at distance 0.
fn apart<T: Real>(a: T, b: T) -> f64 {
    if a == b { 0.0 } else { (a.f64() - b.f64()).abs() }
}

/// The largest number, 0 of none; NaN if there is one (which `f64::max` would drop).
fn worst(violations: impl Iterator<Item = f64>) -> f64 {
    violations
        .fold(0.0, |worst, v| if worst.is_nan() || v.is_nan() { f64::NAN } else { worst.max(v) })
}

fn map<T: Real>(x: &Tensor<T>, f: impl Fn(T) -> T) -> Tensor<T> {
    Tensor::from_fn(x.shape(), |i| f(x.data()[i]))
}

fn zip<T: Real>(a: &Tensor<T>, b: &Tensor<T>, f: impl Fn(T, T) -> T) -> Tensor<T> {
    assert_eq!(a.shape(), b.shape(), "images that are compared have one shape");
    Tensor::from_fn(a.shape(), |i| f(a.data()[i], b.data()[i]))
}

/// Moves every pixel down and to the right, around the torus.
fn roll<T: Real>(x: &Tensor<T>, [rows, columns]: [usize; 2]) -> Tensor<T> {
    let &[_, height, width, channels] = x.shape().dims() else {
        panic!("images [batch, height, width, channels]")
    };
    Tensor::from_fn(x.shape(), |i| {
        let (c, column, row, image) = (
            i % channels,
            i / channels % width,
            i / channels / width % height,
            i / channels / width / height,
        );
        let from = |p: usize, n: usize, shift: usize| (p + n - shift % n) % n;
        let (row, column) = (from(row, height, rows), from(column, width, columns));
        x.data()[((image * height + row) * width + column) * channels + c]
    })
}
