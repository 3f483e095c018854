//! The body of the fuzz target for segments, over bytes that follow from seeds.

mod bodies;

/// splitmix64
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[test]
fn seeded_bytes_find_no_defect() {
    for seed in 0..20_000 {
        let mut state = seed;
        let len = draw(&mut state) % 2_000;
        let bytes: Vec<u8> = (0..len).map(|_| draw(&mut state) as u8).collect();
        bodies::segments(&bytes);
    }
}

#[test]
fn short_inputs_find_no_defect() {
    for first in 0..=255u8 {
        for second in [0, 1, 0x80, 0xFF] {
            bodies::segments(&[
                first,
                second,
                first ^ second,
                second,
                first,
                200,
                first,
                second,
                8,
                255,
                255,
                11,
                255,
            ]);
        }
    }
}
