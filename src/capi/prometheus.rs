use super::guard::{StatusResult, borrow, check_output, guard};
use super::slice::{bytes, check_buffer, write_bytes};
use super::tsc_status::{TSC_INVALID_ARGUMENT, TSC_NO_MEMORY};
use super::{tsc_cache, tsc_status};
use crate::engine::{Stats, each_stat, help};
use std::ffi::c_char;
use std::fmt::{self, Write};

/// Writes the statistics of a cache as text for Prometheus (text format 0.0.4, UTF-8).
///
/// A field of tsc_stats that counts becomes the counter tsc_<field>_total; a field that says what is there now
/// (endpoints, sessions, bytes, bytes_staged) becomes the gauge tsc_<field>. Each line ends with a line feed;
/// there is no NUL at the end.
///
/// labels, labels_len: what goes between the braces of each metric, for example cluster="a",zone="b", to tell
/// several caches apart; (NULL, 0) for no labels. In a value, \\, \" and \n stand for a backslash, a quotation
/// mark and a line feed.
/// buf, cap: where the text goes; (NULL, 0) asks for the length alone.
/// len: receives the length, also with TSC_TOO_SMALL. It grows with the numbers, so leave some room.
/// Returns TSC_OK, also for a closed cache; TSC_INVALID_ARGUMENT if the labels are not in that form, are not
/// UTF-8, or contain a name twice; TSC_TOO_SMALL if cap is below the length; TSC_NO_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_stats_prometheus(
    cache: *const tsc_cache,
    labels: *const c_char,
    labels_len: usize,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> tsc_status {
    guard(|| {
        let cache = borrow(cache)?;
        let labels = std::str::from_utf8(bytes(labels.cast(), labels_len)?);
        let labels = labels.map_err(|_| TSC_INVALID_ARGUMENT)?;
        check_labels(labels)?;
        check_output(len)?;
        check_buffer(buf.cast(), cap)?;
        let stats = cache.engine().stats();
        // Neither writing fails, and the second one needs the room that the first one has found out.
        let mut needed = Length(0);
        let _ = expose(&stats, labels, &mut needed);
        let mut text = String::new();
        let reserved = text.try_reserve_exact(needed.0);
        reserved.map_err(|_| TSC_NO_MEMORY)?;
        let _ = expose(&stats, labels, &mut text);
        write_bytes(text.as_bytes(), buf.cast(), cap, len)
    })
}

/// Counts the bytes that are written to it.
struct Length(usize);

impl Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

fn expose(stats: &Stats, labels: &str, text: &mut impl Write) -> fmt::Result {
    let (open, close) = if labels.is_empty() {
        ("", "")
    } else {
        ("{", "}")
    };
    let mut metric = |kind: &str, name: &str, suffix: &str, help: &str, value: u64| {
        writeln!(text, "# HELP tsc_{name}{suffix} {help}")?;
        writeln!(text, "# TYPE tsc_{name}{suffix} {kind}")?;
        writeln!(text, "tsc_{name}{suffix}{open}{labels}{close} {value}")
    };
    macro_rules! metrics {
        (counters { $($counter:ident),* $(,)? } gauges { $($gauge:ident),* $(,)? }) => {
            $(metric("counter", stringify!($counter), "_total", help!($counter), stats.$counter)?;)*
            $(metric("gauge", stringify!($gauge), "", help!($gauge), stats.$gauge)?;)*
        };
    }
    each_stat!(metrics);
    Ok(())
}

/// Whether this is `name="value"` any number of times with commas between, and no name twice.
fn check_labels(text: &str) -> StatusResult {
    let mut names = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = label(rest).ok_or(TSC_INVALID_ARGUMENT)?;
        if names.contains(&name) {
            return Err(TSC_INVALID_ARGUMENT);
        }
        names.try_reserve(1).map_err(|_| TSC_NO_MEMORY)?;
        names.push(name);
        rest = match after.strip_prefix(',') {
            Some("") => return Err(TSC_INVALID_ARGUMENT),
            Some(next) => next,
            None if after.is_empty() => after,
            None => return Err(TSC_INVALID_ARGUMENT),
        };
    }
    Ok(())
}

/// Splits off one label: its name, and what comes after its value.
fn label(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once("=\"")?;
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    // Names that begin with two underscores are Prometheus's own.
    let named = name.starts_with(begins)
        && !name.starts_with("__")
        && name.chars().all(|c| begins(c) || c.is_ascii_digit());
    let mut value = rest.char_indices();
    while let Some((at, c)) = value.next() {
        match c {
            '"' => return named.then_some((name, &rest[at + 1..])),
            '\n' => return None,
            '\\' if !matches!(value.next()?.1, '\\' | '"' | 'n') => return None,
            _ => {}
        }
    }
    None
}
