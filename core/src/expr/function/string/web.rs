//! URLs: url_encode, url_decode, parse_url.

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use super::super::{
    Call, Function,
    define::{each_row, fill},
};
use crate::{
    error::{Error, Result},
    expr::BoundExpr,
    schema::DataType,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    Function { names: &["url_encode"], bind: url_encode },
    Function { names: &["url_decode"], bind: |call| url_decode(call, false) },
    Function { names: &["try_url_decode"], bind: |call| url_decode(call, true) },
    Function { names: &["parse_url"], bind: |call| parse_url(call, false) },
    Function { names: &["try_parse_url"], bind: |call| parse_url(call, true) },
];

/// As HTML forms encode.
fn url_encode(mut call: Call<'_>) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run(DataType::String, |_, args, rows, out| {
        fill(args, rows, out, |(s,): (&str,), text: &mut String| {
            for b in s.bytes() {
                match b {
                    b' ' => text.push('+'),
                    b'.' | b'-' | b'*' | b'_' => text.push(b.into()),
                    b if b.is_ascii_alphanumeric() => text.push(b.into()),
                    // Writing to a String cannot fail.
                    b => _ = write!(text, "%{b:02X}"),
                }
            }
            Ok(())
        })
    })
}

fn url_decode(mut call: Call<'_>, is_try: bool) -> Result<BoundExpr> {
    call.typed(&[DataType::String])?;
    call.run_nullable(DataType::String, move |_, args, rows, out| {
        let mut bytes = Vec::new();
        fill(args, rows, out, |(s,): (&str,), text: &mut String| {
            bytes.clear();
            match decode(s, &mut bytes) {
                None if !is_try => Err(Error::data("CANNOT_DECODE_URL", format!("the URL '{s}' cannot be decoded"))
                    .hint("try_url_decode() gives NULL instead")),
                None => Ok(None),
                Some(()) => {
                    text.push_str(&String::from_utf8_lossy(&bytes));
                    Ok(Some(()))
                }
            }
        })
    })
}

fn decode(s: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let mut rest = s.bytes();
    while let Some(b) = rest.next() {
        bytes.push(match b {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|d| char::from(d).to_digit(16));
                (digit()? << 4 | digit()?) as u8
            }
            b => b,
        });
    }
    Some(())
}

/// `parse_url(url, part [, key])`. What is no URL is an error under ANSI rules, else NULL.
fn parse_url(mut call: Call<'_>, is_try: bool) -> Result<BoundExpr> {
    call.typed_from(2, &[DataType::String, DataType::String, DataType::String])?;
    let strict = call.settings.ansi && !is_try;
    call.run_nullable(DataType::String, move |_, args, rows, out| {
        let mut file = String::new();
        each_row(args, rows, out, |row, out| {
            let text = args[0].str_at(row);
            let part = match (Url::parse(text), args.get(2)) {
                (None, _) if strict => return Err(invalid(text)),
                (Some(url), None) => url.part(args[1].str_at(row), &mut file),
                (Some(url), Some(key)) if args[1].str_at(row) == "QUERY" => url.parameter(key.str_at(row)),
                _ => None,
            };
            match part {
                Some(part) => out.push_str(part),
                None => out.push_null(),
            }
            Ok(())
        })
    })
}

fn invalid(url: &str) -> Error {
    Error::data("INVALID_URL", format!("'{url}' is no URL")).hint("try_parse_url() gives NULL instead")
}

/// A URL taken apart as Java's `URI` does; nothing is decoded.
#[derive(Debug, Default)]
struct Url<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    user_info: Option<&'a str>,
    host: Option<&'a str>,
    /// There is none if what follows the scheme is no path (`mailto:a@b`).
    path: Option<&'a str>,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if !is_legal(text) {
            return None;
        }
        let mut url = Self::default();
        let (rest, fragment) = cut(text, '#');
        url.fragment = fragment;
        let rest = url.take_scheme(rest)?;
        if url.scheme.is_some() && !rest.starts_with('/') {
            return (!rest.is_empty()).then_some(url);
        }
        let (rest, query) = cut(rest, '?');
        url.query = query;
        match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                url.path = Some(path);
                url.set_authority(authority);
            }
            None => url.path = Some(rest),
        }
        Some(url)
    }

    fn take_scheme(&mut self, text: &'a str) -> Option<&'a str> {
        let end = text.find([':', '/', '?']).filter(|at| text[*at..].starts_with(':'));
        let Some(end) = end else { return Some(text) };
        let scheme = &text[..end];
        let legal = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        self.scheme = Some(scheme);
        legal.then_some(&text[end + 1..])
    }

    /// `user@host:port`; if it does not look so, there is an authority but no host.
    fn set_authority(&mut self, authority: &'a str) {
        if authority.is_empty() {
            return;
        }
        self.authority = Some(authority);
        let (user_info, server) = match authority.rsplit_once('@') {
            Some((user_info, server)) => (Some(user_info), server),
            None => (None, authority),
        };
        let host_end = match server.starts_with('[') {
            true => server.find(']').map_or(server.len(), |at| at + 1),
            false => server.find(':').unwrap_or(server.len()),
        };
        let (host, port) = server.split_at(host_end);
        let port_is_number = port.is_empty() || port[1..].bytes().all(|b| b.is_ascii_digit());
        if port_is_number && is_host(host) {
            (self.user_info, self.host) = (user_info, Some(host));
        }
    }

    fn part(&self, name: &str, file: &'a mut String) -> Option<&'a str> {
        match name {
            "HOST" => self.host,
            "PATH" => self.path,
            "QUERY" => self.query,
            "REF" => self.fragment,
            "PROTOCOL" => self.scheme,
            "AUTHORITY" => self.authority,
            "USERINFO" => self.user_info,
            "FILE" => match (self.path, self.query) {
                (Some(path), Some(query)) => {
                    file.clear();
                    file.push_str(path);
                    file.push('?');
                    file.push_str(query);
                    Some(file)
                }
                (path, _) => path,
            },
            _ => None,
        }
    }

    fn parameter(&self, key: &str) -> Option<&'a str> {
        let named = |pair: &'a str| pair.strip_prefix(key)?.strip_prefix('=');
        self.query?.split('&').find_map(named)
    }
}

/// What stands before and after the first `c`.
fn cut(text: &str, c: char) -> (&str, Option<&str>) {
    text.split_once(c).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// No blanks, no quotes and brackets that Java rejects, and a percent sign only before two digits.
fn is_legal(text: &str) -> bool {
    let legal = |c: char| !c.is_whitespace() && !c.is_control() && !"\"<>\\^`{|}".contains(c);
    let escapes = text.match_indices('%').all(|(at, _)| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    text.chars().all(legal) && escapes
}

/// Labels of letters, digits and inner hyphens; the last begins with a letter unless all are numbers.
fn is_host(host: &str) -> bool {
    if host.starts_with('[') {
        return host.ends_with(']');
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let label = |l: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        edge(l.chars().next())
            && edge(l.chars().next_back())
            && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_address = host.split('.').count() == 4 && host.split('.').all(|part| part.parse::<u8>().is_ok());
    host.split('.').all(label) && (is_address || last.starts_with(|c: char| c.is_ascii_alphabetic()))
}
