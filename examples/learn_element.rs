//! Learns a structuring element from what it does to images. Its entries stay in [-1, 0] and its
//! centre at 0 at every step.

use morphograd_morphology::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Noise, and a hidden element that dilates it.
    let mut noise = Stream::new(1, "noise", 0);
    let images = Tensor::from_fn([8, 16, 16, 1], |_| noise.uniform() as f32);
    let entries = vec![-0.4, -0.1, -0.3, -0.2, 0.0, -0.1, -0.5, -0.2, -0.4];
    let hidden = Tensor::from_vec([3, 3, 1], entries)?;
    let window = Window2d::new([3, 3]);
    // A dilation to learn.
    let kernel = Weight::zeros().constrained(ZeroCentre { min: -1.0, max: 0.0 });
    let mut params = Params::new();
    let model = Sequential::new()
        .add(
            "dilation",
            Dilation2d {
                neighbourhood: Neighbourhood2d::new([3, 3]),
                kernel,
                ..Dilation2d::default()
            },
        )
        .build_model(&mut params, 0, [16, 16, 1])?;
    let mut optimizer = Optimizer::new(&params, optim::Adam::default(), 0.01);
    let mut tape = Tape::new();
    for step in 0..300 {
        let mut g = tape.record(&params, Mode::Train { step });
        let (x, w) = (g.input(images.view()), g.input(hidden.view()));
        let target = dilation2d(&mut g, x, w, window)?;
        let y = model.forward(&mut g, x)?;
        let loss = g.apply(MeanSquaredError, [y, target])?;
        g.backward(loss);
        optimizer.step(&mut params, &tape)?; // update, then projection
    }
    let learned = params.find("dilation.kernel").expect("the layer's parameter");
    let error = params.value(learned).data.iter().zip(hidden.data()).map(|(w, h)| (w - h).abs());
    println!("largest error {:.4}", error.fold(0.0, f32::max));
    Ok(())
}
