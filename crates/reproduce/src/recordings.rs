//! The recordings that come with the program, for who names none.

/// `goodput.csv`, `fairness.csv` and `udp.csv` by name.
pub(crate) const KERNEL: [(&str, &str); 3] = [
    ("goodput", include_str!("../tests/data/goodput.csv")),
    ("fairness", include_str!("../tests/data/fairness.csv")),
    ("udp", include_str!("../tests/data/udp.csv")),
];

macro_rules! traces {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../tests/data/traces/", $name, ".csv")))),*]
    };
}

const TRACES: [(&str, &str); 23] = traces! {
    "a2_slowstart_cubic_10M_100ms_4bdp"
    "a4_slowstart_reno_10M_50ms_1bdp"
    "b1_drop30_bbr_sack_rack"
    "b2_drop100_cubic_nosack"
    "b2_drop100_reno_sack_rack"
    "c1_drop3spread_cubic_sack_rack"
    "c1_drop3spread_reno_nosack"
    "c3_drop100_and_retx_reno"
    "d1_taildrop1_notlp"
    "d1_taildrop1_tlp"
    "d2_taildrop3_nosack"
    "d6_single_small_drop_100ms"
    "d8_drop_last_11_acks"
    "e1_drop_syn1"
    "e3_drop_synack1"
    "e5_drop_all_syn"
    "e8_drop_hs_ack"
    "f1_outage37s_bbr"
    "f1_outage37s_reno"
    "g_idle_restart"
    "h_fin_lost"
    "h_zwp_25s"
    "z_rto2_rep0"
};

/// Packet traces: name and text.
pub(crate) fn traces() -> Vec<(String, String)> {
    TRACES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trace_in_the_folder_is_carried() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/traces");
        let found = crate::read_folder(folder.as_ref()).unwrap();
        assert_eq!(found, traces());
    }
}
