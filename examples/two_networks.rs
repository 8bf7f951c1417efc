//! Two networks with an optimizer each: a generator learns to place points where a critic finds
//! those of the data, a circle. The critic's weights stay in a box (Wasserstein GAN).

use morphograd_morphology::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut params = Params::<f32>::new();
    let mut builder = Builder::new(&mut params, 0);
    let network = |units, bound: f64| {
        let dense = |units| {
            let kernel = Weight::new(initializer::GlorotUniform);
            let kernel = kernel.constrained(sets::Interval { min: -bound, max: bound });
            Dense { units, kernel, ..Dense::default() }
        };
        Sequential::new().add("a", dense(32)).add("relu", Activation::Relu).add("b", dense(units))
    };
    let generator = network(2, 10.0).build_model_in(&mut builder.scope("generator"), [2])?;
    let critic = network(1, 0.3).build_model_in(&mut builder.scope("critic"), [2])?;
    let adam =
        |path: &str| Optimizer::over(&params, params.within(path), optim::Adam::default(), 1e-3);
    let (mut maker, mut judge) = (adam("generator"), adam("critic"));
    let (mut tape, mut random) = (Tape::new(), Stream::new(0, "points", 0));
    for step in 0..600 {
        let angle = random.uniform() as f32 * std::f32::consts::TAU;
        let circle =
            Tensor::from_fn([64, 2], |i| (angle + (i / 2) as f32 + (i % 2) as f32 * 1.57).cos());
        let noise = Tensor::from_fn([64, 2], |_| random.uniform() as f32 - 0.5);
        let mut g = tape.record(&params, Mode::Train { step });
        let (z, x) = (g.input(noise.view()), g.input(circle.view()));
        let fake = generator.forward(&mut g, z)?;
        let (fake, real) = (critic.forward(&mut g, fake)?, critic.forward(&mut g, x)?);
        let (fake, real) = (g.mean(fake)?, g.mean(real)?);
        let difference = g.sub(fake, real)?;
        if step % 4 == 3 {
            let loss = g.neg(fake)?;
            g.backward(loss);
            maker.step(&mut params, &tape)?;
        } else {
            g.backward(difference);
            judge.step(&mut params, &tape)?;
        }
    }
    Ok(())
}
