//! The page around the figures. It is written as well-formed XML in HTML's vocabulary, so that a
//! test can parse it; runs fold away under their variant, so that thirty of them stay readable.

use morphograd_plot::escape;
use morphograd_plot::palette::BLACK;

use super::{curves, palette, run_figures};
use crate::record::{ExperimentRecord, RunRecord};
use crate::tables::{
    Comparison, ComparisonRow, Spread, epochs, mean, published_cells, range, run_line, seconds,
    violation,
};

const TITLE: &str = "Constraints on morphological networks";

pub(super) fn html(experiment: &ExperimentRecord) -> String {
    let comparison = Comparison::new(experiment);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{TITLE}: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&experiment.dataset)
    );
    page +=
        &format!("<h1>{TITLE}</h1>\n<p class=\"lead\">{}</p>\n", escape(&experiment.dataset_note));
    page += "<h2>Comparison</h2>\n";
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
    page += "</main>\n</body>\n</html>\n";
    page
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

fn figure(svg: &str, caption: &str) -> String {
    format!(
        "<figure><div class=\"scroll\">{svg}</div><figcaption>{}</figcaption></figure>\n",
        escape(caption)
    )
}

fn preformatted(text: &str) -> String {
    format!("<pre>{}</pre>\n", escape(text))
}

fn swatch(colour: &str) -> String {
    let class = if colour == BLACK { "swatch black" } else { "swatch" };
    format!("<i class=\"{class}\" style=\"background:{colour}\"></i>")
}

/// Dark colours apply to screens only: paper stays white.
const STYLE: &str = "
:root { --paper: #ffffff; --ink: #1c1c1c; --soft: #555555; --rule: #d8d8d8; --tint: #f5f5f3; }
* { box-sizing: border-box; }
body {
    margin: 0; background: var(--paper); color: var(--ink);
    font: 16px/1.5 system-ui, 'Helvetica Neue', Arial, sans-serif;
}
main { max-width: 1100px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 {
    font-size: 1.2rem; margin: 2.4rem 0 .8rem; padding-bottom: .25rem;
    border-bottom: 1px solid var(--rule);
}
.lead { margin: 0; max-width: 48rem; }
.soft { color: var(--soft); font-weight: normal; }
.notes, figcaption { color: var(--soft); font-size: .85rem; max-width: 56rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td {
    padding: 5px 10px; text-align: right; white-space: nowrap; vertical-align: top;
    font-weight: normal;
}
thead th { color: var(--soft); vertical-align: bottom; line-height: 1.25; }
tbody tr { border-top: 1px solid var(--rule); }
tbody { border-bottom: 1px solid var(--rule); }
th:first-child, tbody th, .words { text-align: left; }
th:first-child { padding-left: 0; }
thead tr + tr th:first-child { padding-left: 10px; text-align: right; }
thead th[colspan] { text-align: center; }
td.group, th.group { border-left: 1px solid var(--rule); }
td small { display: block; color: var(--soft); font-size: .78rem; line-height: 1.2; }
sup { line-height: 0; }
.swatch {
    display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .5em;
}
.swatch.black { background: var(--ink) !important; }
figure { margin: 1.2rem 0; break-inside: avoid; }
figure svg { display: block; max-width: 100%; height: auto; }
figcaption { margin-top: .3rem; }
pre {
    margin: .8rem 0; padding: 12px 14px; overflow-x: auto; background: var(--tint);
    border-radius: 4px; font: .8rem/1.4 ui-monospace, Menlo, Consolas, 'Liberation Mono', monospace;
}
details.constraint {
    border: 1px solid var(--rule); border-radius: 6px; margin: 10px 0; padding: 0 16px;
}
details.run { border-top: 1px solid var(--rule); }
summary { padding: 10px 0; cursor: pointer; }
.pair { display: flex; flex-wrap: wrap; gap: 0 24px; align-items: center; }
.pair figure { flex: 1 1 460px; min-width: 0; }
.pair pre { flex: 0 1 auto; min-width: 0; }
@media (max-width: 700px) {
  main { padding: 16px 12px 48px; }
  details.constraint { padding: 0 10px; }
  figure svg { max-width: none; width: auto; }
  .pair figure { flex-basis: 100%; }
}
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #16181b; --ink: #e6e6e3; --soft: #a3a6aa; --rule: #373b40; --tint: #1f2226; }
  svg .paper { fill: var(--paper); }
  svg .ink { fill: var(--ink); }
  svg .soft { fill: var(--soft); }
  svg .grid { stroke: #2b2f34; }
  svg .black { stroke: var(--ink); }
}
@media print {
  main { max-width: none; padding: 0; }
  body { font-size: 11pt; orphans: 4; }
  h2, summary, summary + p { break-after: avoid; }
  .pair { break-inside: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
  details.constraint { border: 0; padding: 0; }
  pre { white-space: pre-wrap; }
  .scroll, pre { overflow: visible; }
}
";
