use super::*;

const ALL: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn text(length: usize) -> Vec<u8> {
    const WORDS: [&str; 8] = ["the ", "log ", "is ", "what ", "users ", "trust ", "offset ", "epoch\n"];
    let mut seed = 1u32;
    let words = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        WORDS[seed as usize >> 29]
    });
    words.flat_map(str::bytes).take(length).collect()
}

#[test]
fn every_codec_gives_back_what_it_took() {
    for codec in ALL {
        for length in [0, 1, 100, 32 << 10, (32 << 10) + 1, 300_000] {
            let input = text(length);
            let packed = compress(codec, None, &input);
            let back = decompress(codec, &packed, DecompressLimit::default()).unwrap();
            assert_eq!(&back[..], &input[..], "{codec} {length}");
        }
    }
}

#[test]
fn levels_change_the_size_and_not_the_content() {
    let input = text(200_000);
    for codec in [Compression::Gzip, Compression::Zstd] {
        let quick = compress(codec, Some(1), &input);
        let dense = compress(codec, Some(9), &input);
        assert!(dense.len() <= quick.len());
        assert_eq!(decompress(codec, &dense, DecompressLimit::default()).unwrap(), input);
    }
}

#[test]
fn lz4_above_its_fast_level_searches_longer_the_higher_it_is() {
    let mut noise = 7u32;
    let random = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    });
    let mixed: Vec<u8> = text(70_000).into_iter().chain(random.take(70_000)).chain(text(70_000)).collect();
    let inputs = [text(200_000), vec![0; 200_000], mixed, b"abcdabcdabcdabcdabcdabcd".to_vec()];
    let short = (0..40).map(text);
    for input in inputs.into_iter().chain(short) {
        let sizes = [1, 3, 6, 12, 17].map(|level| {
            let packed = compress(Compression::Lz4, Some(level), &input);
            assert_eq!(decompress(Compression::Lz4, &packed, DecompressLimit::default()).unwrap(), input);
            packed.len()
        });
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{} bytes: {sizes:?}", input.len());
    }
    let input = text(200_000);
    let default = compress(Compression::Lz4, None, &input);
    assert_eq!(compress(Compression::Lz4, Some(9), &input), default);
    assert!(compress(Compression::Lz4, Some(12), &input).len() < default.len());
}

#[test]
fn output_stops_at_the_limit() {
    let zeros = vec![0u8; 2 << 20];
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let packed = compress(codec, None, &zeros);
        let limit = DecompressLimit::with_max_output(1 << 20);
        assert_eq!(
            decompress(codec, &packed, limit),
            Err(DecompressError::TooLarge { limit: 1 << 20 }),
            "{codec}"
        );
        let exact = DecompressLimit::with_max_output(2 << 20);
        assert_eq!(decompress(codec, &packed, exact).unwrap().len(), 2 << 20, "{codec}");
    }
}

#[test]
fn a_bomb_is_stopped_by_its_ratio() {
    let zeros = vec![0u8; 40 << 20];
    let packed = compress(Compression::Zstd, None, &zeros);
    let limit = DecompressLimit::default();
    assert!(matches!(decompress(Compression::Zstd, &packed, limit), Err(DecompressError::TooLarge { .. })));
}

#[test]
fn raw_snappy_is_understood() {
    let input = text(10_000);
    let raw = Bytes::from(snap::raw::Encoder::new().compress_vec(&input).unwrap());
    assert_eq!(decompress(Compression::Snappy, &raw, DecompressLimit::default()).unwrap(), input);
}

#[test]
fn damaged_input_is_an_error_and_never_a_panic() {
    let input = text(5_000);
    let mut seed = 7u64;
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let packed = compress(codec, None, &input);
        for _ in 0..300 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let mut damaged = packed.to_vec();
            let at = (seed >> 33) as usize % damaged.len();
            damaged[at] ^= (seed as u8) | 1;
            damaged.truncate(damaged.len() - (seed >> 20) as usize % 3);
            let _ = decompress(codec, &Bytes::from(damaged), DecompressLimit::default());
        }
    }
}

/// What the general decoder makes of a frame.
fn unlz4_in_general(input: &[u8]) -> Result<Bytes, DecompressError> {
    read_bounded(lz4_flex::frame::FrameDecoder::new(input), input.len(), 1 << 20)
}

#[test]
fn plain_lz4_frames_are_read_as_the_general_decoder_reads_them_whole_and_damaged() {
    let mut seed = 7u32;
    let mut below = |end: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % end
    };
    let noise: Vec<u8> = (0..70_000).map(|_| below(256) as u8).collect();
    let inputs = [text(100), text(5000), text(200_000), vec![0; 150_000], noise, Vec::new()];
    let (mut good, mut bad) = (0, 0);
    for input in inputs {
        let whole = lz4(&input).unwrap();
        assert!(whole.starts_with(&PLAIN_LZ4_FRAME));
        assert_eq!(unlz4(&whole, 1 << 20).unwrap(), input);
        for _ in 0..300 {
            let mut frame = whole.clone();
            if below(3) == 0 {
                frame.truncate(below(frame.len() + 1));
            }
            for _ in 0..below(3) {
                let (at, byte) = (below(frame.len().clamp(1, 4000)), below(256) as u8);
                if let Some(place) = frame.get_mut(at) {
                    *place = byte;
                }
            }
            match (unlz4(&frame, 1 << 20), unlz4_in_general(&frame)) {
                (Ok(ours), Ok(theirs)) => {
                    good += 1;
                    assert_eq!(ours, theirs);
                }
                (Err(_), Err(_)) => bad += 1,
                (ours, theirs) => panic!("{:?} but {:?}", ours.map(|it| it.len()), theirs.map(|it| it.len())),
            }
        }
    }
    assert!(good > 100 && bad > 100, "{good} {bad}");
}

#[test]
fn lz4_frames_with_anything_optional_are_read_too() {
    let input = text(200_000);
    for (mode, checksums) in [
        (lz4_flex::frame::BlockMode::Linked, false),
        (lz4_flex::frame::BlockMode::Independent, true),
        (lz4_flex::frame::BlockMode::Linked, true),
    ] {
        let info = lz4_flex::frame::FrameInfo::new()
            .block_mode(mode)
            .block_checksums(checksums)
            .content_checksum(checksums);
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&input).unwrap();
        assert_eq!(unlz4(&encoder.finish().unwrap(), 1 << 20).unwrap(), input);
    }
}
