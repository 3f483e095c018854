//! Whole sweeps with a fake runner: resume, interruption, mishaps, files that do not depend on threads.

use crate::fake::{Fake, Mishap, script};
use crate::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

fn tool() -> Tool {
    Tool { version: "1".into(), commit: String::new(), source: String::new() }
}

struct Done {
    plan: Plan,
    folder: Folder,
    outcome: Outcome,
}

fn do_sweep(fake: &Fake, root: &Path, wanted: &Wanted, jobs: usize, on: &mut Judge<'_>) -> Done {
    let plan = Plan::new(fake, &script(), wanted).unwrap();
    let folder = Folder::of(root, &plan, &tool());
    folder.prepare(false).unwrap();
    let settings = Settings { jobs, ..Settings::default() };
    let outcome = sweep(fake, &plan, Some(&folder), &settings, &Interrupt::default(), on).unwrap();
    Done { plan, folder, outcome }
}

fn quiet(_: Progress<'_>) -> Result<(), LabError> {
    Ok(())
}

fn csv_files(folder: &Folder) -> BTreeMap<String, String> {
    let files = fs::read_dir(&folder.path).unwrap().flatten().filter(|file| file.path().is_file());
    files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap()))
        .collect()
}

#[test]
fn files_are_the_same_for_any_number_of_threads() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, four] = [(0, 1), (1, 4)].map(|(at, jobs)| {
        let done = do_sweep(&Fake::default(), dirs[at].path(), &Wanted::default(), jobs, &mut quiet);
        merge(&done.plan, &done.folder).unwrap();
        csv_files(&done.folder)
    });
    assert_eq!(one.keys().collect::<Vec<_>>(), ["flows.csv", "runs.csv", "series.csv", "summary.csv"]);
    assert!(one == four, "the files differ");
    let head = |file: &str| one[file].lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        head("runs.csv")[0],
        "run,point,rep,seed,proto,loss,loss_ratio,goodput_mbps,delay_ms,ended,sim_s,status,error"
    );
    assert!(head("runs.csv")[1].starts_with("tcp-0pct-r1,tcp-0pct,1,"), "{}", head("runs.csv")[1]);
    assert!(head("runs.csv")[1].ends_with(",duration,30,ok,"), "{}", head("runs.csv")[1]);
    assert_eq!(
        head("summary.csv")[0],
        "proto,loss,loss_ratio,metric,unit,n,mean,sd,ci95_low,ci95_high,median,min,max"
    );
    assert!(head("summary.csv")[1].starts_with("tcp,0%,0,goodput_mbps,Mbit/s,4,"));
    assert_eq!(head("series.csv")[0], "run,rep,proto,loss,loss_ratio,t_s,object,metric,value,unit,in_warmup");
    assert_eq!(one["series.csv"].lines().count(), 1 + 24 * 3);
    assert!(
        one["series.csv"]
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("tcp-0pct-r1,1,tcp,0%,0,0,flow,cwnd_bytes,0,B,false")
    );
}

#[test]
fn a_second_sweep_runs_only_what_is_missing_and_equals_one_that_did_all() {
    let (dir, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fake = Fake::default();
    let some = Wanted { reps: Some(2), params: vec!["loss=1%,0%".into()], ..Wanted::default() };
    let first = do_sweep(&fake, dir.path(), &some, 2, &mut quiet);
    merge(&first.plan, &first.folder).unwrap();
    assert_eq!(fake.runs.load(Ordering::Relaxed), 8);
    let second = do_sweep(&fake, dir.path(), &Wanted::default(), 2, &mut quiet);
    assert_eq!((second.outcome.status.found, second.outcome.status.finished), (8, 16));
    assert_eq!(first.folder, second.folder);
    merge(&second.plan, &second.folder).unwrap();
    let at_once = do_sweep(&Fake::default(), whole.path(), &Wanted::default(), 2, &mut quiet);
    merge(&at_once.plan, &at_once.folder).unwrap();
    assert!(csv_files(&second.folder) == csv_files(&at_once.folder));
}

#[test]
fn a_run_whose_files_have_changed_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    fs::write(&trace, "1").unwrap();
    let fake = Fake { files: vec![(trace.clone(), sha256_hex(b"1"))], ..Fake::default() };
    do_sweep(&fake, dir.path(), &Wanted::default(), 1, &mut quiet);
    assert_eq!(do_sweep(&fake, dir.path(), &Wanted::default(), 1, &mut quiet).outcome.status.found, 24);
    fs::write(&trace, "2").unwrap();
    assert_eq!(do_sweep(&fake, dir.path(), &Wanted::default(), 1, &mut quiet).outcome.status.found, 0);
}

