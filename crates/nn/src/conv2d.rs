//! Convolution over images, as networks understand it: a correlation, channels last.
//!
//! The one design choice: windows become rows of a matrix, a few dozen rows at a time, so that the copy is still in cache when the matrix
//! product reads it, and memory does not grow with the batch. Bias and rectifier are applied to the same rows before they leave the cache.

use std::ops::Range;

use morphograd_autodiff::tensor::{
    Extent, Matrix, Padding, Real, Shape, ShapeError, Window2d, gemm, parallel,
};
use morphograd_autodiff::{Backward, Forward, Graph, Op, ParamId, Var};

use crate::activation::{Activation, relu, relu_grad};
use crate::initializer::GlorotUniform;
use crate::layer::{Build, BuildError, Builder, Layer, Weight};

/// $y_{ijf} = a\bigl(b_f + \sum_{d, c} x_{s i + r d_0,\, s j + r d_1,\, c} W_{d_0 d_1 c f}\bigr)$:
/// `[batch, height, width, channels]` → `[batch, height', width', filters]`. Parameters: `kernel` of shape
/// `[size[0], size[1], channels, filters]` and, unless `bias` is `None`, `bias` of shape `[filters]`.
///
/// Outside the image (same padding) $x$ is 0. The default has 1 filter of 3 x 3 taps, strides and rates 1, valid padding, no activation,
/// a Glorot uniform kernel and a bias that starts at 0. Cost: `taps · channels · filters` products an output pixel.
///
/// ```
/// use morphograd_autodiff::Params;
/// use morphograd_nn::{Activation, Conv2d, Sequential};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::builder(&mut params, 42, [12, 12, 8])
///     .add("conv", Conv2d { filters: 32, activation: Activation::Relu, ..Conv2d::default() })
///     .finish()?;
/// assert_eq!((model.output().dims(), params.count()), (&[10, 10, 32][..], 3 * 3 * 8 * 32 + 32));
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Conv2d<T> {
    /// Number of channels of the output.
    pub filters: usize,
    /// Height and width of the kernel, in taps.
    pub size: [usize; 2],
    /// Step between neighbouring windows, in pixels.
    pub strides: [usize; 2],
    /// Distance between neighbouring taps, in pixels.
    pub rates: [usize; 2],
    /// Rule at the border.
    pub padding: Padding,
    /// The function $a$.
    pub activation: Activation,
    /// The kernel $W$.
    pub kernel: Weight<T>,
    /// The vector $b$; `None` for no bias.
    pub bias: Option<Weight<T>>,
}

/// The op of [`Conv2d`]. Inputs: x `[batch, height, width, channels]`, W `[kh, kw, channels, filters]` and, optionally, b `[filters]`.
#[derive(Debug, Clone, Copy)]
pub struct Convolution {
    /// The sliding window; its size is the kernel's.
    pub window: Window2d,
    /// Whether the output is $\max(y, 0)$, with derivative 0 at 0, instead of $y$.
    pub rectified: bool,
}

impl<T: Real> Default for Conv2d<T> {
    fn default() -> Self {
        Self {
            filters: 1,
            size: [3, 3],
            strides: [1, 1],
            rates: [1, 1],
            padding: Padding::Valid,
            activation: Activation::Linear,
            kernel: Weight::new(GlorotUniform),
            bias: Some(Weight::zeros()),
        }
    }
}

impl<T: Real> Build<T> for Conv2d<T> {
    fn build(self, builder: &mut Builder<'_, T>, input: Shape) -> Result<Box<dyn Layer<T>>, BuildError> {
        let window =
            Window2d { size: self.size, strides: self.strides, rates: self.rates, padding: self.padding };
        let op = Convolution { window, rectified: self.activation == Activation::Relu };
        let channels = input.dims().last().copied().unwrap_or(0);
        let kernel = Shape::from([self.size[0], self.size[1], channels, self.filters]);
        // Refused before the kernel is allocated: a mistyped size can be huge.
        Op::<T>::infer(&op, &[input.batched(1), kernel])?;
        let kernel = builder.param("kernel", kernel, self.kernel)?;
        let bias = self.bias.map(|bias| builder.param("bias", [self.filters].into(), bias)).transpose()?;
        let activation = if op.rectified { Activation::Linear } else { self.activation };
        Ok(Box::new(Built { op, kernel, bias, activation }))
    }
}

