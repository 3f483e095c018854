//! The body of the fuzz target for scripts, over bytes that follow from seeds.

mod bodies;

use std::fs;
use std::path::Path;

/// splitmix64
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[test]
fn scripts_with_bytes_exchanged_removed_and_doubled_find_no_defect() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rfc");
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut state = 1;
    for path in paths {
        let text = fs::read(path).unwrap();
        for _ in 0..3 {
            let mut bytes = text.clone();
            for _ in 0..1 + draw(&mut state) % 8 {
                let at = draw(&mut state) as usize % bytes.len();
                match draw(&mut state) % 4 {
                    0 => bytes[at] = draw(&mut state) as u8,
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, b"0123456789.:()<>~+,"[draw(&mut state) as usize % 19]),
                    _ => {
                        let line = bytes[at..].split(|byte| *byte == b'\n').next().unwrap_or(&[]).to_vec();
                        bytes.splice(at..at, line);
                    }
                }
            }
            bodies::script(&bytes);
        }
    }
}

#[test]
fn noise_is_no_script() {
    let mut state = 7;
    for len in 0..300 {
        let bytes: Vec<u8> = (0..len).map(|_| draw(&mut state) as u8).collect();
        bodies::script(&bytes);
    }
}
