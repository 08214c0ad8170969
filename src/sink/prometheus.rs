//! Numbers for Prometheus' node exporter, in its text format. Knows nothing of what they mean.

use std::fmt::Write;

/// A number at this moment, or one for each set of labels.
#[derive(Debug, Clone)]
pub struct Gauge {
    /// Its name: letters, digits and underscores.
    pub name: &'static str,
    /// What it means, in one line.
    pub help: &'static str,
    /// Names and values of labels, and the number.
    pub samples: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// The file's text. There are no timestamps in it, which the exporter would refuse.
pub fn text(gauges: &[Gauge]) -> String {
    let mut text = String::new();
    for Gauge { name, help, samples } in gauges.iter().filter(|gauge| !gauge.samples.is_empty()) {
        text += &format!("# HELP {name} {}\n# TYPE {name} gauge\n", escaped(help, false));
        for (labels, number) in samples {
            text += name;
            if !labels.is_empty() {
                let pairs = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value, true)));
                text += &format!("{{{}}}", pairs.collect::<Vec<_>>().join(","));
            }
            text.push(' ');
            push_number(*number, &mut text);
            text.push('\n');
        }
    }
    text
}

fn push_number(number: f64, text: &mut String) {
    // Writing to memory cannot fail.
    let _ = match number {
        number if number.is_nan() => write!(text, "NaN"),
        number if number.is_infinite() => write!(text, "{}Inf", if number > 0.0 { '+' } else { '-' }),
        number => write!(text, "{number}"),
    };
}

fn escaped(text: &str, in_quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if in_quotes { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format() {
        let label = |value: &str| vec![("report", value.to_owned()), ("name", "가".to_owned())];
        let gauges = [
            Gauge {
                name: "a",
                help: "one \\ line\nor two",
                samples: vec![(Vec::new(), 5.0), (label("b\"\\\n"), 0.25)],
            },
            Gauge { name: "none", help: "", samples: Vec::new() },
            Gauge {
                name: "odd",
                help: "",
                samples: vec![(Vec::new(), f64::NAN), (Vec::new(), f64::NEG_INFINITY), (Vec::new(), 1.7e9)],
            },
        ];
        assert_eq!(
            text(&gauges),
            "# HELP a one \\\\ line\\nor two\n# TYPE a gauge\na 5\na{report=\"b\\\"\\\\\\n\",name=\"가\"} 0.25\n\
             # HELP odd \n# TYPE odd gauge\nodd NaN\nodd -Inf\nodd 1700000000\n"
        );
    }
}
