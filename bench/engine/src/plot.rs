//! Plots as SVG, in the colours that the reader's browser prefers.

use crate::report::count;
use std::fmt::Write;

pub struct Bar<'a> {
    pub name: &'a str,
    /// Lower quartile, median, upper quartile.
    pub values: [f64; 3],
}

fn start(width: u32, height: u32, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<title>{title}</title>\n\
         <style>\n\
         :root {{ --paper: #fff; --ink: #1f2328; --rule: #d1d9e0; --peer: #8c959f; --own: #0969da; --other: #bc4c00 }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         :root {{ --paper: #0d1117; --ink: #f0f6fc; --rule: #3d444d; --peer: #6e7681; --own: #4493f8; --other: #f0883e }}\n\
         }}\n\
         text {{ fill: var(--ink) }} .title {{ font-size: 15px; font-weight: 600 }} .end {{ text-anchor: end }}\n\
         .middle {{ text-anchor: middle }} .own {{ fill: var(--own) }} .peer {{ fill: var(--peer) }}\n\
         .spread {{ stroke: var(--ink) }} .rule {{ stroke: var(--rule) }} path {{ fill: none; stroke-width: 2 }}\n\
         .a {{ stroke: var(--own) }} .b {{ stroke: var(--other) }} .c {{ stroke: var(--peer) }}\n\
         </style>\n\
         <rect width=\"100%\" height=\"100%\" style=\"fill: var(--paper)\"/>\n\
         <text class=\"title\" x=\"16\" y=\"26\">{title}</text>\n"
    )
}

/// Panels of bars, two in a row. The first bar of each is libtsc.
pub fn bars(title: &str, panels: &[(&str, Vec<Bar<'_>>)]) -> String {
    let (panel_width, bar_height) = (400.0, 20.0);
    let panel_height = panels[0].1.len() as f64 * bar_height + 48.0;
    let rows = panels.len().div_ceil(2) as f64;
    let mut svg = start(
        2 * panel_width as u32,
        (44.0 + rows * panel_height) as u32,
        title,
    );
    for (at, (name, bars)) in panels.iter().enumerate() {
        let (left, top) = (
            (at % 2) as f64 * panel_width,
            40.0 + (at / 2) as f64 * panel_height,
        );
        let most = bars.iter().map(|bar| bar.values[2]).fold(0.0, f64::max);
        let x = |value: f64| left + 96.0 + value / most * (panel_width - 160.0);
        writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" font-weight=\"600\">{name}</text>",
            left + 96.0,
            top + 16.0
        )
        .unwrap();
        for (line, bar) in bars.iter().enumerate() {
            let top = top + 24.0 + line as f64 * bar_height;
            let [low, median, high] = bar.values;
            let (middle, text) = (top + 8.0, top + 12.0);
            let class = if line == 0 { "own" } else { "peer" };
            writeln!(
                svg,
                "<text class=\"end\" x=\"{:.0}\" y=\"{text:.0}\">{}</text>\
                 <rect class=\"{class}\" x=\"{:.0}\" y=\"{top:.0}\" width=\"{:.1}\" height=\"16\"/>\
                 <line class=\"spread\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.0}\" y2=\"{middle:.0}\"/>\
                 <text x=\"{:.0}\" y=\"{text:.0}\">{median:.2}</text>",
                left + 90.0,
                bar.name,
                x(0.0),
                x(median) - x(0.0),
                x(low),
                x(high),
                x(high.max(median)) + 6.0,
            )
            .unwrap();
        }
    }
    svg + "</svg>\n"
}

/// Two lines over a logarithmic axis.
pub fn lines(title: &str, lines: &[(&str, Vec<(f64, f64)>); 3]) -> String {
    let mut svg = start(640, 340, title);
    let points = || lines.iter().flat_map(|(_, points)| points);
    let most = points().map(|point| point.1).fold(0.0, f64::max) * 1.1;
    let first = points()
        .map(|point| point.0)
        .fold(f64::MAX, f64::min)
        .log10();
    let last = points().map(|point| point.0).fold(0.0, f64::max).log10();
    let x = |size: f64| 60.0 + (size.log10() - first) / (last - first) * 510.0;
    let y = |value: f64| 300.0 - value / most * 250.0;
    let step = 10_f64.powf((most / 3.0).log10().floor());
    let step = step * ((most / step / 5.0).ceil());
    for mark in 0..=(most / step) as usize {
        let value = mark as f64 * step;
        let y = y(value);
        writeln!(svg, "<line class=\"rule\" x1=\"60\" x2=\"570\" y1=\"{y:.0}\" y2=\"{y:.0}\"/><text class=\"end\" x=\"52\" y=\"{:.0}\">{}</text>", y + 4.0, count(value)).unwrap();
    }
    for (size, _) in &lines[0].1 {
        writeln!(
            svg,
            "<text class=\"middle\" x=\"{:.0}\" y=\"320\">{}</text>",
            x(*size),
            count(size)
        )
        .unwrap();
    }
    for ((name, points), class) in lines.iter().zip(["a", "b", "c"]) {
        let path: Vec<_> = points
            .iter()
            .map(|&(size, value)| format!("{:.1} {:.1}", x(size), y(value)))
            .collect();
        let end = points.last().map_or(0.0, |point| y(point.1)) + 4.0;
        writeln!(
            svg,
            "<path class=\"{class}\" d=\"M {}\"/><text x=\"578\" y=\"{end:.0}\">{name}</text>",
            path.join(" L ")
        )
        .unwrap();
    }
    svg + "</svg>\n"
}
