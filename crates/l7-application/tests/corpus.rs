//! The bodies of the fuzz targets of services, over bytes that follow from seeds, and over examples with errors in them.

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
    for (name, body, _) in bodies::ALL {
        for seed in 0..2_000 {
            let mut state = seed;
            let len = draw(&mut state) % 400;
            let bytes: Vec<u8> = (0..len).map(|_| draw(&mut state) as u8).collect();
            let panicked = std::panic::catch_unwind(|| body(&bytes)).is_err();
            assert!(!panicked, "{name}, seed {seed}: {bytes:?}");
        }
    }
}

#[test]
fn examples_with_errors_in_them_find_no_defect() {
    for (name, body, examples) in bodies::ALL {
        for (n, example) in examples.iter().enumerate() {
            body(example);
            for seed in 0..3_000 {
                let mut state = seed;
                let mut bytes = example.to_vec();
                for _ in 0..=draw(&mut state) % 4 {
                    let at = draw(&mut state) as usize % bytes.len().max(1);
                    match draw(&mut state) % 4 {
                        0 => bytes.truncate(at),
                        1 => bytes.insert(at.min(bytes.len()), draw(&mut state) as u8),
                        2 if at < bytes.len() => bytes.extend_from_within(at..),
                        _ if at < bytes.len() => bytes[at] = draw(&mut state) as u8,
                        _ => {}
                    }
                }
                let panicked = std::panic::catch_unwind(|| body(&bytes)).is_err();
                assert!(!panicked, "{name}, example {n}, seed {seed}: {bytes:?}");
            }
        }
    }
}
