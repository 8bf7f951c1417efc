//! The page around the figures of a training; runs fold away under their variant, so that thirty of
//! them stay readable.

use morphograd_plot::escape;

use super::shell::{document, figure, preformatted, swatch};
use super::{curves, palette, run_figures};
use crate::record::{ExperimentRecord, RunRecord};
use crate::tables::{
    Comparison, ComparisonRow, Spread, epochs, mean, published_cells, range, run_line, seconds,
    violation,
};

const TITLE: &str = "Constraints on morphological networks";

pub(super) fn html(experiment: &ExperimentRecord) -> String {
    let comparison = Comparison::new(experiment);
    let mut page = String::from("<h2>Comparison</h2>\n");
    page += &comparison_table(experiment, &comparison);
    page += &figure(
        &curves::comparison(experiment),
        "Validation accuracy over the epochs; the shaded region is enlarged on the right. A run \
         that stopped early counts with its \
         last value in the mean. Point at a line for its name.",
    );
    page += "<h2>Runs</h2>\n";
    let open_all = experiment.runs.len() <= 2;
    for (index, row) in comparison.rows.iter().enumerate() {
        page += &group(experiment, row, open_all || index == 0);
    }
    page += "<h2>Model</h2>\n";
    page += &preformatted(&experiment.summary);
    page += "<h2>Configuration</h2>\n";
    page += &preformatted(&experiment.config);
    page += "<h2>Timings</h2>\n";
    page += &timings(experiment);
    let title = format!("{TITLE}: {}", experiment.dataset);
    document(&title, TITLE, &experiment.dataset_note, &page)
}

fn comparison_table(experiment: &ExperimentRecord, comparison: &Comparison) -> String {
    let mut table = String::from(
        "<div class=\"scroll\"><table>\n<thead>\n<tr><th rowspan=\"2\">constraint</th><th \
         rowspan=\"2\">seeds</th>\
         <th rowspan=\"2\">epochs</th><th colspan=\"2\">validation accuracy</th><th \
         rowspan=\"2\">best<br/>val. loss</th>\
         <th rowspan=\"2\">seconds<br/>per epoch</th><th colspan=\"2\">violation</th>\
         <th colspan=\"3\" class=\"group\">published</th></tr>\n\
         <tr><th>best</th><th>restored</th><th>largest</th><th>final</th><th \
         class=\"group\">epochs</th><th>best</th><th>restored</th></tr>\n</thead>\n<tbody>\n",
    );
    for row in &comparison.rows {
        let cell = |spread: Option<Spread>, decimals: usize, range_decimals: usize| {
            let several = spread.is_some_and(|spread| spread.min != spread.max);
            let range = if several {
                format!("<small>{}</small>", range(spread, range_decimals))
            } else {
                String::new()
            };
            // A single count has no decimals; the mean of several has one.
            let decimals = if range_decimals == 0 && several { 1 } else { decimals };
            format!("<td>{}{range}</td>", mean(spread, decimals))
        };
        let [epochs, best, restored] =
            published_cells(row).unwrap_or_else(|| std::array::from_fn(|_| "–".to_owned()));
        let mark = match row.mark() {
            "" => String::new(),
            mark => format!("<sup>{mark}</sup>"),
        };
        table += &format!(
            "<tr><th>{}{}</th><td>{}</td>{}{}{}{}<td>{}</td><td>{}</td><td>{}</td><td \
             class=\"group\">{epochs}{mark}</td><td>{best}{mark}</td>\
             <td>{restored}{mark}</td></tr>\n",
            swatch(palette::of(&row.variant, experiment)),
            escape(&row.variant.to_string()),
            row.seeds.len(),
            cell(row.epochs, 0, 0),
            cell(row.best_val_accuracy, 4, 4),
            cell(row.restored_val_accuracy, 4, 4),
            cell(row.best_val_loss, 4, 4),
            seconds(row.seconds_per_epoch),
            violation(row.max_violation),
            violation(row.final_violation),
        );
    }
    table += "</tbody>\n</table></div>\n";
    table += "<p class=\"notes\">";
    if comparison.rows.iter().any(|row| row.seeds.len() > 1) {
        table += "Mean over the seeds, range below. ";
    }
    table += "Restored: the weights kept, those of the epoch with the lowest \
              training loss.";
    for (mark, note) in &comparison.footnotes {
        table += &format!("<br/>{mark} {}", escape(note));
    }
    table + "</p>\n"
}

