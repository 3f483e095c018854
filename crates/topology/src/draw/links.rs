//! What is said about links: kinds that many share go into the legend, the others are labelled one by one.

use super::{describe_common, describe_direction, is_symmetric};
use crate::{LinkSpec, Plan};
use std::collections::BTreeMap;
use tidewire_units::LinkId;

/// Kinds of links that share a description, the most frequent first.
pub(super) struct Legend {
    pub kinds: Vec<Kind>,
    /// The kind of each link; none for those with a label of their own.
    pub kind_of: Vec<Option<usize>>,
}

/// One entry of the legend.
pub(super) struct Kind {
    pub text: String,
    /// Line colour, and pattern of dashes.
    pub color: &'static str,
    pub dash: &'static str,
}

/// Colours that differ in brightness too.
const STYLES: [(&str, &str); 4] = [("#8a94a0", ""), ("#3f74b8", ""), ("#8d4fae", "7 3"), ("#1f8a7d", "2 3")];
/// The colour of links of no kind.
pub(super) const OTHER: &str = "#b0763c";
/// A kind of fewer links is labelled, if there are not too many labels.
const SHARED: usize = 4;
/// No more links than this get a label of their own.
const LABELLED: usize = 40;

impl Legend {
    pub fn new(plan: &Plan) -> Legend {
        let legend = Legend::by(plan, |spec| describe(spec, ["→", "←"]).join(", "));
        // Where every link has its own delay, they are told apart by rate.
        if legend.labels_others() { legend } else { Legend::by(plan, rates).with_rest() }
    }

    /// Kinds of links that this says the same of.
    fn by(plan: &Plan, say: impl Fn(&LinkSpec) -> String) -> Legend {
        let mut groups: BTreeMap<String, Vec<LinkId>> = BTreeMap::new();
        for link in plan.link_ids() {
            groups.entry(say(&plan.link(link).spec)).or_default().push(link);
        }
        let all = plan.links().len();
        let mut groups: Vec<(String, Vec<LinkId>)> = groups.into_iter().collect();
        groups.sort_by_key(|(_, links)| (std::cmp::Reverse(links.len()), links[0]));
        let mut legend = Legend { kinds: Vec::new(), kind_of: vec![None; all] };
        for (text, links) in groups {
            // Two links of one kind and no other are labelled: it reads better than a legend.
            let shared = links.len() >= SHARED || (links.len() == all && all > 2);
            if !shared || legend.kinds.len() == STYLES.len() {
                continue;
            }
            let (color, dash) = STYLES[legend.kinds.len()];
            links.iter().for_each(|link| legend.kind_of[link.index()] = Some(legend.kinds.len()));
            let text = match text.contains(['→', '←']) {
                false => text,
                true => format!("like {}: {text}", plan.link(links[0]).name),
            };
            legend.kinds.push(Kind { text, color, dash });
        }
        legend
    }

    /// Names the colour of all that is of no kind, if it has no labels.
    fn with_rest(mut self) -> Legend {
        if !self.labels_others() {
            let rest = self.kinds.len();
            self.kind_of.iter_mut().for_each(|kind| *kind = kind.or(Some(rest)));
            self.kinds.push(Kind { text: "other".to_owned(), color: OTHER, dash: "" });
        }
        self
    }

    /// Whether links of no kind have labels: not when there are too many.
    pub fn labels_others(&self) -> bool {
        self.kind_of.iter().filter(|kind| kind.is_none()).count() <= LABELLED
    }
}

/// The rate, or those of both directions.
fn rates(spec: &LinkSpec) -> String {
    let [forward, backward] = [&spec.forward, &spec.backward].map(|direction| direction.rate.to_string());
    if forward == backward { forward } else { format!("{forward} and {backward}") }
}

/// One line, or one for each direction after its arrow (first the one from the link's first end); then what is common.
pub(super) fn describe(spec: &LinkSpec, arrows: [&str; 2]) -> Vec<String> {
    let mut lines = if is_symmetric(spec) {
        vec![describe_direction(&spec.forward)]
    } else {
        let line = |arrow, direction| format!("{arrow} {}", describe_direction(direction));
        vec![line(arrows[0], &spec.forward), line(arrows[1], &spec.backward)]
    };
    let common = describe_common(spec);
    if !common.is_empty() {
        lines.push(common);
    }
    lines
}

/// Arrows for both directions of a link drawn along this vector.
pub(super) fn arrows(along: [f64; 2]) -> [&'static str; 2] {
    let level = along[0].abs() >= along[1].abs();
    match (level, along[usize::from(!level)] >= 0.0) {
        (true, true) => ["→", "←"],
        (true, false) => ["←", "→"],
        (false, true) => ["↓", "↑"],
        (false, false) => ["↑", "↓"],
    }
}
