//! Base64 as Jackson reads and writes it: the standard alphabet, padding required, blanks skipped.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the bytes that `text` stands for; `None` if it is not base64 (what was appended is then of no use).
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut quad = [0_u8; 4];
    let mut count = 0;
    let mut padding = 0;
    for &byte in text.iter().filter(|b| **b > b' ') {
        let bits = match byte {
            b'=' if count >= 2 => {
                padding += 1;
                0
            }
            _ if padding > 0 => return None,
            _ => value(byte)?,
        };
        quad[count] = bits;
        count += 1;
        if count == 4 {
            let word = quad.iter().fold(0_u32, |word, bits| word << 6 | u32::from(*bits));
            out.extend_from_slice(&word.to_be_bytes()[1..4 - padding]);
            count = 0;
        }
    }
    (count == 0 && padding <= 2).then_some(())
}

/// Appends the text of `bytes`.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0_u32, |word, i| word << 8 | u32::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let letter = ALPHABET[(word >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { letter } else { b'=' });
        }
    }
}

fn value(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_takes_back_encoding() {
        for len in 0..50 {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 37) as u8).collect();
            let (mut text, mut back) = (Vec::new(), Vec::new());
            encode(&bytes, &mut text);
            assert_eq!(decode(&text, &mut back), Some(()));
            assert_eq!(back, bytes);
        }
    }

    #[test]
    fn known_texts() {
        let decoded = |text: &str| {
            let mut out = Vec::new();
            decode(text.as_bytes(), &mut out).map(|()| out)
        };
        assert_eq!(decoded("aGk="), Some(b"hi".to_vec()));
        assert_eq!(decoded(" aG k=\n"), Some(b"hi".to_vec()));
        for wrong in ["aGk", "aGk==", "a===", "=", "aG=k", "aG*=", "aGk=aGk="] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }
}