#[derive(Debug)]
struct Built {
    op: Convolution,
    kernel: ParamId,
    bias: Option<ParamId>,
    /// What the op does not do itself.
    activation: Activation,
}

impl<T: Real> Layer<T> for Built {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        let kernel = graph.param(self.kernel);
        let y = match self.bias {
            Some(bias) => {
                let bias = graph.param(bias);
                graph.apply(self.op, [x, kernel, bias])?
            }
            None => graph.apply(self.op, [x, kernel])?,
        };
        self.activation.apply(graph, y)
    }
}

impl<T: Real> Op<T> for Convolution {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let refuse = |expected: String, found: String| Err(ShapeError::new("conv2d", expected, found));
        let (&[batch, height, width, channels @ (1..)], kernel) = (inputs[0].dims(), inputs[1]) else {
            return refuse(
                "an input of shape [batch, height, width, channels], at least 1 channel".to_owned(),
                format!("shape {}", inputs[0]),
            );
        };
        let extent = self.window.extent([height, width]);
        let extent = extent.map_err(|error| ShapeError { operation: "conv2d", ..error })?;
        let [rows, columns] = self.window.size;
        let filters = match *kernel.dims() {
            [kh, kw, c, filters @ (1..)] if [kh, kw, c] == [rows, columns, channels] => filters,
            _ => {
                return refuse(
                    format!("a kernel of shape [{rows}, {columns}, {channels}, filters], at least 1 filter"),
                    format!("shape {kernel}"),
                );
            }
        };
        if let Some(bias) = inputs.get(2).filter(|bias| bias.dims() != [filters]) {
            return refuse(format!("a bias of shape [{filters}]"), format!("shape {bias}"));
        }
        Ok([batch, extent.output[0], extent.output[1], filters].into())
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let geometry = Geometry::new(self, pass.inputs[0].shape, pass.inputs[1].shape);
        let bias = pass.inputs.get(2).map(|bias| bias.data);
        forward(&geometry, pass.inputs[0].data, pass.inputs[1].data, bias, pass.scratch, pass.output);
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let geometry = Geometry::new(self, pass.inputs[0].shape, pass.inputs[1].shape);
        let operands = Operands {
            x: pass.inputs[0].data,
            kernel: pass.inputs[1].data,
            y: pass.output.data,
            dy: pass.grad_output,
        };
        let [x, kernel, bias, ..] = pass.grad_inputs;
        backward(&geometry, operands, Gradients { x, kernel, bias }, pass.scratch);
    }
}

/// Rows of the patch matrix that are held at a time: as many as [`gemm`] computes in one task, so that it does not split them again.
const ROWS: usize = 64;

/// Into how many tasks the work is cut, at most: enough for any machine, few enough that their buffers stay small.
const MAX_TASKS: usize = 32;

/// Sizes and positions. An output pixel is a row of the patch matrix; the row holds the input under the window, in the order of the
/// kernel, so that it is multiplied with the kernel as it lies in memory.
#[derive(Debug)]
struct Geometry {
    window: Window2d,
    extent: Extent,
    image: [usize; 2],
    batch: usize,
    channels: usize,
    filters: usize,
    rectified: bool,
}

/// What the backward pass reads.
#[derive(Debug, Clone, Copy)]
struct Operands<'a, T> {
    x: &'a [T],
    kernel: &'a [T],
    y: &'a [T],
    dy: &'a [T],
}

/// What the backward pass adds to.
#[derive(Debug)]
struct Gradients<'a, T> {
    x: Option<&'a mut [T]>,
    kernel: Option<&'a mut [T]>,
    bias: Option<&'a mut [T]>,
}

impl Geometry {
    fn new(op: &Convolution, input: Shape, kernel: Shape) -> Self {
        let (&[batch, height, width, channels], &[.., filters]) = (input.dims(), kernel.dims()) else {
            unreachable!("checked by infer")
        };
        let image = [height, width];
        let extent = op.window.extent(image).expect("checked by infer");
        Self { window: op.window, extent, image, batch, channels, filters, rectified: op.rectified }
    }

    /// Numbers under one window.
    fn depth(&self) -> usize {
        self.window.taps() * self.channels
    }

    /// Output pixels of one image.
    fn pixels(&self) -> usize {
        self.extent.output[0] * self.extent.output[1]
    }