#[test]
fn a_panic_or_an_error_fails_one_run_and_the_others_continue() {
    let dir = tempfile::tempdir().unwrap();
    let mishaps = vec![
        ("proto=udp loss=5%".to_owned(), 2, Mishap::Error),
        ("proto=tcp loss=1%".to_owned(), 3, Mishap::Panic),
    ];
    let fake = Fake { mishaps, ..Fake::default() };
    let mut told = Vec::new();
    let mut judge = |progress: Progress<'_>| {
        if let Progress::Failed(failure) = progress {
            told.push(failure.run.id.clone());
        }
        Ok(())
    };
    let done = do_sweep(&fake, dir.path(), &Wanted::default(), 2, &mut judge);
    assert_eq!((done.outcome.status.finished, done.outcome.status.failed), (24, 2));
    let failures: Vec<(&str, bool)> =
        done.outcome.failures.iter().map(|failure| (failure.run.id.as_str(), failure.internal)).collect();
    assert_eq!(failures, [("tcp-1pct-r3", true), ("udp-5pct-r2", false)]);
    assert!(done.outcome.failures[0].error.message.contains("the queue is longer than its limit"));
    told.sort();
    assert_eq!(told, ["tcp-1pct-r3", "udp-5pct-r2"]);
    let results = merge(&done.plan, &done.folder).unwrap();
    assert_eq!(results.runs.len(), 24);
    let csv = fs::read_to_string(done.folder.path.join("runs.csv")).unwrap();
    let row = csv.lines().find(|line| line.starts_with("udp-5pct-r2")).unwrap();
    assert!(row.ends_with(",failed,fake.lua:58: attempt to index a nil value (local 'conn')"), "{row}");
    let point = &done.outcome.failures[1].run.point;
    assert_eq!(results.summary(point, "goodput_mbps").n(), 3, "failed runs are no replications");
    let log = fs::read_to_string(done.folder.path.join("logs/udp-5pct-r2.log")).unwrap();
    assert!(log.contains("hello\nerror: fake.lua:58"), "{log}");
    let again = do_sweep(&Fake::default(), dir.path(), &Wanted::default(), 1, &mut quiet);
    assert_eq!(
        (again.outcome.status.found, again.outcome.status.finished),
        (22, 2),
        "failed runs are done again"
    );
}

#[test]
fn the_first_interrupt_lets_running_runs_finish_and_the_second_cuts_them() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake { mishaps: vec![("proto=tcp loss=1%".into(), 1, Mishap::Hang)], ..Fake::default() };
    let plan = Plan::new(&fake, &script(), &Wanted::default()).unwrap();
    let folder = Folder::of(dir.path(), &plan, &tool());
    folder.prepare(false).unwrap();
    let interrupt = Interrupt::default();
    let mut judge = |progress: Progress<'_>| {
        match progress {
            Progress::Finished(..) => drop(interrupt.ask()),
            Progress::Status(status) if status.asked == 1 => drop(interrupt.ask()),
            _ => {}
        }
        Ok(())
    };
    let settings = Settings { jobs: 1, ..Settings::default() };
    let outcome = sweep(&fake, &plan, Some(&folder), &settings, &interrupt, &mut judge).unwrap();
    assert_eq!(outcome.status.finished + outcome.status.cut, fake.runs.load(Ordering::Relaxed) as usize);
    assert!(outcome.status.finished < 3, "{outcome:?}");
    let results = merge(&plan, &folder).unwrap();
    assert_eq!(results.runs.len(), outcome.status.finished);
    let resumed = do_sweep(&Fake::default(), dir.path(), &Wanted::default(), 1, &mut quiet);
    assert_eq!(resumed.outcome.status.found, outcome.status.finished);
    assert_eq!(resumed.outcome.status.finished, 24 - outcome.status.finished);
}

