//! The two messages that begin a connection. Numbers are in the byte order of the machine: both sides share it.

use firesteel_core::{Error, Result};

use super::super::check_name;

const HELLO: [u8; 8] = *b"FIREHELO";
const WELCOME: [u8; 8] = *b"FIREWELC";
const VERSION: u32 = 1;
/// Longest message.
pub const BYTES_MAX: usize = 1024;
const TEXT_AT: usize = 16;

/// The engine's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// The memory comes with it.
    Come,
    /// Why not.
    Refused(String),
}

/// What a producer says first: magic, version, length of the lane's name, name.
pub fn hello(lane: &str) -> Vec<u8> {
    let mut bytes = HELLO.to_vec();
    bytes.extend(VERSION.to_ne_bytes());
    bytes.extend((lane.len() as u32).to_ne_bytes());
    bytes.extend(lane.as_bytes());
    bytes
}

/// The lane's name in a stranger's first message.
pub fn read_hello(bytes: &[u8]) -> Result<&str> {
    let what = |what: &str| Error::invalid(format!("not a producer of this version: {what}"));
    let (version, len) = head(bytes, HELLO).ok_or_else(|| what("it does not begin like one"))?;
    if version != VERSION {
        return Err(what(&format!("it speaks version {version}, this build {VERSION}")));
    }
    let name = bytes[TEXT_AT..].get(..len as usize).filter(|name| name.len() == bytes.len() - TEXT_AT);
    let name = name.and_then(|name| str::from_utf8(name).ok()).ok_or_else(|| what("the lane's name is none"))?;
    check_name("lane", name)?;
    Ok(name)
}

/// The engine's answer: magic, version, 0 or 1, the reason.
pub fn welcome(welcome: &Welcome) -> Vec<u8> {
    let (status, text) = match welcome {
        Welcome::Come => (0_u32, ""),
        Welcome::Refused(text) => (1, text.as_str()),
    };
    let mut bytes = WELCOME.to_vec();
    bytes.extend(VERSION.to_ne_bytes());
    bytes.extend(status.to_ne_bytes());
    bytes.extend(text.bytes().take(BYTES_MAX - TEXT_AT));
    bytes
}

/// Reads the engine's answer.
pub fn read_welcome(bytes: &[u8]) -> Result<Welcome> {
    match head(bytes, WELCOME) {
        Some((VERSION, 0)) => Ok(Welcome::Come),
        Some((VERSION, _)) => Ok(Welcome::Refused(String::from_utf8_lossy(&bytes[TEXT_AT..]).into_owned())),
        Some((version, _)) => Err(Error::invalid(format!("the engine speaks version {version}, this build {VERSION}"))),
        None => Err(Error::invalid("whoever listens there is no engine")),
    }
}

/// Version and the word behind it.
fn head(bytes: &[u8], magic: [u8; 8]) -> Option<(u32, u32)> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    bytes.starts_with(&magic).then_some((word(8)?, word(12)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written_and_nothing_else_is() {
        assert_eq!(read_hello(&hello("a-1")).unwrap(), "a-1");
        assert_eq!(read_welcome(&welcome(&Welcome::Come)).unwrap(), Welcome::Come);
        let refused = Welcome::Refused("no".into());
        assert_eq!(read_welcome(&welcome(&refused)).unwrap(), refused);
        let whole = hello("lane");
        for bad in [&whole[..0], &whole[..12], &whole[..17], &[whole.as_slice(), b"x"].concat(), b"GET / HTTP/1.1\r\n"]
        {
            assert!(read_hello(bad).is_err(), "{bad:?}");
            assert!(read_welcome(bad).is_err(), "{bad:?}");
        }
        let huge = [&whole[..12], &u32::MAX.to_ne_bytes(), &whole[16..]].concat();
        assert!(read_hello(&huge).is_err());
        assert!(read_hello(&hello("../etc")).is_err());
        assert!(welcome(&Welcome::Refused("x".repeat(5_000))).len() <= BYTES_MAX);
    }
}
