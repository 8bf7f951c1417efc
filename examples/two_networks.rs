//! Two networks with an optimizer each (a Wasserstein GAN): a generator learns to place points
//! where a critic, whose weights stay in a box, finds those of the data, which lie on a circle.

use morphograd_morphology::prelude::*;

fn network(units: usize, bound: f64) -> Sequential<f32> {
    let dense = |units| {
        let kernel = Weight::new(initializer::GlorotUniform);
        let kernel = kernel.constrained(sets::Interval { min: -bound, max: bound });
        Dense { units, kernel, ..Dense::default() }
    };
    Sequential::new().add("a", dense(32)).add("relu", Activation::Relu).add("b", dense(units))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut params = Params::new();
    let mut builder = Builder::new(&mut params, 0);
    let generator = network(2, 10.0).build_model_in(&mut builder.scope("generator"), [2])?;
    let critic = network(1, 0.3).build_model_in(&mut builder.scope("critic"), [2])?;
    let [mut maker, mut judge] = ["generator", "critic"]
        .map(|path| Optimizer::over(&params, params.within(path), optim::Adam::default(), 2e-3));
    let (mut tape, mut random) = (Tape::new(), Stream::new(0, "points", 0));
    for step in 0..2000 {
        let angles = Tensor::from_fn([64, 1], |_| random.uniform() as f32 * std::f32::consts::TAU);
        let angle = |i: usize| angles.data()[i / 2] + (i % 2) as f32 * std::f32::consts::FRAC_PI_2;
        let circle = Tensor::from_fn([64, 2], |i| angle(i).cos());
        let noise = Tensor::from_fn([64, 2], |_| random.uniform() as f32 - 0.5);
        let mut g = tape.record(&params, Mode::Train { step });
        let (z, real) = (g.input(noise.view()), g.input(circle.view()));
        let fake = generator.forward(&mut g, z)?;
        let [fake, real] = [critic.forward(&mut g, fake)?, critic.forward(&mut g, real)?];
        let [fake, real] = [g.mean(fake)?, g.mean(real)?];
        // The critic lowers the difference four times, then the generator raises its part.
        let (turn, sign) = if step % 5 < 4 { (&mut judge, 1.0) } else { (&mut maker, -1.0) };
        let difference = g.sub(fake, real)?;
        let loss = g.scale(difference, sign)?;
        g.backward(loss);
        turn.step(&mut params, &tape)?;
    }
    let mut g = tape.record(&params, Mode::Eval);
    let z = g.input(Tensor::from_fn([999, 2], |_| random.uniform() as f32 - 0.5).view());
    let points = generator.forward(&mut g, z)?;
    let radii = g.value(points).data.chunks(2).map(|point| point[0].hypot(point[1]));
    println!("mean radius {:.2}", radii.sum::<f32>() / 999.0);
    Ok(())
}
