//! Plots as files: checked before a sweep, drawn after it, drawn again from a folder or a CSV file.

use crate::error::{LabError, suggestion};
use crate::expect::check_only;
use crate::figures::{Named, figures_of};
use crate::folder::{Folder, write_whole};
use crate::frame::Frame;
use crate::heard::Heard;
use crate::manifest::Manifest;
use crate::results::Results;
use crate::traces::trace_of;
use std::fs;
use std::path::{Path, PathBuf};
use tidewire_script::{Experiment, PlotSpec};

const KINDS: [&str; 7] = ["line", "dots", "scatter", "bar", "box", "cdf", "step"];

/// That the plots of an experiment name parameters that exist. Errors: with a suggestion.
pub fn check_plots(declared: &Experiment) -> Result<(), LabError> {
    let names: Vec<&str> = declared.params.iter().map(|(name, _)| name.as_str()).collect();
    for spec in &declared.plots {
        let objects: &[&str] = if spec.series.is_some() { &["object"] } else { &[] };
        let known = [&names[..], objects, &["rep"]].concat();
        for (what, name) in [("color", &spec.color), ("facet", &spec.facet)] {
            if let Some(name) = name.as_deref().filter(|name| !known.contains(name)) {
                let hint = suggestion(name, "parameters", known.iter().copied());
                return Err(LabError::script(
                    format!("plot: {what} = \"{name}\" names no parameter{hint}"),
                    spec.place.clone(),
                ));
            }
        }
        if let Some(kind) = spec.kind.as_deref().filter(|kind| !KINDS.contains(kind)) {
            let hint = suggestion(kind, "kinds", KINDS);
            return Err(LabError::script(format!("plot: unknown kind \"{kind}\"{hint}"), spec.place.clone()));
        }
        if spec.series.is_none()
            && (spec.y.is_empty() || (spec.x.is_none() && spec.kind.as_deref() != Some("cdf")))
        {
            let message = "plot: needs x and y, or series\n  write for example plot = { x = \"loss\", y = \"goodput_mbps\" }";
            return Err(LabError::script(message, spec.place.clone()));
        }
        check_only(&spec.only, declared, "plot", &spec.place)?;
    }
    Ok(())
}

/// Which unknown names of metrics are mistakes: one run of many need not record what another one does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Names {
    /// Those that are nearly a known one.
    Near,
    /// All.
    All,
}

/// Columns of runs.csv that no script records.
const OWN_COLUMNS: [&str; 6] = ["rep", "seed", "point", "ended", "sim_s", "status"];

/// That finished runs know the metrics of the plots. Errors: the first that none knows.
pub fn check_plot_metrics(declared: &Experiment, heard: &Heard, names: Names) -> Result<(), LabError> {
    let params: Vec<&str> = declared.params.iter().map(|(name, _)| name.as_str()).collect();
    let is_twin = |name: &str| name.rsplit_once('_').is_some_and(|(stem, _)| params.contains(&stem));
    for spec in declared.plots.iter().filter(|spec| spec.series.is_none()) {
        let only = spec.only.iter().filter(|(name, _)| name != "rep").cloned().collect();
        let Some(recorded) = heard.names(&only) else { continue };
        let all: Vec<&str> = recorded.into_iter().chain(params.iter().copied()).collect();
        for name in spec.y.iter().chain(&spec.x).map(String::as_str) {
            if all.contains(&name) || OWN_COLUMNS.contains(&name) || is_twin(name) {
                continue;
            }
            if names == Names::All || crate::error::did_you_mean(name, all.iter().copied()).is_some() {
                let hint = suggestion(name, "metrics", all);
                return Err(LabError::script(format!("plot: no metric '{name}'{hint}"), spec.place.clone()));
            }
        }
    }
    Ok(())
}

/// Draws the plots of an experiment into `plots/`. Returns the files, relative to the folder, and what could not be drawn.
pub fn draw(results: &Results, folder: &Folder) -> Result<(Vec<String>, Vec<LabError>), LabError> {
    let frame = Frame {
        table: results.runs_table(),
        params: results.params.names().map(String::from).collect(),
        units: results.experiment.units.iter().cloned().collect(),
        name: results.experiment.name.clone(),
    };
    let (figures, errors) = figures(&results.experiment.plots, &frame, &folder.path);
    Ok((write(figures, &folder.path.join("plots"))?, errors))
}

fn figures(specs: &[PlotSpec], frame: &Frame, folder: &Path) -> (Vec<Named>, Vec<LabError>) {
    let (mut figures, mut errors) = (Vec::new(), Vec::new());
    for spec in specs {
        let made = match spec.series {
            Some(_) => trace_of(spec, &frame.params, &folder.join("series.csv"), &frame.name)
                .map(|figure| vec![figure]),
            None => figures_of(spec, frame),
        };
        match made {
            Ok(made) => figures.extend(made),
            Err(error) => errors.push(error.at(spec.place.as_ref())),
        }
    }
    (figures, errors)
}

