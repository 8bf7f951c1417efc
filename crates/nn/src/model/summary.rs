//! A model in a table, as Keras 2.4 to 2.7 prints it, so that it can be compared line by line with
//! published ones.
//!
//! The one design choice: the text is returned, not printed, and holds the counts of this model
//! only, whatever else the parameters hold.

use std::iter;

use morphograd_autodiff::Params;
use morphograd_autodiff::tensor::{Real, Shape};

use crate::model::sequential::Model;

/// Where the columns end; the last is the width of the table.
const COLUMNS: [usize; 3] = [29, 55, 65];

/// The table: a row a layer with its name, type, output shape and number of parameters, then the
/// totals. A text that is too long for its column is cut. A type is the name of its description
/// with the D of dimensions in capitals (`Dilation2d` as `Dilation2D`). Ends with a line break.
///
/// ```
/// use morphograd_nn::{autodiff::Params, summary, Sequential};
/// let mut params = Params::<f32>::new();
/// let model = Sequential::new().build_model(&mut params, 42, [28, 28, 1])?;
/// let text = summary(&model, &params);
/// let row = text.lines().nth(4).unwrap();
/// assert_eq!(row, "input_1 (InputLayer)         [(None, 28, 28, 1)]       0         ");
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
pub fn summary<T: Real>(model: &Model<T>, params: &Params<T>) -> String {
    let of_model = |name: &str| {
        let of = |layer: &str| name.strip_prefix(layer).is_some_and(|rest| rest.starts_with('.'));
        model.entries().iter().any(|entry| of(&entry.name))
    };
    let frozen: usize = params
        .ids()
        .filter(|id| !params.is_trainable(*id) && of_model(params.name(*id)))
        .map(|id| params.value(id).data.len())
        .sum();
    let total: usize = model.entries().iter().map(|entry| entry.n_params).sum();

    let (rule, double) = ("_".repeat(COLUMNS[2]), "=".repeat(COLUMNS[2]));
    let mut lines = vec![
        "Model: \"model\"".to_owned(),
        rule.clone(),
        row(["Layer (type)", "Output Shape", "Param #"]),
        double.clone(),
    ];
    let input = row(["input_1 (InputLayer)", &format!("[{}]", batched(model.input())), "0"]);
    let layers = model.entries().iter().map(|entry| {
        let kind = entry.kind.replace("2d", "2D");
        row([
            &format!("{} ({kind})", entry.name),
            &batched(entry.output),
            &entry.n_params.to_string(),
        ])
    });
    for (i, layer) in iter::once(input).chain(layers).enumerate() {
        if i > 0 {
            lines.push(rule.clone());
        }
        lines.push(layer);
    }
    lines.push(double);
    for (what, count) in
        [("Total", total), ("Trainable", total - frozen), ("Non-trainable", frozen)]
    {
        lines.push(format!("{what} params: {}", thousands(count)));
    }
    lines.push(rule);
    lines.join("\n") + "\n"
}

/// Every column ends with a space, even if its text is cut for it.
fn row(fields: [&str; 3]) -> String {
    let mut line = String::new();
    for (i, (field, end)) in fields.into_iter().zip(COLUMNS).enumerate() {
        if i > 0 {
            line.pop();
            line.push(' ');
        }
        line.push_str(field);
        line = format!("{line:<end$.end$}");
    }
    line
}

fn batched(shape: Shape) -> String {
    let dims: Vec<String> = shape.dims().iter().map(|n| format!(", {n}")).collect();
    // A batch of scalars is a tuple of one in Python.
    format!("(None{})", if dims.is_empty() { ",".to_owned() } else { dims.concat() })
}

fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let groups = digits.as_bytes()[first..].chunks(3);
    let groups =
        groups.map(|group| group.iter().map(|digit| char::from(*digit)).collect::<String>());
    let head = iter::once(digits[..first].to_owned()).filter(|head| !head.is_empty());
    head.chain(groups).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sequential;
    use crate::model::build::Build;
    use crate::model::builder::Builder;
    use crate::model::error::BuildError;
    use crate::model::layer::Layer;
    use crate::model::weight::Weight;
    use morphograd_autodiff::tensor::ShapeError;
    use morphograd_autodiff::{Backward, Forward, Graph, Op, Var};

    /// Has `params` numbers in its kernel and gives an output of the shape `output`: all that a
    /// summary sees of a layer.
    struct Dilation2d {
        params: usize,
        output: Shape,
    }
    struct Flatten(Shape);

    #[derive(Debug, Clone)]
    struct Becomes(Shape);

    impl Op<f32> for Becomes {
        fn name(&self) -> &'static str {
            "becomes"
        }
        fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
            Ok(self.0.batched(inputs[0].dims()[0]))
        }
        fn forward(&self, pass: Forward<'_, f32>) {
            pass.output.fill(0.0);
        }
        fn backward(&self, _: Backward<'_, f32>) {}
    }

    impl Layer<f32> for Becomes {
        fn forward(&self, graph: &mut Graph<'_, f32>, x: Var) -> Result<Var, ShapeError> {
            graph.apply(self.clone(), [x])
        }
    }

    impl Build<f32> for Dilation2d {
        fn build(
            self,
            builder: &mut Builder<'_, f32>,
            _: Shape,
        ) -> Result<Box<dyn Layer<f32>>, BuildError> {
            builder.param("kernel", [self.params].into(), Weight::zeros())?;
            Ok(Box::new(Becomes(self.output)))
        }
    }

    impl Build<f32> for Flatten {
        fn build(
            self,
            _: &mut Builder<'_, f32>,
            _: Shape,
        ) -> Result<Box<dyn Layer<f32>>, BuildError> {
            Ok(Box::new(Becomes(self.0)))
        }
    }

    fn model() -> (Model<f32>, Params<f32>) {
        let mut params = Params::new();
        let model = Sequential::new()
            .add("dilation2d", Dilation2d { params: 200, output: [24, 24, 8].into() })
            .add("flatten", Flatten([4608].into()))
            .add(
                "a_layer_with_a_rather_long_name",
                Dilation2d { params: 1_234_567, output: [1000, 1000, 1000, 1000].into() },
            )
            .build_model(&mut params, 0, [28, 28, 1])
            .unwrap();
        (model, params)
    }

    #[test]
    fn the_table_is_that_of_keras_to_the_last_blank() {
        let (model, mut params) = model();
        params.set_trainable(params.find("dilation2d.kernel").unwrap(), false);
        let expected = r#"Model: "model"
_________________________________________________________________
Layer (type)                 Output Shape              Param #   |
=================================================================
input_1 (InputLayer)         [(None, 28, 28, 1)]       0         |
_________________________________________________________________
dilation2d (Dilation2D)      (None, 24, 24, 8)         200       |
_________________________________________________________________
flatten (Flatten)            (None, 4608)              0         |
_________________________________________________________________
a_layer_with_a_rather_long_n (None, 1000, 1000, 1000,  1234567   |
=================================================================
Total params: 1,234,767
Trainable params: 1,234,567
Non-trainable params: 200
_________________________________________________________________
"#;
        // A bar stands after a last blank, so that no line of the source ends in one.
        assert_eq!(summary(&model, &params), expected.replace("|\n", "\n"));
    }

    #[test]
    fn another_models_parameters_are_not_counted() {
        let (model, mut params) = model();
        let before = summary(&model, &params);
        let other = Sequential::new()
            .add("dilation2d_b", Dilation2d { params: 7, output: [1].into() })
            .build_model(&mut params, 0, [28, 28, 1])
            .unwrap();
        params.set_trainable(params.find("dilation2d_b.kernel").unwrap(), false);
        assert_eq!(summary(&model, &params), before);
        assert!(
            summary(&other, &params)
                .contains("Total params: 7\nTrainable params: 0\nNon-trainable params: 7\n")
        );
    }

    #[test]
    fn thousands_are_separated() {
        let all = [0, 12, 999, 1000, 10_546, 123_456, 1_000_000].map(thousands);
        assert_eq!(all, ["0", "12", "999", "1,000", "10,546", "123,456", "1,000,000"]);
    }
}
