//! The page in a real browser: `make test-probe-page`, which needs Chromium.

use crate::known_servers::Probe;
use crate::servers::{self, Identity};
use serde_json::Value;
use std::process::Command;

/// Shows a page in frames of several widths and says what came of it.
const FRAMES: &str = "
const out = [];
let left = WIDTHS.length;
for (const width of WIDTHS) {
    const frame = document.createElement('iframe');
    frame.style = `width: ${width}px; height: 800px; border: 0`;
    frame.srcdoc = PAGE;
    frame.onload = () => {
        const page = frame.contentDocument, root = page.documentElement;
        const style = frame.contentWindow.getComputedStyle(page.body);
        // What sticks out may be scrolled within its own box, but not with the page.
        const texts = [...page.querySelectorAll('h1, h2, p, li, th, td')];
        out.push({
            width,
            overflows: root.scrollWidth - root.clientWidth,
            headings: [...page.querySelectorAll('h2')].map(h => h.textContent),
            verdict: page.querySelector('.verdict').textContent,
            dots: page.querySelectorAll('circle').length,
            bars: page.querySelectorAll('rect').length,
            hidden: texts.filter(e => e.getBoundingClientRect().height === 0).length,
            background: style.backgroundColor,
            color: style.color,
        });
        if (--left === 0) document.body.textContent = 'BEGIN' + JSON.stringify(out) + 'END';
    };
    document.body.append(frame);
}";

fn luminance(color: &Value) -> f64 {
    let text = color.as_str().unwrap();
    let numbers = text.trim_start_matches("rgb(").trim_end_matches(')');
    let parts: Vec<f64> = numbers.split(", ").map(|n| n.parse().unwrap()).collect();
    0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
}

#[test]
#[ignore = "needs Chromium: make test-probe-page"]
fn the_page_is_whole_in_light_and_dark_narrow_and_wide() {
    let folder = std::env::temp_dir().join(format!("tsc-probe-page-{}", fastrand::u64(..)));
    std::fs::create_dir(&folder).unwrap();
    let page = folder.join("page.html");
    let identity = Identity::new(-1, 1);
    let two = [
        servers::tickets(&identity, 2),
        servers::tickets(&identity, 1),
    ];
    let probe = Probe::trusting(&identity).with(&["--html", page.to_str().unwrap()]);
    assert!(probe.run(&two).status.success());
    let page = serde_json::to_string(&std::fs::read_to_string(page).unwrap()).unwrap();
    let frames = FRAMES.replace("WIDTHS", "[320, 700, 1400]");
    let frames = frames.replace("PAGE", &page.replace("</", "<\\/"));
    let harness = folder.join("frames.html");
    let html = format!("<!doctype html><meta charset=utf-8><body><script>{frames}</script>");
    std::fs::write(&harness, html).unwrap();
    for (scheme, dark) in [(0, true), (1, false)] {
        let output = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!(
                "--user-data-dir={}",
                folder.join("profile").display()
            ))
            .arg(format!("file://{}", harness.display()))
            .output()
            .expect("Chromium is installed");
        let dom = String::from_utf8_lossy(&output.stdout);
        let found = dom
            .split("BEGIN")
            .nth(1)
            .and_then(|rest| rest.split("END").next());
        let found = found.unwrap_or_else(|| panic!("{dom}"));
        let found: Vec<Value> = serde_json::from_str(&found.replace("&amp;", "&")).unwrap();
        assert_eq!(found.len(), 3);
        for frame in &found {
            assert_eq!(frame["overflows"], 0, "{frame}");
            assert_eq!(frame["hidden"], 0, "{frame}");
            let headings: Vec<&str> = frame["headings"]
                .as_array()
                .unwrap()
                .iter()
                .map(|heading| heading.as_str().unwrap())
                .collect();
            for section in [
                "On the server",
                "TLS 1.3",
                "TLS 1.2",
                "TLS 1.3: more",
                "Handshakes, in milliseconds",
                "A pool of 4 at once",
                "Who takes whose sessions",
                "Settings of libtsc, to copy",
            ] {
                assert!(headings.contains(&section), "{section}: {headings:?}");
            }
            assert!(
                frame["verdict"]
                    .as_str()
                    .unwrap()
                    .starts_with("resumes: yes")
            );
            // Five pairs of handshakes, and two pools of four.
            assert_eq!((&frame["dots"], &frame["bars"]), (&10.into(), &8.into()));
            let (back, text) = (luminance(&frame["background"]), luminance(&frame["color"]));
            assert_eq!(back < text, dark, "{frame}");
            assert!((back - text).abs() > 150.0, "{frame}");
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
}
