//! Digits of text, eight at a time, in plain integer arithmetic: what readers of numbers and times share.
//!
//! The first character lies in a word's lowest byte. Sums below carry only from a byte that is no digit upwards, so
//! the lowest mark is always right, which is the one that is used.

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// The digits that eight bytes begin with, as a number, and how many they are; `(0, 0)` if there are none.
#[inline(always)]
pub fn leading(bytes: [u8; 8]) -> (u64, usize) {
    let digits = u64::from_le_bytes(bytes) ^ (ONES * 0x30);
    // A digit has at most 9 left; 0x76 takes anything more to a high bit.
    let others = (digits.wrapping_add(ONES * 0x76) | digits) & HIGH;
    let count = others.trailing_zeros() / 8;
    // Zeros come before the digits; in two steps, as a word cannot be shifted out whole.
    (join((digits << (4 * (8 - count))) << (4 * (8 - count))), count as usize)
}

/// The number that the first `len` of eight bytes are, 1 to 8; `None` if they are not all digits.
#[inline(always)]
pub fn number(bytes: [u8; 8], len: usize) -> Option<u64> {
    debug_assert!((1..=8).contains(&len), "{len} digits");
    joined(aligned(bytes, len))
}

/// The number that the first `len` of eight bytes are without the point among them, 1 to 8, and how many digits stand
/// behind the point; `None` if they are not all digits, or no digit at all.
#[inline(always)]
pub fn decimal(bytes: [u8; 8], len: usize) -> Option<(u64, usize)> {
    debug_assert!((1..=8).contains(&len), "{len} characters");
    let text = aligned(bytes, len);
    let others = text ^ (ONES * u64::from(b'.' ^ b'0'));
    let points = others.wrapping_sub(ONES) & !others & HIGH;
    if points == 0 {
        return Some((joined(text)?, 0));
    }
    // The digits before the point move up by one, over it.
    let before = ((points & points.wrapping_neg()) >> 7) - 1;
    let digits = (text & before) << 8 | (text & !(before << 8 | 0xff));
    (len > 1).then_some((joined(digits)?, 7 - points.trailing_zeros() as usize / 8))
}

/// Two digits as a number.
#[inline(always)]
pub fn two([tens, ones]: [u8; 2]) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then_some(tens * 10 + ones)
}

/// The values of digits, the last one in the highest byte, with zeros before them.
#[inline(always)]
fn aligned(bytes: [u8; 8], len: usize) -> u64 {
    (u64::from_le_bytes(bytes) ^ (ONES * 0x30)).wrapping_shl(8 * (8 - len) as u32)
}

/// Eight digits as a number, if they are digits.
#[inline(always)]
fn joined(digits: u64) -> Option<u64> {
    ((digits.wrapping_add(ONES * 0x76) | digits) & HIGH == 0).then(|| join(digits))
}

/// Eight digits, first in the lowest byte, as a number.
#[inline(always)]
fn join(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10).wrapping_add(digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000).wrapping_add(fours >> 32)) & 0xffff_ffff
}

/// The second of the day that `HH:MM:SS` stands for.
#[inline(always)]
pub fn second_of_day(time: [u8; 8]) -> Option<u32> {
    let digits = u64::from_le_bytes(time) ^ u64::from_le_bytes(*b"00:00:00");
    // As above; a colon in its place leaves nothing at all.
    let room = u64::from_le_bytes([0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f, 0x76, 0x76]);
    if (digits.wrapping_add(room) | digits) & HIGH != 0 {
        return None;
    }
    let pairs = digits * 10 + (digits >> 8);
    let (hour, minute, second) = (pairs as u8, (pairs >> 24) as u8, (pairs >> 48) as u8);
    let is_time = hour < 24 && minute < 60 && second < 60;
    is_time.then(|| u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn leading_digits_are_those_of_a_loop() {
        let others = [0, b' ', b'-', b'.', b'/', b':', b'A', 0x7f, 0x80, 0xaf, 0xb5, 0xff];
        for text in [*b"00000000", *b"12345678", *b"99999999", *b"90817263"] {
            for (at, other) in (0..=8).flat_map(|at| others.map(|other| (at, other))) {
                for behind in [b'5', b'z', 0xff, 0] {
                    let mut bytes = text;
                    bytes[at.min(8)..].fill(behind);
                    bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = other);
                    let count = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
                    let number = bytes[..count].iter().fold(0, |n, b| n * 10 + u64::from(b - b'0'));
                    assert_eq!(leading(bytes), (number, count), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn numbers_of_a_known_length_are_those_of_the_standard_library() {
        let others = [0, b' ', b'-', b'.', b'/', b':', b'A', 0x7f, 0x80, 0xaf, 0xb5, 0xff];
        for text in [*b"00000000", *b"12345678", *b"99999999", *b"90817263"] {
            for (at, other, len) in (0..8)
                .flat_map(|at| others.map(|other| (at, other)))
                .flat_map(|(at, other)| (1..=8).map(move |len| (at, other, len)))
            {
                let mut bytes = text;
                bytes[at] = other;
                let here = str::from_utf8(&bytes[..len]).unwrap_or("x");
                assert_eq!(number(bytes, len), here.parse().ok().filter(|_| !here.contains('-')), "{bytes:?}");
                let places = here.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                let digits = here.replacen('.', "", 1).parse().ok().filter(|_| !here.contains('-'));
                assert_eq!(decimal(bytes, len), digits.map(|digits| (digits, places)), "{bytes:?}");
            }
        }
        assert_eq!(decimal(*b"1.2.3456", 8), None);
    }

    #[test]
    fn every_second_of_a_day_is_read_and_nothing_else() {
        for second in 0..86_400_u32 {
            let text = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
            assert_eq!(second_of_day(text.as_bytes().try_into().unwrap()), Some(second), "{text}");
        }
        for (at, byte) in (0..8).flat_map(|at| (0..=255_u8).map(move |byte| (at, byte))) {
            let mut text = *b"12:34:56";
            text[at] = byte;
            let [a, b, c, d, e, f, g, h] = text;
            let is_digit = [a, b, d, e, g, h].iter().all(u8::is_ascii_digit) && [c, f] == *b"::";
            let is_time = is_digit && (a, b) < (b'2', b'4') && d < b'6' && g < b'6';
            assert_eq!(second_of_day(text).is_some(), is_time, "{text:?}");
        }
    }
}
