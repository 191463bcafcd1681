//! Where certain bytes stand in a text: what a reader of separated values cuts it at.

use super::Level;

/// Room that must be left behind the last place: places are written many at a time, wanted or not.
pub const PLACES_BEHIND: usize = 64;

/// Places that are written before it is asked whether that was all: few rows have more in 64 bytes.
const STEP: usize = 8;

/// Writes where one of `marks` stands, and gives how many such places there are; what stands behind the last means
/// nothing. Panics unless `places` is [`PLACES_BEHIND`] longer than the text, which has less than 4 GiB.
///
/// Nothing is compiled for AVX-512: the compiler would count the zeros of eight words in one vector, for which it must
/// bring them there first, and take a third longer.
pub fn places_of(text: &[u8], marks: [u8; 3], places: &mut [u32]) -> usize {
    assert!(places.len() >= text.len() + PLACES_BEHIND, "{} places for {} bytes", places.len(), text.len());
    assert!(u32::try_from(text.len()).is_ok(), "{} bytes", text.len());
    match Level::current() {
        Level::Scalar => write_rest(text, 0, marks, places, 0),
        // SAFETY: the level in use is never above what the CPU was found to have.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 => unsafe { places_of_avx2(text, marks, places) },
        _ => places_of_lanes(text, marks, places),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn places_of_avx2(text: &[u8], marks: [u8; 3], places: &mut [u32]) -> usize {
    places_of_lanes(text, marks, places)
}

#[inline(always)]
fn places_of_lanes(text: &[u8], marks: [u8; 3], places: &mut [u32]) -> usize {
    let (whole, rest) = text.as_chunks::<64>();
    let mut count = 0;
    for (i, bytes) in whole.iter().enumerate() {
        count += write_bits(bits_of(bytes, marks), i * 64, &mut places[count..]);
    }
    write_rest(rest, whole.len() * 64, marks, places, count)
}

/// The places of set bits, eight at a time: how many a word has cannot be foretold, whether more than eight mostly can.
#[inline(always)]
fn write_bits(mut bits: u64, from: usize, places: &mut [u32]) -> usize {
    let count = bits.count_ones() as usize;
    let (steps, _) = places.as_chunks_mut::<STEP>();
    for step in &mut steps[..64 / STEP] {
        for place in step {
            *place = (from as u32).wrapping_add(bits.trailing_zeros());
            bits &= bits.wrapping_sub(1);
        }
        if bits == 0 {
            break;
        }
    }
    count
}

fn write_rest(rest: &[u8], from: usize, marks: [u8; 3], places: &mut [u32], mut count: usize) -> usize {
    for (i, _) in rest.iter().enumerate().filter(|(_, byte)| marks.contains(byte)) {
        places[count] = (from + i) as u32;
        count += 1;
    }
    count
}

/// A bit for each byte that is one of the marks. Compilers know no way from sixteen equal bytes to sixteen bits.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn bits_of(bytes: &[u8; 64], marks: [u8; 3]) -> u64 {
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};
    let mut bits = 0;
    for (i, sixteen) in bytes.as_chunks::<16>().0.iter().enumerate() {
        // SAFETY: sixteen bytes are loaded from as many; SSE2 is part of the architecture.
        let mask = unsafe {
            let here = _mm_loadu_si128(sixteen.as_ptr().cast());
            let a = _mm_cmpeq_epi8(here, _mm_set1_epi8(marks[0] as i8));
            let b = _mm_cmpeq_epi8(here, _mm_set1_epi8(marks[1] as i8));
            let c = _mm_cmpeq_epi8(here, _mm_set1_epi8(marks[2] as i8));
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), c))
        };
        bits |= u64::from(mask as u16) << (16 * i);
    }
    bits
}

/// A bit for each byte that is one of the marks.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn bits_of(bytes: &[u8; 64], marks: [u8; 3]) -> u64 {
    super::mask::word_of(|i| marks.contains(&bytes[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    #[test]
    fn places_are_those_of_a_loop_on_every_level() {
        let marks = [b',', b'\n', b'\r'];
        for level in Level::available() {
            level.force();
            for (len, rarity) in [(0, 3), (1, 3), (63, 3), (64, 1), (65, 1), (128, 200), (200, 3), (1000, 11)] {
                let text: Vec<u8> =
                    (0..len).map(|i| if i % rarity == 0 { marks[i % 3] } else { i as u8 | 0x80 }).collect();
                let mut places = vec![0; len + PLACES_BEHIND];
                let count = places_of(&text, marks, &mut places);
                let expected: Vec<u32> = (0..len as u32).filter(|i| marks.contains(&text[*i as usize])).collect();
                assert_eq!(places[..count], expected, "{len} bytes on {level}");
            }
        }
        Level::best().force();
    }
}
