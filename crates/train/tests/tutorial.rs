//! The tutorial's network against TensorFlow: the first gradients, the losses of five Adam steps,
//! and the weights after them, for every constraint.

use morphograd::data::{DataSource, Dataset, Search};
use morphograd::experiment::Config;
use morphograd::record::Variant;
use morphograd::registry::{CONSTRAINTS, OPTIMIZERS, find};
use morphograd_idx::{Idx, IdxData};
use morphograd_morphology::nn::autodiff::{ParamId, Params, Tape};
use morphograd_morphology::nn::fit::{DataSet, train_step};
use morphograd_morphology::nn::{Layer, Optimizer, SoftmaxCrossEntropy};
use morphograd_testkit::{Golden, assert_close};

const CASES: [(&str, &str); 6] = [
    ("tutorial_none", "none"),
    ("tutorial_nonneg", "non-negative"),
    ("tutorial_nonpos", "non-positive"),
    ("tutorial_nonposinc", "non-positive-increasing"),
    ("tutorial_nonpos_asrun", "lattice"),
    ("tutorial_nonposinc_asrun", "lattice-zero-centre"),
];

/// The 64 images of a case as a data set, by way of files.
fn images(golden: &Golden) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let bytes =
        |name: &str| golden.tensor::<f32>(name).data().iter().map(|x| *x as u8).collect::<Vec<_>>();
    let write = |name: &str, dims: Vec<usize>, data: Vec<u8>| {
        morphograd_idx::write(
            folder.path().join(name),
            &Idx::new(dims, IdxData::U8(data)).unwrap(),
        )
        .unwrap();
    };
    for split in ["train", "t10k"] {
        write(&format!("{split}-images-idx3-ubyte.gz"), vec![64, 28, 28], bytes("x_uint8"));
        write(&format!("{split}-labels-idx1-ubyte.gz"), vec![64], bytes("y"));
    }
    let search = Search { option: Some(folder.path()), environment: None, datasets: folder.path() };
    DataSource::find(&search).unwrap().load().unwrap()
}

#[test]
fn gradients_losses_and_weights_of_five_steps_agree_with_tensorflow() {
    for (case, constraint) in CASES {
        let golden = Golden::read(case);
        let dataset = images(&golden);
        let config = Config { samples: 64, batch_size: 64, dropout: 0.0, ..Config::default() };
        let constraint = find("constraint", CONSTRAINTS, constraint).unwrap();
        let mut params = Params::new();
        let model = config
            .network(&dataset, Variant::from(constraint.name).kernel().unwrap(), 0, &mut params)
            .unwrap();
        assert_eq!(params.count(), 10_546);
        let ids: Vec<ParamId> = params.ids().collect();
        for (k, id) in ids.iter().enumerate() {
            let start = golden.tensor::<f32>(&format!("w{k}_step0"));
            let projection = params.update(*id, |w| w.copy_from_slice(start.data()));
            assert_eq!(projection.moved, 0, "{case}: the start of w{k} lies in the set");
        }
        let rule = find("optimizer", OPTIMIZERS, "adam").unwrap();
        let mut optimizer = Optimizer::new(&params, (rule.make)(), 0.01);
        let mut tape = Tape::new();
        let batch: Vec<usize> = (0..64).collect();
        for (step, expected) in golden.tensor::<f32>("losses").data().iter().enumerate() {
            let outcome = train_step(&mut tape, &mut params, &mut optimizer, |graph| {
                let batch = DataSet::gather(&dataset.train, graph, &batch)?;
                let logits = model.forward(graph, batch.inputs[0])?;
                graph.apply(SoftmaxCrossEntropy, [logits, batch.targets[0]])
            })
            .unwrap();
            let error = (outcome.loss - f64::from(*expected)).abs();
            assert!(
                error <= 1e-4,
                "{case}: loss {} of step {step}, expected {expected}",
                outcome.loss
            );
            if step == 0 {
                for (k, id) in ids.iter().enumerate() {
                    let expected = golden.tensor::<f32>(&format!("g{k}_step0"));
                    assert_close(
                        &format!("{case} g{k}"),
                        tape.grad(*id).unwrap(),
                        expected.data(),
                        1e-5,
                    );
                }
            }
        }
        for (k, id) in ids.iter().enumerate() {
            let expected = golden.tensor::<f32>(&format!("w{k}_step5"));
            for (found, expected) in params.value(*id).data.iter().zip(expected.data()) {
                assert!(
                    (found - expected).abs() <= 5e-4,
                    "{case} w{k}: expected {expected}, found {found}"
                );
            }
            assert_eq!(params.violation(*id), 0.0);
        }
    }
}
