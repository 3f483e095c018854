//! Scripts that are no scripts.

use proptest::prelude::*;
use std::fs;
use std::path::Path;
use tidewire_conformance::{Options, Verdict, parse, run_file};

fn scripts() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rfc");
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// What takes the place of a few characters.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\n]{0,6}",
        "[0-9]{1,12}",
        Just("4294967295".to_owned()),
        Just("`".to_owned()),
        Just("%{ assert (((1 }%".to_owned()),
        Just("<mss 1,sack 1:2 3:4 5:6 7:8>".to_owned()),
        Just("+0...9".to_owned()),
        Just("é∑".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mutated_scripts_never_panic(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, fragment()), 1..4),
    ) {
        let scripts = scripts();
        let mut text: Vec<char> = which.get(&scripts).chars().collect();
        for (at, len, put) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + len).min(text.len());
            text.splice(at..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        let report = run_file(&text, "mutated", &Options::default());
        if let Verdict::Fail { line: 0, actual, .. } = &report.verdict {
            panic!("{actual}\n{text}");
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn lines_in_any_order_never_panic(
        which in any::<prop::sample::Index>(),
        seed in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let scripts = scripts();
        let lines: Vec<&str> = which.get(&scripts).lines().collect();
        let (head, body) = lines.split_at(lines.len().min(7));
        let mut text = head.join("\n") + "\n";
        for at in seed {
            if !body.is_empty() {
                text.push_str(body[at.index(body.len())]);
                text.push('\n');
            }
        }
        let report = run_file(&text, "shuffled", &Options::default());
        if let Verdict::Fail { line: 0, actual, .. } = &report.verdict {
            panic!("{actual}\n{text}");
        }
    }
}