fn write(figures: Vec<Named>, folder: &Path) -> Result<Vec<String>, LabError> {
    let failed = |path: &Path, error| {
        LabError::io("cannot write", path, error, "the tables are written; only plots are missing")
    };
    let mut names: Vec<String> = Vec::new();
    for (name, figure) in figures {
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let stem = crate::results::free_name(&name.chars().map(plain).collect::<String>(), &names);
        let path = folder.join(format!("{stem}.svg"));
        write_whole(&path, tidewire_plot::render(&figure).as_bytes())
            .map_err(|error| failed(&path, error))?;
        names.push(stem);
    }
    Ok(names.into_iter().map(|name| format!("plots/{name}.svg")).collect())
}

/// `tidewire plot`: from a results folder or a CSV file, with the experiment's own plots unless `spec` says another.
/// Returns the files written.
pub fn replot(from: &Path, spec: Option<PlotSpec>, output: Option<&Path>) -> Result<Vec<PathBuf>, LabError> {
    let is_folder = from.is_dir();
    let csv = if is_folder { from.join("runs.csv") } else { from.to_owned() };
    let mut frame = Frame::read(&csv, &|_, _| true)?;
    let folder = csv.parent().unwrap_or(Path::new(""));
    let manifest = Manifest::read(folder);
    let mut specs = Vec::new();
    if let Some(manifest) = manifest {
        frame.params = manifest.params;
        frame.units = manifest.units;
        frame.name = manifest.name;
        specs = manifest.plots;
    }
    let chosen = spec.is_some();
    let specs = spec.map_or(specs, |spec| vec![spec]);
    if specs.is_empty() {
        let message = "nothing to plot: the experiment declares no plots; name the axes: tidewire plot --x loss --y goodput_mbps";
        return Err(LabError::Usage(message.into()));
    }
    let (figures, errors) = figures(&specs, &frame, folder);
    if let Some(spec) = specs.iter().find(|spec| chosen && spec.series.is_none())
        && let Some(metric) = spec.y.iter().find(|y| frame.column(y, "y").is_err())
        && in_series(metric, folder)
    {
        return Err(LabError::Usage(format!("--y {metric}: it is a time series; write --series {metric}")));
    }
    if let Some(error) = errors.into_iter().next() {
        return Err(if chosen { LabError::Usage(error.to_string().replace("plot: ", "--")) } else { error });
    }
    if let Some((name, _)) = figures.iter().find(|(_, figure)| figure.is_empty()) {
        return Err(LabError::Usage(format!(
            "{name}: nothing to draw: no row that is chosen has numbers there"
        )));
    }
    match output {
        Some(path) => write_one(figures, path),
        None => {
            let into = if is_folder { from.join("plots") } else { PathBuf::from(".") };
            let names = write(figures, &into)?;
            Ok(names.iter().map(|name| into.join(name.trim_start_matches("plots/"))).collect())
        }
    }
}

fn in_series(metric: &str, folder: &Path) -> bool {
    let wanted = |columns: &[String], record: &csv::StringRecord| {
        columns.iter().zip(record).all(|(column, cell)| column != "metric" || cell == metric)
    };
    Frame::read(&folder.join("series.csv"), &wanted).is_ok_and(|frame| !frame.table.rows.is_empty())
}

fn write_one(figures: Vec<Named>, path: &Path) -> Result<Vec<PathBuf>, LabError> {
    drawing_format(path)?;
    let [(_, figure)] = &figures[..] else {
        let n = figures.len();
        return Err(LabError::Usage(format!(
            "-o names one file, but there are {n} plots; choose with --x and --y"
        )));
    };
    write_drawing(path, &tidewire_plot::render(figure))?;
    Ok(vec![path.to_owned()])
}

/// Whether a drawing is to be PDF, by the name of its file.
///
/// # Errors
/// Other formats than SVG and PDF.
pub fn drawing_format(path: &Path) -> Result<bool, LabError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok(false),
        Some("pdf") => Ok(true),
        Some("png" | "jpg" | "jpeg" | "gif" | "webp") => Err(LabError::Usage(format!(
            "-o {}: drawings are lines, not pixels: write .svg or .pdf; a browser, Inkscape, rsvg-convert or pdftoppm makes pixels of these",
            path.display()
        ))),
        _ => Err(LabError::Usage(format!("-o {}: drawings are written as .svg or .pdf", path.display()))),
    }
}

/// Writes a drawing as SVG or PDF, by the name of its file.
///
/// # Errors
/// Other formats, and what the file system refuses.
pub fn write_drawing(path: &Path, svg: &str) -> Result<(), LabError> {
    let bytes = match drawing_format(path)? {
        false => svg.as_bytes().to_vec(),
        true => {
            tidewire_plot::pdf(svg).map_err(|why| LabError::Usage(format!("-o {}: {why}", path.display())))?
        }
    };
    write_whole(path, &bytes).map_err(|error| LabError::io("cannot write", path, error, ""))
}
