//! The page of a comparison: what differs, figures of groups and runs, curves, filters.

use morphograd_plot::escape;

use super::figures::{curves, filters, stroke};
use super::table::{Compared, Group, ended, number, value};
use crate::report::file_stem;
use crate::report::shell::{document, figure, preformatted, swatch};

/// The files of a comparison, by name: `report.html`, the curves and the filters in `figures/`,
/// both tables as CSV (`runs.csv`, `means.csv`) and as JSON (`table.json`). The page is one file
/// that loads nothing.
pub fn report(title: &str, lead: &str, compared: &Compared) -> Vec<(String, String)> {
    let curves = curves(compared);
    let filters = filters(compared);
    let mut files = vec![("figures/curves.svg".to_owned(), curves.clone())];
    for (number, (group, _, svg)) in filters.iter().flatten().enumerate() {
        let stem = file_stem(&compared.label(group));
        // Long labels make no file name, and two may have one stem.
        let stem: String = stem.chars().take(80).collect();
        files.push((format!("figures/filters-{}-{stem}.svg", number + 1), svg.clone()));
    }
    let mut page = String::new();
    for note in &compared.notes {
        page += &format!("<p class=\"notes\">{}</p>\n", escape(note));
    }
    if compared.has_means() {
        page += "<h2>Means over the seeds</h2>\n";
        page += &means(compared);
    }
    if !compared.failed.is_empty() {
        page += "<h2>Failed</h2>\n<ul>\n";
        for failed in &compared.failed {
            page += &format!("<li>{}</li>\n", escape(&compared.failure(failed)));
        }
        page += "</ul>\n";
    }
    page += "<h2>Curves</h2>\n";
    page += &figure(
        &curves,
        "Accuracy and loss of every run on one scale each. Training figures are means over the \
         epoch, measured before each update with dropout on; validation figures are measured \
         after the epoch. A run that stopped early counts with its last value in the mean. Point \
         at a line for its name.",
    );
    page += "<h2>Runs</h2>\n";
    page += &runs(compared);
    page += "<h2>Filters</h2>\n";
    match &filters {
        Ok(all) => {
            page += "<p class=\"notes\">The structuring functions of the first layer, red below 0 \
                     and blue above on one symmetric scale for all runs, with their ranges; the \
                     first run of each row. Point at a cell for its value.</p>\n";
            for (number, (group, run, svg)) in all.iter().enumerate() {
                let at = compared.groups.iter().position(|other| other == *group);
                let label = swatch(stroke(at.unwrap_or(number)).colour);
                page += &format!("<h3>{label}{}</h3>\n", escape(&compared.label(group)));
                page += &figure(svg, &run.path.display().to_string());
            }
        }
        Err(why) => page += &format!("<p class=\"notes\">Not shown: {}.</p>\n", escape(why)),
    }
    page += "<h2>Settings that all have</h2>\n";
    page += &preformatted(&common(compared));
    files.push(("report.html".to_owned(), document(title, title, lead, &page)));
    files.push(("runs.csv".to_owned(), compared.csv()));
    files.push(("means.csv".to_owned(), compared.means_csv()));
    files.push(("table.json".to_owned(), compared.json()));
    files
}

/// The table of the groups: means, ranges below them.
fn means(compared: &Compared) -> String {
    let figures = compared.figures();
    let with_failed = !compared.failed.is_empty();
    let failed = if with_failed { "<th>failed</th>" } else { "" };
    let mut table = head(compared, "seeds", failed);
    for (position, group) in compared.groups.iter().enumerate() {
        table += &format!("<tr>{}<td>{}</td>", values(group, position), compared.count(group));
        for figure in &figures {
            let [mean, range] = compared.shown(group, figure);
            let below = match &range[..] {
                "" => String::new(),
                range => format!("<small>{range}</small>"),
            };
            table += &format!("<td>{mean}{below}</td>");
        }
        if with_failed {
            table += &format!("<td>{}</td>", group.failed.len());
        }
        table += "</tr>\n";
    }
    table
        + "</tbody>\n</table></div>\n<p class=\"notes\">Mean over the seeds, range below. \
             Restored: the weights kept.</p>\n"
}

/// The table of the runs.
fn runs(compared: &Compared) -> String {
    let figures = compared.figures();
    let last = "<th class=\"words\">ended</th><th class=\"words\">folder</th>";
    let mut table = head(compared, "seed", last);
    for (position, group) in compared.groups.iter().enumerate() {
        for run in group.runs.iter().map(|i| &compared.runs[*i]) {
            table += &format!("<tr>{}<td>{}</td>", values(group, position), run.metrics.seed);
            for figure in &figures {
                let value = number((figure.of)(&run.metrics), figure.decimals);
                table += &format!("<td>{value}</td>");
            }
            table += &format!(
                "<td class=\"words\">{}</td><td class=\"words\">{}</td></tr>\n",
                ended(run),
                escape(&run.path.display().to_string())
            );
        }
    }
    table + "</tbody>\n</table></div>\n"
}

/// The start of a table: settings that differ, the seed or how many there are, figures, and what is
/// behind them.
fn head(compared: &Compared, seed: &str, last: &str) -> String {
    let mut head = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
    if compared.keys.is_empty() {
        head += "<th></th>";
    }
    for key in &compared.keys {
        head += &format!("<th class=\"words\">{}</th>", escape(key));
    }
    head += &format!("<th>{seed}</th>");
    for figure in compared.figures() {
        let [above, below] = figure.heading.map(|line| escape(&line));
        let line = if above.is_empty() { "" } else { "<br/>" };
        head += &format!("<th>{above}{line}{below}</th>");
    }
    head + last + "</tr></thead>\n<tbody>\n"
}

/// The cells of what differs, with the colour of the group.
fn values(group: &Group, position: usize) -> String {
    let mut cells = String::new();
    let words = if group.values.is_empty() { &["all runs".to_owned()] } else { &group.values[..] };
    for (column, word) in words.iter().enumerate() {
        let mark = if column == 0 { swatch(stroke(position).colour) } else { String::new() };
        cells += &format!("<th class=\"words\">{mark}{}</th>", escape(word));
    }
    cells
}

/// The settings that no two runs differ in.
fn common(compared: &Compared) -> String {
    let Some(first) = compared.runs.first() else { return String::new() };
    let common = first.settings.iter().filter(|(key, own)| {
        let mut others = compared.runs.iter().map(|run| value(&run.settings, key));
        others.all(|other| other == Some(own))
    });
    common.map(|(key, value)| format!("{key} = {value}\n")).collect()
}
