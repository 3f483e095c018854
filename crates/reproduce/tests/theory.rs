//! How close today's stack comes to formulas. The floor is today's level, so that it can only rise.

use tidewire_reproduce::theory::{TheoryOptions, Verdict, rows, run_all, theory};
use tidewire_reproduce::validity::Validity;

#[test]
fn formulas_and_tables_hold_except_where_a_note_says_why() {
    let report = run_all(true, 0, None);
    let mut out = Vec::new();
    report.print(&mut out).unwrap();
    println!("{}", String::from_utf8(out).unwrap());
    for result in &report.results {
        for check in result.checks.iter().filter(|check| check.verdict == Verdict::Fail) {
            assert!(result.note(check).is_some(), "row {}: {check:?}", result.row);
        }
    }
    let counts = report.counts();
    // 163.
    assert!(counts.passed >= 163 && counts.failed == 0, "{counts}");
}

#[test]
fn rows_are_chosen_by_number_section_or_name() {
    let rows = |only: &str| run_all(true, 1, Some(only)).results.iter().map(|r| r.row).collect::<Vec<_>>();
    assert_eq!(rows("26"), ["26"]);
    assert_eq!(rows("26, 27"), ["26", "27"]);
    assert_eq!(rows("vegas"), ["20"]);
    assert_eq!(rows("3.14"), ["3.14"]);
    let options = TheoryOptions { only: Some("nonesuch".into()), quick: true, ..TheoryOptions::default() };
    let refused = theory(&options, 1.into(), &mut Vec::new()).unwrap_err().to_string();
    assert!(refused.starts_with("no row is called 'nonesuch'; there are\n     1  Reno"), "{refused}");
}

#[test]
fn the_page_names_every_verdict_and_what_is_not_modelled() {
    let theory = run_all(true, 0, Some("26"));
    let page = Validity { theory, kernel: Vec::new(), traces: None }.markdown("1.2.3");
    assert!(page.contains("Tidewire 1.2.3") && page.contains("| 26 |") && page.contains("PASS"), "{page}");
    assert!(page.contains("What is not modelled"), "{page}");
}

/// The committed page: `tidewire reproduce --all` writes it.
#[test]
fn the_committed_page_is_of_this_version_and_has_every_row() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/validity.md")).unwrap();
    assert!(page.contains(&format!("Tidewire {}.", env!("CARGO_PKG_VERSION"))), "another version");
    let found: Vec<(&str, &str)> = page
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            Some((cells.next()?, cells.next()?))
        })
        .collect();
    for row in rows() {
        assert!(found.contains(&row), "row {} ({}) is missing: run `tidewire reproduce --all`", row.0, row.1);
    }
    for part in ["### goodput", "### fairness", "### udp", "### Packet traces", "## What is not modelled"] {
        assert!(page.contains(part), "{part} is missing");
    }
}

/// What short runs compute is on the page, with the same expectation and the same verdict; and the page's own sum is that of its table.
#[test]
fn the_committed_page_has_the_cases_and_verdicts_of_the_code() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/validity.md")).unwrap();
    let table = page.split("### Every figure").nth(1).unwrap();
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|c| c.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> =
        table.lines().filter(|line| line.starts_with("| ")).skip(2).map(cells).collect();
    let report = run_all(true, 0, None);
    for row in report.table().rows {
        let row: Vec<String> = row.iter().map(|cell| cell.to_string().replace('|', "\\|")).collect();
        // Of fewer runs the confidence interval is wider.
        let plain = |cell: &str| cell.split("+-0.").next().unwrap_or_default().trim().to_owned();
        let same =
            |other: &&Vec<String>| [0, 1, 2, 3, 4, 7, 8].iter().all(|i| plain(&other[*i]) == plain(&row[*i]));
        assert!(
            rows.iter().any(|other| same(&other)),
            "not on the page: {row:?}: run `tidewire reproduce --all`"
        );
    }
    let count = |verdict: &str| rows.iter().filter(|row| row[8] == verdict).count();
    let sum = format!(
        "{} passed, {} not as the formula says, for a reason, {} failed.",
        count("PASS"),
        count("FAIL, see note"),
        count("FAIL")
    );
    assert!(page.contains(&sum), "the page's sum is not {sum}");
    let known = tidewire_reproduce::theory::rows();
    for row in &rows {
        assert!(known.contains(&(&row[0], &row[1])), "no such row any more: {row:?}");
    }
}

#[test]
fn the_citation_is_of_this_version() {
    let citation =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../CITATION.cff")).unwrap();
    assert!(citation.contains(&format!("\nversion: {}\n", env!("CARGO_PKG_VERSION"))), "{citation}");
}