#[test]
fn a_caller_can_stop_a_sweep_and_what_is_finished_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut judge = |progress: Progress<'_>| match progress {
        Progress::Finished(..) => {
            Err(LabError::script("threshold 'p95(latncy_ms) < 80' names no metric", None))
        }
        _ => Ok(()),
    };
    let done = do_sweep(&Fake::default(), dir.path(), &Wanted::default(), 1, &mut judge);
    assert_eq!(done.outcome.stopped.unwrap().exit_code(), 3);
    assert!(!done.folder.finished().is_empty());
}

#[test]
fn all_points_come_once_before_any_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut order = Vec::new();
    let mut judge = |progress: Progress<'_>| {
        if let Progress::Finished(run, _) = progress {
            order.push(run.rep);
        }
        Ok(())
    };
    do_sweep(&Fake::default(), dir.path(), &Wanted::default(), 1, &mut judge);
    assert!(order.is_sorted() && order.len() == 24, "{order:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_sweep_and_keeps_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    let plan = Plan::new(&fake, &script(), &Wanted::default()).unwrap();
    let folder = Folder::of(dir.path(), &plan, &tool());
    folder.prepare(false).unwrap();
    // A folder in the place of the log makes the fifth run impossible to write, as a full disk would.
    let blocked = plan.runs.iter().filter(|run| run.rep == 1).nth(4).unwrap();
    fs::create_dir(folder.path.join("logs").join(format!("{}.log", blocked.id))).unwrap();
    let settings = Settings::default();
    let outcome = sweep(&fake, &plan, Some(&folder), &settings, &Interrupt::default(), &mut quiet).unwrap();
    assert!(outcome.broken_disk.is_some());
    assert_eq!(outcome.status.finished, 4);
    assert_eq!(folder.finished().len(), 4);
}

fn text_of(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| line.iter().map(|(_, text)| text.as_str()).collect()).collect()
}

fn results_of(root: &Path, fake: &Fake) -> (Done, Results) {
    let done = do_sweep(fake, root, &Wanted::default(), 2, &mut quiet);
    let results = merge(&done.plan, &done.folder).unwrap();
    (done, results)
}

#[test]
fn the_summary_has_one_parameter_across_and_the_others_down() {
    let dir = tempfile::tempdir().unwrap();
    let (_, results) = results_of(dir.path(), &Fake::default());
    let wide = text_of(&summary_lines(&results, 100));
    assert_eq!(wide[0].split_whitespace().collect::<Vec<_>>(), ["goodput_mbps", "loss=0%", "1%", "5%"]);
    assert_eq!(wide[1].split_whitespace().count(), 1 + 2 * 3, "{wide:#?}");
    assert!(wide[1].contains("proto=tcp") && wide[1].contains('±'), "{wide:#?}");
    assert_eq!(wide.last().unwrap(), "  (mean, 95 % confidence interval of 4 runs)");
    let narrow = text_of(&summary_lines(&results, 46));
    assert!(narrow.iter().all(|line| line.chars().count() <= 46), "{narrow:#?}");
    assert!(narrow[2].trim_start().starts_with('±'), "{narrow:#?}");
}

#[test]
fn verdicts_name_the_worst_run_and_the_command_that_repeats_it() {
    let dir = tempfile::tempdir().unwrap();
    let (done, results) = results_of(dir.path(), &Fake::default());
    let expect = |condition: &str, only: &[(&str, &str)]| {
        let only = only.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let expectation = tidewire_script::Expectation { condition: condition.into(), only, place: None };
        let threshold = Threshold::parse(&expectation, &done.plan.declared).unwrap();
        let verdicts = threshold.judge(&results).unwrap();
        (threshold, verdicts)
    };
    let judged = [
        expect("median(goodput_mbps) > 8.9", &[("loss", "0%")]),
        expect("mean(goodput_mbps) > 6", &[("proto", "udp")]),
    ];
    let lines = text_of(&verdict_lines(&done.plan, &judged));
    assert!(lines[0].starts_with("  ok    median(goodput_mbps) > 8.9  loss=0%"), "{lines:#?}");
    assert!(lines[1].starts_with("  FAIL  mean(goodput_mbps) > 6      proto=udp loss=5%  2."), "{lines:#?}");
    assert!(lines[1].contains("worst run: ") && lines.len() == 3, "{lines:#?}");
    let rep = judged[1].1[2].worst.unwrap().rep;
    assert_eq!(
        lines[2],
        format!("        look closer: tidewire run fake.lua -p proto=udp -p loss=5% --rep {rep} -v")
    );
    let json: serde_json::Value = serde_json::from_str(&expect_json(&judged)).unwrap();
    assert_eq!((&json[0]["passed"], &json[1]["passed"]), (&true.into(), &false.into()));
    assert_eq!(json[1]["points"].as_array().unwrap().len(), 3);
}