    /// Numbers of one input image.
    fn in_image(&self) -> usize {
        self.image[0] * self.image[1] * self.channels
    }

    /// The taps of window `i` that lie inside the image along an axis; the others are before or after them.
    fn taps_inside(&self, axis: usize, i: usize) -> Range<usize> {
        let (size, rate) = (self.window.size[axis], self.window.rates[axis]);
        let (start, before) = (i * self.window.strides[axis], self.extent.before[axis]);
        // Tap d is at start + d * rate - before; dense kernels are spared the division.
        let first_at = |pixel: usize| {
            let distance = pixel.saturating_sub(start);
            (if rate == 1 { distance } else { distance.div_ceil(rate) }).min(size)
        };
        first_at(before)..first_at(before + self.image[axis])
    }

    /// Calls `f(row, line, inside, at)` for every row of the patch matrix in `rows` and every line of taps in its window: `line` is where
    /// the line lies within the patch (in taps), `inside` which of its taps are in the image, and `at` where the first of these is in the
    /// input. Lines outside have nothing inside.
    fn for_each_line(&self, rows: Range<usize>, mut f: impl FnMut(usize, usize, Range<usize>, usize)) {
        let [height, width] = self.extent.output;
        let (mut n, mut i, mut j) =
            (rows.start / self.pixels(), rows.start / width % height, rows.start % width);
        for row in 0..rows.len() {
            let (lines, inside) = (self.taps_inside(0, i), self.taps_inside(1, j));
            for d in 0..self.window.size[0] {
                let line = d * self.window.size[1];
                if !lines.contains(&d) || inside.is_empty() {
                    f(row, line, 0..0, 0);
                    continue;
                }
                let y = i * self.window.strides[0] + d * self.window.rates[0] - self.extent.before[0];
                let x =
                    j * self.window.strides[1] + inside.start * self.window.rates[1] - self.extent.before[1];
                f(row, line, inside.clone(), ((n * self.image[0] + y) * self.image[1] + x) * self.channels);
            }
            j += 1;
            if j == width {
                (i, j) = (i + 1, 0);
            }
            if i == height {
                (n, i) = (n + 1, 0);
            }
        }
    }

    /// Copies the windows of the output pixels `rows` into the rows of `patches`; taps outside the image become 0.
    fn gather<T: Real>(&self, x: &[T], rows: Range<usize>, patches: &mut [T]) {
        let (c, taps, depth) = (self.channels, self.window.size[1], self.depth());
        self.for_each_line(rows, |row, line, inside, at| {
            let line = &mut patches[row * depth + line * c..][..taps * c];
            line[..inside.start * c].fill(T::zero());
            line[inside.end * c..].fill(T::zero());
            let line = &mut line[inside.start * c..inside.end * c];
            if self.window.rates[1] == 1 {
                line.copy_from_slice(&x[at..at + line.len()]);
            } else {
                for (tap, pixel) in line.chunks_exact_mut(c).enumerate() {
                    pixel.copy_from_slice(&x[at + tap * self.window.rates[1] * c..][..c]);
                }
            }
        });
    }

    /// Adds the rows of `patches` to the pixels they were gathered from: the transpose of [`Geometry::gather`].
    fn scatter<T: Real>(&self, patches: &[T], rows: Range<usize>, dx: &mut [T]) {
        let (c, depth) = (self.channels, self.depth());
        self.for_each_line(rows, |row, line, inside, at| {
            let line = &patches[row * depth + (line + inside.start) * c..][..inside.len() * c];
            if self.window.rates[1] == 1 {
                add(&mut dx[at..at + line.len()], line);
            } else {
                for (tap, pixel) in line.chunks_exact(c).enumerate() {
                    add(&mut dx[at + tap * self.window.rates[1] * c..][..c], pixel);
                }
            }
        });
    }
}

