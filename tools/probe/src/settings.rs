//! Which settings of libtsc to use with a server, ready to copy.

use crate::facts::pool::MAX_WAIT;
use crate::report::{Report, Snippet, Verdict};

/// What to write in each language.
pub fn settings(report: &Report) -> Vec<Snippet> {
    if !matches!(report.resumes, Verdict::Yes | Verdict::Sometimes) {
        return Vec::new();
    }
    let lifetime = report
        .judged()
        .and_then(|version| version.lifetime.as_ref())
        .map_or(0, |lifetime| lifetime.longest);
    // The default TTL, unless the server's own is shorter; longer ones gain little.
    let ttl = match lifetime {
        0 => 3600,
        seconds => seconds.min(3600),
    };
    let waits = report
        .pool
        .as_ref()
        .is_some_and(|pool| pool.waiting.resumed > pool.without_waiting.resumed);
    in_each_language(ttl, waits)
}

/// `ttl` in seconds.
fn in_each_language(ttl: u32, waits: bool) -> Vec<Snippet> {
    let milliseconds = MAX_WAIT.as_millis();
    let seconds = MAX_WAIT.as_secs();
    // With the line that waits last.
    let snippet = |language: &str, lines: [String; 2]| Snippet {
        language: language.to_owned(),
        text: if waits {
            lines.join("\n")
        } else {
            lines[0].clone()
        },
    };
    vec![
        snippet(
            "C",
            [
                format!(
                    "tsc_options options = {{.ttl_seconds = {ttl}}};\ntsc_cache_new(&options, sizeof options, &cache);"
                ),
                format!(
                    "tsc_ssl_prepare(ssl, host, port);\ntsc_attempt_wait(tsc_ssl_attempt(ssl), {milliseconds});\n\
                     tsc_ssl_offer(ssl);"
                ),
            ],
        ),
        snippet(
            "C++",
            [
                format!(
                    "tsc::options options{{}};\noptions.ttl_seconds = {ttl};\nauto cache = *tsc::cache::make(options);"
                ),
                format!(
                    "tsc::ssl::begin_wait(ssl, {{host, port}}, std::chrono::milliseconds({milliseconds}));"
                ),
            ],
        ),
        snippet(
            "Go",
            [
                format!("cache, err := tsc.NewCache(tsc.Options{{TTL: {ttl} * time.Second}})"),
                format!("dialer.MaxWait = {milliseconds} * time.Millisecond"),
            ],
        ),
        snippet(
            "Python",
            [
                format!("cache = tsc.TLSSessionCache(ttl={ttl})"),
                format!("context = tsc.create_default_context(cache=cache, max_wait={seconds})"),
            ],
        ),
        snippet(
            "Rust",
            [
                format!(
                    "let mut options = Options::default();\noptions.ttl_seconds = {ttl};\n\
                     let cache = Cache::new(options);"
                ),
                format!(
                    "let max_wait = Duration::from_millis({milliseconds});\n\
                     let _ = timeout(max_wait, attempt.ready(max_wait)).await;"
                ),
            ],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use libtsc::{Cache, Config, Endpoint, Error, Options, Ready};
    use std::time::Duration;

    /// For each language, what has these settings in it and is built or run by that language's tests.
    const PROGRAMS: [(&str, &str); 5] = [
        ("C", include_str!("../../../tests/c/openssl_supply.c")),
        ("C++", include_str!("../../../tests/cpp/openssl.cpp")),
        ("Go", include_str!("../../../bindings/go/example_test.go")),
        (
            "Python",
            include_str!("../../../bindings/python/tests/test_context.py"),
        ),
        ("Rust", include_str!("settings.rs")),
    ];

    /// In place of tokio's.
    async fn timeout(_: Duration, ready: Ready) -> Result<(), Error> {
        ready.await
    }

    #[test]
    fn they_work_in_rust() {
        let mut options = Options::default();
        options.ttl_seconds = 3600;
        let cache = Cache::new(options);
        let config = Config::new(&cache);
        let attempt = config.begin(&Endpoint::new("localhost", 443)).unwrap();
        let waits = async {
            let max_wait = Duration::from_millis(2000);
            let _ = timeout(max_wait, attempt.ready(max_wait)).await;
        };
        // The first attempt of all has nobody to wait for.
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(std::pin::pin!(waits).poll(&mut context).is_ready());
    }

    #[test]
    fn what_is_to_be_copied_is_in_a_program_that_is_tested() {
        let snippets = in_each_language(3600, true);
        assert_eq!(snippets.len(), PROGRAMS.len());
        for (snippet, (language, program)) in snippets.iter().zip(PROGRAMS) {
            assert_eq!(snippet.language, language);
            for line in snippet.text.lines() {
                assert!(
                    program.lines().any(|other| other.trim() == line.trim()),
                    "{language} has nowhere: {line}"
                );
            }
        }
    }
}
