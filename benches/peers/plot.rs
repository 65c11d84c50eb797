//! Pictures of figures, as SVG in `docs/plots/`. Nothing is painted behind them, and every colour is in
//! the middle between black and white, so that they can be read on a light page and on a dark one.

#![allow(dead_code, reason = "the bench and the soak of the tests draw each their part")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

const SIZE: (u32, u32) = (760, 420);
const INK: RGBColor = RGBColor(122, 122, 122);
const COLOURS: [RGBColor; 4] =
    [RGBColor(47, 129, 247), RGBColor(217, 115, 13), RGBColor(45, 155, 78), RGBColor(190, 95, 200)];
const FONT: &str = "sans-serif";

pub(crate) struct Picture<'p> {
    pub(crate) title: &'p str,
    pub(crate) x: &'p str,
    pub(crate) y: &'p str,
    pub(crate) shape: Shape<'p>,
}

pub(crate) enum Shape<'p> {
    /// Along axes by powers of ten.
    Lines(Vec<(&'p str, &'p [(f64, f64)])>),
    /// Along even axes, from nothing upwards.
    Course(Vec<(&'p str, &'p [(f64, f64)])>),
    /// From nothing upwards; each value as it is written above its bar.
    Bars(Vec<(String, f64, String)>),
}

type Canvas<'c> = DrawingArea<SVGBackend<'c>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// The folder of the documentation.
pub(crate) fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Writes it to `docs/plots/NAME.svg`.
pub(crate) fn write(name: &str, picture: &Picture<'_>) -> io::Result<()> {
    let folder = docs().join("plots");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name).with_extension("svg"), svg(picture)?)
}

fn svg(picture: &Picture<'_>) -> io::Result<String> {
    let mut text = String::new();
    {
        let canvas = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        let drawn = match &picture.shape {
            Shape::Lines(lines) => draw_lines(&canvas, picture, lines),
            Shape::Course(lines) => draw_course(&canvas, picture, lines),
            Shape::Bars(bars) => draw_bars(&canvas, picture, bars),
        };
        drawn
            .and_then(|()| canvas.present())
            .map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(text)
}

type Lines<'l> = [(&'l str, &'l [(f64, f64)])];

fn draw_lines(canvas: &Canvas<'_>, picture: &Picture<'_>, lines: &Lines<'_>) -> Drawn {
    let points = || lines.iter().flat_map(|(_, points)| points.iter());
    let across = decades(points().map(|point| point.0));
    let up = decades(points().map(|point| point.1));
    let mut chart = builder(canvas, picture)
        .build_cartesian_2d((across.0..across.1).log_scale(), (up.0..up.1).log_scale())?;
    mesh(&mut chart, picture, 12)?;
    for ((name, points), colour) in lines.iter().zip(COLOURS) {
        let drawn: Vec<(f64, f64)> = points.iter().copied().filter(|point| point.1 > 0.0).collect();
        chart.draw_series(drawn.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
        let line = chart.draw_series(LineSeries::new(drawn, colour.stroke_width(2)))?;
        line.label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    legend(&mut chart, lines)
}

fn draw_course(canvas: &Canvas<'_>, picture: &Picture<'_>, lines: &Lines<'_>) -> Drawn {
    let most = |of: fn(&(f64, f64)) -> f64| {
        lines.iter().flat_map(|(_, points)| points.iter()).map(of).fold(1.0, f64::max)
    };
    let mut chart = builder(canvas, picture)
        .build_cartesian_2d(0.0..most(|point| point.0), 0.0..most(|point| point.1) * 1.25)?;
    mesh(&mut chart, picture, 10)?;
    for ((name, points), colour) in lines.iter().zip(COLOURS) {
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(1));
        chart
            .draw_series(line)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    legend(&mut chart, lines)
}

/// Where there is more than one line.
fn legend<'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    lines: &Lines<'_>,
) -> Drawn
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    if lines.len() > 1 {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font((FONT, 14).into_font().color(&INK))
            .draw()?;
    }
    Ok(())
}

fn draw_bars(canvas: &Canvas<'_>, picture: &Picture<'_>, bars: &[(String, f64, String)]) -> Drawn {
    let most = bars.iter().map(|bar| bar.1).fold(0.0, f64::max);
    let mut chart =
        builder(canvas, picture).build_cartesian_2d(0.0..bars.len() as f64, 0.0..most * 1.15)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .y_desc(picture.y)
        .axis_style(INK)
        .bold_line_style(INK.mix(0.4))
        .light_line_style(TRANSPARENT)
        .label_style((FONT, 14).into_font().color(&INK))
        .axis_desc_style((FONT, 15).into_font().color(&INK))
        .draw()?;
    let middle = |size| {
        let anchor = plotters::style::text_anchor::Pos::new(
            plotters::style::text_anchor::HPos::Center,
            plotters::style::text_anchor::VPos::Bottom,
        );
        (FONT, size).into_font().color(&INK).pos(anchor)
    };
    for (number, (name, value, written)) in bars.iter().enumerate() {
        let (left, colour) = (number as f64, COLOURS[usize::from(number > 0)]);
        let corners = [(left + 0.2, 0.0), (left + 0.8, *value)];
        chart.draw_series([Rectangle::new(corners, colour.filled())])?;
        let above = Text::new(written.clone(), (left + 0.5, *value + most * 0.01), middle(14));
        chart.draw_series([above])?;
        let foot = chart.backend_coord(&(left + 0.5, 0.0));
        canvas.draw(&Text::new(name.clone(), (foot.0, foot.1 + 22), middle(14)))?;
    }
    Ok(())
}

fn builder<'a, 'b, 'c>(
    canvas: &'a Canvas<'b>,
    picture: &Picture<'_>,
) -> ChartBuilder<'a, 'c, SVGBackend<'b>>
where
    'a: 'c,
{
    let mut builder = ChartBuilder::on(canvas);
    builder
        .caption(picture.title, (FONT, 19).into_font().color(&INK))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(72);
    builder
}

fn mesh<'a, X, Y>(
    chart: &mut ChartContext<'_, SVGBackend<'a>, Cartesian2d<X, Y>>,
    picture: &Picture<'_>,
    labels: usize,
) -> Drawn
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(picture.x)
        .y_desc(picture.y)
        .x_labels(labels)
        .y_labels(labels)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .axis_style(INK)
        .bold_line_style(INK.mix(0.35))
        .light_line_style(INK.mix(0.12))
        .label_style((FONT, 14).into_font().color(&INK))
        .axis_desc_style((FONT, 15).into_font().color(&INK))
        .draw()
}

/// The powers of ten around the values.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|value| *value > 0.0) {
        (least, most) = (least.min(value), most.max(value));
    }
    if !least.is_finite() {
        return (1.0, 10.0);
    }
    let (least, most) = (least.log10().floor(), most.log10().ceil());
    (10_f64.powf(least), 10_f64.powf(most.max(least + 1.0)))
}

/// 1000 as 1k, a million as 1M.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        large if large >= 0.999e6 => (value / 1e6, "M"),
        large if large >= 0.999e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    format!("{}{unit}", (value * 1000.0).round() / 1000.0)
}