#[test]
fn an_unknown_metric_is_found_when_all_points_were_heard_or_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (done, results) = results_of(dir.path(), &Fake::default());
    let threshold = |metric: &str| {
        let expectation = tidewire_script::Expectation {
            condition: format!("mean({metric}) > 1"),
            only: Vec::new(),
            place: None,
        };
        Threshold::parse(&expectation, &done.plan.declared).unwrap()
    };
    let first = &Heard::of(&results.runs[0].run, &results.runs[0].result);
    let early = threshold("godput_mbps").check_names(first, Names::Near).unwrap_err().to_string();
    assert_eq!(early, "threshold 'mean(godput_mbps) > 1' names no metric; did you mean 'goodput_mbps'?");
    assert!(
        threshold("other_figure").check_names(first, Names::Near).is_ok(),
        "it may come at another point"
    );
    assert!(threshold("other_figure").check_names(first, Names::All).is_err());
    let late = threshold("other_figure").judge(&results).unwrap_err().to_string();
    assert!(late.ends_with("names no metric\n  metrics: goodput_mbps delay_ms"), "{late}");
}

fn with_plots() -> Fake {
    let mut experiment = crate::fake::two_by_three();
    let y = vec!["goodput_mbps".to_owned(), "delay_ms".to_owned()];
    let by_loss = tidewire_script::PlotSpec {
        x: Some("loss".into()),
        y,
        color: Some("proto".into()),
        ..Default::default()
    };
    let over_time = tidewire_script::PlotSpec {
        series: Some("cwnd_bytes".into()),
        color: Some("proto".into()),
        only: vec![("rep".into(), tidewire_metrics::Value::Int(2))],
        ..Default::default()
    };
    experiment.plots = vec![by_loss, over_time];
    Fake { experiment: Some(experiment), ..Fake::default() }
}

fn facts() -> Circumstances {
    Circumstances { tool: tool(), command: vec!["tidewire".into()], begin: std::time::UNIX_EPOCH, jobs: 2 }
}

#[test]
fn plots_are_drawn_after_a_sweep_and_again_from_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let fake = with_plots();
    let (done, results) = results_of(dir.path(), &fake);
    check_plots(&done.plan.declared).unwrap();
    let (files, errors) = draw(&results, &done.folder).unwrap();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(
        files,
        ["plots/loss-goodput_mbps.svg", "plots/loss-delay_ms.svg", "plots/series-cwnd_bytes.svg"]
    );
    let read = |file: &String| fs::read_to_string(done.folder.path.join(file)).unwrap();
    let first: Vec<String> = files.iter().map(read).collect();
    assert!(first[0].contains("Mean of 4 runs") && first[0].contains("udp"), "{}", first[0]);
    assert!(first[2].contains("loss = 5%") && first[2].contains("Replication 2"), "a panel for each loss");
    write_manifest(&done.plan, &done.folder, &results, &done.outcome, &facts()).unwrap();
    fs::remove_dir_all(done.folder.path.join("plots")).unwrap();
    let again = replot(&done.folder.path, None, None).unwrap();
    assert_eq!(again.len(), 3);
    assert_eq!(files.iter().map(read).collect::<Vec<_>>(), first, "the CSV files hold all that a plot needs");
}

