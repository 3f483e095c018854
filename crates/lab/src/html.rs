//! The report of a sweep as one HTML file that needs nothing else: verdicts, figures, tables, network, script.

use crate::expect::{Threshold, Verdict};
use crate::params::shown;
use crate::reopen::Reopened;
use crate::results::Results;
use std::fmt::Write;
use std::fs;
use tidewire_metrics::{Table, Value, human};

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\
h1{margin-bottom:0}h2{margin-top:2.5rem;border-bottom:1px solid #ddd}table{border-collapse:collapse;font-size:.875rem}\
td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #eee;white-space:nowrap}th{text-align:left;border-bottom:2px solid #999}\
td.t{text-align:left}.wide{overflow-x:auto}.ok{color:#0a6b2d;font-weight:600}.bad{color:#b3261e;font-weight:600}\
pre{background:#f6f6f4;padding:1rem;overflow-x:auto;font-size:.8125rem}figure{margin:1rem 0}svg{max-width:100%;height:auto}\
.faint{color:#666}code{background:#f6f6f4;padding:.1rem .3rem}";

/// Most rows of the table of all runs.
const MOST_RUNS: usize = 500;

/// The page. `network` is a picture of the first point's network, as SVG.
pub fn html(
    of: &Reopened,
    results: &Results,
    judged: &[(Threshold, Vec<Verdict>)],
    network: Option<&str>,
) -> String {
    let name = escaped(&of.manifest.name);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{name}</title><style>{STYLE}</style></head><body>\n<h1>{name}</h1>\n"
    );
    let failed = results.runs.iter().filter(|part| part.result.error.is_some()).count();
    let _ = writeln!(
        page,
        "<p class=\"faint\">{} runs at {} points{}, seed {}; tidewire {}; results <code>{}</code></p>",
        results.runs.len(),
        results.points().len(),
        if failed > 0 { format!(", <span class=\"bad\">{failed} failed</span>") } else { String::new() },
        of.manifest.seed,
        escaped(&of.manifest.tool.0),
        escaped(&of.folder.path.display().to_string()),
    );
    thresholds(&mut page, of, judged);
    failures(&mut page, of, results);
    figures(&mut page, of);
    let _ = writeln!(
        page,
        "<h2>Summary</h2>\n<p class=\"faint\">Means over the replications of each point, with 95 % confidence intervals.</p>"
    );
    table(&mut page, &results.summary_table(), usize::MAX);
    let _ = writeln!(page, "<h2>Runs</h2>\n<details><summary>{} runs</summary>", results.runs.len());
    table(&mut page, &results.runs_table(), MOST_RUNS);
    page.push_str("</details>\n");
    if let Some(svg) = network {
        let _ = writeln!(
            page,
            "<h2>Network</h2>\n<p class=\"faint\">At the first point.</p>\n<figure>{}</figure>",
            bare(svg)
        );
    }
    let _ = writeln!(page, "<h2>Script</h2>\n<pre>{}</pre>", escaped(&of.plan.script.text));
    let manifest = fs::read_to_string(of.folder.path.join("manifest.json")).unwrap_or_default();
    let _ = writeln!(
        page,
        "<h2>Manifest</h2>\n<details><summary>manifest.json</summary><pre>{}</pre></details>",
        escaped(&manifest)
    );
    page.push_str("</body></html>\n");
    page
}

fn thresholds(page: &mut String, of: &Reopened, judged: &[(Threshold, Vec<Verdict>)]) {
    if judged.is_empty() {
        return;
    }
    page.push_str("<h2>Thresholds</h2>\n<div class=\"wide\"><table><tr><th></th><th>condition</th><th>point</th><th>measured</th><th>look closer</th></tr>\n");
    for (threshold, verdicts) in judged {
        let (good, bad): (Vec<&Verdict>, Vec<&Verdict>) = verdicts.iter().partition(|verdict| verdict.passed);
        let condition = escaped(&threshold.condition);
        let only = escaped(&shown(&threshold.only));
        if bad.is_empty() {
            let _ = writeln!(
                page,
                "<tr><td class=\"t ok\">ok</td><td class=\"t\">{condition}</td><td class=\"t\">{only}</td><td>{} points</td><td></td></tr>",
                good.len()
            );
        }
        for verdict in bad {
            let measured = verdict.measured.map_or_else(|| "no value".to_owned(), human);
            let command =
                verdict.worst.map_or_else(String::new, |worst| of.plan.repeat(&verdict.point, worst.rep));
            let _ = writeln!(
                page,
                "<tr><td class=\"t bad\">FAIL</td><td class=\"t\">{condition}</td><td class=\"t\">{}</td><td>{measured}</td><td class=\"t\"><code>{}</code></td></tr>",
                escaped(&shown(&verdict.point)),
                escaped(&command)
            );
        }
    }
    page.push_str("</table></div>\n");
}

fn failures(page: &mut String, of: &Reopened, results: &Results) {
    let failed: Vec<_> = results.runs.iter().filter(|part| part.result.error.is_some()).collect();
    let checks =
        results.runs.iter().flat_map(|part| part.result.checks.iter().map(move |check| (part, check)));
    let broken: Vec<_> = checks.filter(|(_, check)| !check.passed).take(50).collect();
    if failed.is_empty() && broken.is_empty() {
        return;
    }
    page.push_str("<h2>What went wrong</h2>\n<ul>\n");
    for part in failed.into_iter().take(50) {
        let message = part.result.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
        let repeat = of.plan.repeat(&part.run.point, part.run.rep);
        let _ = writeln!(
            page,
            "<li class=\"bad\">{}<pre>{}</pre><code>{}</code></li>",
            escaped(&part.run.id),
            escaped(&message),
            escaped(&repeat)
        );
    }
    for (part, check) in broken {
        let _ =
            writeln!(page, "<li>check failed in {}: {}</li>", escaped(&part.run.id), escaped(&check.text));
    }
    page.push_str("</ul>\n");
}

fn figures(page: &mut String, of: &Reopened) {
    let folder = of.folder.path.join("plots");
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "svg"));
    files.sort();
    if files.is_empty() {
        return;
    }
    page.push_str("<h2>Plots</h2>\n");
    for svg in files.iter().filter_map(|path| fs::read_to_string(path).ok()) {
        let _ = writeln!(page, "<figure>{}</figure>", bare(&svg));
    }
}

/// A picture without the declaration that only a file of its own may have.
fn bare(svg: &str) -> &str {
    svg.find("<svg").map_or(svg, |start| &svg[start..])
}

fn table(page: &mut String, table: &Table, most: usize) {
    page.push_str("<div class=\"wide\"><table><tr>");
    table.columns.iter().for_each(|name| {
        let _ = write!(page, "<th>{}</th>", escaped(name));
    });
    page.push_str("</tr>\n");
    for row in table.rows.iter().take(most) {
        page.push_str("<tr>");
        for cell in row {
            let _ = match cell {
                Value::Float(x) => write!(page, "<td>{}</td>", human(*x)),
                Value::Int(n) => write!(page, "<td>{n}</td>"),
                other => write!(page, "<td class=\"t\">{}</td>", escaped(&other.to_string())),
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
    if table.rows.len() > most {
        let _ = writeln!(page, "<p class=\"faint\">and {} more in the CSV file</p>", table.rows.len() - most);
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