/// Overwrites `y`. Tasks are runs of output pixels, across images.
fn forward<T: Real>(
    g: &Geometry,
    x: &[T],
    kernel: &[T],
    bias: Option<&[T]>,
    scratch: &mut Vec<T>,
    y: &mut [T],
) {
    if y.is_empty() {
        return;
    }
    let (depth, filters) = (g.depth(), g.filters);
    let blocks = (y.len() / filters).div_ceil(ROWS);
    let rows_per_task = blocks.div_ceil(MAX_TASKS) * ROWS;
    let tasks = blocks.div_ceil(rows_per_task / ROWS);
    let kernel = Matrix::new(kernel, depth, filters);
    let patches = at_least(scratch, tasks * ROWS * depth);
    parallel::for_each_pair((y, rows_per_task * filters), (patches, ROWS * depth), |task, y, patches| {
        for (block, y) in y.chunks_mut(ROWS * filters).enumerate() {
            let (first, rows) = (task * rows_per_task + block * ROWS, y.len() / filters);
            let patches = &mut patches[..rows * depth];
            g.gather(x, first..first + rows, patches);
            let beta = match bias {
                Some(bias) => {
                    y.chunks_exact_mut(filters).for_each(|y| y.copy_from_slice(bias));
                    T::one()
                }
                None => T::zero(),
            };
            gemm(Matrix::new(patches, rows, depth), kernel, beta, y);
            if g.rectified {
                y.iter_mut().for_each(|y| *y = relu(*y));
            }
        }
    });
}

/// Adds to the gradients that are wanted. Tasks are whole images, whose input gradients do not overlap; the kernel's and the bias'
/// gradients are summed in the order of the tasks.
fn backward<T: Real>(
    g: &Geometry,
    operands: Operands<'_, T>,
    gradients: Gradients<'_, T>,
    scratch: &mut Vec<T>,
) {
    if g.batch == 0 {
        return;
    }
    let Gradients { x: dx, kernel: mut d_kernel, bias: mut d_bias } = gradients;
    let images = g.batch.div_ceil(MAX_TASKS);
    let tasks = g.batch.div_ceil(images);
    let (kernel_len, bias_len) = (g.depth() * g.filters, g.filters);
    let region = kernel_len + bias_len + ROWS * (g.depth() + g.filters);
    let scratch = at_least(scratch, tasks * region);
    let run = |task: usize, dx: Option<&mut [T]>, region: &mut [T]| {
        let (d_kernel_part, rest) = region.split_at_mut(kernel_len);
        let (d_bias_part, workspace) = rest.split_at_mut(bias_len);
        let part = Gradients {
            x: dx,
            kernel: d_kernel.is_some().then_some(d_kernel_part),
            bias: d_bias.is_some().then_some(d_bias_part),
        };
        backward_images(g, operands, task * images..((task + 1) * images).min(g.batch), part, workspace);
    };
    match dx {
        Some(dx) => {
            let pieces = (dx, images * g.in_image());
            parallel::for_each_pair(pieces, (scratch, region), |task, dx, region| {
                run(task, Some(dx), region);
            });
        }
        None => parallel::for_each_piece(scratch, region, |task, region| run(task, None, region)),
    }
    for partial in scratch.chunks_exact(region) {
        let (kernel, rest) = partial.split_at(kernel_len);
        if let Some(d_kernel) = &mut d_kernel {
            add(d_kernel, kernel);
        }
        if let Some(d_bias) = &mut d_bias {
            add(d_bias, &rest[..bias_len]);
        }
    }
}

/// One task of [`backward`]: overwrites `part.kernel` and `part.bias`, and adds to `part.x`, which holds the gradients of these images.
fn backward_images<T: Real>(
    g: &Geometry,
    operands: Operands<'_, T>,
    images: Range<usize>,
    mut part: Gradients<'_, T>,
    workspace: &mut [T],
) {
    let (depth, filters, pixels) = (g.depth(), g.filters, g.pixels());
    let (patches, masked) = workspace.split_at_mut(ROWS * depth);
    for partial in [&mut part.kernel, &mut part.bias].into_iter().flatten() {
        partial.fill(T::zero());
    }
    let (first, last) = (images.start * pixels, images.end * pixels);
    for start in (first..last).step_by(ROWS) {
        let rows = start..(start + ROWS).min(last);
        let outputs = rows.start * filters..rows.end * filters;
        let mut dy = &operands.dy[outputs.clone()];
        if g.rectified {
            let masked = &mut masked[..dy.len()];
            for ((masked, y), dy) in masked.iter_mut().zip(&operands.y[outputs]).zip(dy) {
                *masked = relu_grad(*y, *dy);
            }
            dy = masked;
        }
        let patches = &mut patches[..rows.len() * depth];
        let dy_matrix = Matrix::new(dy, rows.len(), filters);
        if let Some(d_bias) = &mut part.bias {
            dy.chunks_exact(filters).for_each(|dy| add(d_bias, dy));
        }
        if let Some(d_kernel) = &mut part.kernel {
            g.gather(operands.x, rows.clone(), patches);
            gemm(Matrix::new(patches, rows.len(), depth).transposed(), dy_matrix, T::one(), d_kernel);
        }
        if let Some(dx) = &mut part.x {
            gemm(dy_matrix, Matrix::new(operands.kernel, depth, filters).transposed(), T::zero(), patches);
            // Positions count from the first image of the task, where `dx` starts.
            g.scatter(patches, rows.start - first..rows.end - first, dx);
        }
    }
}