#[test]
fn plots_that_name_nothing_known_are_refused_before_and_after() {
    let mut fake = with_plots();
    let check = |change: fn(&mut tidewire_script::PlotSpec)| {
        let mut experiment = crate::fake::two_by_three();
        let mut spec = with_plots().experiment.unwrap().plots.remove(0);
        change(&mut spec);
        experiment.plots = vec![spec];
        check_plots(&experiment).map_err(|error| error.to_string())
    };
    assert!(check(|spec| spec.color = Some("prto".into())).unwrap_err().contains("did you mean 'proto'?"));
    assert!(check(|spec| spec.kind = Some("lines".into())).unwrap_err().contains("did you mean 'line'?"));
    assert!(check(|spec| spec.x = None).unwrap_err().contains("needs x and y"));
    assert!(check(|spec| spec.only = vec![("loss".into(), "7%".into())]).unwrap_err().contains("no point"));
    fake.experiment.as_mut().unwrap().plots[0].y = vec!["godput_mbps".into()];
    let dir = tempfile::tempdir().unwrap();
    let (done, results) = results_of(dir.path(), &fake);
    let heard = Heard::of(&results.runs[0].run, &results.runs[0].result);
    let early = check_plot_metrics(&done.plan.declared, &heard, Names::Near).unwrap_err().to_string();
    assert_eq!(early, "plot: no metric 'godput_mbps'; did you mean 'goodput_mbps'?");
    let (files, errors) = draw(&results, &done.folder).unwrap();
    assert_eq!((files.len(), errors.len()), (1, 1), "the other plot is drawn all the same");
}

#[test]
fn a_new_folder_says_what_has_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (done, results) = results_of(dir.path(), &Fake::default());
    write_manifest(&done.plan, &done.folder, &results, &done.outcome, &facts()).unwrap();
    done.folder.link_latest().unwrap();
    let why = |text: &str, seed: Option<u64>, tool: &Tool| {
        let script = tidewire_script::Script { text: text.into(), ..script() };
        let plan = Plan::new(&Fake::default(), &script, &Wanted { seed, ..Wanted::default() }).unwrap();
        why_new_folder(&plan, &Folder::of(dir.path(), &plan, tool), tool)
    };
    let key = &done.folder.key;
    assert_eq!(why("-- fake", None, &tool()), None);
    assert_eq!(
        why("-- other", None, &tool()),
        Some(format!("script changed since {key}; starting a new folder"))
    );
    let newer = Tool { version: "2".into(), ..tool() };
    assert_eq!(
        why("-- fake", None, &newer),
        Some(format!("tool changed since {key}; starting a new folder"))
    );
    assert!(why("-- fake", Some(9), &tool()).unwrap().starts_with("seed, length"));
}

