//! Two inputs and a residual block: the largest pixel of one half of a picture; the other input
//! says which half.

use morphograd_morphology::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dense = |units| Dense { units, ..Dense::default() };
    let neighbourhood = Neighbourhood2d::new([2, 2]);
    let dilation = Dilation2d { filters: 8, neighbourhood, ..Dilation2d::default() };
    let image = Sequential::new().add("dilation", dilation).add("flat", Flatten);
    let body = Sequential::new().add("a", dense(32)).add("relu", Activation::Relu);
    let head = Sequential::new()
        .add("block", Residual::new(body.add("b", dense(16))))
        .add("number", dense(1));
    let mut params = Params::<f32>::new();
    let mut builder = Builder::new(&mut params, 0);
    let image =
        image.add("dense", dense(12)).build_model_in(&mut builder.scope("image"), [2, 4, 1])?;
    let half = Sequential::new().add("dense", dense(4));
    let half = half.build_model_in(&mut builder.scope("half"), [2])?;
    let head = head.build_model_in(&mut builder.scope("head"), [16])?;
    let mut optimizer = Optimizer::new(&params, optim::Adam::default(), 0.003);
    let (mut tape, mut random, mut last) = (Tape::new(), Stream::new(0, "examples", 0), 0.0);
    for step in 0..3000 {
        let pixels = Tensor::from_fn([32, 2, 4, 1], |_| random.uniform() as f32);
        let halves = Tensor::from_fn([32, 2], |i| (i / 2 + i) as f32 % 2.0);
        let answer = Tensor::from_fn([32, 1], |i| {
            let of_half = (0..8).filter(|p| p % 4 / 2 == i % 2).map(|p| pixels.data()[8 * i + p]);
            of_half.fold(0.0, f32::max)
        });
        let mut g = tape.record(&params, Mode::Train { step });
        let [x, h, t] = [&pixels, &halves, &answer].map(|data| g.input(data.view()));
        let both = [image.forward(&mut g, x)?, half.forward(&mut g, h)?];
        let both = g.concat(both, 1)?;
        let y = head.forward(&mut g, both)?;
        let loss = g.apply(MeanSquaredError, [y, t])?;
        last = g.value(loss).data[0];
        g.backward(loss);
        optimizer.step(&mut params, &tape)?;
    }
    println!("mean squared error {last:.4}");
    Ok(())
}