fn add<T: Real>(total: &mut [T], x: &[T]) {
    total.iter_mut().zip(x).for_each(|(total, x)| *total += *x);
}

/// The first `length` elements of a buffer that only grows; their content is undefined.
fn at_least<T: Real>(buffer: &mut Vec<T>, length: usize) -> &mut [T] {
    if buffer.len() < length {
        buffer.resize(length, T::zero());
    }
    &mut buffer[..length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sequential;
    use morphograd_autodiff::Params;
    use morphograd_autodiff::tensor::Tensor;
    use morphograd_testkit::{assert_close, check_op, strategy, vjp};
    use proptest::prelude::*;

    fn case() -> impl Strategy<Value = (Convolution, [Tensor<f64>; 3])> {
        (strategy::window(), any::<bool>(), 1..3usize, 1..4usize, 1..4usize).prop_flat_map(
            |(window, rectified, batch, channels, filters)| {
                let inputs = [
                    strategy::tensor([batch, 6, 5, channels]).boxed(),
                    strategy::tensor([window.size[0], window.size[1], channels, filters]).boxed(),
                    strategy::tensor([filters]).boxed(),
                ];
                (Just(Convolution { window, rectified }), inputs)
            },
        )
    }

    /// The definition, and its derivative, one product at a time.
    fn reference(op: Convolution, inputs: &[Tensor<f64>; 3], dy: &[f64]) -> [Vec<f64>; 4] {
        let [x, kernel, bias] = inputs;
        let &[batch, height, width, channels] = x.shape().dims() else { unreachable!() };
        let filters = bias.data().len();
        let Window2d { size, strides, rates, .. } = op.window;
        let extent = op.window.extent([height, width]).unwrap();
        let mut y = Vec::new();
        let mut grads = inputs.clone().map(|t| vec![0.0; t.data().len()]);
        for output in 0..batch * extent.output[0] * extent.output[1] * filters {
            let (pixel, f) = (output / filters, output % filters);
            let (j, i) = (pixel % extent.output[1], pixel / extent.output[1] % extent.output[0]);
            let n = pixel / (extent.output[0] * extent.output[1]);
            let mut products = Vec::new();
            for (d, e, c) in (0..size[0])
                .flat_map(|d| (0..size[1]).flat_map(move |e| (0..channels).map(move |c| (d, e, c))))
            {
                let row = (i * strides[0] + d * rates[0]).wrapping_sub(extent.before[0]);
                let column = (j * strides[1] + e * rates[1]).wrapping_sub(extent.before[1]);
                if row < height && column < width {
                    let at = ((n * height + row) * width + column) * channels + c;
                    products.push((at, ((d * size[1] + e) * channels + c) * filters + f));
                }
            }
            let sum =
                bias.data()[f] + products.iter().map(|(a, k)| x.data()[*a] * kernel.data()[*k]).sum::<f64>();
            let passes = !op.rectified || sum > 0.0;
            y.push(if passes { sum } else { 0.0 });
            let dy = if passes { dy[output] } else { 0.0 };
            for (a, k) in products {
                grads[0][a] += dy * kernel.data()[k];
                grads[1][k] += dy * x.data()[a];
            }
            grads[2][f] += dy;
        }
        let [dx, d_kernel, d_bias] = grads;
        [y, dx, d_kernel, d_bias]
    }

    fn output_len(op: Convolution, inputs: &[Tensor<f64>; 3]) -> usize {
        Op::<f64>::infer(&op, &[inputs[0].shape(), inputs[1].shape()]).unwrap().len()
    }

    #[track_caller]
    fn agrees(op: Convolution, inputs: &[Tensor<f64>; 3]) {
        let dy: Vec<f64> = (0..output_len(op, inputs)).map(|i| (i as f64 * 0.7).sin()).collect();
        let [y, dx, d_kernel, d_bias] = reference(op, inputs, &dy);
        let (found, grads) = vjp(op, inputs, &dy);
        for (what, found, expected) in [
            ("y", &found, &y),
            ("dx", &grads[0], &dx),
            ("d_kernel", &grads[1], &d_kernel),
            ("d_bias", &grads[2], &d_bias),
        ] {
            // A little absolute tolerance: a sum of many terms can cancel to almost 0.
            let shift = |x: &[f64]| x.iter().map(|x| x + 1.0).collect::<Vec<_>>();
            assert_close(what, &shift(found), &shift(expected), 1e-11);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn gradients_agree_with_differences((op, inputs) in case()) {
            check_op(op, &inputs);
            check_op(op, &inputs[..2]);
        }

        #[test]
        fn values_and_gradients_agree_with_the_definition((op, inputs) in case()) {
            agrees(op, &inputs);
        }
    }

    #[test]
    fn several_blocks_and_tasks_agree_with_the_definition() {
        // 35 images of 99 output pixels: 2 images a task, the last task smaller, blocks of 64 that cross images.
        let wave = |shape: [usize; 4], f: f64| Tensor::from_fn(shape, |i| (i as f64 * f).sin());
        let bias = Tensor::from_fn([3], |i| i as f64 * 0.1);
        let inputs = [wave([35, 11, 9, 2], 0.37), wave([3, 3, 2, 3], 1.3), bias];
        let window = Window2d { size: [3, 3], padding: Padding::Same, ..Window2d::default() };
        agrees(Convolution { window, rectified: true }, &inputs);
        agrees(Convolution { window, rectified: false }, &inputs);
    }

    #[test]
    fn an_empty_batch_has_an_empty_output_and_no_gradient() {
        let inputs =
            [Tensor::<f64>::zeros([0, 4, 4, 1]), Tensor::filled([1, 1, 1, 2], 1.0), Tensor::zeros([2])];
        let (y, grads) = vjp(Convolution { window: Window2d::default(), rectified: false }, &inputs, &[]);
        assert!(y.is_empty() && grads[1] == [0.0; 2] && grads[2] == [0.0; 2]);
    }

    #[test]
    fn the_derivative_of_a_rectified_zero_is_zero() {
        let one = |x: f64| Tensor::filled([1, 1, 1, 1], x);
        let op = Convolution { window: Window2d::default(), rectified: true };
        let (y, grads) = vjp(op, &[one(0.0), one(1.0)], &[1.0]);
        assert_eq!((y, grads), (vec![0.0], vec![vec![0.0], vec![0.0]]));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_layer_and_reason() {
        let build = |input: &[usize], conv: Conv2d<f32>| {
            let mut params = Params::new();
            let model = Sequential::builder(&mut params, 0, Shape::new(input)).add("stem", conv);
            model.finish().unwrap_err().to_string()
        };
        assert_eq!(
            build(&[5, 7, 1], Conv2d { size: [6, 6], ..Conv2d::default() }),
            "stem: conv2d: expected a window no larger than the image [5, 7], or same padding, found size [6, 6] at rates [1, 1]"
        );
        assert_eq!(
            build(&[28, 28], Conv2d::default()),
            "stem: conv2d: expected an input of shape [batch, height, width, channels], at least 1 channel, found shape [1, 28, 28]"
        );
        assert_eq!(
            build(&[8, 8, 3], Conv2d { filters: 0, ..Conv2d::default() }),
            "stem: conv2d: expected a kernel of shape [3, 3, 3, filters], at least 1 filter, found shape [3, 3, 3, 0]"
        );
        assert!(
            build(&[8, 8, 3], Conv2d { strides: [1, 0], ..Conv2d::default() }).contains("strides [1, 0]")
        );
        assert!(
            build(&[8, 8, 3], Conv2d { size: [usize::MAX; 2], padding: Padding::Same, ..Conv2d::default() })
                .contains("fits in memory")
        );
        let op = Convolution { window: Window2d::default(), rectified: false };
        let error =
            Op::<f32>::infer(&op, &[[1, 4, 4, 2].into(), [1, 1, 2, 3].into(), [4].into()]).unwrap_err();
        assert_eq!(error.to_string(), "conv2d: expected a bias of shape [3], found shape [4]");
    }
}
