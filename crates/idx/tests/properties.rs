//! For arrays of every type and rank, what is written is what is read; every prefix is an error;
//! random bytes never panic.

use std::fs;

use morphograd_idx::{ErrorKind, Idx, IdxData, Limits, read, read_from, write, write_to};
use proptest::collection::vec;
use proptest::prelude::*;

fn dims() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        8 => vec(0_usize..6, 0..5),
        // Ranks up to the largest there is; all but a few dimensions are 1.
        1 => (vec(1_usize..4, 0..4), 0_usize..252).prop_map(|(mut dims, ones)| {
            dims.extend(vec![1; ones]);
            dims
        }),
    ]
}

fn arrays() -> impl Strategy<Value = Idx> {
    (dims(), 0..6).prop_flat_map(|(dims, element_type)| {
        let n = dims.iter().product::<usize>();
        let data = match element_type {
            0 => vec(any::<u8>(), n).prop_map(IdxData::U8).boxed(),
            1 => vec(any::<i8>(), n).prop_map(IdxData::I8).boxed(),
            2 => vec(any::<i16>(), n).prop_map(IdxData::I16).boxed(),
            3 => vec(any::<i32>(), n).prop_map(IdxData::I32).boxed(),
            4 => vec(any::<f32>(), n).prop_map(IdxData::F32).boxed(),
            _ => vec(any::<f64>(), n).prop_map(IdxData::F64).boxed(),
        };
        data.prop_map(move |data| Idx::new(dims.clone(), data).unwrap())
    })
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read(array in arrays()) {
        let dir = tempfile::tempdir().unwrap();
        let (plain, gz, again) =
            (dir.path().join("a"), dir.path().join("a.gz"), dir.path().join("b.gz"));
        for path in [&plain, &gz, &again] {
            write(path, &array).unwrap();
            prop_assert_eq!(&read(path, Limits::default()).unwrap(), &array);
        }
        let (plain, gz) = (fs::read(&plain).unwrap(), fs::read(&gz).unwrap());
        prop_assert_eq!(&gz[..2], &[0x1f, 0x8b][..]);
        prop_assert_eq!(&gz[4..8], &[0; 4][..], "a gzip header with a time is not reproducible");
        prop_assert_eq!(&gz, &fs::read(again).unwrap());
        let mut streamed = Vec::new();
        write_to(&mut streamed, &array).unwrap();
        prop_assert_eq!(&plain, &streamed);
        prop_assert_eq!(&read_from(&plain[..], "stream", Limits::default()).unwrap(), &array);

        for len in 0..plain.len() {
            prop_assert!(
                read_from(&plain[..len], "prefix", Limits::default()).is_err(),
                "prefix of {} bytes",
                len
            );
        }
        for len in 0..gz.len() {
            prop_assert!(
                read_from(&gz[..len], "prefix", Limits::default()).is_err(),
                "gzip prefix of {} bytes",
                len
            );
        }
    }

    #[test]
    fn random_bytes_never_panic(
        bytes in vec(any::<u8>(), 0..200),
        start in 0..4,
        element_type in 7_u8..16,
        rank in 0_u8..6,
    ) {
        let bytes = match start {
            0 => bytes,
            1 => [&[0x1f, 0x8b, 8, 0][..], &bytes].concat(),
            _ => [&[0, 0, element_type, rank][..], &bytes].concat(),
        };
        // Without a limit: what a header promises must not be allocated. What can be read is backed
        // by the bytes.
        match read_from(&bytes[..], "random", Limits { max_bytes: u64::MAX }) {
            Ok(array) => prop_assert!(array.data().len() <= bytes.len()),
            Err(error) => {
                prop_assert!(!matches!(error.kind, ErrorKind::Read(_) | ErrorKind::Write(_)));
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_a_gzip_file_is_noticed_or_harmless(
        array in arrays(),
        position in any::<prop::sample::Index>(),
        bit in 0..8,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.gz");
        write(&path, &array).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let position = position.index(bytes.len());
        bytes[position] ^= 1_u8 << bit;
        if let Ok(found) = read_from(&bytes[..], "flipped", Limits::default()) {
            prop_assert_eq!(found, array);
        }
    }
}