/// The runs of one variant.
fn group(experiment: &ExperimentRecord, row: &ComparisonRow, open: bool) -> String {
    let runs = experiment.runs_of(&row.variant);
    let seeds: Vec<String> = row.seeds.iter().map(u64::to_string).collect();
    let mut text = format!(
        "<details class=\"constraint\"{}>\n<summary>{}<b>{}</b> <span class=\"soft\">{} {}; \
         restored accuracy {}</span></summary>\n",
        if open { " open=\"open\"" } else { "" },
        swatch(palette::of(&row.variant, experiment)),
        escape(&row.variant.to_string()),
        if seeds.len() == 1 { "seed" } else { "seeds" },
        seeds.join(", "),
        mean(row.restored_val_accuracy, 4),
    );
    if let [run] = runs[..] {
        text += &single(experiment, run);
    } else {
        for (index, run) in runs.iter().enumerate() {
            text += &format!(
                "<details class=\"run\"{}>\n<summary>Seed {} <span class=\"soft\">{}, best \
                 accuracy {:.4}, restored {:.4}\
                 </span></summary>\n{}</details>\n",
                if open && index == 0 { " open=\"open\"" } else { "" },
                run.seed,
                epochs(run.epochs.len()),
                run.best_val_accuracy(),
                run.restored_val_accuracy(),
                single(experiment, run),
            );
        }
    }
    text + "</details>\n"
}

/// Everything about one run.
fn single(experiment: &ExperimentRecord, run: &RunRecord) -> String {
    let mut text = format!("<p>{}.</p>\n", escape(&run_line(run)));
    for (kind, svg) in run_figures(run, experiment) {
        let figure = figure(&svg, caption(kind));
        if kind == "confusion" && experiment.class_names.len() == run.confusion.classes() {
            let report = run.confusion.report(&experiment.class_names).to_string();
            text += &format!("<div class=\"pair\">\n{figure}{}</div>\n", preformatted(&report));
        } else {
            text += &figure;
        }
    }
    text
}

fn caption(kind: &str) -> &'static str {
    match kind {
        "training" => {
            "Loss and accuracy. Training figures are means over the epoch with dropout on, \
             measured before each update; validation \
             figures are measured after the epoch."
        }
        "filters" => {
            "Learned structuring functions, red below 0 and blue above on one symmetric scale, \
             with their range. Point at a cell for \
             its value."
        }
        "wins" => {
            "How many outputs each entry of the filters won with the weights kept, on the first \
             batch of validation images, by the square \
             root of its share. A cross is a dead entry: it won nothing, so no gradient reaches it \
             from these images. Below, the dead \
             entries and the share of the winner-most one."
        }
        "entries" => {
            "How the wins are spread over the entries after each epoch, on the first batch of \
             validation images: entries that won nothing, \
             and the share of the outputs that the winner-most entry of a filter won. At a share \
             of 1 a filter only shifts the image."
        }
        "outputs" => {
            "One digit and the filters' outputs on it, each from black at its least to white at \
             its largest value, with its range."
        }
        "confusion" => {
            "Confusion matrix of the weights kept. Colour: share of the true class, on a \
             square-root scale."
        }
        "projection" => {
            "What the projection did after each step, averaged over the epoch: share of the \
             constrained coordinates moved, Euclidean \
             distance moved, and the norms of the gradient and of the gradient mapping, which \
             takes the gradient's place where there is a set. The noise of the minibatches keeps \
             it above zero, and kinks can do so too. Below, at the end of the epoch: share of the \
             constrained coordinates on the boundary of their set, where the set counts them, and \
             the largest distance of a parameter from its set."
        }
        other => unreachable!("no caption for a figure of kind {other:?}"),
    }
}

fn timings(experiment: &ExperimentRecord) -> String {
    let mut table = String::from(
        "<div class=\"scroll\"><table>\n<thead><tr><th>constraint</th><th>seed</th>\
         <th>epochs</th><th>seconds</th><th>seconds per epoch</th>\
         <th class=\"words\">ended because</th></tr></thead>\n<tbody>\n",
    );
    for run in &experiment.runs {
        table += &format!(
            "<tr><th>{}</th><td>{}</td><td>{}</td><td>{:.1}</td><td>{:.3}</td><td \
             class=\"words\">{}</td></tr>\n",
            escape(&run.variant.to_string()),
            run.seed,
            run.epochs.len(),
            run.train_seconds,
            run.seconds_per_epoch(),
            escape(&run.stop.to_string()),
        );
    }
    let total: f64 = experiment.runs.iter().map(|run| run.train_seconds).sum();
    let threads = if experiment.threads == 1 {
        "1 thread".to_owned()
    } else {
        format!("{} threads", experiment.threads)
    };
    table
        + &format!(
            "</tbody>\n</table></div>\n<p class=\"notes\">{total:.1} seconds of training in all, \
             on {threads}.</p>\n"
        )
}
