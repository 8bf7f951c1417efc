//! What all pages have in common: head, style, figures. A page is written as well-formed XML in
//! HTML's vocabulary, so that a test can parse it.

use morphograd_plot::escape;
use morphograd_plot::palette::BLACK;

/// A page that needs nothing but itself; `body` is markup, the rest plain text.
pub(crate) fn document(title: &str, heading: &str, lead: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{}</h1>\n<p class=\"lead\">{}</p>\n{body}</main>\n</body>\n</html>\n",
        escape(title),
        escape(heading),
        escape(lead)
    )
}

/// A drawing with a sentence below it.
pub(crate) fn figure(svg: &str, caption: &str) -> String {
    format!(
        "<figure><div class=\"scroll\">{svg}</div><figcaption>{}</figcaption></figure>\n",
        escape(caption)
    )
}

/// Text as it is.
pub(crate) fn preformatted(text: &str) -> String {
    format!("<pre>{}</pre>\n", escape(text))
}

/// A square of the colour of a curve.
pub(crate) fn swatch(colour: &str) -> String {
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
h3 { font-size: 1rem; margin: 1.2rem 0 0; font-weight: 600; }
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