#[test]
fn thresholds_of_a_histogram_pool_its_samples_over_replications() {
    use tidewire_metrics::{Table, Value};
    struct WithHistogram(Fake);
    impl Runner for WithHistogram {
        fn plan(
            &self,
            s: &tidewire_script::Script,
            o: &Overrides,
        ) -> Result<tidewire_script::Experiment, tidewire_script::ScriptError> {
            self.0.plan(s, o)
        }
        fn run(
            &self,
            s: &tidewire_script::Script,
            e: &tidewire_script::Experiment,
            r: &tidewire_script::RunRequest,
            c: &Captures,
        ) -> tidewire_script::RunResult {
            let mut result = self.0.run(s, e, r, c);
            let mut table = Table::new(["name", "unit", "low", "high", "count"]);
            // Replication 4 has a slow tail that three of four runs do not know.
            let slow = if r.rep == 4 { 30 } else { 0 };
            for (value, count) in [(10.0, 100 - slow), (90.0, slow)] {
                table.push(vec![
                    "latency_ms".into(),
                    "ms".into(),
                    Value::Float(value),
                    Value::Float(value),
                    Value::Int(count),
                ]);
            }
            result.tables.push(("histograms".into(), table));
            result
        }
        fn network(
            &self,
            _: &tidewire_script::Script,
            _: &tidewire_script::Experiment,
            _: &tidewire_script::Point,
        ) -> Result<tidewire_topology::Plan, tidewire_script::ScriptError> {
            crate::fake::no_network()
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let runner = WithHistogram(Fake::default());
    let plan = Plan::new(&runner, &script(), &Wanted::default()).unwrap();
    let folder = Folder::of(dir.path(), &plan, &tool());
    folder.prepare(false).unwrap();
    sweep(&runner, &plan, Some(&folder), &Settings::default(), &Interrupt::default(), &mut quiet).unwrap();
    let results = merge(&plan, &folder).unwrap();
    let measured = |condition: &str| {
        let expectation =
            tidewire_script::Expectation { condition: condition.into(), only: Vec::new(), place: None };
        Threshold::parse(&expectation, &plan.declared).unwrap().judge(&results).unwrap()[0].measured
    };
    assert_eq!(measured("p95(latency_ms) < 80"), Some(90.0), "30 of 400 samples are slow");
    assert_eq!(measured("p90(latency_ms) < 80"), Some(10.0));
    assert_eq!(measured("count(latency_ms) == 400"), Some(400.0));
}

fn until(until_ci: f64, min: u32, max: u32) -> Fake {
    let mut experiment = crate::fake::two_by_three();
    experiment.reps = max;
    experiment.stopping =
        Some(tidewire_script::Stopping { min, until_ci, metrics: vec!["goodput_mbps".into()] });
    Fake { experiment: Some(experiment), ..Fake::default() }
}

#[test]
fn replications_are_added_until_the_interval_is_narrow_and_threads_do_not_matter() {
    let files = [1, 4].map(|jobs| {
        let dir = tempfile::tempdir().unwrap();
        let done = do_sweep(&until(0.005, 3, 40), dir.path(), &Wanted::default(), jobs, &mut quiet);
        let enough = done.outcome.enough.clone().unwrap();
        assert!(enough.least >= 3 && enough.most <= 40 && enough.least < enough.most, "{enough:?}");
        assert_eq!(done.outcome.status.total, done.outcome.status.finished);
        let results = merge(&done.plan, &done.folder).unwrap();
        for point in results.points() {
            let s = results.summary(&point, "goodput_mbps");
            let narrow = s.ci95().unwrap() <= 0.005 * s.mean().unwrap();
            assert_eq!(narrow, !enough.short.contains(&point), "{point:?}: {} runs", s.n());
        }
        // Asked again, everything is there.
        let again = do_sweep(&until(0.005, 3, 40), dir.path(), &Wanted::default(), jobs, &mut quiet);
        assert_eq!((again.outcome.status.finished, again.outcome.enough), (0, Some(enough)));
        csv_files(&done.folder)
    });
    assert!(files[0] == files[1]);
}

#[test]
fn a_fixed_number_of_replications_on_the_command_line_wins() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = Wanted { reps: Some(2), ..Wanted::default() };
    let done = do_sweep(&until(0.005, 3, 40), dir.path(), &wanted, 2, &mut quiet);
    assert_eq!((done.outcome.status.finished, done.outcome.enough), (12, None));
}

#[test]
fn what_is_never_known_well_enough_stops_at_the_most() {
    let dir = tempfile::tempdir().unwrap();
    let done = do_sweep(&until(1e-9, 3, 7), dir.path(), &Wanted::default(), 2, &mut quiet);
    assert_eq!(done.outcome.enough.unwrap().short.len(), 6);
    assert_eq!(done.outcome.status.finished, 42);
}

#[test]
fn shards_joined_are_the_whole_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let mut dirs = Vec::new();
    for part in 1..=3 {
        let wanted = Wanted { shard: Some((part, 3)), ..Wanted::default() };
        let root = dir.path().join(format!("machine{part}"));
        let done = do_sweep(&Fake::default(), &root, &wanted, 2, &mut quiet);
        assert_eq!(done.outcome.status.finished, 8);
        let results = merge(&done.plan, &done.folder).unwrap();
        let facts = Circumstances { tool: tool(), command: vec![], begin: std::time::UNIX_EPOCH, jobs: 2 };
        write_manifest(&done.plan, &done.folder, &results, &done.outcome, &facts).unwrap();
        dirs.push(done.folder.path);
    }
    let (joined, results) = join_shards(&Fake::default(), &dirs, &dir.path().join("all")).unwrap();
    assert_eq!(results.runs.len(), 24);
    let whole = do_sweep(&Fake::default(), &dir.path().join("whole"), &Wanted::default(), 2, &mut quiet);
    merge(&whole.plan, &whole.folder).unwrap();
    assert!(csv_files(&joined.folder) == csv_files(&whole.folder));
    let other = dir.path().join("machine1/none");
    assert!(join_shards(&Fake::default(), &[other], dir.path()).is_err_and(|e| e.exit_code() == 2));
}
